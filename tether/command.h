/* Finds a program as a shell would, with the errors Docker's users know. */
#pragma once

#include <limits.h>

#include "lib/base/err.h"

/* path is $PATH (NULL: unset); looks with the caller's own effective rights.  NOT_FOUND is exit status
 * 127, FORBIDDEN 126. */
int tether_command_find(const char *name, const char *path, char ret_file[PATH_MAX],
                        struct vic_err *err);

/* What execve() said about file. */
int tether_command_fail(const char *file, int code, struct vic_err *err);
