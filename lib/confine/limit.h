/* Names of resource limits and of kernel parameters, as Docker takes them. */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"

#define CONFINE_UNLIMITED (-1)
#define CONFINE_SYSCTL_MAX 1024 /* bytes of a name, and of a value */

struct confine_rlimit {
    int resource;       /* RLIMIT_... */
    int64_t soft, hard; /* CONFINE_UNLIMITED */
};

/* "nofile" -> RLIMIT_NOFILE.  INVALID in Docker's words. */
int confine_rlimit_from_name(const char *name, int *ret_resource, struct vic_err *err);
const char *confine_rlimit_to_name(int resource);
int confine_rlimit_check(const struct confine_rlimit *l, struct vic_err *err);

/* INVALID in Docker's words: not one of those that concern the container's own namespaces. */
int confine_sysctl_check(const char *name, const char *value, struct vic_err *err);
