/* Starts processes in the container and moves their streams. */
#include "tether/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "tether/tether.h"

struct exec_source {
    struct tether_watch watch;
    struct tether_exec *exec;
    int fd; /* borrowed from process; -1 at its end */
    enum vic_record_type type;
    bool is_paused; /* nobody takes it */
    bool is_hung;   /* a terminal that no process has open for now */
    size_t left;    /* once e->is_final: what is still taken of it */
};

struct tether_exec {
    struct vic_list link;
    struct tether *tether;
    struct tether_exec_spec spec;
    struct tether_process process;
    struct tether_startup startup;
    struct tether_watch startup_watch;
    struct rpc_stream *starter; /* waits for the start; NULL when answered or gone */
    struct rpc_stream *reader;  /* of the output; NULL before and after */
    struct exec_source sources[2];
    struct tether_input input;
    struct tether_watch grace_watch;
    int grace_fd; /* owned; -1 while no child holds the end up */
    int wait_status;
    bool runs;
    bool is_dead;
    bool is_abandoned; /* nobody will read */
    bool is_final;     /* what the pipes held then is all there will be */
};

static const struct rpc_stream_events no_events;

static void close_source(struct exec_source *s)
{
    tether_loop_remove(&s->exec->tether->loop, &s->watch);
    s->fd = -1;
    s->is_paused = s->is_hung = false;
}

static void free_exec(struct tether_exec *e)
{
    struct tether_loop *loop = &e->tether->loop;
    vic_list_remove(&e->link);
    e->tether->n_execs--;
    for (size_t i = 0; i < ARRAY_SIZE(e->sources); i++)
        close_source(&e->sources[i]);
    tether_loop_remove(loop, &e->startup_watch);
    tether_loop_remove(loop, &e->grace_watch);
    vic_close_p(&e->grace_fd);
    tether_input_close(&e->input);
    tether_process_release(&e->process);
    tether_exec_spec_release(&e->spec);
    free(e);
}

/* ---- output ---------------------------------------------------------------------------------- */

static bool has_room(const struct tether_exec *e)
{
    return e->reader ? rpc_stream_queued(e->reader) < RPC_HIGH_WATER : e->is_abandoned;
}

static void send_record(struct tether_exec *e, enum vic_record_type type, const void *data,
                        size_t len)
{
    struct vic_record r = {.type = type, .wall_ns = vic_clock_wall_ns(), .len = (uint32_t)len};
    uint8_t header[VIC_RECORD_HEADER];
    if (!e->reader)
        return;
    vic_record_encode(&r, header);
    (void)rpc_stream_write(e->reader, header, sizeof(header));
    (void)rpc_stream_write(e->reader, data, len);
}

/* As of the container's first process: see tether.c. */
static void await_terminal(struct exec_source *s)
{
    if (!s->is_hung)
        (void)tether_loop_change(&s->exec->tether->loop, &s->watch, EPOLLIN | EPOLLET);
    s->is_hung = true;
}

static void add_output(struct exec_source *s, const void *data, size_t len)
{
    struct tether_exec *e = s->exec;
    send_record(e, s->type, data, len);
    s->left -= e->is_final ? len : 0;
    if (!s->is_hung)
        return;
    s->is_hung = false;
    (void)tether_loop_change(&e->tether->loop, &s->watch, EPOLLIN);
    tether_input_retry(&e->input);
}

/* How much of a source may be read; 0 when that was all. */
static size_t wanted(const struct exec_source *s)
{
    return s->exec->is_final && s->left < TETHER_CHUNK_MAX ? s->left : TETHER_CHUNK_MAX;
}

/* Reads one chunk, or all there is when no more will be taken.  A paused source leaves the loop: a hang-up
 * would be reported all the time. */
static void read_source(struct exec_source *s)
{
    struct tether_exec *e = s->exec;
    static uint8_t data[TETHER_CHUNK_MAX]; /* on the stack it would be cleared each time */
    do {
        if (!has_room(e)) {
            tether_loop_remove(&e->tether->loop, &s->watch);
            s->is_paused = true;
            s->is_hung = false;
            return;
        }
        ssize_t n = read(s->fd, data, wanted(s));
        bool is_hung = n < 0 && errno == EIO && e->spec.process.has_tty && !e->is_dead;
        if (n > 0)
            add_output(s, data, (size_t)n);
        else if (n < 0 && errno == EINTR)
            continue;
        else if (is_hung)
            await_terminal(s);
        else if (n == 0 || errno != EAGAIN || e->is_final)
            close_source(s);
        if (n <= 0)
            return;
    } while (s->fd >= 0 && e->is_final);
}

static bool is_drained(const struct tether_exec *e)
{
    return e->sources[0].fd < 0 && e->sources[1].fd < 0;
}

/* May free e. */
static void finish_if_done(struct tether_exec *e)
{
    if (!e->runs || !e->is_dead || !is_drained(e) || (!e->reader && !e->is_abandoned))
        return;
    struct rpc_stream *st = e->reader;
    if (st) {
        auto_json cJSON *doc = json_new_obj();
        int s = e->wait_status;
        json_add_i64(doc, "exit_code", WIFSIGNALED(s) ? 128 + WTERMSIG(s) : WEXITSTATUS(s));
        auto_free char *text = json_print(doc);
        send_record(e, VIC_RECORD_EXIT, text, strlen(text));
        rpc_stream_set_events(st, &no_events, NULL);
        rpc_stream_end(st);
    }
    free_exec(e);
}

/* There may be room now.  May free e. */
static void resume(struct tether_exec *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(e->sources); i++) {
        struct exec_source *s = &e->sources[i];
        if (!s->is_paused)
            continue;
        s->is_paused = false;
        if (e->is_final)
            read_source(s);
        else if (tether_loop_add(&e->tether->loop, &s->watch, s->fd, EPOLLIN) < 0)
            close_source(s);
    }
    finish_if_done(e);
}

static void on_source_ready(struct tether_watch *w, uint32_t events)
{
    (void)events;
    struct exec_source *s = container_of(w, struct exec_source, watch);
    read_source(s);
    finish_if_done(s->exec);
}

static void on_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    resume(arg);
}

/* Nobody reads any more, nor types.  May free e. */
static void abandon(struct tether_exec *e)
{
    e->is_abandoned = true;
    tether_input_finish(&e->input);
    resume(e);
}

static void on_reader_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct tether_exec *e = arg;
    e->reader = NULL;
    abandon(e);
}

int tether_exec_read(struct tether_exec *e, struct rpc_stream *st, struct vic_err *err)
{
    static const struct rpc_stream_events events = {.on_drain = on_drain,
                                                    .on_close = on_reader_close};
    if (!e->runs)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "it does not run yet");
    if (e->reader || e->is_abandoned)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "the output has a reader already");
    e->reader = st;
    rpc_stream_set_events(st, &events, e);
    rpc_reply_begin(st);
    resume(e);
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* What is there now and no more: children may go on to write as fast as we read. */
static void make_final(struct tether_exec *e)
{
    e->is_final = true;
    for (size_t i = 0; i < ARRAY_SIZE(e->sources); i++) {
        struct exec_source *s = &e->sources[i];
        int left = 0;
        if (s->fd < 0)
            continue;
        (void)ioctl(s->fd, FIONREAD, &left);
        s->left = left > 0 ? (size_t)left : 0;
        s->is_paused = false;
        read_source(s);
    }
    finish_if_done(e);
}

static void on_grace_over(struct tether_watch *w, uint32_t events)
{
    (void)events;
    struct tether_exec *e = container_of(w, struct tether_exec, grace_watch);
    tether_loop_remove(&e->tether->loop, w);
    make_final(e);
}

/* Without a timer nothing more is waited for. */
static void begin_grace(struct tether_exec *e)
{
    unsigned ms = e->tether->machine->exec_grace_ms;
    const struct itimerspec grace = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}};
    e->grace_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (e->grace_fd < 0 || timerfd_settime(e->grace_fd, 0, &grace, NULL) < 0 ||
        tether_loop_add(&e->tether->loop, &e->grace_watch, e->grace_fd, EPOLLIN) < 0)
        make_final(e);
}

static void on_dead(struct tether_exec *e)
{
    tether_input_close(&e->input);
    for (size_t i = 0; i < ARRAY_SIZE(e->sources); i++)
        if (e->sources[i].is_hung)
            read_source(&e->sources[i]); /* that was its end */
    if (is_drained(e))
        finish_if_done(e);
    else
        begin_grace(e);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void open_source(struct exec_source *s, int fd, enum vic_record_type type)
{
    s->type = type;
    s->fd = fd;
    s->is_paused = true; /* until somebody reads */
}

static int open_streams(struct tether_exec *e, struct vic_err *err)
{
    struct tether_process *p = &e->process;
    if (!e->spec.process.has_tty) {
        open_source(&e->sources[0], p->output[0], VIC_RECORD_STDOUT);
        open_source(&e->sources[1], p->output[1], VIC_RECORD_STDERR);
    } else if (p->console < 0) {
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "the terminal did not arrive");
    } else {
        open_source(&e->sources[0], p->console, VIC_RECORD_STDOUT);
    }
    return tether_process_open_input(p, &e->spec.process, &e->input, err);
}

static void fail_start(struct tether_exec *e, const struct vic_err *err)
{
    tether_process_answer(&e->process, &e->starter, err);
    if (e->process.pid > 0 && !e->is_dead)
        (void)kill(e->process.pid, SIGKILL); /* the reaper meets it later */
    free_exec(e);
}

/* May free e. */
static void listen_to_start(struct tether_exec *e)
{
    struct vic_err err = {0};
    enum tether_progress progress = tether_process_listen(&e->process, &e->startup, &err);
    if (progress == TETHER_PROGRESS_WAIT)
        return;
    tether_loop_remove(&e->tether->loop, &e->startup_watch);
    vic_close_p(&e->process.channel);
    e->process.channel = -1;
    if (progress == TETHER_PROGRESS_FAILED || open_streams(e, &err) < 0) {
        fail_start(e, &err);
        return;
    }
    e->runs = true;
    tether_process_answer(&e->process, &e->starter, NULL);
    if (e->is_dead)
        on_dead(e);
    else if (e->is_abandoned)
        abandon(e); /* whoever asked has gone meanwhile */
}

static void on_startup_ready(struct tether_watch *w, uint32_t events)
{
    (void)events;
    listen_to_start(container_of(w, struct tether_exec, startup_watch));
}

static void on_starter_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct tether_exec *e = arg;
    e->starter = NULL;
    e->is_abandoned = true; /* the start goes on */
}

static int spawn(struct tether_exec *e, struct vic_err *err)
{
    struct tether *t = e->tether;
    auto_close int pidfd = (int)syscall(SYS_pidfd_open, t->process.pid, 0);
    if (pidfd < 0)
        return vic_fail_errno(err, errno, "open the container's process");
    struct tether_child child = {
        .spec = &e->spec.process,
        .confine = &t->spec.confine,
        .hostname = t->config.hostname,
        .domainname = t->config.domainname,
        .root = t->machine->root,
        .nofile = t->machine->nofile,
        .join_fd = pidfd,
        .is_privileged = e->spec.is_privileged,
    };
    int r = tether_process_start(&child, t->machine->cgroup_fd, &e->process, err);
    if (r < 0)
        return r;
    r = tether_loop_add(&t->loop, &e->startup_watch, e->process.channel, EPOLLIN);
    return r < 0 ? vic_fail_errno(err, -r, "watch the start") : 0;
}

static struct tether_exec *new_exec(struct tether *t, struct tether_exec_spec *take_spec)
{
    struct tether_exec *e = vic_new(struct tether_exec);
    e->tether = t;
    e->spec = *take_spec;
    *take_spec = (struct tether_exec_spec){0};
    e->process = (struct tether_process){
        .pid = -1, .channel = -1, .input = -1, .output = {-1, -1}, .console = -1};
    e->startup_watch = (struct tether_watch){.fd = -1, .on_ready = on_startup_ready};
    e->grace_watch = (struct tether_watch){.fd = -1, .on_ready = on_grace_over};
    e->grace_fd = -1;
    for (size_t i = 0; i < ARRAY_SIZE(e->sources); i++)
        e->sources[i] = (struct exec_source){
            .watch = {.fd = -1, .on_ready = on_source_ready}, .exec = e, .fd = -1};
    tether_input_init(&e->input, &t->loop);
    vic_list_append(&t->execs, &e->link);
    t->n_execs++;
    return e;
}

static struct tether_exec *find(struct tether *t, const char *id)
{
    struct tether_exec *e;
    list_for_each(e, &t->execs, link) {
        if (vic_str_eq(e->spec.id, id))
            return e;
    }
    return NULL;
}

static int check(struct tether *t, const struct tether_exec_spec *spec, struct vic_err *err)
{
    if (find(t, spec->id))
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "'%s' is started already", spec->id);
    if (t->n_execs == TETHER_EXECS_MAX)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0,
                        "%d processes were started beside the container's own and run: wait for "
                        "one to end",
                        TETHER_EXECS_MAX);
    return 0;
}

int tether_exec_start(struct tether *t, struct rpc_stream *st, struct vic_err *err)
{
    static const struct rpc_stream_events events = {.on_close = on_starter_close};
    struct tether_exec_spec spec = {0};
    if (!tether_is_alive(t))
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "nothing runs");
    if (t->is_frozen)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "the container is frozen");
    int r = tether_exec_spec_parse(rpc_stream_json(st), &spec, err);
    if (r < 0 || (r = check(t, &spec, err)) < 0) {
        tether_exec_spec_release(&spec);
        return r;
    }
    struct tether_exec *e = new_exec(t, &spec);
    r = spawn(e, err);
    if (r < 0) {
        fail_start(e, NULL); /* nobody is told yet: the caller does */
        return r;
    }
    e->starter = st;
    rpc_stream_set_events(st, &events, e);
    return 0;
}

/* ---- while it runs --------------------------------------------------------------------------- */

int tether_exec_find(struct tether *t, const char *id, struct tether_exec **ret,
                     struct vic_err *err)
{
    *ret = find(t, id);
    return *ret ? 0 : vic_fail(err, VIC_ERR_NOT_FOUND, 0, "no such process: '%.80s'", id);
}

struct tether_input *tether_exec_input(struct tether_exec *e)
{
    return &e->input;
}

int tether_exec_resize(struct tether_exec *e, uint16_t width, uint16_t height, struct vic_err *err)
{
    struct winsize size = {.ws_col = width, .ws_row = height};
    if (e->process.console < 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "no terminal");
    return ioctl(e->process.console, TIOCSWINSZ, &size) < 0 ? vic_fail_errno(err, errno, "resize")
                                                            : 0;
}

int tether_exec_signal(struct tether_exec *e, int signal, struct vic_err *err)
{
    if (e->is_dead || e->process.pid <= 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "it does not run");
    return kill(e->process.pid, signal) < 0 ? vic_fail_errno(err, errno, "signal it") : 0;
}

void tether_execs_reap(struct tether *t, pid_t pid, int wait_status)
{
    struct tether_exec *e;
    struct tether_exec *next;
    list_for_each_safe(e, next, &t->execs, link) {
        if (e->process.pid != pid || e->is_dead)
            continue;
        e->is_dead = true;
        e->wait_status = wait_status;
        if (e->runs)
            on_dead(e);
        else
            listen_to_start(e);
        return;
    }
}

void tether_execs_abandon(struct tether *t)
{
    struct tether_exec *e;
    struct tether_exec *next;
    list_for_each_safe(e, next, &t->execs, link) {
        if (!e->reader)
            abandon(e);
    }
}

void tether_execs_free(struct tether *t)
{
    struct tether_exec *e;
    struct tether_exec *next;
    list_for_each_safe(e, next, &t->execs, link) {
        free_exec(e);
    }
}
