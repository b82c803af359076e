/* The bounds of a container as a whole. */
#pragma once

#include "lib/confine/confine.h"

/* Sets them on its cgroup, which has no process yet. */
int tether_bounds_set(int cgroup_fd, const struct confine *c, struct vic_err *err);
/* While it runs: memory, processors and number of processes; 0 lifts a bound. */
int tether_bounds_change(int cgroup_fd, const struct confine *c, struct vic_err *err);
