/* Room in the datastore. */
#include "portlayer/storage/room.h"

#include <errno.h>
#include <sys/statvfs.h>

int pl_room_check(const char *dir, uint64_t more, struct vic_err *err)
{
    struct statvfs v;
    if (statvfs(dir, &v) < 0)
        return vic_fail_errno(err, errno, "look for room in '%s'", dir);
    uint64_t size = (uint64_t)v.f_blocks * v.f_frsize;
    uint64_t is_free = (uint64_t)v.f_bavail * v.f_frsize;
    uint64_t kept = size / 20 > PL_ROOM_KEPT_MIN ? size / 20 : PL_ROOM_KEPT_MIN;
    if (is_free >= kept && more <= is_free - kept)
        return 0;
    return vic_fail(err, VIC_ERR_INTERNAL, ENOSPC,
                    "no space left in the datastore: %ju MiB are free, and %ju MiB are kept for "
                    "running containers; remove images or containers",
                    (uintmax_t)is_free >> 20, (uintmax_t)kept >> 20);
}
