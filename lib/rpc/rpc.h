/*
 * JSON intents and byte streams over HTTP/2, on any byte stream.
 *
 * A session is one HTTP/2 connection (nghttp2), client or server.  It does no I/O, has no clock and
 * no thread: bytes from the peer go in by rpc_session_feed(), bytes for the peer come out by
 * rpc_session_pull().  Whoever owns the byte stream moves them (lib/host/rpc_uv on a uv loop, tether
 * on poll).
 *
 * A request's body is either one JSON document (an intent; capped at RPC_JSON_MAX) or a stream of
 * bytes, and so is its response; a streaming intent has its parameters in the query.  Errors are a
 * JSON document {"kind","message"} under a status >= 400; the kind is what counts.
 *
 * Re-entrancy: callbacks run inside rpc_session_feed(), rpc_session_pull() or rpc_session_free().
 * A callback may call any rpc_stream_* and rpc_reply_* function and start new calls; it must not
 * feed, pull or free the session.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/json/json.h"

#define RPC_JSON_MAX (16u << 20) /* a list of 10,000 containers fits; a hostile peer stops here */
/* Bytes a peer may send on a stream before we consume ... */
#define RPC_STREAM_WINDOW (512u << 10)
/* ... and a guest: one that is emulated shares processors with whoever gives the window back, and would stand still. */
#define RPC_GUEST_WINDOW (2u << 20)
#define RPC_FRAME_MAX (256u << 10)  /* of a server's body in one frame ... */
#define RPC_FRAME_MIN (16u << 10)   /* ... and of a client's, as HTTP/2 has it */
#define RPC_FRAME_HEAD 9u           /* bytes */
#define RPC_HIGH_WATER (512u << 10) /* a writer stops at this many queued bytes on a stream ... */
#define RPC_LOW_WATER (128u << 10)  /* ... and hears on_drain when fewer than these remain */
#define RPC_STREAMS_MAX 4096        /* concurrent requests in one session */

struct rpc_session;
struct rpc_stream;

/* ---- sessions ---------------------------------------------------------------------------- */

struct rpc_session_events {
    /* There is something to pull.  Called at most once until the next pull; it must only schedule. */
    void (*on_output)(void *arg);
};

/* What a request's body is: the handler runs when a JSON body is complete, or at once for a stream. */
enum rpc_body {
    RPC_BODY_NONE_OR_JSON,
    RPC_BODY_STREAM,
};

/* Runs once per request.  It replies now or later and holds st until it has replied, cancelled, or
 * returned from on_close.
 *
 * With an on_close set it hears when the peer goes away, and lets go of st there.  Without one, st
 * stays valid memory after the peer has gone, and every call on it does nothing, until the handler
 * lets go: by rpc_reply_json, rpc_reply_error, rpc_stream_end or rpc_stream_cancel, after which st
 * must not be touched.  A handler that worked elsewhere before it sets an on_close therefore first
 * asks rpc_stream_is_closed(), and cancels if so: an on_close set too late is never called. */
typedef void (*rpc_handler_fn)(struct rpc_stream *st, void *arg);

/* {x} in a path matches one segment: "/v1/containers/{id}/start". */
struct rpc_route {
    const char *method;
    const char *path;
    enum rpc_body body;
    rpc_handler_fn handle;
};

/* routes are borrowed for the session's life; arg goes to handlers, events_arg to events. */
struct rpc_session *rpc_session_new_server(const struct rpc_route *routes, size_t n_routes,
                                           void *arg, const struct rpc_session_events *events,
                                           void *events_arg);
/* window: of the peer's answers, RPC_STREAM_WINDOW or RPC_GUEST_WINDOW. */
struct rpc_session *rpc_session_new_client(size_t window, const struct rpc_session_events *events,
                                           void *events_arg);

/* Every open stream first gets its on_close (or done) with UNAVAILABLE.  NULL is allowed. */
void rpc_session_free(struct rpc_session *s);
/* The same, with the reason the streams are told. */
void rpc_session_fail(struct rpc_session *s, const struct vic_err *why);

/* Takes all of data.  < 0: the peer broke the protocol; pull once more (it holds the reason for the
 * peer), then free the session. */
int rpc_session_feed(struct rpc_session *s, const uint8_t *data, size_t len, struct vic_err *err);

/* Copies out up to cap bytes for the peer and returns how many; 0 when there is nothing now. */
size_t rpc_session_pull(struct rpc_session *s, uint8_t *data, size_t cap);

/* What follows the pulled bytes, before anything else may: a frame in the memory of rpc_stream_offer(). */
struct rpc_part {
    const uint8_t *data; /* borrowed */
    size_t len;          /* 0: there is none */
};
/* The same for a session on which bodies are offered; the part before has been moved.  There may be a part and
 * nothing pulled. */
size_t rpc_session_pull_part(struct rpc_session *s, uint8_t *data, size_t cap,
                             struct rpc_part *ret_part);
bool rpc_session_wants_write(const struct rpc_session *s);

/* Nothing more will come or go: the peer broke the protocol and was told so, or a shutdown has run
 * its course.  Streams have had their on_close.  Ask after each pull (some breaches only show there),
 * and free the session once what was pulled is written; a feed then fails. */
bool rpc_session_is_over(const struct rpc_session *s);

/* Asks the peer for a sign of life.  Unanswered pings since the last byte fed are counted. */
void rpc_session_ping(struct rpc_session *s);
unsigned rpc_session_pings_unanswered(const struct rpc_session *s);

/* Refuses new streams from the peer; those open go on. */
void rpc_session_shutdown(struct rpc_session *s);
size_t rpc_session_open_streams(const struct rpc_session *s);

/* ---- streams, on both sides ---------------------------------------------------------------- */

/* Any member may be NULL. */
struct rpc_stream_events {
    /* Client only, once, before any data: the peer accepted (2xx). */
    void (*on_response)(struct rpc_stream *st, void *arg);
    /* Bytes of the peer's body, borrowed.  Their window is given back by rpc_stream_consume(). */
    void (*on_data)(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg);
    /* The peer has sent all of its body (half-close). */
    void (*on_end)(struct rpc_stream *st, void *arg);
    /* The queue fell below RPC_LOW_WATER after it had reached RPC_HIGH_WATER, or what was offered is gone. */
    void (*on_drain)(struct rpc_stream *st, void *arg);
    /* The last callback; st is gone when it returns.  err is NULL when both sides ended cleanly,
     * else what the peer answered (its kind and message) or why the stream broke. */
    void (*on_close)(struct rpc_stream *st, const struct vic_err *err, void *arg);
};

/* events are borrowed for the stream's life.  Bytes that came before wait (within the window) and
 * are handed over by the next pull. */
void rpc_stream_set_events(struct rpc_stream *st, const struct rpc_stream_events *events,
                           void *arg);

/* Queues a copy; returns the bytes now queued.  At RPC_HIGH_WATER or more, stop until on_drain. */
size_t rpc_stream_write(struct rpc_stream *st, const void *data, size_t len);
/* The next len bytes of the body, borrowed until on_drain and not copied into the session: whoever pulls it moves
 * them (struct rpc_part), and may be at it still when the stream has closed.  The heads of frames are written in front
 * of what they frame, so RPC_FRAME_HEAD bytes before data are lost too.  A body is offered or written, not both; it
 * ends once all is gone. */
void rpc_stream_offer(struct rpc_stream *st, uint8_t *data, size_t len);
/* No more will be written.  What is queued still goes out. */
void rpc_stream_end(struct rpc_stream *st);
/* Gives the peer n bytes of window back, after on_data's bytes were dealt with. */
void rpc_stream_consume(struct rpc_stream *st, size_t n);
/* Drops the stream both ways (RST_STREAM).  No callback follows; st is gone. */
void rpc_stream_cancel(struct rpc_stream *st);
/* The peer is gone; only what holds st keeps it (see rpc_handler_fn). */
bool rpc_stream_is_closed(const struct rpc_stream *st);
/* Bytes written and not yet pulled. */
size_t rpc_stream_queued(const struct rpc_stream *st);

/* ---- client -------------------------------------------------------------------------------- */

/* Exactly once, never before the call returns.  err is NULL on success; doc (borrowed) is the
 * answer, NULL when it had none. */
typedef void (*rpc_done_fn)(const struct vic_err *err, const cJSON *doc, void *arg);

/* One intent: JSON (or NULL) out, JSON back.  *ret_stream (may be NULL) can be cancelled, after which
 * done is not called.  path holds the query too. */
int rpc_call(struct rpc_session *s, const char *method, const char *path, const cJSON *body,
             rpc_done_fn done, void *arg, struct rpc_stream **ret_stream, struct vic_err *err);

/* A request whose body and response are streams.  The caller writes, ends, consumes or cancels. */
int rpc_open(struct rpc_session *s, const char *method, const char *path,
             const struct rpc_stream_events *events, void *arg, struct rpc_stream **ret_stream,
             struct vic_err *err);

/* A value for a path or query, percent-encoded; the caller frees it. */
char *rpc_encode(const char *text);

/* ---- server: what was asked, and the answer -------------------------------------------------- */

/* All borrowed until the stream is gone.  Parameters and query values are percent-decoded, are valid
 * UTF-8 and hold no NUL. */
const char *rpc_stream_param(const struct rpc_stream *st, const char *name);
const char *rpc_stream_query(const struct rpc_stream *st, const char *name); /* NULL if absent */
const cJSON *rpc_stream_json(const struct rpc_stream *st);                   /* NULL if none */
struct rpc_session *rpc_stream_session(const struct rpc_stream *st);         /* NULL once closed */

/* Each ends the request: the handler lets go of st, no callback follows, what the peer still sends
 * is refused.  doc is taken; NULL means no body.  An error after rpc_reply_begin can only reset. */
void rpc_reply_json(struct rpc_stream *st, cJSON *doc);
void rpc_reply_error(struct rpc_stream *st, const struct vic_err *err);
/* Begins a streaming answer: then write and end (or cancel). */
void rpc_reply_begin(struct rpc_stream *st);
