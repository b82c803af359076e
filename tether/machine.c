/* Disk, cgroup and power of the VM. */
#include "tether/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "tether/bounds.h"
#include "tether/device.h"
#include "tether/net.h"

#define STATE_DIR "/run/tether"
#define ROOT_DIR STATE_DIR "/root"
#define CGROUP_DIR "/sys/fs/cgroup/container"
#define EVENTS_MAX 4096
#define PIDS_RESERVE                                                                               \
    256 /* tether, the kernel's own threads, and what is started to look after it all */
#define NOFILE_LIMIT 1048576 /* Docker's */

static int write_file(const char *path, const char *text)
{
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : vic_file_write_all(fd, text, strlen(text));
}

/* Lazy initialisation of inode tables would write hundreds of megabytes into every disk. */
static int mount_disk(const char *serial, struct vic_err *err)
{
    char device[TETHER_DEVICE_PATH_MAX];
    int r = tether_device_find_disk(serial, device, err);
    if (r < 0 || (r = vic_file_mkdir_p(ROOT_DIR, 0755, err)) < 0)
        return r;
    if (mount(device, ROOT_DIR, "ext4", MS_RELATIME, "noinit_itable") < 0)
        return vic_fail_errno(err, errno, "mount %s", device);
    return 0;
}

/* Docker's defaults for a container's network: anyone may ping and listen on low ports. */
static void set_sysctls(void)
{
    static const struct {
        const char *path, *value;
    } sysctls[] = {
        {"/proc/sys/net/ipv4/ping_group_range", "0 2147483647"},
        {"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
        int r = write_file(sysctls[i].path, sysctls[i].value);
        if (r < 0)
            vic_log(VIC_WARN, "sysctl", sysctls[i].path, "not set: %s", strerror(-r));
    }
}

static int prepare(const struct tether_config *c, struct vic_err *err)
{
    int r = mount_disk(c->disk, err);
    if (r < 0)
        return r;
    set_sysctls();
    r = tether_net_configure(c->interfaces, c->n_interfaces, err);
    if (r < 0)
        (void)umount2(ROOT_DIR, MNT_DETACH); /* configure may be tried again */
    return r;
}

static bool was_oom_killed(void)
{
    char text[EVENTS_MAX];
    auto_close int fd = open(CGROUP_DIR "/memory.events", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *at = strstr(text, "oom_kill ");
    return at && at[strlen("oom_kill ")] != '0';
}

/* The kernel stops each process before it returns to user mode the next time. */
static int freeze(bool is_frozen)
{
    return write_file(CGROUP_DIR "/cgroup.freeze", is_frozen ? "1" : "0");
}

/* Every process of the container is gone when this returns, but for one stuck in the kernel. */
static void kill_container(void)
{
    static const struct timespec patience = {.tv_sec = 5};
    if (write_file(CGROUP_DIR "/cgroup.kill", "1") < 0)
        return; /* no cgroup: nothing was started */
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 || (pid == 0 && sigtimedwait(&child, NULL, &patience) < 0))
            return;
    }
}

/* May be called again: what is not mounted any more is clean. */
static void settle(void)
{
    kill_container();
    sync();
    if (umount2(ROOT_DIR, 0) == 0 || errno == EINVAL || errno == ENOENT)
        return;
    vic_log(VIC_WARN, "power", NULL, "%s stays mounted: %s", ROOT_DIR, strerror(errno));
    if (mount(NULL, ROOT_DIR, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
        vic_log(VIC_WARN, "power", NULL, "and writable: %s", strerror(errno));
}

static uint64_t read_number(const char *path)
{
    auto_free char *text = NULL;
    uint64_t n = 0;
    if (vic_file_read(path, 64, &text, NULL, NULL) < 0)
        return 0;
    text[strcspn(text, "\n")] = '\0';
    return vic_str_to_u64(text, 1, INT32_MAX, &n) < 0 ? 0 : n;
}

/* The container may have as many processes as the kernel has room for, less the reserve: a fork bomb takes
 * what is the container's, and nothing from who must end it. */
static int limit_pids(struct vic_err *err)
{
    static const char *const limits[] = {"/proc/sys/kernel/threads-max",
                                         "/proc/sys/kernel/pid_max"};
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        uint64_t n = read_number(limits[i]);
        if (n <= 2 * PIDS_RESERVE)
            return vic_fail(err, VIC_ERR_INTERNAL, 0, "%s leaves no room for a container",
                            limits[i]);
        least = n < least ? n : least;
    }
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu64, least - PIDS_RESERVE);
    int r = write_file(CGROUP_DIR "/pids.max", text);
    return r < 0 ? vic_fail_errno(err, -r, "limit the container's processes") : 0;
}

static struct tether_machine machine = {
    .root = ROOT_DIR,
    .state_dir = STATE_DIR,
    .nofile = NOFILE_LIMIT,
    .copier = "/bin/tether-copy",
    .cgroup_fd = -1,
    .exec_grace_ms = 2000, /* as Docker */
    .prepare = prepare,
    .confine = tether_bounds_set,
    .reconfine = tether_bounds_change,
    .was_oom_killed = was_oom_killed,
    .freeze = freeze,
    .settle = settle,
};

int tether_machine_open(const struct tether_machine **ret, struct vic_err *err)
{
    static const char *const controllers[] = {"+memory", "+pids", "+cpu", "+io", "+cpuset"};
    int r = vic_file_mkdir_p(STATE_DIR, 0700, err);
    if (r < 0)
        return r;
    /* One by one: a kernel without one of them still has the rest. */
    for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
        (void)write_file("/sys/fs/cgroup/cgroup.subtree_control", controllers[i]);
    r = vic_file_mkdir_p(CGROUP_DIR, 0755, err);
    if (r < 0)
        return r;
    machine.cgroup_fd = open(CGROUP_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (machine.cgroup_fd < 0)
        return vic_fail_errno(err, errno, "open %s", CGROUP_DIR);
    if ((r = limit_pids(err)) < 0)
        return r;
    *ret = &machine;
    return 0;
}

void tether_machine_power_off(void)
{
    settle();
    (void)reboot(RB_POWER_OFF);
    vic_log(VIC_ERROR, "power", NULL, "power-off failed: %s", strerror(errno));
    for (;;)
        (void)poll(NULL, 0, -1); /* PID 1 must not return */
}
