/* Carries out what concerns all of a container's processes at once. */
#include "tether/bounds.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tether/devices.h"

#define NUMBER_MAX 64

static int set(int cgroup_fd, const char *file, const char *value, struct vic_err *err)
{
    auto_close int fd = openat(cgroup_fd, file, O_WRONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : vic_file_write_all(fd, value, strlen(value));
    return r < 0 ? vic_fail(err, VIC_ERR_INVALID, -r, "set %s of the container to %s: %s", file,
                            value, strerror(-r))
                 : 0;
}

static int set_number(int cgroup_fd, const char *file, int64_t n, struct vic_err *err)
{
    auto_free char *text = vic_xasprintf("%" PRId64, n);
    return n == 0 ? 0 : set(cgroup_fd, file, text, err);
}

/* How many processes the VM has room for: the limit that was there before any of ours. */
static uint64_t pids_room;

static int read_pids_room(int cgroup_fd, struct vic_err *err)
{
    char text[NUMBER_MAX];
    uint64_t room = INT64_MAX;
    auto_close int fd = openat(cgroup_fd, "pids.max", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (len < 0)
        return vic_fail_errno(err, errno, "read pids.max");
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    (void)vic_str_to_u64(text, 0, INT64_MAX, &room); /* else "max" */
    pids_room = room;
    return 0;
}

/* What the VM has room for stays the limit where more is asked for. */
static int set_pids(int cgroup_fd, int64_t n, struct vic_err *err)
{
    bool is_bound = n > 0 && (uint64_t)n < pids_room;
    return set_number(cgroup_fd, "pids.max", is_bound ? n : (int64_t)pids_room, err);
}

static int set_cpus(int cgroup_fd, const struct confine *c, struct vic_err *err)
{
    int64_t period = c->cpu_period_us ? c->cpu_period_us : CONFINE_CPU_PERIOD_US;
    auto_free char *quota =
        c->cpu_quota_us ? vic_xasprintf("%" PRId64, c->cpu_quota_us) : vic_xstrdup("max");
    auto_free char *max = vic_xasprintf("%s %" PRId64, quota, period);
    int r = set(cgroup_fd, "cpu.max", max, err);
    return r < 0 ? r : set(cgroup_fd, "cpuset.cpus", c->cpuset ? c->cpuset : "\n", err);
}

int tether_bounds_set(int cgroup_fd, const struct confine *c, struct vic_err *err)
{
    int r = c->is_privileged ? tether_devices_allow(cgroup_fd, err)
                             : tether_devices_restrict(cgroup_fd, err);
    if (r < 0 || (r = set_number(cgroup_fd, "memory.max", c->memory_bytes, err)) < 0 ||
        (r = set_number(cgroup_fd, "memory.low", c->memory_low_bytes, err)) < 0 ||
        (r = read_pids_room(cgroup_fd, err)) < 0 ||
        (c->pids_max > 0 && (r = set_pids(cgroup_fd, c->pids_max, err)) < 0))
        return r;
    return c->cpu_quota_us || c->cpu_period_us || c->cpuset ? set_cpus(cgroup_fd, c, err) : 0;
}

/* Of a limit that is lower than what is in use the kernel first takes back what it can. */
int tether_bounds_change(int cgroup_fd, const struct confine *c, struct vic_err *err)
{
    int r = c->memory_bytes ? set_number(cgroup_fd, "memory.max", c->memory_bytes, err)
                            : set(cgroup_fd, "memory.max", "max", err);
    if (r < 0 ||
        (r = c->memory_low_bytes ? set_number(cgroup_fd, "memory.low", c->memory_low_bytes, err)
                                 : set(cgroup_fd, "memory.low", "0", err)) < 0 ||
        (r = set_pids(cgroup_fd, c->pids_max, err)) < 0)
        return r;
    return set_cpus(cgroup_fd, c, err);
}
