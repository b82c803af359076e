/* Turns a clone of tether into the container's first process. */
#include "tether/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/confine/capability.h"
#include "tether/caps.h"
#include "tether/command.h"
#include "tether/env.h"
#include "tether/init.h"
#include "tether/user.h"

#define CHANNEL_FD 3
#define JOIN_FD 4
#define JOINED (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP)

static void send_message(const struct tether_child_message *m, int fd)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = sizeof(*m)};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    (void)sendmsg(CHANNEL_FD, &msg, MSG_NOSIGNAL); /* a parent that is gone hears nothing */
}

/* Stdio to 0-2, the channel to 3, what is joined to 4, nothing else: no descriptor of tether's survives. */
static int arrange_descriptors(const struct tether_child *c, struct vic_err *err)
{
    /* The null device keeps 0-2 taken until a terminal comes. */
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return vic_fail_errno(err, errno, "open /dev/null");
    /* Out of the way first: a source may stand where another one goes. */
    int channel = fcntl(c->channel, F_DUPFD_CLOEXEC, 10);
    int join = c->join_fd >= 0 ? fcntl(c->join_fd, F_DUPFD_CLOEXEC, 10) : -1;
    int source[3];
    for (int i = 0; i < 3; i++)
        source[i] = fcntl(c->stdio[i] >= 0 ? c->stdio[i] : null_fd, F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 3; i++)
        if (dup2(source[i], i) < 0)
            return vic_fail_errno(err, errno, "arrange descriptors");
    if (dup3(channel, CHANNEL_FD, O_CLOEXEC) < 0 ||
        (c->join_fd >= 0 && dup3(join, JOIN_FD, O_CLOEXEC) < 0) ||
        close_range(c->join_fd >= 0 ? JOIN_FD + 1 : JOIN_FD, ~0U, 0) < 0)
        return vic_fail_errno(err, errno, "arrange descriptors");
    return 0;
}

static void reset_signals(void)
{
    /* By system call: libc keeps two real-time signals to itself, which posix_spawn() leaves ignored.  All zero
     * is SIG_DFL without flags; KILL and STOP refuse, rightly. */
    static const uint64_t dfl[4];
    for (int sig = 1; sig < NSIG; sig++)
        (void)syscall(SYS_rt_sigaction, sig, dfl, NULL, sizeof(uint64_t)); /* of its set */
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static rlim_t to_rlim(int64_t n)
{
    return n == CONFINE_UNLIMITED ? RLIM_INFINITY : (rlim_t)n;
}

static int set_limits(const struct tether_child *c, struct vic_err *err)
{
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    auto_free char *text = vic_xasprintf("%" PRId64, c->confine->oom_score_adj);
    if (score < 0 || vic_file_write_all(score, text, strlen(text)) < 0)
        return vic_fail_errno(err, errno, "set oom_score_adj");
    (void)close(score);
    struct rlimit nofile = {c->nofile, c->nofile};
    if (setrlimit(RLIMIT_NOFILE, &nofile) < 0)
        return vic_fail_errno(err, errno, "set the file limit");
    for (size_t i = 0; i < c->confine->n_rlimits; i++) {
        const struct confine_rlimit *l = &c->confine->rlimits[i];
        struct rlimit limit = {to_rlim(l->soft), to_rlim(l->hard)};
        if (setrlimit((__rlimit_resource_t)l->resource, &limit) < 0)
            return vic_fail(err, VIC_ERR_INVALID, errno, "set ulimit %s: %s",
                            confine_rlimit_to_name(l->resource), strerror(errno));
    }
    (void)umask(022);
    (void)setsid(); /* a new process cannot be a group leader */
    return 0;
}

/* In the container's own namespaces, by its /proc, which is not read-only yet. */
static int set_sysctls(const struct confine *c, struct vic_err *err)
{
    for (const cJSON *e = c->sysctls ? c->sysctls->child : NULL; e; e = e->next) {
        auto_free char *path = vic_xasprintf("/proc/sys/%s", e->string);
        for (char *dot = path; (dot = strchr(dot, '.'));)
            *dot = '/';
        auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, e->valuestring, strlen(e->valuestring)) < 0)
            return vic_fail(err, VIC_ERR_INVALID, errno, "set sysctl \"%s\": %s", e->string,
                            strerror(errno));
    }
    return 0;
}

static int make_namespaces(const struct tether_child *c, struct vic_err *err)
{
    if (unshare(CLONE_NEWCGROUP) < 0)
        return vic_fail_errno(err, errno, "unshare the cgroup namespace");
    if (sethostname(c->hostname, strlen(c->hostname)) < 0 ||
        setdomainname(c->domainname, strlen(c->domainname)) < 0)
        return vic_fail_errno(err, errno, "set the host name");
    int r = tether_mounts_enter(c->root, &c->overlays, c->confine, err);
    return r < 0 ? r : set_sysctls(c->confine, err);
}

/* Processes of the container see us from here on: they may not look into what is still tether's. */
static int join_namespaces(struct vic_err *err)
{
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* until execve; cannot fail */
    if (setns(JOIN_FD, JOINED) < 0)
        return vic_fail(err, VIC_ERR_CONFLICT, errno, "the container has ended");
    (void)close(JOIN_FD);
    return 0;
}

/* The size is set before anything can look at it. */
static int use_console(const struct tether_child *c, struct vic_err *err)
{
    const struct tether_spec *s = c->spec;
    auto_close int master = -1;
    auto_close int slave = -1;
    unsigned number;
    int r = tether_mounts_terminal(&master, &slave, &number, err);
    if (r < 0 || (c->join_fd < 0 && (r = tether_mounts_console(number, err)) < 0))
        return r;
    struct winsize size = {.ws_col = s->width, .ws_row = s->height};
    if (s->width && s->height && ioctl(master, TIOCSWINSZ, &size) < 0)
        return vic_fail_errno(err, errno, "size the terminal");
    for (int i = 0; i < 3; i++)
        if (dup2(slave, i) < 0)
            return vic_fail_errno(err, errno, "arrange the terminal");
    if (ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
        return vic_fail_errno(err, errno, "take the terminal");
    struct tether_child_message m = {.word = TETHER_CHILD_CONSOLE};
    send_message(&m, master);
    return 0;
}

/* Without stdin: the container's own null device in place of the one outside. */
static int reopen_null(struct vic_err *err)
{
    auto_close int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
        return vic_fail_errno(err, errno, "open /dev/null");
    return 0;
}

/* So that the user can open /dev/stdout again; not the null device, which everyone shares. */
static int own_stdio(const struct tether_user *user, struct vic_err *err)
{
    struct stat null_st;
    struct stat st;
    if (stat("/dev/null", &null_st) < 0)
        return vic_fail_errno(err, errno, "stat /dev/null");
    for (int fd = 0; fd < 3; fd++) {
        if (fstat(fd, &st) < 0)
            return vic_fail_errno(err, errno, "stat stdio");
        if (st.st_rdev == null_st.st_rdev || st.st_uid == user->uid)
            continue;
        if (fchown(fd, user->uid, st.st_gid) < 0)
            return vic_fail_errno(err, errno, "own stdio");
    }
    return 0;
}

/* Made for the first process only, as Docker does. */
static int enter_cwd(const struct tether_child *c, struct vic_err *err)
{
    const char *cwd = c->spec->cwd;
    struct vic_err ignored = {0};
    if (c->join_fd < 0)
        (void)vic_file_mkdir_p(cwd, 0755, &ignored); /* chdir has the better words */
    if (chdir(cwd) == 0)
        return 0;
    int code = errno;
    enum vic_err_kind kind =
        code == ENOTDIR || code == EACCES ? VIC_ERR_FORBIDDEN : VIC_ERR_INVALID;
    return vic_fail(err, kind, code, "chdir to cwd (\"%s\") set in config.json failed: %s", cwd,
                    code == ENOTDIR  ? "not a directory"
                    : code == ENOENT ? "no such file or directory"
                                     : strerror(code));
}

static bool has_init(const struct tether_child *c)
{
    return c->join_fd < 0 && c->confine->has_init;
}

static int become(const struct tether_child *c, const struct tether_user *user, struct vic_err *err)
{
    if (has_init(c))
        tether_init_name(c->spec->args);
    bool is_privileged = c->is_privileged || c->confine->is_privileged;
    uint64_t caps = is_privileged ? CONFINE_CAPABILITIES_ALL : c->confine->capabilities;
    int r = tether_caps_bound(caps, err);
    if (r < 0)
        return r;
    if (setgroups(user->n_groups, user->groups) < 0 ||
        setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0)
        return vic_fail_errno(err, errno, "become user %u:%u", user->uid, user->gid);
    if (user->uid == 0 && (r = tether_caps_apply(caps, err)) < 0)
        return r;
    if (c->confine->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return vic_fail_errno(err, errno, "set no_new_privs");
    return 0;
}

/* Entered again: what was mounted over it would be out of sight. */
static int hide(const struct tether_child *c, struct vic_err *err)
{
    int r = tether_mounts_hide(c->confine, err);
    return r < 0 ? r : enter_cwd(c, err);
}

static int set_up(const struct tether_child *c, struct tether_user *user, struct vic_err *err)
{
    int r;
    if ((r = arrange_descriptors(c, err)) < 0 || (r = set_limits(c, err)) < 0 ||
        (r = c->join_fd >= 0 ? join_namespaces(err) : make_namespaces(c, err)) < 0 ||
        (r = tether_user_resolve_here(c->spec->user, c->confine->groups, user, err)) < 0 ||
        (r = c->spec->has_tty  ? use_console(c, err)
             : c->stdio[0] < 0 ? reopen_null(err)
                               : 0) < 0 ||
        (r = own_stdio(user, err)) < 0 || (r = enter_cwd(c, err)) < 0 ||
        (c->join_fd < 0 && (r = hide(c, err)) < 0))
        return r;
    return become(c, user, err);
}

static char **complete_env(const struct tether_child *c, const struct tether_user *user)
{
    char **env = tether_env_build(c->spec->env, c->hostname, c->spec->has_tty);
    if (!vic_str_is_empty(tether_env_get(env, "HOME")))
        return env;
    auto_free char *home = vic_xasprintf("HOME=%s", user->home);
    char *addition[] = {home, NULL};
    return tether_env_merge(env, addition);
}

/* Returns when it fails. */
static void run(const struct tether_child *c, const char *file, char **env,
                struct tether_child_message *m)
{
    if (has_init(c) && tether_init_divide(&m->err) < 0)
        return;
    m->word = TETHER_CHILD_READY;
    send_message(m, -1);
    (void)execve(file, c->spec->args, env);
    m->word = TETHER_CHILD_ERROR;
    (void)tether_command_fail(file, errno, &m->err);
}

void tether_child_run(const struct tether_child *c)
{
    static struct tether_user user; /* too large for a stack frame */
    struct tether_child_message m = {.word = TETHER_CHILD_ERROR};
    char file[PATH_MAX];
    reset_signals();
    if (set_up(c, &user, &m.err) >= 0) {
        char **env = complete_env(c, &user);
        if (tether_command_find(c->spec->args[0], tether_env_get(env, "PATH"), file, &m.err) >= 0) {
            run(c, file, env, &m);
        }
    }
    send_message(&m, -1);
    _exit(127);
}
