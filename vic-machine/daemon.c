/* Starts, finds and ends daemons. */
#include "vic-machine/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define LISTEN_FD_FIRST 3 /* SD_LISTEN_FDS_START of sd_listen_fds(3) */
#define LOG_TAIL 600
#define STAT_MAX 4096
#define DYING_MS 5000 /* a killed process whose memory is being given back */

extern char **environ;

char *mach_program_dir(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return vic_xstrdup(".");
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    return vic_xstrndup(path, slash ? (size_t)(slash - path) : 0);
}

/* When the process started, in clock ticks since boot; 0 when there is no such process.  A process whose
 * main thread has ended is dying. */
static unsigned long long start_time(pid_t pid, bool *ret_is_dying)
{
    char path[40];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    auto_free char *text = NULL;
    if (vic_file_read(path, STAT_MAX, &text, NULL, NULL) < 0)
        return 0;
    /* The second field is the command in parentheses and may hold anything, so count from its end. */
    const char *p = strrchr(text, ')');
    if (!p || p[1] != ' ')
        return 0;
    *ret_is_dying = p[2] == 'Z';
    auto_strv char **fields = vic_strv_split(p + 2, ' ');
    uint64_t ticks;
    enum {
        STARTTIME = 22 - 3
    }; /* proc(5) counts from 1; fields[0] is the third */
    if (vic_strv_len(fields) <= STARTTIME ||
        vic_str_to_u64(fields[STARTTIME], 0, UINT64_MAX, &ticks) < 0)
        return 0;
    return ticks;
}

/* Waits for the end of a process that need not be our child. */
static bool wait_gone(int pidfd, unsigned timeout_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, (int)timeout_ms) == 1;
}

pid_t mach_daemon_find(const char *pid_path)
{
    auto_free char *text = NULL;
    if (vic_file_read(pid_path, STAT_MAX, &text, NULL, NULL) < 0)
        return 0;
    int pid = 0;
    unsigned long long ticks = 0;
    bool is_dying = false;
    if (sscanf(text, "%d %llu", &pid, &ticks) != 2 || pid <= 1 || ticks == 0)
        return 0;
    if (start_time(pid, &is_dying) != ticks)
        return 0;
    if (!is_dying)
        return pid;
    /* Its other threads may still hold its sockets: it is gone when they are. */
    auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    (void)(pidfd >= 0 && wait_gone(pidfd, DYING_MS));
    return 0;
}

static int open_program(const char *program, struct vic_err *err)
{
    auto_free char *dir = mach_program_dir();
    static const char *const places[] = {"", "../libexec/vic/"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        auto_free char *path = vic_xasprintf("%s/%s%s", dir, places[i], program);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return vic_fail(err, VIC_ERR_NOT_FOUND, 0,
                    "program '%s' is neither in '%s' nor in '%s/../libexec/vic'", program, dir,
                    dir);
}

static int drop_to(const struct passwd *pw)
{
    if (!pw)
        return 0;
    return initgroups(pw->pw_name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 ||
                   setuid(pw->pw_uid) < 0
               ? -errno
               : 0;
}

/* In the child: never returns.  Only what is safe after fork in a single-threaded program. */
static void become(const struct mach_daemon *d, int program_fd, int log_fd, const struct passwd *pw)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char listen_pid[40];
    (void)snprintf(listen_pid, sizeof(listen_pid), "%d", getpid());
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    (void)umask(0022);
    bool ok = null_fd >= 0 && dup2(null_fd, 0) == 0 && dup2(log_fd, 1) == 1 && dup2(log_fd, 2) == 2;
    /* Everything else of ours is close-on-exec; the program must not sit where the socket goes. */
    int exec_fd = fcntl(program_fd, F_DUPFD_CLOEXEC, LISTEN_FD_FIRST + 1);
    if (ok && d->listen_fd >= 0) {
        ok = d->listen_fd == LISTEN_FD_FIRST ? fcntl(d->listen_fd, F_SETFD, 0) == 0
                                             : dup2(d->listen_fd, LISTEN_FD_FIRST) >= 0;
        ok = ok && setenv("LISTEN_FDS", "1", 1) == 0 && setenv("LISTEN_PID", listen_pid, 1) == 0;
    }
    ok = ok && chdir("/") == 0 && drop_to(pw) == 0;
    /* By descriptor, not by path: the daemon's user need not be able to search our folder. */
    if (ok && exec_fd >= 0)
        (void)fexecve(exec_fd, (char *const *)d->argv, environ);
    (void)dprintf(2, "cannot start %s: %s\n", d->program, strerror(errno));
    _exit(127);
}

static int write_pid(const char *pid_path, pid_t pid, struct vic_err *err)
{
    char text[64];
    bool is_dying;
    int n = snprintf(text, sizeof(text), "%d %llu\n", pid, start_time(pid, &is_dying));
    return vic_file_replace(pid_path, text, (size_t)n, 0644, err);
}

int mach_daemon_start(const struct mach_daemon *d, pid_t *ret_pid, struct vic_err *err)
{
    const struct passwd *pw = d->user ? getpwnam(d->user) : NULL;
    if (d->user && !pw)
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "no system user '%s'", d->user);
    auto_close int program_fd = open_program(d->program, err);
    if (program_fd < 0)
        return program_fd;
    auto_close int log_fd = open(d->log_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (log_fd < 0)
        return vic_fail_errno(err, errno, "open log '%s'", d->log_path);
    pid_t pid = fork();
    if (pid < 0)
        return vic_fail_errno(err, errno, "start %s", d->program);
    if (pid == 0)
        become(d, program_fd, log_fd, pw);
    int r = write_pid(d->pid_path, pid, err);
    if (r < 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return r;
    }
    *ret_pid = pid;
    return 0;
}

int mach_daemon_stop(const char *pid_path, unsigned grace_ms, struct vic_err *err)
{
    pid_t pid = mach_daemon_find(pid_path);
    if (pid > 0) {
        auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        /* Looked up again behind the descriptor: from here on it can be no other process. */
        if (pidfd >= 0 && mach_daemon_find(pid_path) == pid) {
            (void)syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
            if (!wait_gone(pidfd, grace_ms)) {
                (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
                if (!wait_gone(pidfd, grace_ms))
                    return vic_fail(err, VIC_ERR_INTERNAL, ETIMEDOUT,
                                    "process %d does not end, even killed", pid);
            }
            (void)waitpid(pid, NULL, WNOHANG);
        }
    }
    (void)unlink(pid_path);
    return 0;
}

char *mach_daemon_log_tail(const char *log_path)
{
    auto_close int fd = open(log_path, O_RDONLY | O_CLOEXEC);
    char text[LOG_TAIL + 1];
    off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    off_t from = end > LOG_TAIL ? end - LOG_TAIL : 0;
    ssize_t n = fd < 0 ? 0 : pread(fd, text, LOG_TAIL, from);
    return vic_xstrndup(text, n > 0 ? (size_t)n : 0);
}
