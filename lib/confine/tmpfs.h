/* Options of a tmpfs as Docker takes them: "size=64m,mode=1770,exec". */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"

struct confine_tmpfs {
    char *path;    /* owned; absolute, not "/" and not in /proc */
    char *options; /* owned; valid */
};

/* What mount(2) wants of it.  INVALID in Docker's words. */
int confine_tmpfs_options(const char *options, unsigned long *ret_flags, char **ret_data,
                          bool *ret_has_mode, struct vic_err *err);
/* A place for one. */
int confine_tmpfs_path_check(const char *path, struct vic_err *err);
