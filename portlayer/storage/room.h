/* Room in the datastore: images may not take what running containers need. */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"

/* Of the file system's size is kept: 5 %, at least 1 GiB. */
#define PL_ROOM_KEPT_MIN (UINT64_C(1) << 30)

/* -ENOSPC (INTERNAL) unless `more` bytes can be written there and what is kept stays free.  Asked again
 * while something is written it sees what others write too.  Blocking, but quick. */
int pl_room_check(const char *dir, uint64_t more, struct vic_err *err);
