/* Points in time as Docker's filters name them. */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"

/* text: a Unix timestamp, RFC 3339, a date ("2026-01-02", with or without a time, in this host's zone), or a
 * Go duration ("10m", "1h30m"), which is that long before now_ns.  INVALID names what is wrong. */
int docker_moment_parse(const char *text, int64_t now_ns, int64_t *ret_ns, struct vic_err *err);
