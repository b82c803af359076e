/* Streams: their queues, windows, and the one way each of them ends. */
#include <assert.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/rpc/internal.h"

struct rpc_stream *rpc_stream_new(struct rpc_session *s, enum rpc_stream_kind kind, int32_t id)
{
    struct rpc_stream *st = vic_new(struct rpc_stream);
    st->s = s;
    st->kind = kind;
    st->id = id;
    vic_list_init(&st->due_link);
    vic_list_append(&s->streams, &st->link);
    s->n_streams++;
    return st;
}

struct rpc_stream *rpc_stream_find(struct rpc_session *s, int32_t id)
{
    return nghttp2_session_get_stream_user_data(s->ng, id);
}

static void stream_free(struct rpc_stream *st)
{
    vic_buf_release(&st->out);
    vic_buf_release(&st->in);
    free(st->method);
    free(st->path);
    rpc_pairs_release(&st->params);
    rpc_pairs_release(&st->query);
    cJSON_Delete(st->json);
    free(st);
}

void rpc_stream_release_held(struct rpc_stream *st)
{
    if (st->s)
        st->s->n_held -= st->in.len;
    vic_buf_release(&st->in);
}

/* Nothing in the session or in nghttp2 points at st afterwards. */
static void detach(struct rpc_stream *st)
{
    struct rpc_session *s = st->s;
    rpc_stream_release_held(st);
    vic_list_remove(&st->link);
    vic_list_remove(&st->due_link);
    s->n_streams--;
    if (s->emptied == st)
        s->emptied = NULL;
    if (st->id > 0)
        (void)nghttp2_session_set_stream_user_data(s->ng, st->id, NULL); /* it may be closed */
    st->s = NULL;
}

/* The holder can still name st, and hears nothing when it closes. */
static bool needs_husk(const struct rpc_stream *st)
{
    if (st->has_let_go || st->out_ended)
        return false;
    return st->kind == RPC_STREAM_OPEN || (st->kind == RPC_STREAM_SERVER && st->is_handed);
}

void rpc_stream_finish(struct rpc_stream *st, const struct vic_err *err)
{
    detach(st);
    const struct rpc_stream_events *events = st->has_let_go ? NULL : st->events;
    if (st->kind == RPC_STREAM_CALL) {
        st->done(err, st->json, st->arg);
    } else if (events && events->on_close) {
        events->on_close(st, err, st->arg);
    } else if (needs_husk(st)) {
        vic_buf_release(&st->out);
        st->is_husk = true;
        return;
    }
    stream_free(st);
}

void rpc_stream_free_husk(struct rpc_stream *st)
{
    if (st->is_husk)
        stream_free(st);
}

void rpc_stream_discard(struct rpc_stream *st, int64_t code)
{
    struct rpc_session *s = st->s;
    if (code >= 0 && !s->is_over)
        (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, st->id, (uint32_t)code);
    detach(st);
    stream_free(st);
    rpc_session_signal(s);
}

void rpc_close_reason(uint32_t code, struct vic_err *err)
{
    bool is_away =
        code == NGHTTP2_NO_ERROR || code == NGHTTP2_CANCEL || code == NGHTTP2_REFUSED_STREAM;
    (void)vic_fail(err, is_away ? VIC_ERR_UNAVAILABLE : VIC_ERR_INTERNAL, 0,
                   "the peer dropped the request: %s", nghttp2_http2_strerror(code));
}

/* ---- into the stream ---- */

bool rpc_stream_hold(struct rpc_stream *st, const uint8_t *data, size_t len, struct vic_err *err)
{
    if (st->in.len + len > RPC_JSON_MAX) {
        (void)vic_fail(err, VIC_ERR_INVALID, 0, "body larger than %u bytes", RPC_JSON_MAX);
        return false;
    }
    if (st->s->n_held + len > RPC_HELD_MAX) {
        (void)vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "too many large bodies at once");
        return false;
    }
    vic_buf_add(&st->in, data, len);
    st->s->n_held += len;
    return true;
}

void rpc_stream_deliver(struct rpc_stream *st)
{
    const struct rpc_stream_events *events = st->events;
    if (!events || st->has_let_go)
        return;
    if (st->in.len) {
        /* Set up for the end first: st may be gone after on_data, and then is not in the list. */
        if (st->has_peer_ended && vic_list_is_empty(&st->due_link))
            vic_list_append(&st->s->due, &st->due_link);
        struct vic_buf in = st->in;
        st->s->n_held -= in.len;
        st->in = (struct vic_buf){0};
        if (events->on_data)
            events->on_data(st, (const uint8_t *)in.data, in.len, st->arg);
        else
            rpc_stream_consume(st, in.len);
        vic_buf_release(&in);
        return;
    }
    if (st->has_peer_ended && !st->has_told_end) {
        st->has_told_end = true;
        if (events->on_end)
            events->on_end(st, st->arg);
    }
}

void rpc_stream_set_events(struct rpc_stream *st, const struct rpc_stream_events *events, void *arg)
{
    st->events = events;
    st->arg = arg;
    bool is_due = st->in.len || (st->has_peer_ended && !st->has_told_end);
    if (!st->s || st->is_gathering || !events || !is_due)
        return;
    if (vic_list_is_empty(&st->due_link))
        vic_list_append(&st->s->due, &st->due_link);
    rpc_session_signal(st->s);
}

void rpc_stream_consume(struct rpc_stream *st, size_t n)
{
    if (!st->s || st->s->is_over)
        return;
    if (n > st->unconsumed)
        n = st->unconsumed;
    st->unconsumed -= n;
    if (n == 0)
        return;
    (void)nghttp2_session_consume_stream(st->s->ng, st->id, n); /* fails only out of memory */
    rpc_session_signal(st->s);
}

/* ---- out of the stream ---- */

#define FRAME_WRITTEN (16u << 10) /* nghttp2 copies it */

ssize_t rpc_stream_frame_len(nghttp2_session *ng, uint8_t type, int32_t id, int32_t session_window,
                             int32_t stream_window, uint32_t peer_max, void *user)
{
    (void)ng, (void)type, (void)session_window, (void)stream_window, (void)peer_max;
    const struct rpc_stream *st = rpc_stream_find(user, id);
    return st && st->n_offered > 0 ? RPC_FRAME_MAX : FRAME_WRITTEN;
}

int rpc_stream_send_offered(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head,
                            size_t len, nghttp2_data_source *source, void *user)
{
    (void)ng, (void)source;
    struct rpc_session *s = user;
    struct rpc_stream *st = rpc_stream_find(s, frame->hd.stream_id);
    if (!st)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    uint8_t *start = st->offered - RPC_FRAME_HEAD;
    memcpy(start, head, RPC_FRAME_HEAD);
    s->part = (struct rpc_part){start, len + RPC_FRAME_HEAD};
    st->offered += len;
    st->n_offered -= len;
    if (st->n_offered == 0)
        s->emptied = st;
    return NGHTTP2_ERR_PAUSE;
}

void rpc_stream_offer(struct rpc_stream *st, uint8_t *data, size_t len)
{
    if (!st->s || st->s->is_over || len == 0)
        return;
    st->offered = data;
    st->n_offered = len;
    rpc_stream_kick(st);
}

size_t rpc_stream_queued(const struct rpc_stream *st)
{
    return st->out.len - st->out_pos;
}

/* nghttp2 asks for up to cap bytes of a stream's body. */
static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *data, size_t cap, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    (void)ng;
    (void)source;
    struct rpc_stream *st = rpc_stream_find(user, id);
    if (!st)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = rpc_stream_queued(st);
    if (st->n_offered > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
        return (ssize_t)(st->n_offered < cap ? st->n_offered : cap);
    }
    if (n == 0 && !st->out_ended) {
        st->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > cap)
        n = cap;
    if (n)
        memcpy(data, st->out.data + st->out_pos, n);
    st->out_pos += n;
    if (rpc_stream_queued(st) == 0 && st->out_ended)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    /* Moving the rest down only when it is the smaller part keeps the copying linear. */
    if (st->out_pos == st->out.len && st->out.cap > RPC_HIGH_WATER) {
        vic_buf_release(&st->out);
        st->out_pos = 0;
    } else if (st->out_pos >= st->out.len - st->out_pos) {
        vic_buf_consume(&st->out, st->out_pos);
        st->out_pos = 0;
    }
    return (ssize_t)n;
}

nghttp2_data_provider rpc_stream_provider(void)
{
    return (nghttp2_data_provider){.read_callback = on_read};
}

void rpc_stream_kick(struct rpc_stream *st)
{
    if (st->is_deferred) {
        st->is_deferred = false;
        (void)nghttp2_session_resume_data(st->s->ng, st->id); /* a closing stream has nothing */
    }
    rpc_session_signal(st->s);
}

size_t rpc_stream_write(struct rpc_stream *st, const void *data, size_t len)
{
    if (!st->s || st->out_ended || st->s->is_over)
        return 0;
    vic_buf_add(&st->out, data, len);
    if (rpc_stream_queued(st) >= RPC_HIGH_WATER)
        st->is_high = true;
    if (len)
        rpc_stream_kick(st);
    return rpc_stream_queued(st);
}

void rpc_stream_end(struct rpc_stream *st)
{
    if (!st->s) {
        rpc_stream_free_husk(st);
        return;
    }
    if (st->out_ended)
        return;
    st->out_ended = true;
    rpc_stream_kick(st);
}

void rpc_stream_cancel(struct rpc_stream *st)
{
    if (st->s)
        rpc_stream_discard(st, NGHTTP2_CANCEL);
    else
        rpc_stream_free_husk(st);
}

bool rpc_stream_is_closed(const struct rpc_stream *st)
{
    return !st->s;
}

struct rpc_session *rpc_stream_session(const struct rpc_stream *st)
{
    return st->s;
}

const char *rpc_stream_param(const struct rpc_stream *st, const char *name)
{
    return rpc_pairs_get(&st->params, name);
}

const char *rpc_stream_query(const struct rpc_stream *st, const char *name)
{
    return rpc_pairs_get(&st->query, name);
}

const cJSON *rpc_stream_json(const struct rpc_stream *st)
{
    return st->json;
}
