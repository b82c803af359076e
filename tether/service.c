/* Answers the port layer: reads each intent's document and calls what does it. */
#include "tether/service.h"

#include <signal.h>
#include <sys/utsname.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tether/copies.h"
#include "tether/exec.h"
#include "tether/processes.h"
#include "tether/stats.h"
#include "tether/tether.h"

#define PROTOCOL 1

static void answer(struct rpc_stream *st, int r, const struct vic_err *err)
{
    if (r < 0)
        rpc_reply_error(st, err);
    else
        rpc_reply_json(st, json_new_obj());
}

static void handle_hello(struct rpc_stream *st, void *arg)
{
    const struct tether *t = arg;
    struct utsname name = {0};
    (void)uname(&name); /* cannot fail with a valid pointer */
    cJSON *doc = json_new_obj();
    json_add_i64(doc, "protocol", PROTOCOL);
    json_add_str(doc, "kernel", name.release);
    json_add_str(doc, "state", tether_state_to_string(t->state));
    json_add_bool(doc, "frozen", t->is_frozen);
    if (t->exit)
        json_add(doc, "exit", json_dup(t->exit));
    rpc_reply_json(st, doc);
}

static void handle_configure(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    answer(st, tether_configure(arg, rpc_stream_json(st), &err), &err);
}

static void handle_start(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    if (tether_start(arg, st, &err) < 0)
        rpc_reply_error(st, &err);
}

static int read_signal(const cJSON *doc, int *ret_signal, struct vic_err *err)
{
    static const char *const members[] = {"signal"};
    int64_t signal = 0;
    int r = tether_check_members(doc, "", members, ARRAY_SIZE(members), err);
    if (r >= 0)
        r = json_get_i64(doc, "", "signal", 1, SIGRTMAX, &signal, err);
    if (r >= 0 && signal == 0)
        r = vic_fail(err, VIC_ERR_INVALID, 0, "signal: missing");
    *ret_signal = (int)signal;
    return r;
}

static void handle_signal(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    int signal;
    int r = read_signal(rpc_stream_json(st), &signal, &err);
    answer(st, r < 0 ? r : tether_signal(arg, signal, &err), &err);
}

static void handle_resize(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    uint16_t width;
    uint16_t height;
    int r = tether_size_parse(rpc_stream_json(st), "", &width, &height, &err);
    answer(st, r < 0 ? r : tether_resize(arg, width, height, &err), &err);
}

static int do_freeze(struct tether *t, const cJSON *doc, struct vic_err *err)
{
    static const char *const members[] = {"frozen"};
    bool is_frozen = false;
    int r = tether_check_members(doc, "", members, ARRAY_SIZE(members), err);
    if (r >= 0)
        r = json_get_bool(doc, "", "frozen", &is_frozen, err);
    if (r >= 0 && !json_member(doc, "frozen"))
        r = vic_fail(err, VIC_ERR_INVALID, 0, "frozen: missing");
    return r < 0 ? r : tether_freeze(t, is_frozen, err);
}

static void handle_freeze(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    answer(st, do_freeze(arg, rpc_stream_json(st), &err), &err);
}

static int do_bounds(const struct tether *t, const cJSON *doc, struct vic_err *err)
{
    struct confine c = {0};
    int r = tether_check_members(doc, "", confine_bounds, confine_n_bounds, err);
    if (r >= 0)
        r = confine_from_json(doc, "bounds", &c, err);
    if (r >= 0 && !tether_is_alive(t))
        r = vic_fail(err, VIC_ERR_CONFLICT, 0, "nothing runs");
    if (r >= 0)
        r = t->machine->reconfine(t->machine->cgroup_fd, &c, err);
    confine_release(&c);
    return r;
}

static void handle_bounds(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    answer(st, do_bounds(arg, rpc_stream_json(st), &err), &err);
}

static void serve_input(struct tether_input *in, struct rpc_stream *st)
{
    struct vic_err err = {0};
    const char *text = rpc_stream_query(st, "close");
    bool with_close = false;
    if (text && vic_str_to_bool(text, &with_close) < 0) {
        (void)vic_fail(&err, VIC_ERR_INVALID, 0, "close: expected 0 or 1");
        rpc_reply_error(st, &err);
        return;
    }
    tether_input_serve(in, st, with_close);
}

static void handle_stdin(struct rpc_stream *st, void *arg)
{
    struct tether *t = arg;
    serve_input(&t->input, st);
}

static void handle_exec(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    if (tether_exec_start(arg, st, &err) < 0)
        rpc_reply_error(st, &err);
}

/* The exec of {id}, or NULL after an error was answered. */
static struct tether_exec *find_exec(struct rpc_stream *st, struct tether *t)
{
    struct tether_exec *e = NULL;
    struct vic_err err = {0};
    if (tether_exec_find(t, rpc_stream_param(st, "id"), &e, &err) < 0)
        rpc_reply_error(st, &err);
    return e;
}

static void handle_exec_output(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    struct tether_exec *e = find_exec(st, arg);
    if (e && tether_exec_read(e, st, &err) < 0)
        rpc_reply_error(st, &err);
}

static void handle_exec_stdin(struct rpc_stream *st, void *arg)
{
    struct tether_exec *e = find_exec(st, arg);
    if (e)
        serve_input(tether_exec_input(e), st);
}

static void handle_exec_resize(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    uint16_t width;
    uint16_t height;
    struct tether_exec *e = find_exec(st, arg);
    if (!e)
        return;
    int r = tether_size_parse(rpc_stream_json(st), "", &width, &height, &err);
    answer(st, r < 0 ? r : tether_exec_resize(e, width, height, &err), &err);
}

static void handle_exec_signal(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    int signal;
    struct tether_exec *e = find_exec(st, arg);
    if (!e)
        return;
    int r = read_signal(rpc_stream_json(st), &signal, &err);
    answer(st, r < 0 ? r : tether_exec_signal(e, signal, &err), &err);
}

static void handle_copy_read(struct rpc_stream *st, void *arg)
{
    tether_copy_read(arg, st);
}

static void handle_copy_write(struct rpc_stream *st, void *arg)
{
    tether_copy_write(arg, st);
}

static void handle_export(struct rpc_stream *st, void *arg)
{
    tether_copy_export(arg, st);
}

static void handle_changes(struct rpc_stream *st, void *arg)
{
    tether_copy_changes(arg, st);
}

static void handle_processes(struct rpc_stream *st, void *arg)
{
    const struct tether *t = arg;
    struct vic_err err;
    cJSON *doc = NULL;
    int r = tether_is_alive(t) ? tether_processes("/proc", t->machine->cgroup_fd, &doc, &err)
                               : vic_fail(&err, VIC_ERR_CONFLICT, 0, "nothing runs");
    if (r < 0)
        rpc_reply_error(st, &err);
    else
        rpc_reply_json(st, doc);
}

static void handle_stats(struct rpc_stream *st, void *arg)
{
    const struct tether *t = arg;
    struct vic_err err;
    cJSON *doc = NULL;
    if (tether_stats("/proc", t->machine->cgroup_fd, &doc, &err) < 0)
        rpc_reply_error(st, &err);
    else
        rpc_reply_json(st, doc);
}

static int do_ack(struct tether *t, const cJSON *doc, struct vic_err *err)
{
    static const char *const members[] = {"exit"};
    bool is_exit = false;
    int r = tether_check_members(doc, "", members, ARRAY_SIZE(members), err);
    if (r >= 0)
        r = json_get_bool(doc, "", "exit", &is_exit, err);
    if (r >= 0 && !is_exit)
        r = vic_fail(err, VIC_ERR_INVALID, 0, "exit: expected true");
    return r < 0 ? r : tether_ack(t, err);
}

static void handle_ack(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    answer(st, do_ack(arg, rpc_stream_json(st), &err), &err);
}

static void handle_shutdown(struct rpc_stream *st, void *arg)
{
    tether_shutdown(arg);
    answer(st, 0, NULL);
}

const struct rpc_route tether_routes[] = {
    {"GET", "/v1/hello", RPC_BODY_NONE_OR_JSON, handle_hello},
    {"POST", "/v1/configure", RPC_BODY_NONE_OR_JSON, handle_configure},
    {"POST", "/v1/start", RPC_BODY_NONE_OR_JSON, handle_start},
    {"POST", "/v1/signal", RPC_BODY_NONE_OR_JSON, handle_signal},
    {"POST", "/v1/resize", RPC_BODY_NONE_OR_JSON, handle_resize},
    {"POST", "/v1/freeze", RPC_BODY_NONE_OR_JSON, handle_freeze},
    {"POST", "/v1/bounds", RPC_BODY_NONE_OR_JSON, handle_bounds},
    {"POST", "/v1/stdin", RPC_BODY_STREAM, handle_stdin},
    {"POST", "/v1/exec", RPC_BODY_NONE_OR_JSON, handle_exec},
    {"GET", "/v1/exec/{id}/output", RPC_BODY_NONE_OR_JSON, handle_exec_output},
    {"POST", "/v1/exec/{id}/stdin", RPC_BODY_STREAM, handle_exec_stdin},
    {"POST", "/v1/exec/{id}/resize", RPC_BODY_NONE_OR_JSON, handle_exec_resize},
    {"POST", "/v1/exec/{id}/signal", RPC_BODY_NONE_OR_JSON, handle_exec_signal},
    {"GET", "/v1/copy", RPC_BODY_NONE_OR_JSON, handle_copy_read},
    {"PUT", "/v1/copy", RPC_BODY_STREAM, handle_copy_write},
    {"GET", "/v1/stats", RPC_BODY_NONE_OR_JSON, handle_stats},
    {"GET", "/v1/export", RPC_BODY_NONE_OR_JSON, handle_export},
    {"GET", "/v1/changes", RPC_BODY_NONE_OR_JSON, handle_changes},
    {"GET", "/v1/processes", RPC_BODY_NONE_OR_JSON, handle_processes},
    {"POST", "/v1/ack", RPC_BODY_NONE_OR_JSON, handle_ack},
    {"POST", "/v1/shutdown", RPC_BODY_NONE_OR_JSON, handle_shutdown},
};
const size_t tether_n_routes = ARRAY_SIZE(tether_routes);
