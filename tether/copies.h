/*
 * Copies in progress: each is a tether-copy process between a stream of the port layer and the container's
 * disk.  A peer that stalls makes its copy wait and nothing else; one that goes away ends it.
 */
#pragma once

#include <sys/types.h>

#include "lib/rpc/rpc.h"

/* Each may cost 1 MiB of the VM, and its process. */
#define TETHER_COPIES_MAX 16

struct tether;

/* GET ?path=&stat=0|1: answers st with a line of JSON and, without stat, a tar. */
void tether_copy_read(struct tether *t, struct rpc_stream *st);
/* GET: answers st with a tar of the whole disk. */
void tether_copy_export(struct tether *t, struct rpc_stream *st);
/* GET: answers st with copy_changes()'s lines. */
void tether_copy_changes(struct tether *t, struct rpc_stream *st);
/* PUT ?path=&keep_kind=0|1&owner=USER: unpacks the stream's body. */
void tether_copy_write(struct tether *t, struct rpc_stream *st);

/* ---- for tether.c ---- */

/* A child has ended; false if it is none of these. */
bool tether_copies_reap(struct tether *t, pid_t pid, int wait_status);
/* Nothing may hold the disk any more: kills what runs and answers its peers. */
void tether_copies_abort(struct tether *t);
