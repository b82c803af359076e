/*
 * A container's health: what its probe shall be, and what its results make of it.  Pure; the probes themselves
 * are run by interaction/probe.c.
 *
 * As Docker has it: a container is starting until a probe succeeds or enough of them have failed in a row;
 * failures within the start period do not count while it is starting.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/json/json.h"

#define PL_HEALTH_LOG_MAX 5
#define PL_HEALTH_OUTPUT_MAX 4096 /* bytes of one result */

/* HEALTH of portlayer/api.h. */
struct pl_health_spec {
    char **args; /* owned; NULL: there is no probe */
    int64_t interval_ms, timeout_ms, start_period_ms, start_interval_ms;
    unsigned retries;
};

int pl_health_spec_from_json(const cJSON *doc, const char *path, struct pl_health_spec *ret,
                             struct vic_err *err);
cJSON *pl_health_spec_to_json(const struct pl_health_spec *s);
void pl_health_spec_release(struct pl_health_spec *s);

enum pl_health_status {
    PL_HEALTH_NONE,
    PL_HEALTH_STARTING,
    PL_HEALTH_HEALTHY,
    PL_HEALTH_UNHEALTHY,
};

struct pl_health_result {
    int64_t start_ns, end_ns;
    int exit_code; /* -1: it did not run, or not in time */
    char *output;  /* owned; UTF-8 */
};

struct pl_health {
    enum pl_health_status status;
    unsigned failing_streak;
    struct pl_health_result log[PL_HEALTH_LOG_MAX]; /* oldest first */
    size_t n_log;
};

const char *pl_health_to_string(enum pl_health_status status); /* "none", "starting", ... */
enum pl_health_status pl_health_from_string(const char *name); /* NONE: unknown */

/* A run begins. */
void pl_health_begin(struct pl_health *h, const struct pl_health_spec *s);
/* It is probed no longer, or not while it is paused: what is not looked at is not healthy, as Docker has it. */
void pl_health_suspend(struct pl_health *h);
/* Takes what result owns.  started_ns: of the run.  True: the status is another now. */
bool pl_health_note(struct pl_health *h, const struct pl_health_spec *s, int64_t started_ns,
                    const struct pl_health_result *take_result);
/* From the end of a probe, or the start of the run, to the next one. */
uint64_t pl_health_wait_ms(const struct pl_health *h, const struct pl_health_spec *s,
                           int64_t started_ns, int64_t now_ns);
/* "Health check exceeded timeout (1m30s)", with what the probe has said; the caller's. */
char *pl_health_late_text(const struct pl_health_spec *s, const char *output);

cJSON *pl_health_to_json(const struct pl_health *h);
void pl_health_release(struct pl_health *h);
