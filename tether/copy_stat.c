/* What a path of the container is. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "tether/copy.h"

/* The caller's; as far as it can be told: what a dangling link leads to is told as it is written. */
static char *link_target(const char *path)
{
    char target[PATH_MAX];
    if (realpath(path, target))
        return vic_xstrdup(target);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return NULL;
    target[n] = '\0';
    if (target[0] == '/')
        return vic_xstrdup(target);
    return vic_xasprintf("%.*s%s", (int)(strrchr(path, '/') + 1 - path), path, target);
}

static char *last_component(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    return begin == end ? vic_xstrdup("/") : vic_xstrndup(path + begin, end - begin);
}

int copy_stat(const char *path, cJSON **ret_doc, struct vic_err *err)
{
    struct stat st;
    if (lstat(path, &st) < 0) {
        bool is_absent = errno == ENOENT || errno == ENOTDIR;
        return is_absent ? vic_fail(err, VIC_ERR_NOT_FOUND, errno, "no such file: %.300s", path)
                         : vic_fail_errno(err, errno, "stat %.300s", path);
    }
    /* ext4 has years that 64 bits of nanoseconds have not. */
    const int64_t last_s = INT64_MAX / VIC_NS_PER_S - 1;
    int64_t s = st.st_mtim.tv_sec;
    s = s > last_s ? last_s : s < -last_s ? -last_s : s;
    char mtime[VIC_CLOCK_TEXT_MAX];
    vic_clock_format_rfc3339(s * VIC_NS_PER_S + st.st_mtim.tv_nsec, mtime);
    auto_free char *name = last_component(path);
    auto_free char *target = S_ISLNK(st.st_mode) ? link_target(path) : NULL;
    cJSON *doc = json_new_obj();
    json_add_str(doc, "name", name);
    json_add_i64(doc, "size", st.st_size);
    json_add_i64(doc, "mode", st.st_mode);
    json_add_str(doc, "mtime", mtime);
    if (target)
        json_add_str(doc, "link_target", target);
    *ret_doc = doc;
    return 0;
}
