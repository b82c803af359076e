/* A number for all that a list of containers shows: another one as soon as any of it is another. */
#pragma once

#include <stdint.h>

struct pl_execution;

/* Of this process: after a restart of ours it is another one, whatever the list is.  Computed anew each time, so
 * that no change can be forgotten: a microsecond for two containers. */
uint64_t pl_list_fingerprint(const struct pl_execution *x);
