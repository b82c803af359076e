/*
 * Restart policies: whether a container runs again by itself, and when.
 *
 * Between two runs it is RESTARTING.  A delay doubles with each run that ended early; who asks for a start
 * does not wait, and who asks for a stop ends the waiting.  What was asked for last is in the record: it
 * holds over our own restarts and the host's.
 */
#pragma once

#include "portlayer/execution/internal.h"

#define PL_RESTART_FIRST_MS 100
#define PL_RESTART_LAST_MS 60000
#define PL_RESTART_RAN_LONG_NS (10ll * 1000000000) /* a run this long begins the delays anew */

/* ---- pure ---- */

/* After a run or a failed start, rec holding its exit code.  is_startup: of ours, a while later. */
bool pl_restart_is_wanted(const struct pl_record *rec, bool is_startup);
/* last_ms: 0 for the first. */
uint64_t pl_restart_delay_ms(uint64_t last_ms, int64_t ran_ns);

/* ---- flows ---- */

/* A run of ran_ns has ended and is booked, or a start has failed (0): waits for the next if there is one. */
void pl_restart_after(struct pl_container *c, int64_t ran_ns);
/* Of a record that was read: what it would have waited for, or what comes back with the host. */
void pl_restart_at_startup(struct pl_record *rec);
/* Of one that is RESTARTING: starts its delay, unless it runs. */
void pl_restart_wait(struct pl_container *c);
/* Somebody wants it to run (counts begin anew), or not to. */
void pl_restart_asked_to_run(struct pl_container *c);
void pl_restart_asked_to_stop(struct pl_container *c);
