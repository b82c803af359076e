/* Follows the output file of a running VM: tells when it grew, and finds the exit record. */
#pragma once

#include <uv.h>

#include "portlayer/interaction/output.h"

struct pl_watch;
struct pl_watch_events {
    void (*on_growth)(void *arg);                           /* there may be new records */
    void (*on_exit)(const struct pl_exit *exit, void *arg); /* once */
};

/* The first look at the file is on the next turn of the loop.  max_bytes: of what pl_watch_trim() leaves; 0: all. */
int pl_watch_new(uv_loop_t *loop, const char *path, uint64_t max_bytes,
                 const struct pl_watch_events *events, void *arg, struct pl_watch **ret_watch,
                 struct vic_err *err);
/* No callback follows. */
void pl_watch_close(struct pl_watch *w);

/* Everything up to the file's end, now: for a VM that is gone. */
void pl_watch_scan_all(struct pl_watch *w);
/* Drops what is more than the limit allows, but not what stands at held or behind it.  Returns what is left. */
uint64_t pl_watch_trim(struct pl_watch *w, uint64_t held);
/* The start of the first record not looked at yet: "from now on". */
uint64_t pl_watch_offset(const struct pl_watch *w);
