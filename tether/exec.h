/*
 * Processes beside the container's first one, in its namespaces.
 *
 *   starting -> running -> dead -> (gone)
 *
 * Output goes to one reader, the stream of GET /v1/exec/{id}/output, as fast as that takes it: until it is
 * there, and while it stalls, the pipes fill and the process waits.  A reader that goes away is not
 * awaited again: the process goes on, its output is dropped.  What is dead is gone once its last record
 * was sent, or nobody is left to read it.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "lib/rpc/rpc.h"
#include "tether/input.h"

/* Each may cost 1 MiB of the VM: what a stalled reader has not taken, and a stream of stdin. */
#define TETHER_EXECS_MAX 128

struct tether;
struct tether_exec;

/* On success st is held and answered when the process runs or failed. */
int tether_exec_start(struct tether *t, struct rpc_stream *st, struct vic_err *err);
int tether_exec_find(struct tether *t, const char *id, struct tether_exec **ret,
                     struct vic_err *err);
/* On success st is held and answered with records. */
int tether_exec_read(struct tether_exec *e, struct rpc_stream *st, struct vic_err *err);
struct tether_input *tether_exec_input(struct tether_exec *e);
int tether_exec_resize(struct tether_exec *e, uint16_t width, uint16_t height, struct vic_err *err);
/* To the process alone; CONFLICT: it has ended. */
int tether_exec_signal(struct tether_exec *e, int signal, struct vic_err *err);

/* ---- for tether.c ---- */

/* A child that is not the container's first process has ended. */
void tether_execs_reap(struct tether *t, pid_t pid, int wait_status);
/* The port layer is gone: stdin ends, output is dropped, the processes go on. */
void tether_execs_abandon(struct tether *t);
void tether_execs_free(struct tether *t);
