/* The functions of lib/rpc that request handlers call. */
#include "test/unit/storage_rpc.h"

#include <assert.h>
#include <string.h>

#include "lib/base/str.h"

void request(const struct rpc_route *routes, size_t n, const char *method, const char *path,
             struct rpc_stream *st, void *arg)
{
    for (size_t i = 0; i < n; i++) {
        if (vic_str_eq(routes[i].method, method) && vic_str_eq(routes[i].path, path)) {
            routes[i].handle(st, arg);
            return;
        }
    }
    assert(!"no such route");
}

void request_release(struct rpc_stream *st)
{
    cJSON_Delete(st->body);
    cJSON_Delete(st->answer);
    vic_buf_release(&st->out);
    memset(st, 0, sizeof(*st));
}

void rpc_stream_set_events(struct rpc_stream *st, const struct rpc_stream_events *events, void *arg)
{
    st->events = events;
    st->arg = arg;
}

size_t rpc_stream_write(struct rpc_stream *st, const void *data, size_t len)
{
    assert(st->has_begun && !st->is_over);
    vic_buf_add(&st->out, data, len);
    return st->write_answer;
}

void rpc_stream_end(struct rpc_stream *st)
{
    assert(!st->is_over);
    st->is_over = true;
}

void rpc_stream_consume(struct rpc_stream *st, size_t n)
{
    st->consumed += n;
}

void rpc_stream_cancel(struct rpc_stream *st)
{
    st->is_cancelled = true;
    st->is_over = true;
}

const char *rpc_stream_param(const struct rpc_stream *st, const char *name)
{
    (void)name;
    return st->param;
}

const char *rpc_stream_query(const struct rpc_stream *st, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(st->query); i += 2) {
        if (vic_str_eq(st->query[i], name))
            return st->query[i + 1];
    }
    return NULL;
}

const cJSON *rpc_stream_json(const struct rpc_stream *st)
{
    return st->body;
}

void rpc_reply_json(struct rpc_stream *st, cJSON *doc)
{
    assert(!st->is_over && !st->has_begun);
    st->answer = doc;
    st->is_over = true;
}

void rpc_reply_error(struct rpc_stream *st, const struct vic_err *err)
{
    assert(!st->is_over && !st->has_begun);
    st->err = *err;
    st->is_over = true;
}

void rpc_reply_begin(struct rpc_stream *st)
{
    st->has_begun = true;
}
