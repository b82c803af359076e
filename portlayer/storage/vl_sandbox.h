/* Gives up everything vic-layer does not need, before it reads one byte of what it was sent. */
#pragma once

#include <sys/types.h>

#include "lib/base/err.h"

/* uid and gid: whom to become when started as root; (uid_t)-1 stays.  After this no path can be opened,
 * no privilege regained, no file grown; any system call but those for memory, the descriptors at hand
 * and time kills the process.  Sanitizer builds keep all but the filter and the memory limit, which
 * their own run-time would break. */
int vl_sandbox_enter(uid_t uid, gid_t gid, struct vic_err *err);
