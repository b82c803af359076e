/* Clones a process of the container and reads its way to execve. */
#include "tether/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

#define NAMESPACES (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)

/* One end is ours and non-blocking, the other the child's and blocking. */
static int make_pipe(bool is_input, int *ret_ours, int *ret_theirs, struct vic_err *err)
{
    int fd[2];
    if (pipe2(fd, O_CLOEXEC) < 0)
        return vic_fail_errno(err, errno, "pipe");
    *ret_ours = is_input ? fd[1] : fd[0];
    *ret_theirs = is_input ? fd[0] : fd[1];
    return fcntl(*ret_ours, F_SETFL, O_NONBLOCK) < 0 ? vic_fail_errno(err, errno, "pipe") : 0;
}

static int make_stdio(const struct tether_spec *s, struct tether_process *p, int theirs[3],
                      struct vic_err *err)
{
    if (s->has_tty)
        return 0;
    int r = s->has_stdin ? make_pipe(true, &p->input, &theirs[0], err) : 0;
    for (int i = 0; i < 2 && r >= 0; i++)
        r = make_pipe(false, &p->output[i], &theirs[i + 1], err);
    return r;
}

static pid_t clone_into(int cgroup_fd, uint64_t flags)
{
    struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* A PID namespace can only be joined by a child; the others it joins by itself. */
static pid_t clone_beside(int join_fd, int cgroup_fd)
{
    auto_close int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(join_fd, CLONE_NEWPID) < 0)
        return -1;
    pid_t pid = clone_into(cgroup_fd, 0);
    int code = errno;
    if (pid != 0)
        (void)setns(own, CLONE_NEWPID); /* where we are already: never refused */
    errno = code;
    return pid;
}

static int clone_child(const struct tether_child *c, int cgroup_fd, pid_t *ret_pid,
                       struct vic_err *err)
{
    bool is_joining = c->join_fd >= 0;
    *ret_pid = is_joining ? clone_beside(c->join_fd, cgroup_fd) : clone_into(cgroup_fd, NAMESPACES);
    if (*ret_pid >= 0)
        return 0;
    /* What the kernel says of a namespace whose first process is dead or dying. */
    if (is_joining && (errno == ESRCH || errno == EINVAL || errno == ENOMEM))
        return vic_fail(err, VIC_ERR_CONFLICT, errno, "the container has ended");
    return vic_fail_errno(err, errno, "clone");
}

static void release_theirs(struct tether_child *c)
{
    for (int i = 0; i < 3; i++) {
        vic_close_p(&c->stdio[i]);
        c->stdio[i] = -1;
    }
    vic_close_p(&c->channel);
    c->channel = -1;
}

int tether_process_start(struct tether_child *child, int cgroup_fd, struct tether_process *ret,
                         struct vic_err *err)
{
    struct tether_process p = {
        .pid = -1, .channel = -1, .input = -1, .output = {-1, -1}, .console = -1};
    int pair[2] = {-1, -1};
    for (int i = 0; i < 3; i++)
        child->stdio[i] = -1;
    child->channel = -1;
    int r = make_stdio(child->spec, &p, child->stdio, err);
    if (r >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        r = vic_fail_errno(err, errno, "socketpair");
    p.channel = pair[0];
    child->channel = pair[1];
    if (r >= 0)
        r = clone_child(child, cgroup_fd, &p.pid, err);
    if (p.pid == 0)
        tether_child_run(child);
    release_theirs(child);
    if (r < 0) {
        tether_process_release(&p);
        return r;
    }
    *ret = p;
    return 0;
}

void tether_process_release(struct tether_process *p)
{
    int *fds[] = {&p->channel, &p->input, &p->output[0], &p->output[1], &p->console};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        vic_close_p(fds[i]);
        *fds[i] = -1;
    }
}

static void keep_console(struct tether_process *p, struct msghdr *msg)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(int)))
        return;
    memcpy(&p->console, CMSG_DATA(c), sizeof(int));
    (void)fcntl(p->console, F_SETFL, O_NONBLOCK);
}

enum tether_progress tether_process_listen(struct tether_process *p, struct tether_startup *s,
                                           struct vic_err *ret_err)
{
    for (;;) {
        struct tether_child_message m = {0};
        union {
            struct cmsghdr header;
            char bytes[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(p->channel, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return TETHER_PROGRESS_WAIT;
        if (n == sizeof(m) && m.word == TETHER_CHILD_CONSOLE) {
            keep_console(p, &msg);
        } else if (n == sizeof(m) && m.word == TETHER_CHILD_READY) {
            s->is_ready = true;
        } else if (n == sizeof(m)) {
            *ret_err = m.err;
            return TETHER_PROGRESS_FAILED;
        } else if (s->is_ready) {
            return TETHER_PROGRESS_RUNS;
        } else {
            (void)vic_fail(ret_err, VIC_ERR_INTERNAL, 0, "the process died while it was set up");
            return TETHER_PROGRESS_FAILED;
        }
    }
}

int tether_process_open_input(struct tether_process *p, const struct tether_spec *spec,
                              struct tether_input *in, struct vic_err *err)
{
    if (!spec->has_stdin)
        return 0;
    int fd = spec->has_tty ? fcntl(p->console, F_DUPFD_CLOEXEC, 0) : TAKE_FD(p->input);
    return fd < 0 ? vic_fail_errno(err, errno, "open standard input")
                  : tether_input_open(in, fd, spec->has_tty, err);
}

void tether_process_answer(const struct tether_process *p, struct rpc_stream **st,
                           const struct vic_err *err)
{
    static const struct rpc_stream_events none;
    struct rpc_stream *starter = TAKE_PTR(*st);
    if (!starter)
        return;
    rpc_stream_set_events(starter, &none, NULL);
    if (err) {
        rpc_reply_error(starter, err);
        return;
    }
    cJSON *doc = json_new_obj();
    json_add_i64(doc, "pid", p->pid);
    rpc_reply_json(starter, doc);
}
