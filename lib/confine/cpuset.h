/* Lists of processors: "0-2,4". */
#pragma once

#include "lib/base/err.h"

#define CONFINE_CPUS_MAX 1024

/* The highest of them.  INVALID in Docker's words. */
int confine_cpuset_highest(const char *text, unsigned *ret_highest, struct vic_err *err);
