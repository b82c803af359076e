/* A small init as the container's PID 1, for images whose program does not reap. */
#pragma once

#include "lib/base/err.h"

/* What ps shows of it: "/sbin/docker-init -- args", as Docker's.  While still root. */
void tether_init_name(char *const *args);

/* Returns in the program that is to be executed.  The caller stays behind as PID 1: passes on every signal, reaps
 * what is orphaned, and exits as the program does. */
int tether_init_divide(struct vic_err *err);
