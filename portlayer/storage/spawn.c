/* fork and exec for the layer code; between the two only what a threaded process may do. */
#include "portlayer/storage/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

/* Room above every descriptor we place. */
#define FD_ASIDE 32

struct child_env {
    char listen_pid[32];
    const char *vars[6];
};

/* Decimal digits of our pid behind "LISTEN_PID=": snprintf() may not be called here. */
static void put_pid(char *text)
{
    char digits[16];
    size_t n = 0;
    for (unsigned pid = (unsigned)getpid(); pid > 0; pid /= 10)
        digits[n++] = (char)('0' + pid % 10);
    while (n > 0)
        *text++ = digits[--n];
    *text = '\0';
}

static int place_fds(const struct pl_spawn *s, int status_fd)
{
    int aside[PL_SPAWN_FDS_MAX];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < s->n_fds; i++) {
        aside[i] = fcntl(s->fds[i] >= 0 ? s->fds[i] : null, F_DUPFD_CLOEXEC, FD_ASIDE);
        if (aside[i] < 0)
            return -1;
    }
    int status = fcntl(status_fd, F_DUPFD_CLOEXEC, FD_ASIDE);
    if (status < 0)
        return -1;
    for (size_t i = 0; i < s->n_fds; i++)
        if (dup2(aside[i], (int)i) < 0)
            return -1;
    /* Everything else goes at exec, whoever opened it without O_CLOEXEC. */
    (void)syscall(SYS_close_range, (unsigned)s->n_fds, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    return status;
}

static void child(const struct pl_spawn *s, struct child_env *env, int status_fd, pid_t parent)
{
    int status = place_fds(s, status_fd);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)umask(077);
    const struct rlimit no_core = {0};
    bool ok = status >= 0 && setrlimit(RLIMIT_CORE, &no_core) == 0;
    if (ok && s->uid != (uid_t)-1)
        ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && setgroups(0, NULL) == 0 &&
             setresgid(s->gid, s->gid, s->gid) == 0 && setresuid(s->uid, s->uid, s->uid) == 0;
    /* After the change of user, which clears it. */
    ok = ok && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
    if (ok) {
        put_pid(env->listen_pid + strlen(env->listen_pid));
        (void)execvpe(s->argv[0], (char *const *)s->argv, (char *const *)env->vars);
    }
    int code = errno ? errno : ECHILD;
    (void)!write(status >= 0 ? status : status_fd, &code, sizeof(code));
    _exit(127);
}

pid_t pl_spawn(const struct pl_spawn *s, struct vic_err *err)
{
    struct child_env env = {
        .listen_pid = "LISTEN_PID=",
        .vars = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                 /* mke2fs: the same base has the same bytes */
                 "E2FSPROGS_FAKE_TIME=1577836800", NULL},
    };
    if (s->is_activated) {
        env.vars[3] = "LISTEN_FDS=1";
        env.vars[4] = env.listen_pid;
    }
    int status[2];
    if (pipe2(status, O_CLOEXEC) < 0)
        return vic_fail_errno(err, errno, "pipe");
    auto_close int status_read = status[0];
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child(s, &env, status[1], parent);
    int fork_errno = errno;
    (void)close(status[1]);
    if (pid < 0)
        return vic_fail_errno(err, fork_errno, "fork");
    int code;
    ssize_t n;
    do {
        n = read(status_read, &code, sizeof(code));
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof(code)) {
        (void)waitpid(pid, NULL, 0);
        return vic_fail_errno(err, code, "start '%s'", s->argv[0]);
    }
    return pid;
}

void pl_spawn_kill(pid_t pid)
{
    if (pid <= 0)
        return;
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* The last line or so of what a program had to say, in one line. */
static void read_tail(int fd, char *text, size_t size)
{
    text[0] = '\0';
    if (fd < 0)
        return;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    char chunk[4096];
    size_t have = 0;
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        size_t take = (size_t)n < size - 1 ? (size_t)n : size - 1;
        have = take;
        memcpy(text, chunk + (size_t)n - take, take);
    }
    while (have > 0 && text[have - 1] == '\n')
        have--;
    text[have] = '\0';
    for (size_t i = 0; i < have; i++)
        if ((unsigned char)text[i] < ' ')
            text[i] = ' ';
}

int pl_spawn_wait(pid_t pid, const char *what, int stderr_fd, unsigned timeout_ms,
                  struct vic_err *err)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    auto_close int owned = pidfd;
    uint64_t deadline = vic_clock_monotonic_ms() + timeout_ms;
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    uint64_t now;
    while ((now = vic_clock_monotonic_ms()) < deadline) {
        int r = poll(&p, 1, (int)(deadline - now));
        if (r > 0 || (r < 0 && errno != EINTR))
            break;
    }
    int status = 0;
    pid_t done = waitpid(pid, &status, WNOHANG);
    if (done == 0) {
        pl_spawn_kill(pid);
        return vic_fail(err, VIC_ERR_INTERNAL, ETIMEDOUT, "%s did not end in time", what);
    }
    if (done > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    char tail[300];
    read_tail(stderr_fd, tail, sizeof(tail));
    if (WIFSIGNALED(status))
        return vic_fail(err, VIC_ERR_INTERNAL, EIO, "%s was killed by signal %d %s", what,
                        WTERMSIG(status), tail);
    return vic_fail(err, VIC_ERR_INTERNAL, EIO, "%s failed (%d): %s", what, WEXITSTATUS(status),
                    tail);
}

int pl_spawn_run(const char *const *argv, const char *what, unsigned timeout_ms,
                 struct vic_err *err)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return vic_fail_errno(err, errno, "pipe");
    auto_close int stderr_read = pipe_fds[0];
    const struct pl_spawn s = {
        .argv = argv, .fds = {-1, -1, pipe_fds[1]}, .n_fds = 3, .uid = (uid_t)-1};
    pid_t pid = pl_spawn(&s, err);
    (void)close(pipe_fds[1]);
    return pid < 0 ? pid : pl_spawn_wait(pid, what, stderr_read, timeout_ms, err);
}
