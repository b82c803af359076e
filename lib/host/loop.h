/* A program's one event loop: its signals, and its orderly end. */
#pragma once

#include <uv.h>

typedef void (*host_stop_fn)(void *arg);

/* SIGTERM and SIGINT call stop once, on the loop; SIGPIPE is ignored from here on. */
struct host_signals;
struct host_signals *host_signals_new(uv_loop_t *loop, host_stop_fn stop, void *arg);
void host_signals_free(struct host_signals *s);

/* Runs what is being closed to its end, then closes the loop.  A handle that is still open is a bug of
 * ours and asserts. */
void host_loop_finish(uv_loop_t *loop);
