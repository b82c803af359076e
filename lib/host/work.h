/*
 * Blocking calls off the loop: libvirt, forks of helper programs, file trees, name resolution.
 *
 * The work function runs on a pool thread with an argument that is its own; the done function runs
 * on the loop afterwards.  A queue runs its items one after the other (one per container), while
 * several queues run side by side.
 */
#pragma once

#include <uv.h>

#include "lib/base/err.h"

/* Runs on a pool thread.  0 or -errno with err filled. */
typedef int (*host_work_fn)(void *arg, struct vic_err *err);
/* Runs on the loop, exactly once.  result is what work returned. */
typedef void (*host_done_fn)(void *arg, int result, const struct vic_err *err);

/* Memory: arg is the caller's, kept alive until done has run. */
void host_work(uv_loop_t *loop, host_work_fn work, host_done_fn done, void *arg);

struct host_queue;
struct host_queue *host_queue_new(uv_loop_t *loop);
/* Items not yet started still run; the memory goes when the last is done. */
void host_queue_free(struct host_queue *q);
void host_queue_add(struct host_queue *q, host_work_fn work, host_done_fn done, void *arg);

/* Runs a helper program to its end: call from a work function only.  argv[0] is looked up on PATH.
 * stdin_fd may be -1 (/dev/null).  A non-zero exit is INTERNAL and carries the tail of its stderr.
 * ret_out (may be NULL) receives up to 1 MiB of its stdout, the caller's to free.  Killed after
 * timeout_ms. */
int host_run(const char *const *argv, int stdin_fd, unsigned timeout_ms, char **ret_out,
             struct vic_err *err);
