/* The first steps of PID 1. */
#include "tether/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

#define LOAD_ORDER "/lib/modules/load-order"
#define LOAD_ORDER_MAX 65536

static const struct {
    const char *type, *target, *options;
    unsigned long flags;
} mounts[] = {
    {"proc", "/proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
    {"sysfs", "/sys", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
    {"devtmpfs", "/dev", NULL, MS_NOSUID},
    {"devpts", "/dev/pts", "ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC},
    {"tmpfs", "/run", "mode=755", MS_NOSUID | MS_NODEV},
    {"cgroup2", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
};

/* pivot_root refuses the initramfs, the one mount that has no parent: cover it with itself. */
static int cover_initramfs(struct vic_err *err)
{
    if (mount("/", "/mnt", NULL, MS_BIND, NULL) < 0 || chdir("/mnt") < 0 ||
        mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return vic_fail_errno(err, errno, "cover the initramfs");
    return 0;
}

static void log_to_kernel(void)
{
    int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd >= 0) {
        (void)dup2(null_fd, STDIN_FILENO);
        (void)dup2(null_fd, STDOUT_FILENO);
    }
    if (fd >= 0)
        (void)dup2(fd, STDERR_FILENO);
    if (fd > STDERR_FILENO)
        (void)close(fd);
    if (null_fd > STDERR_FILENO)
        (void)close(null_fd);
}

int tether_boot_mounts(struct vic_err *err)
{
    (void)umask(022);
    int r = vic_file_mkdir_p("/mnt", 0755, err);
    if (r < 0 || (r = cover_initramfs(err)) < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        r = vic_file_mkdir_p(mounts[i].target, 0755, err);
        if (r < 0)
            return r;
        if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
                  mounts[i].options) < 0 &&
            errno != EBUSY) /* EBUSY: the kernel did it itself */
            return vic_fail_errno(err, errno, "mount %s", mounts[i].target);
        if (strcmp(mounts[i].target, "/dev") == 0)
            log_to_kernel();
    }
    return 0;
}

static void load_module(const char *path)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
        vic_log(VIC_WARN, "module", path, "not loaded: %s", strerror(errno));
}

void tether_boot_modules(void)
{
    auto_free char *list = NULL;
    struct vic_err err = {0};
    if (vic_file_read(LOAD_ORDER, LOAD_ORDER_MAX, &list, NULL, &err) < 0) {
        vic_log(VIC_WARN, "module", NULL, "%s", err.message);
        return;
    }
    char *save = NULL;
    for (char *line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        load_module(line);
}

/* Only calls that are safe in a signal handler. */
static void on_fault(int signal)
{
    static const char text[] = "<0>tether: fatal signal, powering off\n";
    (void)signal;
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n; /* nobody to tell */
    sync();
    (void)reboot(RB_POWER_OFF);
    _exit(1);
}

void tether_boot_protect(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {.sa_handler = on_fault};
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        (void)sigaction(faults[i], &action, NULL);
    auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || vic_file_write_all(fd, "-1000", strlen("-1000")) < 0)
        vic_log(VIC_WARN, "boot", NULL, "oom_score_adj stays: %s", strerror(errno));
}
