/* The container's life as seen from PID 1. */
#include "tether/tether.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "tether/copies.h"
#include "tether/exec.h"
#include "tether/service.h"

/* An end that was asked for waits this long for the process, the output port and the last answer. */
#define END_TIMEOUT_MS 10000

/* ---- the end -------------------------------------------------------------------------------- */

static void end_when_flushed(struct tether *t)
{
    t->is_ending = true;
    if (t->deadline_ms == 0)
        t->deadline_ms = vic_clock_monotonic_ms() + END_TIMEOUT_MS;
}

static void on_padded(void *arg)
{
    struct tether *t = arg;
    end_when_flushed(t);
}

static int exit_code_of(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Writes the exit record once the last output is in the queue and there is room. */
static void finish_if_drained(struct tether *t)
{
    if (t->state != TETHER_DRAINING || t->sources[0].fd >= 0 || t->sources[1].fd >= 0 ||
        !tether_output_has_room(&t->output))
        return;
    t->state = TETHER_EXITED;
    t->exit = json_new_obj();
    json_add_i64(t->exit, "exit_code", exit_code_of(t->wait_status));
    json_add_str_or_empty(t->exit, "error", NULL);
    json_add_bool(t->exit, "oom_killed", t->machine->was_oom_killed());
    auto_free char *text = json_print(t->exit);
    tether_output_add(&t->output, VIC_RECORD_EXIT, text, strlen(text));
    tether_process_release(&t->process);
    if (t->is_shutting_down || !tether_port_is_connected(&t->port))
        tether_output_pad(&t->output);
}

static void on_hangup(void *arg)
{
    struct tether *t = arg;
    tether_execs_abandon(t);
    if (t->state == TETHER_EXITED && !t->is_ending && !t->output.is_padding)
        tether_output_pad(&t->output);
}

/* ---- output --------------------------------------------------------------------------------- */

static void close_source(struct tether_source *s)
{
    tether_loop_remove(&s->tether->loop, &s->watch);
    s->fd = -1;
    s->is_paused = s->is_hung = false;
}

/* A paused source leaves the loop: a hang-up would be reported all the time. */
static void pause_source(struct tether_source *s)
{
    tether_loop_remove(&s->tether->loop, &s->watch);
    s->is_paused = true;
    s->is_hung = false;
}

/* A process may open the terminal again: the edge that comes with its output wakes us, and a hang-up does not. */
static void await_terminal(struct tether_source *s)
{
    if (!s->is_hung)
        (void)tether_loop_change(&s->tether->loop, &s->watch, EPOLLIN | EPOLLET);
    s->is_hung = true;
}

static void add_output(struct tether_source *s, const void *data, size_t len)
{
    tether_output_add(&s->tether->output, s->type, data, len);
    if (!s->is_hung)
        return;
    s->is_hung = false;
    (void)tether_loop_change(&s->tether->loop, &s->watch, EPOLLIN);
    tether_input_retry(&s->tether->input);
}

/* Reads one chunk, or all there is once nobody can write any more. */
static void read_source(struct tether_source *s)
{
    struct tether *t = s->tether;
    static uint8_t data[TETHER_CHUNK_MAX]; /* on the stack it would be cleared each time */
    do {
        if (!tether_output_has_room(&t->output)) {
            pause_source(s);
            return;
        }
        ssize_t n = read(s->fd, data, sizeof(data));
        if (n > 0) {
            add_output(s, data, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EIO && t->spec.has_tty && t->state == TETHER_RUNNING) {
            await_terminal(s);
            return;
        } else if (n == 0 || errno != EAGAIN || t->state == TETHER_DRAINING) {
            close_source(s);
        } else {
            return;
        }
    } while (s->fd >= 0 && t->state == TETHER_DRAINING);
}

static void on_source_ready(struct tether_watch *w, uint32_t events)
{
    (void)events;
    struct tether_source *s = container_of(w, struct tether_source, watch);
    struct tether *t = s->tether;
    read_source(s);
    finish_if_drained(t);
}

static void on_room(void *arg)
{
    struct tether *t = arg;
    for (size_t i = 0; i < ARRAY_SIZE(t->sources); i++) {
        struct tether_source *s = &t->sources[i];
        if (!s->is_paused)
            continue;
        s->is_paused = false;
        if (t->state == TETHER_DRAINING)
            read_source(s);
        else if (tether_loop_add(&t->loop, &s->watch, s->fd, EPOLLIN) < 0)
            close_source(s);
    }
    finish_if_drained(t);
}

static int open_source(struct tether_source *s, int fd, enum vic_record_type type,
                       struct vic_err *err)
{
    s->type = type;
    int r = tether_loop_add(&s->tether->loop, &s->watch, fd, EPOLLIN);
    if (r < 0)
        return vic_fail_errno(err, -r, "watch output");
    s->fd = fd;
    return 0;
}

/* ---- start ---------------------------------------------------------------------------------- */

static int write_overlay(const struct tether *t, const char *name, const char *text,
                         char **ret_path, struct vic_err *err)
{
    if (!text)
        return 0;
    auto_free char *path = vic_xasprintf("%s/%s", t->machine->state_dir, name);
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int r = fd < 0 ? -errno : vic_file_write_all(fd, text, strlen(text));
    if (r < 0)
        return vic_fail_errno(err, -r, "write %s", path);
    *ret_path = TAKE_PTR(path);
    return 0;
}

int tether_configure(struct tether *t, const cJSON *doc, struct vic_err *err)
{
    if (t->state != TETHER_IDLE)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "already configured");
    int r = tether_config_parse(doc, &t->config, err);
    if (r >= 0)
        r = t->machine->prepare(&t->config, err);
    if (r < 0) {
        tether_config_release(&t->config);
        return r;
    }
    t->state = TETHER_CONFIGURED;
    return 0;
}

static int open_streams(struct tether *t, struct vic_err *err)
{
    struct tether_process *p = &t->process;
    int r;
    if (t->spec.has_tty && p->console < 0)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "the terminal did not arrive");
    if (t->spec.has_tty) {
        r = open_source(&t->sources[0], p->console, VIC_RECORD_STDOUT, err);
    } else {
        r = open_source(&t->sources[0], p->output[0], VIC_RECORD_STDOUT, err);
        if (r >= 0)
            r = open_source(&t->sources[1], p->output[1], VIC_RECORD_STDERR, err);
    }
    return r < 0 ? r : tether_process_open_input(p, &t->spec, &t->input, err);
}

static void fail_start(struct tether *t, const struct vic_err *err)
{
    tether_process_answer(&t->process, &t->starter, err);
    for (size_t i = 0; i < ARRAY_SIZE(t->sources); i++)
        close_source(&t->sources[i]);
    tether_input_close(&t->input);
    if (t->process.pid > 0 && !t->has_died)
        (void)kill(t->process.pid, SIGKILL); /* the reaper meets it later */
    t->process.pid = -1;
    tether_process_release(&t->process);
    tether_spec_release(&t->spec);
    t->state = TETHER_CONFIGURED;
    if (t->is_shutting_down)
        end_when_flushed(t);
}

static void listen_to_start(struct tether *t)
{
    struct vic_err err = {0};
    enum tether_progress progress = tether_process_listen(&t->process, &t->startup, &err);
    if (progress == TETHER_PROGRESS_WAIT)
        return;
    tether_loop_remove(&t->loop, &t->startup_watch);
    if (progress == TETHER_PROGRESS_RUNS && open_streams(t, &err) >= 0) {
        t->state = TETHER_RUNNING;
        tether_process_answer(&t->process, &t->starter, NULL);
        return;
    }
    fail_start(t, &err);
}

static void on_startup_ready(struct tether_watch *w, uint32_t events)
{
    (void)events;
    listen_to_start(container_of(w, struct tether, startup_watch));
}

static void on_starter_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct tether *t = arg;
    t->starter = NULL; /* the start goes on */
}

static const struct rpc_stream_events starter_events = {.on_close = on_starter_close};

static int spawn(struct tether *t, struct vic_err *err)
{
    auto_free char *hostname_text = vic_xasprintf("%s\n", t->config.hostname);
    auto_free char *hostname = NULL;
    auto_free char *hosts = NULL;
    auto_free char *resolv_conf = NULL;
    int r;
    if ((r = write_overlay(t, "hostname", hostname_text, &hostname, err)) < 0 ||
        (r = write_overlay(t, "hosts", t->config.hosts, &hosts, err)) < 0 ||
        (r = write_overlay(t, "resolv.conf", t->config.resolv_conf, &resolv_conf, err)) < 0)
        return r;
    if ((r = t->machine->confine(t->machine->cgroup_fd, &t->spec.confine, err)) < 0)
        return r;
    struct tether_child child = {
        .spec = &t->spec,
        .confine = &t->spec.confine,
        .hostname = t->config.hostname,
        .domainname = t->config.domainname,
        .root = t->machine->root,
        .nofile = t->machine->nofile,
        .join_fd = -1,
        .overlays = {.hostname = hostname, .hosts = hosts, .resolv_conf = resolv_conf},
    };
    return tether_process_start(&child, t->machine->cgroup_fd, &t->process, err);
}

int tether_start(struct tether *t, struct rpc_stream *st, struct vic_err *err)
{
    if (t->state != TETHER_CONFIGURED || t->is_shutting_down)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "cannot start: %s",
                        t->is_shutting_down ? "shutting down" : tether_state_to_string(t->state));
    tether_spec_release(&t->spec);
    int r = tether_spec_parse(rpc_stream_json(st), &t->spec, err);
    if (r >= 0)
        r = spawn(t, err);
    if (r < 0)
        return r;
    t->startup = (struct tether_startup){0};
    t->has_died = false;
    t->state = TETHER_STARTING;
    r = tether_loop_add(&t->loop, &t->startup_watch, t->process.channel, EPOLLIN);
    if (r < 0) {
        (void)vic_fail_errno(err, -r, "watch the start");
        fail_start(t, err);
        return r;
    }
    t->starter = st;
    rpc_stream_set_events(st, &starter_events, t);
    return 0;
}

/* ---- while it runs -------------------------------------------------------------------------- */

bool tether_has_disk(const struct tether *t)
{
    return t->state != TETHER_IDLE && !t->is_settled && !t->is_ending;
}

bool tether_is_alive(const struct tether *t)
{
    return t->state == TETHER_RUNNING && t->process.pid > 0;
}

int tether_signal(struct tether *t, int signal, struct vic_err *err)
{
    if (!tether_is_alive(t))
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "nothing runs");
    return kill(t->process.pid, signal) < 0 ? vic_fail_errno(err, errno, "signal %d", signal) : 0;
}

int tether_resize(struct tether *t, uint16_t width, uint16_t height, struct vic_err *err)
{
    if (!tether_is_alive(t) || t->process.console < 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "%s",
                        tether_is_alive(t) ? "no terminal" : "nothing runs");
    struct winsize size = {.ws_col = width, .ws_row = height};
    if (ioctl(t->process.console, TIOCSWINSZ, &size) < 0)
        return vic_fail_errno(err, errno, "resize");
    return 0;
}

int tether_freeze(struct tether *t, bool is_frozen, struct vic_err *err)
{
    if (!tether_is_alive(t))
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "nothing runs");
    int r = t->machine->freeze(is_frozen);
    if (r < 0)
        return vic_fail_errno(err, -r, "%s the container", is_frozen ? "freeze" : "thaw");
    t->is_frozen = is_frozen;
    return 0;
}

int tether_ack(struct tether *t, struct vic_err *err)
{
    if (t->state != TETHER_EXITED)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "nothing exited");
    t->is_settled = true;
    tether_copies_abort(t);
    t->machine->settle(); /* before the answer: the host may pull the plug as soon as it has it */
    end_when_flushed(t);
    return 0;
}

void tether_shutdown(struct tether *t)
{
    t->is_shutting_down = true;
    t->deadline_ms = vic_clock_monotonic_ms() + END_TIMEOUT_MS;
    if ((t->state == TETHER_STARTING || t->state == TETHER_RUNNING) && t->process.pid > 0)
        (void)kill(t->process.pid, SIGKILL);
    else if (t->state == TETHER_EXITED)
        on_hangup(t); /* unread or not, the exit record must be in the file */
    else if (t->state != TETHER_DRAINING)
        end_when_flushed(t);
}

/* All of its PID namespace is gone by now: what its pipes hold is all there will be. */
static void on_exit_of_process(struct tether *t, int status)
{
    t->has_died = true;
    t->is_frozen = false; /* what is dead is not frozen */
    if (t->state == TETHER_STARTING)
        listen_to_start(t);
    t->process.pid = -1;
    if (t->state != TETHER_RUNNING)
        return;
    t->wait_status = status;
    t->state = TETHER_DRAINING;
    tether_input_close(&t->input);
    for (size_t i = 0; i < ARRAY_SIZE(t->sources); i++)
        if (t->sources[i].fd >= 0 && !t->sources[i].is_paused)
            read_source(&t->sources[i]);
    finish_if_drained(t);
}

/* PID 1 reaps whatever it is given. */
static void on_child_signal(struct tether_watch *w, uint32_t events)
{
    (void)events;
    struct tether *t = container_of(w, struct tether, child_watch);
    struct signalfd_siginfo info;
    while (read(w->fd, &info, sizeof(info)) > 0)
        continue;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid <= 0)
            return;
        if (pid == t->process.pid)
            on_exit_of_process(t, status);
        else if (!tether_copies_reap(t, pid, status))
            tether_execs_reap(t, pid, status);
    }
}

const char *tether_state_to_string(enum tether_state state)
{
    switch (state) {
    case TETHER_IDLE:
        return "idle";
    case TETHER_CONFIGURED:
        return "configured";
    case TETHER_STARTING:
    case TETHER_RUNNING:
    case TETHER_DRAINING:
        return "running";
    case TETHER_EXITED:
        return "exited";
    }
    return "?";
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int watch_children(struct tether *t, struct vic_err *err)
{
    sigset_t all;
    sigset_t child;
    sigfillset(&all);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    /* Faults stay deliverable: blocked, they would kill without a word. */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        sigdelset(&all, faults[i]);
    if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
        return vic_fail_errno(err, errno, "block signals");
    t->child_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (t->child_fd < 0)
        return vic_fail_errno(err, errno, "signalfd");
    int r = tether_loop_add(&t->loop, &t->child_watch, t->child_fd, EPOLLIN);
    return r < 0 ? vic_fail_errno(err, -r, "watch children") : 0;
}

static int open_ports(struct tether *t, int rpc_fd, int output_fd, struct vic_err *err)
{
    int r = tether_output_init(&t->output, &t->loop, output_fd, on_room, on_padded, t);
    if (r >= 0)
        r = tether_port_init(&t->port, &t->loop, rpc_fd, tether_routes, tether_n_routes, on_hangup,
                             t);
    return r < 0 ? vic_fail_errno(err, -r, "watch the ports") : 0;
}

int tether_new(const struct tether_machine *machine, int rpc_fd, int output_fd, struct tether **ret,
               struct vic_err *err)
{
    struct tether *t = vic_new(struct tether);
    t->machine = machine;
    t->child_fd = -1;
    vic_list_init(&t->execs);
    vic_list_init(&t->copies);
    t->process = (struct tether_process){
        .pid = -1, .channel = -1, .input = -1, .output = {-1, -1}, .console = -1};
    t->startup_watch = (struct tether_watch){.fd = -1, .on_ready = on_startup_ready};
    t->child_watch = (struct tether_watch){.fd = -1, .on_ready = on_child_signal};
    for (size_t i = 0; i < ARRAY_SIZE(t->sources); i++)
        t->sources[i] = (struct tether_source){
            .watch = {.fd = -1, .on_ready = on_source_ready}, .tether = t, .fd = -1};
    int r = tether_loop_init(&t->loop);
    tether_input_init(&t->input, &t->loop);
    if (r < 0)
        (void)vic_fail_errno(err, -r, "epoll");
    if (r < 0 || (r = open_ports(t, rpc_fd, output_fd, err)) < 0 ||
        (r = watch_children(t, err)) < 0) {
        tether_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void tether_free(struct tether *t)
{
    if (!t)
        return;
    if (t->port.loop)
        tether_port_release(&t->port);
    tether_execs_free(t);
    tether_copies_abort(t);
    tether_input_close(&t->input);
    for (size_t i = 0; i < ARRAY_SIZE(t->sources); i++)
        close_source(&t->sources[i]);
    if (t->output.loop)
        tether_output_release(&t->output);
    tether_loop_remove(&t->loop, &t->startup_watch);
    tether_loop_remove(&t->loop, &t->child_watch);
    vic_close_p(&t->child_fd);
    tether_process_release(&t->process);
    tether_config_release(&t->config);
    tether_spec_release(&t->spec);
    cJSON_Delete(t->exit);
    tether_loop_release(&t->loop);
    free(t);
}

/* -1 while nothing ends, else what is left of the time for it. */
static int timeout_of(const struct tether *t)
{
    if (t->deadline_ms == 0)
        return -1;
    uint64_t now = vic_clock_monotonic_ms();
    return now >= t->deadline_ms ? 0 : (int)(t->deadline_ms - now);
}

int tether_run(struct tether *t)
{
    while (!t->is_done) {
        int r = tether_loop_step(&t->loop, timeout_of(t));
        if (r < 0)
            return r;
        tether_port_flush(&t->port);
        t->is_done = (t->is_ending && tether_port_is_flushed(&t->port)) || timeout_of(t) == 0;
    }
    return 0;
}
