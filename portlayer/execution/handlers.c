/* The routes of /v1/containers. */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "portlayer/execution/internal.h"
#include "portlayer/execution/signals.h"
#include "portlayer/execution/update.h"
#include "portlayer/interaction/exec.h"
#include "portlayer/storage/storage.h"

#define TIMEOUT_MAX_S (10 * 365 * 24 * 3600)
#define SIGNAL_KILL 9

/* The container of {ref}, or NULL after an error was answered. */
static struct pl_container *find(struct rpc_stream *st, struct pl *pl)
{
    struct pl_container *c = NULL;
    struct vic_err err = {0};
    if (pl_index_find(pl->execution, rpc_stream_param(st, "ref"), &c, &err) < 0)
        rpc_reply_error(st, &err);
    return c;
}

static int query_flag(struct rpc_stream *st, const char *name, bool *ret, struct vic_err *err)
{
    const char *text = rpc_stream_query(st, name);
    if (text && vic_str_to_bool(text, ret) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected 0 or 1", name);
    return 0;
}

static int check_body(struct rpc_stream *st, const char *const *members, size_t n,
                      struct vic_err *err)
{
    const cJSON *doc = rpc_stream_json(st);
    return doc ? pl_check_members(doc, NULL, members, n, err) : 0;
}

struct sizing {
    struct pl_request *req;
    char *path;
    uint64_t bytes;
};

static int size_work(void *arg, struct vic_err *err)
{
    struct sizing *s = arg;
    return pl_disk_size(s->path, &s->bytes, err);
}

static void on_size(void *arg, int result, const struct vic_err *err)
{
    struct sizing *s = arg;
    if (result == 0 && s->req->stream) {
        static const struct rpc_stream_events none = {0};
        cJSON *doc = pl_container_to_json(s->req->c);
        json_add_i64(doc, "size_bytes", (int64_t)s->bytes);
        struct rpc_stream *st = TAKE_PTR(s->req->stream);
        rpc_stream_set_events(st, &none, NULL);
        rpc_reply_json(st, doc);
    }
    pl_request_reply(s->req, result < 0 ? err : NULL);
    free(s->path);
    free(s);
}

static void handle_get(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err = {0};
    bool size = false;
    struct pl_container *c = find(st, pl);
    if (!c)
        return;
    if (query_flag(st, "size", &size, &err) < 0) {
        rpc_reply_error(st, &err);
    } else if (!size) {
        rpc_reply_json(st, pl_container_to_json(c));
    } else {
        struct sizing *s = vic_new(struct sizing);
        s->req = pl_request_new(c, st, PL_EV_START);
        s->path = pl_container_path(c, "disk.qcow2");
        host_work(pl->loop, size_work, on_size, s);
    }
}

static void handle_delete(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    bool force = false;
    struct pl_container *c = find(st, arg);
    if (!c)
        return;
    if (query_flag(st, "force", &force, &err) < 0)
        rpc_reply_error(st, &err);
    else
        pl_request_dispatch(pl_request_new(c, st, force ? PL_EV_REMOVE_FORCE : PL_EV_REMOVE));
}

static void handle_start(struct rpc_stream *st, void *arg)
{
    static const char *const members[] = {"console"};
    struct vic_err err = {0};
    const cJSON *console = json_member(rpc_stream_json(st), "console");
    unsigned width = 0;
    unsigned height = 0;
    struct pl_container *c = find(st, arg);
    if (!c)
        return;
    if (check_body(st, members, ARRAY_SIZE(members), &err) < 0 ||
        (console && pl_size_from_json(console, "console", &width, &height, &err) < 0)) {
        rpc_reply_error(st, &err);
        return;
    }
    struct pl_request *req = pl_request_new(c, st, PL_EV_START);
    req->width = width;
    req->height = height;
    pl_request_dispatch(req);
}

static int read_signal(const cJSON *doc, const char *otherwise, int *ret, struct vic_err *err)
{
    const char *name = NULL;
    int r = json_get_str(doc, "", "signal", &name, err);
    if (r < 0)
        return r;
    if (vic_str_is_empty(name))
        name = otherwise;
    *ret = name ? pl_signal_from_string(name) : 0;
    if (*ret < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid signal: %.40s", name);
    return 0;
}

static void stop_or_restart(struct rpc_stream *st, struct pl *pl, bool is_restart)
{
    static const char *const members[] = {"timeout_s", "signal"};
    const cJSON *doc = rpc_stream_json(st);
    struct vic_err err = {0};
    int signal = 0;
    int64_t timeout_s = 0;
    struct pl_container *c = find(st, pl);
    if (!c)
        return;
    if (check_body(st, members, ARRAY_SIZE(members), &err) < 0 ||
        read_signal(doc, NULL, &signal, &err) < 0 ||
        json_get_i64(doc, "", "timeout_s", -1, TIMEOUT_MAX_S, &timeout_s, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    struct pl_request *req = pl_request_new(c, st, PL_EV_STOP);
    req->is_restart = is_restart;
    req->signal = signal;
    req->has_timeout = json_member(doc, "timeout_s") != NULL;
    req->timeout_s = (int)timeout_s;
    pl_request_dispatch(req);
}

static void handle_stop(struct rpc_stream *st, void *arg)
{
    stop_or_restart(st, arg, false);
}

static void handle_restart(struct rpc_stream *st, void *arg)
{
    stop_or_restart(st, arg, true);
}

static void handle_signal(struct rpc_stream *st, void *arg)
{
    static const char *const members[] = {"signal"};
    struct vic_err err = {0};
    int signal = 0;
    struct pl_container *c = find(st, arg);
    if (!c)
        return;
    if (check_body(st, members, ARRAY_SIZE(members), &err) < 0 ||
        read_signal(rpc_stream_json(st), "KILL", &signal, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    struct pl_request *req =
        pl_request_new(c, st, signal == SIGNAL_KILL ? PL_EV_KILL : PL_EV_SIGNAL);
    req->signal = signal;
    pl_request_dispatch(req);
}

static void pause_or_unpause(struct rpc_stream *st, struct pl *pl, enum pl_event event)
{
    struct vic_err err = {0};
    struct pl_container *c = find(st, pl);
    if (!c)
        return;
    if (check_body(st, NULL, 0, &err) < 0)
        rpc_reply_error(st, &err);
    else
        pl_request_dispatch(pl_request_new(c, st, event));
}

static void handle_pause(struct rpc_stream *st, void *arg)
{
    pause_or_unpause(st, arg, PL_EV_PAUSE);
}

static void handle_unpause(struct rpc_stream *st, void *arg)
{
    pause_or_unpause(st, arg, PL_EV_UNPAUSE);
}

static void on_resized(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    struct pl_request *req = arg;
    if (!err) {
        cJSON *attributes = json_new_obj();
        json_addf(attributes, "height", "%u", req->height);
        json_addf(attributes, "width", "%u", req->width);
        pl_container_emit_with(req->c, "resize", attributes);
    }
    pl_request_reply(req, err);
}

static void handle_resize(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    unsigned width = 0;
    unsigned height = 0;
    const cJSON *doc = rpc_stream_json(st);
    struct pl_container *c = find(st, arg);
    if (!c)
        return;
    if (!doc)
        (void)vic_fail(&err, VIC_ERR_INVALID, 0, "expected width and height");
    else if (pl_size_from_json(doc, NULL, &width, &height, &err) < 0)
        ; /* err says it */
    else if (!pl_state_has_vm(c->rec.state) || c->rec.state == PL_STARTING)
        (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "container %s is not running", c->rec.id);
    if (err.kind != VIC_ERR_NONE) {
        rpc_reply_error(st, &err);
        return;
    }
    if (!c->rec.spec.tty) { /* nothing that has a size */
        rpc_reply_json(st, json_new_obj());
        return;
    }
    auto_json cJSON *body = json_new_obj();
    json_add_i64(body, "width", width);
    json_add_i64(body, "height", height);
    struct pl_request *req = pl_request_new(c, st, PL_EV_SIGNAL);
    req->width = width;
    req->height = height;
    if (pl_channel_call(c->channel, "POST", "/v1/resize", body, on_resized, req, &err) < 0)
        pl_request_reply(req, &err);
}

struct renaming {
    struct pl_request *req;
    struct pl_network *network;
    struct pl_endpoint endpoints[PL_NETWORKS_MAX];
    size_t n_endpoints;
    char id[VIC_ID_LEN + 1];
    char **names;
};

/* A running container answers to its new name at once. */
static int rename_work(void *arg, struct vic_err *err)
{
    struct renaming *w = arg;
    for (size_t i = 0; i < w->n_endpoints; i++) {
        char tap[PL_TAP_MAX];
        pl_domain_tap(w->id, i, tap);
        int r = pl_network_down(w->network, &w->endpoints[i], w->id, err);
        if (r == 0)
            r = pl_network_up(w->network, &w->endpoints[i], w->id, w->names, tap, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void on_renamed(void *arg, int result, const struct vic_err *err)
{
    struct renaming *w = arg;
    pl_request_reply(w->req, result < 0 ? err : NULL);
    vic_strv_free(w->names);
    free(w);
}

static void handle_rename(struct rpc_stream *st, void *arg)
{
    static const char *const members[] = {"name"};
    struct vic_err err = {0};
    const char *name = NULL;
    const cJSON *doc = rpc_stream_json(st);
    struct pl_container *c = find(st, arg);
    if (!c)
        return;
    auto_free char *old = vic_xstrdup(c->rec.name);
    if (check_body(st, members, ARRAY_SIZE(members), &err) < 0 ||
        json_need_str(doc, "", "name", &name, &err) < 0 || pl_check_name(name, &err) < 0 ||
        pl_index_rename(c, name, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    pl_container_save(c);
    pl_container_emit(c, "rename", "old_name", old);
    struct renaming *w = vic_new(struct renaming);
    w->req = pl_request_new(c, st, PL_EV_SIGNAL);
    w->network = c->x->pl->network;
    (void)snprintf(w->id, sizeof(w->id), "%s", c->rec.id);
    if (pl_state_has_vm(c->rec.state)) {
        w->n_endpoints = c->rec.n_endpoints;
        for (size_t i = 0; i < w->n_endpoints; i++)
            w->endpoints[i] = c->rec.endpoints[i];
    }
    w->names = pl_container_names(c);
    host_queue_add(c->queue, rename_work, on_renamed, w);
}

const struct rpc_route pl_execution_routes[] = {
    {"POST", "/v1/containers", RPC_BODY_NONE_OR_JSON, pl_create_handle},
    {"GET", "/v1/containers", RPC_BODY_NONE_OR_JSON, pl_list_handle},
    {"GET", "/v1/containers/{ref}", RPC_BODY_NONE_OR_JSON, handle_get},
    {"DELETE", "/v1/containers/{ref}", RPC_BODY_NONE_OR_JSON, handle_delete},
    {"POST", "/v1/containers/{ref}/start", RPC_BODY_NONE_OR_JSON, handle_start},
    {"POST", "/v1/containers/{ref}/stop", RPC_BODY_NONE_OR_JSON, handle_stop},
    {"POST", "/v1/containers/{ref}/restart", RPC_BODY_NONE_OR_JSON, handle_restart},
    {"POST", "/v1/containers/{ref}/signal", RPC_BODY_NONE_OR_JSON, handle_signal},
    {"POST", "/v1/containers/{ref}/pause", RPC_BODY_NONE_OR_JSON, handle_pause},
    {"POST", "/v1/containers/{ref}/unpause", RPC_BODY_NONE_OR_JSON, handle_unpause},
    {"POST", "/v1/containers/{ref}/resize", RPC_BODY_NONE_OR_JSON, handle_resize},
    {"POST", "/v1/containers/{ref}/update", RPC_BODY_NONE_OR_JSON, pl_update_handle},
    {"POST", "/v1/containers/{ref}/rename", RPC_BODY_NONE_OR_JSON, handle_rename},
    {"GET", "/v1/containers/{ref}/wait", RPC_BODY_NONE_OR_JSON, pl_wait_handle},
    {"POST", "/v1/containers/{ref}/attach", RPC_BODY_STREAM, pl_attach_handle},
    {"GET", "/v1/containers/{ref}/archive", RPC_BODY_STREAM, pl_copy_out_handle},
    {"PUT", "/v1/containers/{ref}/archive", RPC_BODY_STREAM, pl_copy_in_handle},
    {"GET", "/v1/containers/{ref}/changes", RPC_BODY_STREAM, pl_changes_handle},
    {"GET", "/v1/containers/{ref}/export", RPC_BODY_STREAM, pl_export_handle},
    {"GET", "/v1/containers/{ref}/stats", RPC_BODY_NONE_OR_JSON, pl_stats_handle},
    {"GET", "/v1/containers/{ref}/processes", RPC_BODY_NONE_OR_JSON, pl_processes_handle},
    {"POST", "/v1/containers/{ref}/execs", RPC_BODY_NONE_OR_JSON, pl_exec_create_handle},
    {"GET", "/v1/execs/{id}", RPC_BODY_NONE_OR_JSON, pl_exec_get_handle},
    {"POST", "/v1/execs/{id}/start", RPC_BODY_NONE_OR_JSON, pl_exec_start_handle},
    {"POST", "/v1/execs/{id}/attach", RPC_BODY_STREAM, pl_exec_attach_handle},
    {"POST", "/v1/execs/{id}/resize", RPC_BODY_NONE_OR_JSON, pl_exec_resize_handle},
    {"GET", "/v1/containers/{ref}/output", RPC_BODY_NONE_OR_JSON, pl_logs_handle},
};
const size_t pl_execution_n_routes = ARRAY_SIZE(pl_execution_routes);
