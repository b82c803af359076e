/* The probes of a container's health, one after the other while it runs (execution/health.h has the rules). */
#pragma once

#include <stdbool.h>

struct pl_container;
struct pl_probe;

/* It runs, and its guest can be asked.  Nothing where its spec has no probe, or they are run already. */
void pl_probe_run_begins(struct pl_container *c);
/* A paused container is not probed. */
void pl_probe_told_frozen(struct pl_container *c, bool is_frozen);
void pl_probe_run_ends(struct pl_container *c);
