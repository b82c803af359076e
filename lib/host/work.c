/* The worker pool, queues on it, and helper programs. */
#include "lib/host/work.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"

#define OUT_MAX (1u << 20)
#define STDERR_TAIL 400 /* fits into an error message beside its context */

extern char **environ;

/* ---- the pool ---- */

struct job {
    uv_work_t req;
    struct vic_list link;     /* in queue->waiting */
    struct host_queue *queue; /* NULL for a job on its own */
    host_work_fn work;
    host_done_fn done;
    void *arg;
    int result;
    struct vic_err err;
};

struct host_queue {
    uv_loop_t *loop;
    struct vic_list waiting;
    bool is_running;
    bool is_freed;
};

static void start_next(struct host_queue *q);

static void on_work(uv_work_t *req)
{
    struct job *j = req->data;
    j->result = j->work(j->arg, &j->err);
}

static void on_done(uv_work_t *req, int status)
{
    struct job *j = req->data;
    struct host_queue *q = j->queue;
    (void)status;                        /* jobs are never cancelled */
    j->done(j->arg, j->result, &j->err); /* may free q: it stays while it is running */
    free(j);
    if (q) {
        q->is_running = false;
        start_next(q);
    }
}

static struct job *job_new(host_work_fn work, host_done_fn done, void *arg)
{
    struct job *j = vic_new(struct job);
    j->req.data = j;
    j->work = work;
    j->done = done;
    j->arg = arg;
    return j;
}

void host_work(uv_loop_t *loop, host_work_fn work, host_done_fn done, void *arg)
{
    struct job *j = job_new(work, done, arg);
    (void)uv_queue_work(loop, &j->req, on_work, on_done); /* fails only without a work function */
}

static void start_next(struct host_queue *q)
{
    if (q->is_running)
        return;
    if (vic_list_is_empty(&q->waiting)) {
        if (q->is_freed)
            free(q);
        return;
    }
    struct job *j = container_of(q->waiting.next, struct job, link);
    vic_list_remove(&j->link);
    q->is_running = true;
    (void)uv_queue_work(q->loop, &j->req, on_work, on_done);
}

struct host_queue *host_queue_new(uv_loop_t *loop)
{
    struct host_queue *q = vic_new(struct host_queue);
    q->loop = loop;
    vic_list_init(&q->waiting);
    return q;
}

void host_queue_free(struct host_queue *q)
{
    if (!q)
        return;
    q->is_freed = true;
    start_next(q);
}

void host_queue_add(struct host_queue *q, host_work_fn work, host_done_fn done, void *arg)
{
    struct job *j = job_new(work, done, arg);
    j->queue = q;
    vic_list_append(&q->waiting, &j->link);
    start_next(q);
}

/* ---- helper programs ---- */

struct child {
    pid_t pid;
    int pidfd;
    int out;
    int err;
};

static int spawn(const char *const *argv, int stdin_fd, int out_w, int err_w, pid_t *ret_pid)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    sigset_t none;
    sigset_t pipe_set;
    (void)sigemptyset(&none);
    (void)sigemptyset(&pipe_set);
    (void)sigaddset(&pipe_set, SIGPIPE);
    if (posix_spawn_file_actions_init(&fa) != 0 || posix_spawnattr_init(&attr) != 0)
        abort();
    if (stdin_fd >= 0)
        (void)posix_spawn_file_actions_adddup2(&fa, stdin_fd, 0);
    else
        (void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&fa, out_w, 1);
    (void)posix_spawn_file_actions_adddup2(&fa, err_w, 2);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &pipe_set);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int r = posix_spawnp(ret_pid, argv[0], &fa, &attr, (char *const *)argv, environ);
    (void)posix_spawn_file_actions_destroy(&fa);
    (void)posix_spawnattr_destroy(&attr);
    return -r;
}

/* Reads what is there; keeps at most max bytes: the first of them, or the last. */
static bool drain(int *fd, struct vic_buf *b, size_t max, bool keep_last)
{
    char chunk[4096];
    ssize_t n = read(*fd, chunk, sizeof(chunk));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0) {
        (void)close(*fd);
        *fd = -1;
        return false;
    }
    if (!keep_last && b->len + (size_t)n > max)
        n = (ssize_t)(max - b->len);
    vic_buf_add(b, chunk, (size_t)n);
    if (b->len > max)
        vic_buf_consume(b, b->len - max);
    return true;
}

/* Until the program has ended and its output is read, or time is up.  A grandchild that keeps the pipes
 * open is not waited for. */
static int follow(struct child *c, unsigned timeout_ms, struct vic_buf *out, struct vic_buf *tail)
{
    uint64_t deadline = vic_clock_monotonic_ms() + timeout_ms;
    bool has_ended = false;
    for (;;) {
        uint64_t now = vic_clock_monotonic_ms();
        struct pollfd p[] = {
            {.fd = c->out, .events = POLLIN},
            {.fd = c->err, .events = POLLIN},
            {.fd = has_ended ? -1 : c->pidfd, .events = POLLIN},
        };
        if (now >= deadline)
            return has_ended ? 0 : -ETIMEDOUT;
        int n = poll(p, ARRAY_SIZE(p), has_ended ? 0 : (int)(deadline - now));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0 && has_ended)
            return 0;
        if (n <= 0)
            continue;
        if (p[0].revents)
            (void)drain(&c->out, out, OUT_MAX, false);
        if (p[1].revents)
            (void)drain(&c->err, tail, STDERR_TAIL, true);
        has_ended = has_ended || p[2].revents;
        if (has_ended && c->out < 0 && c->err < 0)
            return 0;
    }
}

static int judge(const char *name, int status, struct vic_buf *tail, struct vic_err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    while (tail->len > 0 && tail->data[tail->len - 1] == '\n')
        tail->data[--tail->len] = '\0';
    if (WIFEXITED(status))
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "%s failed (%d): %s", name, WEXITSTATUS(status),
                        vic_buf_str(tail));
    return vic_fail(err, VIC_ERR_INTERNAL, 0, "%s was killed by signal %d: %s", name,
                    WTERMSIG(status), vic_buf_str(tail));
}

int host_run(const char *const *argv, int stdin_fd, unsigned timeout_ms, char **ret_out,
             struct vic_err *err)
{
    int out_pipe[2];
    int err_pipe[2];
    if (pipe2(out_pipe, O_CLOEXEC) < 0)
        return vic_fail_errno(err, errno, "run %s", argv[0]);
    auto_close int out_w = out_pipe[1];
    struct child c = {.pidfd = -1, .out = out_pipe[0], .err = -1};
    if (pipe2(err_pipe, O_CLOEXEC) < 0) {
        (void)close(c.out);
        return vic_fail_errno(err, errno, "run %s", argv[0]);
    }
    auto_close int err_w = err_pipe[1];
    c.err = err_pipe[0];
    int r = spawn(argv, stdin_fd, out_w, err_w, &c.pid);
    (void)close(TAKE_FD(out_w));
    (void)close(TAKE_FD(err_w));
    auto_buf struct vic_buf out = {0};
    auto_buf struct vic_buf tail = {0};
    int status = 0;
    if (r == 0) {
        c.pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
        r = c.pidfd < 0 ? -errno : follow(&c, timeout_ms, &out, &tail);
        if (r < 0)
            (void)kill(-c.pid, SIGKILL); /* its own children too */
        while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    vic_close_p(&c.out);
    vic_close_p(&c.err);
    vic_close_p(&c.pidfd);
    if (r == -ETIMEDOUT)
        return vic_fail(err, VIC_ERR_INTERNAL, ETIMEDOUT, "%s did not end within %u ms", argv[0],
                        timeout_ms);
    if (r < 0)
        return vic_fail_errno(err, -r, "run %s", argv[0]);
    r = judge(argv[0], status, &tail, err);
    if (r == 0 && ret_out)
        *ret_out = vic_buf_take(&out);
    return r;
}
