/* Runs tether-copy and moves bytes between its pipes and a stream. */
#include "tether/copies.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "tether/copy_ring.h"
#include "tether/tether.h"

/* Each hand-over between two processors costs more than the copying itself where the machine is emulated, so
 * the pipes are deep and the parts large. */
#define IN_BYTES (1 << 20) /* of the pipe */
#define BATCH_BYTES                                                                                \
    (64u << 10)             /* gathered for the process; below half a window, or it stands still */
#define COMPLAINT_MAX 4096u /* bytes kept of what the process says on stderr */

enum {
    IN,
    OUT,
    COMPLAINTS,
    PIPES
};

struct copy {
    struct vic_list link;
    struct tether *t;
    struct rpc_stream *st; /* NULL once answered or gone */
    pid_t pid;             /* -1 once reaped */
    int wait_status;
    int fd[PIPES]; /* owned; our ends, -1 once closed */
    struct tether_watch watch[PIPES];
    struct vic_buf pending; /* for the process; at most the stream's window */
    struct copy_ring_out ring;
    struct vic_buf complaints;
    bool is_write;
    bool has_begun; /* to answer with a stream */
    bool has_ended; /* the peer has sent all */
    bool is_broken; /* what the process says it wrote cannot be */
};

static_assert(COPY_RING_HEAD >= RPC_FRAME_HEAD,
              "a frame's head is written before each slot's bytes");

static const struct rpc_stream_events no_events;

static void close_pipe(struct copy *c, int which)
{
    tether_loop_remove(&c->t->loop, &c->watch[which]);
    vic_close_p(&c->fd[which]);
    c->fd[which] = -1;
}

static void copy_free(struct copy *c)
{
    for (int i = 0; i < PIPES; i++)
        close_pipe(c, i);
    if (c->ring.bytes)
        tether_port_keep(&c->t->port, c->ring.bytes, COPY_RING_BYTES);
    copy_ring_release(&c->ring);
    vic_list_remove(&c->link);
    c->t->n_copies--;
    vic_buf_release(&c->pending);
    vic_buf_release(&c->complaints);
    free(c);
}

/* ---- the answer -------------------------------------------------------------------------------- */

static void read_complaint(const struct copy *c, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    if (c->complaints.len > 0 && json_parse(c->complaints.data, c->complaints.len, &doc, NULL) == 0)
        (void)vic_fail(err, vic_err_kind_from_string(json_str(doc, "kind", "")), 0, "%s",
                       json_str(doc, "message", "failed"));
    else if (c->is_broken)
        (void)vic_fail(err, VIC_ERR_INTERNAL, 0, "the copy told of what cannot be");
    else if (WIFSIGNALED(c->wait_status))
        (void)vic_fail(err, VIC_ERR_INTERNAL, 0, "the copy was ended by signal %d",
                       WTERMSIG(c->wait_status));
    else
        (void)vic_fail(err, VIC_ERR_INTERNAL, 0, "the copy failed with status %d",
                       WEXITSTATUS(c->wait_status));
}

static void answer(struct copy *c)
{
    struct vic_err err;
    struct rpc_stream *st = TAKE_PTR(c->st);
    bool is_good = !c->is_broken && WIFEXITED(c->wait_status) && WEXITSTATUS(c->wait_status) == 0;
    rpc_stream_set_events(st, &no_events, NULL);
    if (!is_good && !c->has_begun) {
        read_complaint(c, &err);
        rpc_reply_error(st, &err);
    } else if (!is_good) {
        rpc_stream_cancel(st);
    } else if (c->has_begun) {
        rpc_stream_end(st);
    } else {
        rpc_reply_json(st, json_new_obj());
    }
}

static void finish_if_over(struct copy *c)
{
    if (c->pid > 0 || c->fd[OUT] >= 0 || c->fd[COMPLAINTS] >= 0)
        return;
    if (c->st)
        answer(c);
    copy_free(c);
}

/* ---- from the process ---------------------------------------------------------------------------- */

/* While the peer is to take what was filled nothing is watched, as a hang-up would be told all the time.
 * False: nothing was yet.  Else c may be gone. */
static bool offer(struct copy *c)
{
    uint8_t *data;
    size_t len;
    int r = copy_ring_next(&c->ring, c->fd[OUT], &data, &len);
    if (r == -EAGAIN)
        return false;
    if (r <= 0) {
        c->is_broken = r < 0;
        if (c->is_broken && c->pid > 0)
            (void)kill(c->pid, SIGKILL);
        close_pipe(c, OUT);
        finish_if_over(c);
        return true;
    }
    if (!c->has_begun)
        rpc_reply_begin(c->st);
    c->has_begun = true;
    tether_loop_remove(&c->t->loop, &c->watch[OUT]);
    rpc_stream_offer(c->st, data, len);
    return true;
}

static void on_out_ready(struct tether_watch *w, uint32_t events)
{
    (void)events;
    (void)offer(container_of(w, struct copy, watch[OUT]));
}

static void on_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct copy *c = arg;
    if (c->fd[OUT] < 0)
        return;
    copy_ring_give_back(&c->ring, c->fd[IN]);
    if (!offer(c))
        (void)tether_loop_add(&c->t->loop, &c->watch[OUT], c->fd[OUT], EPOLLIN);
}

static void on_complaints_ready(struct tether_watch *w, uint32_t events)
{
    (void)events;
    struct copy *c = container_of(w, struct copy, watch[COMPLAINTS]);
    char data[COMPLAINT_MAX];
    ssize_t n = read(c->fd[COMPLAINTS], data, sizeof(data));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && c->complaints.len + (size_t)n <= COMPLAINT_MAX)
        vic_buf_add(&c->complaints, data, (size_t)n);
    if (n > 0)
        return;
    close_pipe(c, COMPLAINTS);
    finish_if_over(c);
}

/* ---- to the process ------------------------------------------------------------------------------- */

static bool is_worth_writing(const struct copy *c)
{
    return c->pending.len >= BATCH_BYTES || (c->has_ended && c->pending.len > 0);
}

static void pump(struct copy *c)
{
    while (c->fd[IN] >= 0 && is_worth_writing(c)) {
        ssize_t n = write(c->fd[IN], c->pending.data, c->pending.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) { /* it takes no more; its end says why */
            close_pipe(c, IN);
            return;
        }
        vic_buf_consume(&c->pending, (size_t)n);
        if (c->st)
            rpc_stream_consume(c->st, (size_t)n);
    }
    if (c->fd[IN] < 0)
        return;
    if (c->pending.len == 0 && c->has_ended)
        close_pipe(c, IN);
    else
        (void)tether_loop_change(&c->t->loop, &c->watch[IN], is_worth_writing(c) ? EPOLLOUT : 0);
}

static void on_in_ready(struct tether_watch *w, uint32_t events)
{
    struct copy *c = container_of(w, struct copy, watch[IN]);
    if (events & (EPOLLERR | EPOLLHUP)) /* it takes no more; its end says why */
        close_pipe(c, IN);
    else
        pump(c);
}

static void on_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct copy *c = arg;
    (void)st;
    if (!c->is_write || c->fd[IN] < 0)
        return; /* not consumed: the peer waits for the answer that is on its way */
    vic_buf_add(&c->pending, data, len);
    pump(c);
}

static void on_end(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct copy *c = arg;
    c->has_ended = true;
    if (c->is_write)
        pump(c);
}

static void on_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct copy *c = arg;
    c->st = NULL;
    if (c->pid > 0)
        (void)kill(c->pid, SIGKILL);
    if (c->fd[OUT] >= 0)
        close_pipe(c, OUT);
    finish_if_over(c);
}

/* ---- begin ---------------------------------------------------------------------------------------- */

static int make_pipes(struct copy *c, int theirs[PIPES], struct vic_err *err)
{
    static void (*const ready[])(struct tether_watch *, uint32_t) = {
        [IN] = on_in_ready, [OUT] = on_out_ready, [COMPLAINTS] = on_complaints_ready};
    for (int i = 0; i < PIPES; i++) {
        int fd[2];
        c->watch[i] = (struct tether_watch){.fd = -1, .on_ready = ready[i]};
        if (pipe2(fd, O_CLOEXEC) < 0)
            return vic_fail_errno(err, errno, "pipe");
        c->fd[i] = i == IN ? fd[1] : fd[0];
        theirs[i] = i == IN ? fd[0] : fd[1];
        if (i == IN && c->is_write) /* as it is, it is only slower */
            (void)fcntl(c->fd[i], F_SETPIPE_SZ, IN_BYTES);
        if (fcntl(c->fd[i], F_SETFL, O_NONBLOCK) < 0 ||
            tether_loop_add(&c->t->loop, &c->watch[i], c->fd[i], i == IN ? 0 : EPOLLIN) < 0)
            return vic_fail_errno(err, errno, "watch a pipe");
    }
    return 0;
}

/* With the signals as a process expects them: tether blocks them all. */
static int spawn(struct copy *c, const int theirs[PIPES], int memory, const char *const *argv,
                 struct vic_err *err)
{
    static char *const no_env[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attr);
    for (int i = 0; i < PIPES; i++)
        (void)posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
    if (memory >= 0)
        (void)posix_spawn_file_actions_adddup2(&actions, memory, COPY_RING_FD);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    int e = posix_spawn(&c->pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, no_env);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (e == 0)
        return 0;
    c->pid = -1;
    return vic_fail_errno(err, e, "start %s", argv[0]);
}

static int begin(struct tether *t, struct rpc_stream *st, bool is_write, const char *const *argv,
                 struct vic_err *err)
{
    static const struct rpc_stream_events events = {
        .on_data = on_data, .on_end = on_end, .on_drain = on_drain, .on_close = on_close};
    int theirs[PIPES] = {-1, -1, -1};
    auto_close int memory = -1;
    struct copy *c = vic_new(struct copy);
    *c = (struct copy){.t = t, .pid = -1, .fd = {-1, -1, -1}, .is_write = is_write};
    vic_list_append(&t->copies, &c->link);
    t->n_copies++;
    int r = make_pipes(c, theirs, err);
    if (r >= 0 && !is_write)
        r = copy_ring_make(&c->ring, &memory, err);
    if (r >= 0)
        r = spawn(c, theirs, memory, argv, err);
    for (int i = 0; i < PIPES; i++)
        vic_close_p(&theirs[i]);
    if (r < 0) {
        copy_free(c);
        return r;
    }
    c->st = st;
    rpc_stream_set_events(st, &events, c);
    return 0;
}

static int check(const struct tether *t, const char *path, struct vic_err *err)
{
    if (!tether_has_disk(t))
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "the container's disk is not there");
    if (t->n_copies >= TETHER_COPIES_MAX)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "more than %d copies at once",
                        TETHER_COPIES_MAX);
    if (!path || path[0] != '/')
        return vic_fail(err, VIC_ERR_INVALID, 0, "path: expected an absolute path");
    return 0;
}

static int query_bool(const struct rpc_stream *st, const char *name, bool *ret, struct vic_err *err)
{
    const char *text = rpc_stream_query(st, name);
    *ret = false;
    return text && vic_str_to_bool(text, ret) < 0
               ? vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected 0 or 1", name)
               : 0;
}

void tether_copy_read(struct tether *t, struct rpc_stream *st)
{
    struct vic_err err;
    const char *path = rpc_stream_query(st, "path");
    bool is_stat = false;
    int r = check(t, path, &err);
    if (r >= 0)
        r = query_bool(st, "stat", &is_stat, &err);
    if (r >= 0) {
        const char *argv[] = {t->machine->copier, t->machine->root, is_stat ? "stat" : "out", path,
                              NULL};
        r = begin(t, st, false, argv, &err);
    }
    if (r < 0)
        rpc_reply_error(st, &err);
}

/* Of the disk as a whole. */
static void begin_whole(struct tether *t, struct rpc_stream *st, const char *what)
{
    struct vic_err err;
    const char *argv[] = {t->machine->copier, t->machine->root, what, "/", NULL};
    int r = check(t, "/", &err);
    if (r < 0 || begin(t, st, false, argv, &err) < 0)
        rpc_reply_error(st, &err);
}

void tether_copy_export(struct tether *t, struct rpc_stream *st)
{
    begin_whole(t, st, "export");
}

void tether_copy_changes(struct tether *t, struct rpc_stream *st)
{
    begin_whole(t, st, "changes");
}

void tether_copy_write(struct tether *t, struct rpc_stream *st)
{
    struct vic_err err;
    const char *path = rpc_stream_query(st, "path");
    const char *user = rpc_stream_query(st, "owner");
    bool keeps_kind = false;
    int r = check(t, path, &err);
    if (r >= 0)
        r = query_bool(st, "keep_kind", &keeps_kind, &err);
    if (r >= 0) {
        auto_free char *owner = user ? vic_xasprintf("owner=%s", user) : NULL;
        const char *argv[8] = {t->machine->copier, t->machine->root, "in", path};
        const char **option = &argv[4];
        if (keeps_kind)
            *option++ = "keep-kind";
        if (t->state == TETHER_CONFIGURED) /* the VM may be ended at any time */
            *option++ = "sync";
        *option = owner;
        r = begin(t, st, true, argv, &err);
    }
    if (r < 0)
        rpc_reply_error(st, &err);
}

/* ---- end ------------------------------------------------------------------------------------------- */

bool tether_copies_reap(struct tether *t, pid_t pid, int wait_status)
{
    struct copy *c;
    struct copy *next;
    list_for_each_safe(c, next, &t->copies, link) {
        if (c->pid != pid)
            continue;
        c->pid = -1;
        c->wait_status = wait_status;
        finish_if_over(c);
        return true;
    }
    return false;
}

void tether_copies_abort(struct tether *t)
{
    struct vic_err err;
    struct copy *c;
    struct copy *next;
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "the container's VM ends");
    list_for_each_safe(c, next, &t->copies, link) {
        if (c->pid > 0)
            (void)kill(c->pid, SIGKILL);
        if (c->st) {
            rpc_stream_set_events(c->st, &no_events, NULL);
            if (c->has_begun)
                rpc_stream_cancel(c->st);
            else
                rpc_reply_error(c->st, &err);
        }
        copy_free(c);
    }
}
