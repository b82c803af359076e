/*
 * One exec from its start to its end, and the bytes between its client and the tether.
 *
 * Back-pressure goes all the way: the guest's window is given back as the client takes the output, the
 * client's as the process takes its stdin.  Without a client the output is read and dropped.
 */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/interaction/exec.h"
#include "portlayer/interaction/send.h"

#define CODE_KILLED 137
#define CODE_NOT_FOUND 127
#define CODE_NOT_STARTED 126
#define SIGNAL_KILL 9

static const struct rpc_stream_events no_events;

static void emit(struct pl_exec *e, const char *action, const char *member, const char *value)
{
    cJSON *attributes = json_new_obj();
    json_add_str(attributes, "exec_id", e->id);
    if (member)
        json_add_str(attributes, member, value);
    pl_container_emit_with(e->c, action, attributes);
}

/* ---- the end ---- */

static void cancel(struct rpc_stream **st)
{
    if (*st)
        rpc_stream_cancel(TAKE_PTR(*st));
}

/* Answers who waits: with err, or that it is done; output that is queued still goes out. */
static void let_client_go(struct pl_exec *e, const struct vic_err *err)
{
    struct rpc_stream *st = TAKE_PTR(e->client);
    if (!st)
        return;
    rpc_stream_set_events(st, &no_events, NULL);
    rpc_stream_consume(st, e->unconsumed_in); /* a peer with more to send could not end its side */
    e->unconsumed_in = 0;
    if (e->has_begun)
        rpc_stream_end(st);
    else if (err)
        rpc_reply_error(st, err);
    else
        rpc_reply_json(st, json_new_obj());
}

static void end_with(struct pl_exec *e, int exit_code, const struct vic_err *err)
{
    e->state = PL_EXEC_EXITED;
    e->exit_code = exit_code;
    cancel(&e->call);
    cancel(&e->output);
    cancel(&e->input);
    pl_records_free(TAKE_PTR(e->records));
    vic_buf_release(&e->early);
    let_client_go(e, err);
}

static void end_with_container(struct pl_exec *e, int exit_code)
{
    struct vic_err err = {0};
    (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "container %s is not running", e->c->rec.id);
    end_with(e, exit_code, &err);
}

void pl_exec_let_go(struct pl_exec *e)
{
    end_with_container(e, CODE_KILLED);
}

/* Last of all: e may be gone afterwards. */
static void tell_watcher(struct pl_exec *e, int exit_code, const struct vic_err *err)
{
    struct pl_exec_watcher w = e->watcher;
    e->watcher = (struct pl_exec_watcher){0};
    if (w.on_end)
        w.on_end(exit_code, err, e->watcher_arg);
}

void pl_exec_end(struct pl_exec *e, int exit_code)
{
    char code[16];
    bool did_run = e->state == PL_EXEC_RUNNING;
    end_with_container(e, exit_code);
    (void)snprintf(code, sizeof(code), "%d", exit_code);
    if (did_run)
        emit(e, "exec_die", "exit_code", code);
    tell_watcher(e, exit_code, NULL);
}

/* ---- output ---- */

static void on_record(const struct vic_record *head, const void *data, void *arg)
{
    struct pl_exec *e = arg;
    if (head->type == VIC_RECORD_EXIT) {
        struct pl_exit exit;
        pl_exit_from_record(head, data, &exit);
        e->exit_code = exit.exit_code;
        e->has_exit = true;
    }
    if (e->watcher.on_output &&
        (head->type == VIC_RECORD_STDOUT || head->type == VIC_RECORD_STDERR))
        e->watcher.on_output(data, head->len, e->watcher_arg);
    if (e->client && e->is_attached &&
        ((head->type == VIC_RECORD_STDOUT && e->wants_stdout) ||
         (head->type == VIC_RECORD_STDERR && e->wants_stderr)))
        (void)pl_send_record(e->client, head, data);
}

static void take_output(struct pl_exec *e)
{
    size_t n = e->unconsumed_out;
    if (n == 0 || !e->output || (e->client && pl_stream_queued(e->client) >= RPC_HIGH_WATER))
        return; /* on_client_drain goes on */
    e->unconsumed_out = 0;
    rpc_stream_consume(e->output, n);
}

static void on_output_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct pl_exec *e = arg;
    struct vic_err err = {0};
    (void)st;
    e->unconsumed_out += len;
    if (pl_records_feed(e->records, data, len, &err) < 0) {
        vic_log(VIC_WARN, "exec", e->id, "%s", err.message);
        pl_exec_end(e, CODE_KILLED);
        return;
    }
    take_output(e);
}

static void on_output_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct pl_exec *e = arg;
    (void)st;
    e->output = NULL;
    if (!e->has_exit)
        vic_log(VIC_WARN, "exec", e->id, "its output broke off: %s",
                err ? err->message : "there is no exit record");
    pl_exec_end(e, e->has_exit ? e->exit_code : CODE_KILLED);
}

/* ---- stdin ---- */

static void give_back(struct pl_exec *e)
{
    if (e->unconsumed_in > 0 && e->client)
        rpc_stream_consume(e->client, e->unconsumed_in);
    e->unconsumed_in = 0;
}

static void on_input_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    give_back(arg);
}

static void on_input_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct pl_exec *e = arg;
    (void)st;
    (void)err;
    e->input = NULL;
    e->is_stdin_over = true;
    give_back(e); /* what still comes is dropped, as into a closed pipe */
}

static void end_input(struct pl_exec *e)
{
    if (e->has_ended)
        return;
    e->has_ended = true;
    if (e->input)
        rpc_stream_end(e->input);
}

static void open_input(struct pl_exec *e, struct rpc_session *session)
{
    static const struct rpc_stream_events events = {.on_drain = on_input_drain,
                                                    .on_close = on_input_close};
    auto_free char *path = vic_xasprintf("/v1/exec/%s/stdin?close=1", e->id);
    if (rpc_open(session, "POST", path, &events, e, &e->input, NULL) < 0) {
        e->input = NULL;
        e->is_stdin_over = true;
        give_back(e);
        return;
    }
    size_t queued = 0;
    if (e->early.len > 0)
        queued = rpc_stream_write(e->input, e->early.data, e->early.len);
    vic_buf_release(&e->early);
    if (queued < RPC_HIGH_WATER)
        give_back(e);
    if (e->has_ended)
        rpc_stream_end(e->input);
}

/* ---- the client ---- */

static void pass_on(struct pl_exec *e, const struct vic_buf *typed)
{
    if (!e->input)
        vic_buf_add(&e->early, vic_buf_str(typed),
                    typed->len); /* bounded: its window is not given back */
    else if (rpc_stream_write(e->input, vic_buf_str(typed), typed->len) < RPC_HIGH_WATER)
        give_back(e);
}

/* As if the client had left, but its stream ends in good order. */
static void detach(struct pl_exec *e)
{
    emit(e, "exec_detach", NULL, NULL);
    if (!e->has_begun)
        rpc_reply_begin(e->client);
    e->has_begun = true;
    let_client_go(e, NULL);
    end_input(e);
    take_output(e);
}

static void on_client_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct pl_exec *e = arg;
    auto_buf struct vic_buf typed = {0};
    if (!e->wants_stdin) {
        rpc_stream_consume(st, len);
        return;
    }
    bool detaches = pl_keys_feed(&e->keys, data, len, &typed);
    e->unconsumed_in += len;
    if (e->is_stdin_over)
        give_back(e);
    else
        pass_on(e, &typed);
    if (detaches)
        detach(e);
}

static void on_client_end(struct rpc_stream *st, void *arg)
{
    struct pl_exec *e = arg;
    auto_buf struct vic_buf typed = {0};
    (void)st;
    pl_keys_end(&e->keys, &typed);
    if (e->wants_stdin && !e->is_stdin_over)
        pass_on(e, &typed);
    end_input(e);
}

static void on_client_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    take_output(arg);
}

/* The process goes on: its stdin ends, its output is dropped. */
static void on_client_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct pl_exec *e = arg;
    (void)st;
    (void)err;
    e->client = NULL;
    end_input(e);
    take_output(e);
}

/* ---- start ---- */

/* As Docker's: also a working directory that is not there is "not found". */
static int code_of_refusal(const struct vic_err *err)
{
    bool is_missing = err->kind == VIC_ERR_NOT_FOUND ||
                      vic_str_ends_with(err->message, ": no such file or directory");
    return is_missing ? CODE_NOT_FOUND : CODE_NOT_STARTED;
}

static int open_output(struct pl_exec *e, struct rpc_session *session, struct vic_err *err)
{
    static const struct rpc_stream_events events = {.on_data = on_output_data,
                                                    .on_close = on_output_close};
    auto_free char *path = vic_xasprintf("/v1/exec/%s/output", e->id);
    int r = rpc_open(session, "GET", path, &events, e, &e->output, err);
    if (r < 0) {
        e->output = NULL;
        return r;
    }
    rpc_stream_end(e->output);
    e->records = pl_records_new(on_record, e);
    return 0;
}

static void on_told(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)err; /* it has ended: so be it */
    (void)doc;
    (void)arg;
}

static void tell_size(struct pl_exec *e)
{
    auto_free char *path = vic_xasprintf("/v1/exec/%s/resize", e->id);
    auto_json cJSON *doc = json_new_obj();
    json_add_i64(doc, "width", e->width);
    json_add_i64(doc, "height", e->height);
    e->has_new_size = false;
    (void)pl_channel_call(e->c->channel, "POST", path, doc, on_told, NULL, NULL);
}

static void tell_killed(struct pl_exec *e)
{
    auto_free char *path = vic_xasprintf("/v1/exec/%s/signal", e->id);
    auto_json cJSON *doc = json_new_obj();
    json_add_i64(doc, "signal", SIGNAL_KILL);
    (void)pl_channel_call(e->c->channel, "POST", path, doc, on_told, NULL, NULL);
}

static void fail_start(struct pl_exec *e, const struct vic_err *err)
{
    struct vic_err ended = {0};
    int code = code_of_refusal(err);
    if (err->kind == VIC_ERR_UNAVAILABLE &&
        e->c->has_exit) { /* the guest went with its container */
        (void)vic_fail(&ended, VIC_ERR_CONFLICT, 0, "container %s is not running", e->c->rec.id);
        err = &ended;
    }
    end_with(e, code, err);
    tell_watcher(e, code, err);
}

static void on_started(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct pl_exec *e = arg;
    struct rpc_session *session = pl_channel_session(e->c->channel);
    struct vic_err mine = {0};
    e->call = NULL;
    if (!err && (!session || open_output(e, session, &mine) < 0)) {
        (void)vic_fail(&mine, VIC_ERR_UNAVAILABLE, 0, "the virtual machine does not answer");
        err = &mine;
    }
    if (err) {
        fail_start(e, err);
        return;
    }
    e->state = PL_EXEC_RUNNING;
    e->pid = json_i64(doc, "pid", 0);
    if (e->wants_stdin)
        open_input(e, session);
    if (e->has_new_size)
        tell_size(e);
    if (e->is_doomed)
        tell_killed(e);
    if (!e->is_attached) {
        let_client_go(e, NULL);
    } else if (e->client) {
        e->has_begun = true;
        rpc_reply_begin(e->client);
    }
}

void pl_exec_launch(struct pl_exec *e)
{
    struct rpc_session *session = pl_channel_session(e->c->channel);
    struct vic_err err = {0};
    if (e->state != PL_EXEC_STARTING || e->call || !session)
        return;
    auto_json cJSON *doc =
        pl_exec_guest_json(&e->spec, e->id, &e->c->rec.spec, e->wants_stdin, e->width, e->height);
    e->has_new_size = false;
    if (rpc_call(session, "POST", "/v1/exec", doc, on_started, e, &e->call, &err) < 0)
        fail_start(e, &err);
}

void pl_exec_kill(struct pl_exec *e)
{
    if (e->state == PL_EXEC_STARTING && !e->call) { /* the guest has not heard of it */
        pl_exec_end(e, CODE_KILLED);
        return;
    }
    e->is_doomed = true;
    if (e->state == PL_EXEC_RUNNING)
        tell_killed(e);
}

void pl_exec_begin(struct pl_exec *e, struct rpc_stream *st)
{
    static const struct rpc_stream_events events = {.on_data = on_client_data,
                                                    .on_end = on_client_end,
                                                    .on_drain = on_client_drain,
                                                    .on_close = on_client_close};
    auto_free char *command = pl_exec_command(&e->spec);
    e->state = PL_EXEC_STARTING;
    e->client = st;
    emit(e, "exec_start", "exec_command", command);
    pl_exec_launch(e);
    if (st && e->client)
        rpc_stream_set_events(st, &events, e);
}
