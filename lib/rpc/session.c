/* Sessions: nghttp2 set up, fed and drained, and its reports handed to the right stream. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/rpc/internal.h"

void rpc_session_signal(struct rpc_session *s)
{
    if (s->has_signalled || s->is_over || !s->events || !s->events->on_output)
        return;
    if (!rpc_session_wants_write(s))
        return;
    s->has_signalled = true;
    s->events->on_output(s->events_arg);
}

/* ---- what nghttp2 reports ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct rpc_session *s = user;
    if (!s->is_server || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct rpc_stream *st = rpc_stream_new(s, RPC_STREAM_SERVER, frame->hd.stream_id);
    return nghttp2_session_set_stream_user_data(ng, st->id, st);
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    (void)ng;
    (void)flags;
    struct rpc_session *s = user;
    struct rpc_stream *st = rpc_stream_find(s, frame->hd.stream_id);
    if (!st)
        return 0;
    st->n_headers++;
    st->n_header_bytes += name_len + value_len;
    if (st->n_headers > RPC_HEADERS_MAX || st->n_header_bytes > RPC_HEADER_BYTES_MAX) {
        st->is_header_overflow = true;
        return 0;
    }
    /* nghttp2 ends both with a NUL, and lets no NUL inside a pseudo header pass. */
    if (s->is_server)
        rpc_server_on_header(st, (const char *)name, (const char *)value);
    else
        rpc_client_on_header(st, (const char *)name, (const char *)value);
    return 0;
}

static void end_input(struct rpc_session *s, int32_t id)
{
    /* Looked up again: the handler may have let the stream go. */
    struct rpc_stream *st = rpc_stream_find(s, id);
    if (!st || st->has_peer_ended)
        return;
    st->has_peer_ended = true;
    if (s->is_server)
        rpc_server_on_end(st);
    else
        rpc_client_on_end(st);
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    (void)ng;
    struct rpc_session *s = user;
    int32_t id = frame->hd.stream_id;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: {
        struct rpc_stream *st = rpc_stream_find(s, id);
        if (st && s->is_server && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            rpc_server_on_headers(st);
        else if (st && !s->is_server)
            rpc_client_on_headers(st);
        break;
    }
    case NGHTTP2_DATA:
        break;
    case NGHTTP2_GOAWAY:
        s->got_goaway = true;
        return 0;
    default:
        return 0;
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        end_input(s, id);
    return 0;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *user)
{
    (void)flags;
    struct rpc_session *s = user;
    (void)nghttp2_session_consume_connection(ng, len); /* fails only out of memory */
    struct rpc_stream *st = rpc_stream_find(s, id);
    if (!st)
        return 0;
    st->unconsumed += len;
    if (s->is_server)
        rpc_server_on_data(st, data, len);
    else
        rpc_client_on_data(st, data, len);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
    (void)ng;
    struct rpc_session *s = user;
    struct rpc_stream *st = rpc_stream_find(s, id);
    if (!st)
        return 0;
    bool is_clean = code == NGHTTP2_NO_ERROR && st->has_peer_ended &&
                    (s->is_server ? st->out_ended : st->has_response);
    struct vic_err err;
    if (!is_clean)
        rpc_close_reason(code, &err);
    rpc_stream_finish(st, is_clean ? NULL : &err);
    return 0;
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct rpc_session *s = user;
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct rpc_stream *st = rpc_stream_find(s, frame->hd.stream_id);
    if (!st)
        return 0;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        /* The whole answer is out: the rest of the question is not wanted. */
        if (st->has_let_go && !st->has_peer_ended)
            (void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
        return 0;
    }
    if (st->is_high && rpc_stream_queued(st) < RPC_LOW_WATER) {
        st->is_high = false;
        if (st->events && st->events->on_drain && !st->has_let_go && !st->out_ended)
            st->events->on_drain(st, st->arg);
    }
    return 0;
}

static int on_error(nghttp2_session *ng, int code, const char *msg, size_t len, void *user)
{
    (void)ng;
    (void)code;
    struct rpc_session *s = user;
    (void)snprintf(s->reason, sizeof(s->reason), "%.*s", (int)len, msg);
    return 0;
}

/* ---- making and ending ---- */

static void *need(int r, void *p)
{
    if (r != 0) {
        (void)fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *cb = NULL;
    (void)need(nghttp2_session_callbacks_new(&cb), cb);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_error_callback2(cb, on_error);
    nghttp2_session_callbacks_set_data_source_read_length_callback(cb, rpc_stream_frame_len);
    nghttp2_session_callbacks_set_send_data_callback(cb, rpc_stream_send_offered);
    return cb;
}

static nghttp2_option *make_options(void)
{
    nghttp2_option *o = NULL;
    (void)need(nghttp2_option_new(&o), o);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_send_header_block_length(o, RPC_HEADER_BYTES_MAX + RPC_PATH_MAX);
    nghttp2_option_set_stream_reset_rate_limit(o, RPC_RESET_BURST, RPC_RESETS_PER_S);
    return o;
}

/* Not SETTINGS_NO_RFC7540_PRIORITIES: with it nghttp2 sends one stream after the other, the older first, and an
 * answer waits for as long as a large stream has something to send.  Without it they take turns. */
static void submit_settings(struct rpc_session *s, size_t window)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)window},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, s->is_server ? RPC_FRAME_MIN : RPC_FRAME_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, RPC_HEADER_BYTES_MAX},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->is_server ? RPC_STREAMS_MAX : 0},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, /* clients only: last, so that servers leave it out */
    };
    size_t n = ARRAY_SIZE(settings) - s->is_server;
    (void)need(nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings, n), s);
    (void)need(
        nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0, RPC_CONNECTION_WINDOW),
        s);
}

static struct rpc_session *session_new(bool is_server, size_t window,
                                       const struct rpc_session_events *events, void *events_arg)
{
    struct rpc_session *s = vic_new(struct rpc_session);
    s->is_server = is_server;
    s->events = events;
    s->events_arg = events_arg;
    vic_list_init(&s->streams);
    vic_list_init(&s->due);
    nghttp2_session_callbacks *cb = make_callbacks();
    nghttp2_option *o = make_options();
    int r = is_server ? nghttp2_session_server_new2(&s->ng, cb, s, o)
                      : nghttp2_session_client_new2(&s->ng, cb, s, o);
    (void)need(r, s);
    nghttp2_option_del(o);
    nghttp2_session_callbacks_del(cb);
    submit_settings(s, window);
    return s;
}

struct rpc_session *rpc_session_new_server(const struct rpc_route *routes, size_t n_routes,
                                           void *arg, const struct rpc_session_events *events,
                                           void *events_arg)
{
    struct rpc_session *s = session_new(true, RPC_STREAM_WINDOW, events, events_arg);
    s->routes = routes;
    s->n_routes = n_routes;
    s->handler_arg = arg;
    return s;
}

struct rpc_session *rpc_session_new_client(size_t window, const struct rpc_session_events *events,
                                           void *events_arg)
{
    return session_new(false, window, events, events_arg);
}

/* From here on nothing starts; what is open hears why. */
static void end_streams(struct rpc_session *s, const struct vic_err *why)
{
    s->is_over = true;
    while (!vic_list_is_empty(&s->streams))
        rpc_stream_finish(container_of(s->streams.next, struct rpc_stream, link), why);
}

void rpc_session_fail(struct rpc_session *s, const struct vic_err *why)
{
    if (!s)
        return;
    end_streams(s, why);
    nghttp2_session_del(s->ng);
    free(s);
}

void rpc_session_free(struct rpc_session *s)
{
    struct vic_err err;
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "the connection was closed");
    rpc_session_fail(s, &err);
}

/* ---- bytes in and out ---- */

static int broken(struct rpc_session *s, struct vic_err *err)
{
    struct vic_err why;
    int r = vic_fail(&why, VIC_ERR_UNAVAILABLE, EPROTO, "the peer broke the protocol%s%s",
                     s->reason[0] ? ": " : "", s->reason);
    end_streams(s, &why);
    if (err)
        *err = why;
    return r;
}

int rpc_session_feed(struct rpc_session *s, const uint8_t *data, size_t len, struct vic_err *err)
{
    if (s->is_over)
        return broken(s, err);
    s->pings_unanswered = 0;
    ssize_t n = nghttp2_session_mem_recv(s->ng, data, len);
    if (n < 0) {
        if (!s->reason[0])
            (void)snprintf(s->reason, sizeof(s->reason), "%s", nghttp2_strerror((int)n));
        return broken(s, err);
    }
    /* A client of which nghttp2 wants no more requests, though the peer has not said so, is closing. */
    bool is_closing = !s->is_server && !s->got_goaway && !s->has_shutdown &&
                      !nghttp2_session_check_request_allowed(s->ng);
    if (is_closing)
        return broken(s, err);
    if (nghttp2_session_get_outbound_queue_size(s->ng) > RPC_OUTBOUND_MAX) {
        (void)snprintf(s->reason, sizeof(s->reason), "it asks and does not read");
        return broken(s, err);
    }
    rpc_session_signal(s);
    return 0;
}

/* Ends: a stream's waiting bytes are delivered once, its end once, and only a feed brings more. */
static void deliver_due(struct rpc_session *s)
{
    while (!vic_list_is_empty(&s->due)) {
        struct vic_list *l = s->due.next;
        vic_list_remove(l);
        rpc_stream_deliver(container_of(l, struct rpc_stream, due_link));
    }
}

/* Not at once when the last of it was pulled: its bytes are moved by then. */
static void tell_emptied(struct rpc_session *s)
{
    struct rpc_stream *st = TAKE_PTR(s->emptied);
    if (st && st->n_offered == 0 && st->events && st->events->on_drain && !st->has_let_go &&
        !st->out_ended)
        st->events->on_drain(st, st->arg);
}

static bool copy_pending(struct rpc_session *s)
{
    if (s->n_pending == 0) {
        ssize_t r = nghttp2_session_mem_send(s->ng, &s->pending);
        if (r <= 0)
            return false;
        s->n_pending = (size_t)r;
    }
    size_t room = s->pull_cap - s->n_pulled;
    size_t n = s->n_pending < room ? s->n_pending : room;
    memcpy(s->pull + s->n_pulled, s->pending, n);
    s->pending += n;
    s->n_pending -= n;
    s->n_pulled += n;
    return true;
}

size_t rpc_session_pull_part(struct rpc_session *s, uint8_t *data, size_t cap,
                             struct rpc_part *ret_part)
{
    s->has_signalled = false;
    tell_emptied(s);
    deliver_due(s);
    s->pull = data;
    s->pull_cap = cap;
    s->n_pulled = 0;
    s->part = (struct rpc_part){0};
    while (s->n_pulled < cap && s->part.len == 0 && copy_pending(s))
        ;
    *ret_part = s->part;
    bool is_done = s->n_pending == 0 && !nghttp2_session_want_read(s->ng) &&
                   !nghttp2_session_want_write(s->ng);
    if (is_done && !s->is_over)
        (void)broken(s, NULL);
    return s->n_pulled;
}

size_t rpc_session_pull(struct rpc_session *s, uint8_t *data, size_t cap)
{
    struct rpc_part part;
    size_t n = rpc_session_pull_part(s, data, cap, &part);
    assert(part.len == 0);
    return n;
}

bool rpc_session_wants_write(const struct rpc_session *s)
{
    return s->n_pending > 0 || s->emptied || !vic_list_is_empty(&s->due) ||
           nghttp2_session_want_write(s->ng);
}

bool rpc_session_is_over(const struct rpc_session *s)
{
    return s->is_over;
}

void rpc_session_ping(struct rpc_session *s)
{
    if (s->is_over)
        return;
    s->pings_unanswered++;
    (void)nghttp2_submit_ping(s->ng, NGHTTP2_FLAG_NONE, NULL); /* fails only out of memory */
    rpc_session_signal(s);
}

unsigned rpc_session_pings_unanswered(const struct rpc_session *s)
{
    return s->pings_unanswered;
}

void rpc_session_shutdown(struct rpc_session *s)
{
    if (s->is_over || s->has_shutdown)
        return;
    s->has_shutdown = true;
    (void)nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(s->ng), NGHTTP2_NO_ERROR,
                                NULL, 0);
    rpc_session_signal(s);
}

size_t rpc_session_open_streams(const struct rpc_session *s)
{
    return s->n_streams;
}
