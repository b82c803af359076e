/* The server's half: requests found their route, answered once. */
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/rpc/internal.h"

static const unsigned statuses[] = {
    [VIC_ERR_NONE] = 500,      [VIC_ERR_INVALID] = 400,       [VIC_ERR_NOT_FOUND] = 404,
    [VIC_ERR_CONFLICT] = 409,  [VIC_ERR_NOT_MODIFIED] = 412,  [VIC_ERR_UNAVAILABLE] = 503,
    [VIC_ERR_FORBIDDEN] = 403, [VIC_ERR_UNIMPLEMENTED] = 501, [VIC_ERR_INTERNAL] = 500,
};

#define METHOD_NOT_ALLOWED 405
#define NO_CONTENT 204

void rpc_server_on_header(struct rpc_stream *st, const char *name, const char *value)
{
    if (strcmp(name, ":method") == 0 && !st->method)
        st->method = vic_xstrdup(value);
    else if (strcmp(name, ":path") == 0 && !st->path)
        st->path = vic_xstrdup(value);
}

/* ---- answers ---- */

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static void submit(struct rpc_stream *st, unsigned status, const char *type)
{
    char status_text[12];
    (void)snprintf(status_text, sizeof(status_text), "%u", status);
    nghttp2_nv headers[] = {header(":status", status_text),
                            header("content-type", type ? type : "")};
    nghttp2_data_provider provider = rpc_stream_provider();
    st->has_begun = true;
    int r =
        nghttp2_submit_response(st->s->ng, st->id, headers, type ? 2 : 1, type ? &provider : NULL);
    if (r < 0)
        (void)nghttp2_submit_rst_stream(st->s->ng, NGHTTP2_FLAG_NONE, st->id,
                                        NGHTTP2_INTERNAL_ERROR);
    rpc_session_signal(st->s);
}

/* The whole answer; the handler, if it has run, lets go. */
static void answer(struct rpc_stream *st, unsigned status, cJSON *doc_taken)
{
    auto_json cJSON *doc = doc_taken;
    st->has_let_go = true;
    st->is_gathering = false;
    rpc_stream_release_held(st);
    st->out_ended = true;
    if (doc) {
        auto_free char *text = json_print(doc);
        vic_buf_add_str(&st->out, text);
    }
    submit(st, status, doc ? "application/json" : NULL);
}

static void answer_error(struct rpc_stream *st, unsigned status, const struct vic_err *err)
{
    cJSON *doc = json_new_obj();
    json_add_str(doc, "kind", vic_err_kind_to_string(err->kind));
    json_add_str(doc, "message", err->message);
    answer(st, status, doc);
}

/* Whether the handler may still answer; if not, st is let go of here. */
static bool may_answer(struct rpc_stream *st)
{
    if (!st->s) {
        rpc_stream_free_husk(st);
        return false;
    }
    if (st->s->is_over && !st->has_let_go) {
        rpc_stream_discard(st, -1); /* before its turn comes to hear that the session ended */
        return false;
    }
    return !st->has_let_go;
}

void rpc_reply_json(struct rpc_stream *st, cJSON *doc)
{
    if (!may_answer(st)) {
        cJSON_Delete(doc);
        return;
    }
    if (st->has_begun) {
        cJSON_Delete(doc);
        rpc_stream_discard(st, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    answer(st, doc ? 200 : NO_CONTENT, doc);
}

void rpc_reply_error(struct rpc_stream *st, const struct vic_err *err)
{
    if (!may_answer(st))
        return;
    if (st->has_begun) {
        rpc_stream_discard(st, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    answer_error(st, statuses[err->kind], err);
}

void rpc_reply_begin(struct rpc_stream *st)
{
    if (!st->s || st->s->is_over || st->has_let_go || st->has_begun)
        return;
    submit(st, 200, "application/octet-stream");
}

/* ---- requests ---- */

/* Sets st->route, or answers. */
static void find_route(struct rpc_stream *st)
{
    struct vic_err err;
    auto_strv char **segments = NULL;
    if (st->is_header_overflow || !st->path || !st->method || strlen(st->path) > RPC_PATH_MAX) {
        (void)vic_fail(&err, VIC_ERR_INVALID, 0, "headers or path too large");
        answer_error(st, statuses[err.kind], &err);
        return;
    }
    if (rpc_path_split(st->path, &segments, &st->query, &err) < 0) {
        answer_error(st, statuses[err.kind], &err);
        return;
    }
    bool is_path_known = false;
    for (size_t i = 0; i < st->s->n_routes; i++) {
        const struct rpc_route *route = &st->s->routes[i];
        struct rpc_pairs params = {0};
        if (!rpc_path_match(route->path, segments, &params))
            continue;
        is_path_known = true;
        if (strcmp(route->method, st->method) == 0) {
            st->route = route;
            st->params = params;
            return;
        }
        rpc_pairs_release(&params);
    }
    if (is_path_known)
        (void)vic_fail(&err, VIC_ERR_INVALID, 0, "method '%s' not allowed here", st->method);
    else
        (void)vic_fail(&err, VIC_ERR_NOT_FOUND, 0, "no such path");
    answer_error(st, is_path_known ? METHOD_NOT_ALLOWED : statuses[err.kind], &err);
}

static void handle(struct rpc_stream *st)
{
    st->is_handed = true;
    st->route->handle(st, st->s->handler_arg);
}

void rpc_server_on_headers(struct rpc_stream *st)
{
    find_route(st);
    if (!st->route)
        return;
    if (st->route->body == RPC_BODY_STREAM)
        handle(st);
    else
        st->is_gathering = true;
}

void rpc_server_on_data(struct rpc_stream *st, const uint8_t *data, size_t len)
{
    if (st->has_let_go)
        return;
    if (st->is_handed && st->events && st->in.len == 0) {
        if (st->events->on_data)
            st->events->on_data(st, data, len, st->arg);
        else
            rpc_stream_consume(st, len);
        return;
    }
    struct vic_err err;
    bool is_gathering = st->is_gathering;
    if (rpc_stream_hold(st, data, len, &err)) {
        if (is_gathering)
            rpc_stream_consume(st, len);
    } else if (is_gathering) {
        answer_error(st, statuses[err.kind], &err);
    } else {
        /* Its handler still holds it. */
        (void)nghttp2_submit_rst_stream(st->s->ng, NGHTTP2_FLAG_NONE, st->id,
                                        NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

void rpc_server_on_end(struct rpc_stream *st)
{
    if (st->has_let_go)
        return;
    if (!st->is_gathering) {
        if (st->in.len == 0)
            rpc_stream_deliver(st);
        return;
    }
    st->is_gathering = false;
    struct vic_err err;
    if (st->in.len && json_parse(st->in.data, st->in.len, &st->json, &err) < 0) {
        answer_error(st, statuses[err.kind], &err);
        return;
    }
    rpc_stream_release_held(st);
    st->has_told_end = true;
    handle(st);
}
