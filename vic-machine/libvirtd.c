/* Finds or starts libvirtd. */
#include "vic-machine/libvirtd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/host/work.h"
#include "vic-machine/vch.h"

#define LIBVIRT_SOCKET "/run/libvirt/libvirt-sock"
#define VIRTLOGD_SOCKET "/run/libvirt/virtlogd-sock"
#define START_TIMEOUT_MS 30000
#define POLL_MS 50
#define LIBVIRTD_LOG "/var/log/libvirt/libvirtd-vic.log"

static bool answers(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

/*
 * Gives /dev/kvm the group and mode that udev gives it, on a host without udev.  Otherwise libvirt, which
 * probes QEMU as root and runs it as its own user, finds KVM both usable and not, and throws away what
 * it knows of QEMU at each start of a VM (ten seconds and more).  Whether VMs use KVM is decided elsewhere.
 */
static void settle_kvm(void)
{
    struct stat st;
    const struct group *gr = getgrnam("kvm");
    if (!gr || stat("/dev/kvm", &st) < 0 || st.st_gid != 0)
        return;
    if (chown("/dev/kvm", 0, gr->gr_gid) < 0 || chmod("/dev/kvm", 0660) < 0)
        vic_log(VIC_WARN, "host", NULL, "/dev/kvm keeps its owner (%s): VMs will start slowly",
                strerror(errno));
}

/* libvirtd polls for dead QEMUs; without systemd nobody reaps them but a sub-reaper (tini) above it. */
static int start_by_hand(struct vic_err *err)
{
    int r = vic_file_mkdir_p("/var/log/libvirt", 0755, err);
    if (r < 0)
        return r;
    settle_kvm();
    static const char *const virtlogd[] = {"virtlogd", "-d", NULL};
    if (!answers(VIRTLOGD_SOCKET) && (r = host_run(virtlogd, -1, START_TIMEOUT_MS, NULL, err)) < 0)
        return vic_fail_wrap(err, r, "start virtlogd");
    static const char *const libvirtd[] = {
        "setsid",
        "--fork",
        "sh",
        "-c",
        "exec tini -s -- libvirtd </dev/null >>" LIBVIRTD_LOG " 2>&1",
        NULL};
    if (answers(LIBVIRT_SOCKET))
        return 0;
    r = host_run(libvirtd, -1, START_TIMEOUT_MS, NULL, err);
    return r < 0 ? vic_fail_wrap(err, r, "start libvirtd") : 0;
}

static int start_by_systemd(struct vic_err *err)
{
    static const char *const systemctl[] = {"systemctl", "start", "libvirtd", NULL};
    int r = host_run(systemctl, -1, START_TIMEOUT_MS, NULL, err);
    return r < 0 ? vic_fail_wrap(err, r, "start libvirtd") : 0;
}

int mach_libvirtd_ensure(struct vic_err *err)
{
    int r = vic_file_mkdir_p(MACH_RUN_ROOT, 0755, err);
    if (r < 0)
        return r;
    auto_close int lock = open(MACH_RUN_ROOT "/libvirtd.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        return vic_fail_errno(err, errno, "lock " MACH_RUN_ROOT "/libvirtd.lock");
    bool has_systemd = vic_file_exists("/run/systemd/system") == 1;
    /* libvirtd starts no VM without virtlogd, which systemd brings back by itself. */
    if (answers(LIBVIRT_SOCKET) && (has_systemd || answers(VIRTLOGD_SOCKET)))
        return 0;
    r = has_systemd ? start_by_systemd(err) : start_by_hand(err);
    if (r < 0)
        return r;
    uint64_t deadline = vic_clock_monotonic_ms() + START_TIMEOUT_MS;
    while (!answers(LIBVIRT_SOCKET)) {
        if (vic_clock_monotonic_ms() > deadline)
            return vic_fail(err, VIC_ERR_UNAVAILABLE, 0,
                            "libvirtd does not answer on " LIBVIRT_SOCKET "; see " LIBVIRTD_LOG);
        (void)poll(NULL, 0, POLL_MS);
    }
    return 0;
}
