/* The client's half: requests sent, and what came back told apart from errors. */
#include <errno.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/rpc/internal.h"

static bool is_success(const struct rpc_stream *st)
{
    return st->status >= 200 && st->status < 300;
}

/* Of an answer, and only of the first that is not informational: trailers carry no status. */
void rpc_client_on_header(struct rpc_stream *st, const char *name, const char *value)
{
    uint64_t status = 0;
    if (strcmp(name, ":status") == 0 && vic_str_to_u64(value, 100, 999, &status) == 0)
        st->status = (int)status;
}

void rpc_client_on_headers(struct rpc_stream *st)
{
    if (st->has_response || (st->status >= 100 && st->status < 200))
        return;
    if (st->is_header_overflow) {
        struct vic_err err;
        (void)vic_fail(&err, VIC_ERR_INTERNAL, EPROTO, "the peer's headers are too large");
        (void)nghttp2_submit_rst_stream(st->s->ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
        rpc_stream_finish(st, &err);
        return;
    }
    st->has_response = true;
    st->is_gathering = st->kind == RPC_STREAM_CALL || !is_success(st);
    if (!st->is_gathering && st->events && st->events->on_response)
        st->events->on_response(st, st->arg);
}

void rpc_client_on_data(struct rpc_stream *st, const uint8_t *data, size_t len)
{
    if (!st->is_gathering) {
        if (st->events && st->events->on_data)
            st->events->on_data(st, data, len, st->arg);
        else
            rpc_stream_consume(st, len);
        return;
    }
    struct vic_err err;
    if (rpc_stream_hold(st, data, len, &err)) {
        rpc_stream_consume(st, len);
        return;
    }
    (void)nghttp2_submit_rst_stream(st->s->ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
    err.kind = VIC_ERR_INTERNAL;
    (void)vic_fail_wrap(&err, -EPROTO, "answer");
    rpc_stream_finish(st, &err);
}

/* A peer's words may end in a log or a terminal: control characters do not. */
static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

static enum vic_err_kind kind_of_status(int status)
{
    switch (status) {
    case 400:
    case 405:
        return VIC_ERR_INVALID;
    case 403:
        return VIC_ERR_FORBIDDEN;
    case 404:
        return VIC_ERR_NOT_FOUND;
    case 409:
        return VIC_ERR_CONFLICT;
    case 412:
        return VIC_ERR_NOT_MODIFIED;
    case 501:
        return VIC_ERR_UNIMPLEMENTED;
    case 503:
        return VIC_ERR_UNAVAILABLE;
    default:
        return VIC_ERR_INTERNAL;
    }
}

static void read_error(const struct rpc_stream *st, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    if (st->in.len)
        (void)json_parse(st->in.data, st->in.len, &doc, NULL); /* then the status must do */
    const char *kind = json_str(doc, "kind", NULL);
    const char *message = json_str(doc, "message", NULL);
    enum vic_err_kind k = kind ? vic_err_kind_from_string(kind) : kind_of_status(st->status);
    if (vic_str_is_empty(message))
        (void)vic_fail(err, k, 0, "the peer answered status %d without a message", st->status);
    else
        (void)vic_fail(err, k, 0, "%s", message);
    clean(err->message);
}

void rpc_client_on_end(struct rpc_stream *st)
{
    if (!st->is_gathering) {
        rpc_stream_deliver(st);
        return;
    }
    struct vic_err err;
    bool is_ok = is_success(st);
    if (!is_ok)
        read_error(st, &err);
    else if (st->in.len && json_parse(st->in.data, st->in.len, &st->json, &err) < 0) {
        (void)vic_fail_wrap(&err, -EPROTO, "answer");
        err.kind = VIC_ERR_INTERNAL;
        is_ok = false;
    }
    if (!st->out_ended || rpc_stream_queued(st) > 0)
        (void)nghttp2_submit_rst_stream(st->s->ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
    rpc_stream_finish(st, is_ok ? NULL : &err);
}

/* ---- requests ---- */

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static bool is_path_ok(const char *path)
{
    size_t n = strlen(path);
    return path[0] == '/' && n <= RPC_PATH_MAX && nghttp2_check_path((const uint8_t *)path, n) != 0;
}

static int start(struct rpc_session *s, enum rpc_stream_kind kind, const char *method,
                 const char *path, bool has_body, struct rpc_stream **ret_stream,
                 struct vic_err *err)
{
    if (s->is_over || s->is_server || !nghttp2_session_check_request_allowed(s->ng))
        return vic_fail(err, VIC_ERR_UNAVAILABLE, ENOTCONN, "the connection is closing");
    if (s->n_streams >= RPC_STREAMS_MAX)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "more than %d requests at once",
                        RPC_STREAMS_MAX);
    if (!is_path_ok(path))
        return vic_fail(err, VIC_ERR_INVALID, 0, "request path too long or malformed");
    nghttp2_nv headers[] = {
        header(":method", method),
        header(":scheme", "http"),
        header(":authority", "vic"),
        header(":path", path),
        header("content-type",
               kind == RPC_STREAM_CALL ? "application/json" : "application/octet-stream"),
    };
    nghttp2_data_provider provider = rpc_stream_provider();
    struct rpc_stream *st = rpc_stream_new(s, kind, 0);
    int32_t id = nghttp2_submit_request(s->ng, NULL, headers, ARRAY_SIZE(headers) - !has_body,
                                        has_body ? &provider : NULL, st);
    if (id < 0) {
        rpc_stream_discard(st, -1);
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "start a request: %s", nghttp2_strerror(id));
    }
    st->id = id;
    *ret_stream = st;
    return 0;
}

int rpc_call(struct rpc_session *s, const char *method, const char *path, const cJSON *body,
             rpc_done_fn done, void *arg, struct rpc_stream **ret_stream, struct vic_err *err)
{
    struct rpc_stream *st = NULL;
    int r = start(s, RPC_STREAM_CALL, method, path, body != NULL, &st, err);
    if (!st)
        return r;
    st->done = done;
    st->arg = arg;
    st->out_ended = true;
    if (body) {
        auto_free char *text = json_print(body);
        vic_buf_add_str(&st->out, text);
    }
    if (ret_stream)
        *ret_stream = st;
    rpc_session_signal(s);
    return 0;
}

int rpc_open(struct rpc_session *s, const char *method, const char *path,
             const struct rpc_stream_events *events, void *arg, struct rpc_stream **ret_stream,
             struct vic_err *err)
{
    struct rpc_stream *st = NULL;
    int r = start(s, RPC_STREAM_OPEN, method, path, true, &st, err);
    if (!st)
        return r;
    st->events = events;
    st->arg = arg;
    *ret_stream = st;
    rpc_session_signal(s);
    return 0;
}
