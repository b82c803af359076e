/* What the files of lib/rpc share: a session, its streams, and who may touch them when. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/rpc/rpc.h"

#define RPC_CONNECTION_WINDOW (1 << 24) /* given back at once: streams are what limits a peer */
#define RPC_HEADERS_MAX 64              /* fields of one request or answer */
#define RPC_HEADER_BYTES_MAX (16u << 10)
#define RPC_PATH_MAX (8u << 10)
#define RPC_SEGMENTS_MAX 16
#define RPC_QUERY_MAX 64
#define RPC_HELD_MAX (64u << 20)    /* bodies of one session held until complete or wanted */
#define RPC_OUTBOUND_MAX (1u << 14) /* frames waiting for a peer that asks and does not read */
#define RPC_RESET_BURST 8192        /* streams a peer may reset at once ... */
#define RPC_RESETS_PER_S 256        /* ... and for ever */

/* A decoded name and its value, both owned. */
struct rpc_pair {
    char *name;
    char *value;
};

struct rpc_pairs {
    struct rpc_pair *v; /* owned */
    size_t n;
};

const char *rpc_pairs_get(const struct rpc_pairs *p, const char *name);
void rpc_pairs_release(struct rpc_pairs *p);

/* Splits "/a/b%20c?x=y" into decoded segments (a vector for vic_strv_free) and query pairs. */
int rpc_path_split(const char *path, char ***ret_segments, struct rpc_pairs *ret_query,
                   struct vic_err *err);
/* Whether the segments fit a route's path; then its parameters are added to ret_params. */
bool rpc_path_match(const char *pattern, char *const *segments, struct rpc_pairs *ret_params);

struct rpc_session {
    nghttp2_session *ng; /* owned */
    bool is_server;
    bool is_over;      /* broken or ended: streams are gone, nothing new starts */
    bool got_goaway;   /* the peer refuses new streams */
    bool has_shutdown; /* we do */
    bool has_signalled;

    const struct rpc_route *routes; /* borrowed */
    size_t n_routes;
    void *handler_arg;
    const struct rpc_session_events *events; /* borrowed; may be NULL */
    void *events_arg;

    const uint8_t *pending; /* nghttp2's bytes not yet pulled; valid until its next send */
    size_t n_pending;

    uint8_t *pull; /* the buffer of a pull while it is at work */
    size_t pull_cap, n_pulled;
    struct rpc_part part;       /* to follow what was pulled */
    struct rpc_stream *emptied; /* hears with the next pull that what it offered is gone */

    struct vic_list streams;
    size_t n_streams;
    size_t n_handed;     /* server: streams whose handler has not let go, closed ones included */
    size_t n_held;       /* bytes gathered or waiting in all streams */
    struct vic_list due; /* streams whose waiting input is delivered by the next pull */

    unsigned pings_unanswered;
    char reason[128]; /* nghttp2's words for the last violation */
};

enum rpc_stream_kind {
    RPC_STREAM_SERVER,
    RPC_STREAM_CALL, /* client: JSON both ways, one answer */
    RPC_STREAM_OPEN, /* client: streams both ways */
};

/*
 * A stream lives in its session's list from its first header until it is closed.  nghttp2 knows it
 * by the stream's user data only, so that a stream cancelled here is simply not found there.
 * Closed under a holder that has no on_close it stays as a husk (s == NULL) until let go.
 */
struct rpc_stream {
    struct rpc_session *s; /* NULL once closed */
    struct vic_list link;
    struct vic_list due_link;
    int32_t id;
    enum rpc_stream_kind kind;

    const struct rpc_stream_events *events; /* borrowed; may be NULL */
    void *arg;
    rpc_done_fn done;

    struct vic_buf out; /* queued; out_pos bytes of it are gone */
    size_t out_pos;
    bool out_ended;
    bool is_deferred; /* nghttp2 waits for rpc_kick() */
    bool is_high;
    uint8_t *offered; /* borrowed */
    size_t n_offered;

    struct vic_buf in; /* a body being gathered, or bytes nobody listens to yet */
    size_t unconsumed;
    bool is_gathering;
    bool has_peer_ended;
    bool has_told_end;
    bool is_husk;

    unsigned n_headers;
    size_t n_header_bytes;
    bool is_header_overflow;

    /* server */
    char *method;
    char *path;
    const struct rpc_route *route;
    struct rpc_pairs params;
    struct rpc_pairs query;
    cJSON *json;
    bool is_handed;  /* the handler has run */
    bool has_let_go; /* ... and ended the request: no callbacks from here on */
    bool has_begun;

    /* client */
    int status;
    bool has_response;
};

/* ---- session.c ---- */

/* Tells the owner, once, that there is something to pull. */
void rpc_session_signal(struct rpc_session *s);

/* ---- stream.c ---- */

struct rpc_stream *rpc_stream_new(struct rpc_session *s, enum rpc_stream_kind kind, int32_t id);
struct rpc_stream *rpc_stream_find(struct rpc_session *s, int32_t id); /* NULL if cancelled */
/* Out of the session, with the last callback if there is one; frees st or leaves a husk. */
void rpc_stream_finish(struct rpc_stream *st, const struct vic_err *err);
/* In on_close itself this does nothing: the memory goes when that returns. */
void rpc_stream_free_husk(struct rpc_stream *st);
/* Out of the session and freed, no callback; code goes to the peer unless it is negative. */
void rpc_stream_discard(struct rpc_stream *st, int64_t code);
/* Hands over what waits in st->in, and the end. */
void rpc_stream_deliver(struct rpc_stream *st);
/* Adds to st->in; false when the body or all bodies together are past their caps. */
bool rpc_stream_hold(struct rpc_stream *st, const uint8_t *data, size_t len, struct vic_err *err);
void rpc_stream_release_held(struct rpc_stream *st);
void rpc_stream_kick(struct rpc_stream *st); /* nghttp2 asks for data again */
nghttp2_data_provider rpc_stream_provider(void);
/* For nghttp2: how long a frame may be, and the frame of what is offered. */
ssize_t rpc_stream_frame_len(nghttp2_session *ng, uint8_t type, int32_t id, int32_t session_window,
                             int32_t stream_window, uint32_t peer_max, void *user);
int rpc_stream_send_offered(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head,
                            size_t len, nghttp2_data_source *source, void *user);

/* ---- server.c and client.c: what nghttp2 reported, by kind ---- */

void rpc_server_on_header(struct rpc_stream *st, const char *name, const char *value);
void rpc_server_on_headers(struct rpc_stream *st);
void rpc_server_on_data(struct rpc_stream *st, const uint8_t *data, size_t len);
void rpc_server_on_end(struct rpc_stream *st);

void rpc_client_on_header(struct rpc_stream *st, const char *name, const char *value);
void rpc_client_on_headers(struct rpc_stream *st);
void rpc_client_on_data(struct rpc_stream *st, const uint8_t *data, size_t len);
void rpc_client_on_end(struct rpc_stream *st);

/* Why a stream that did not end cleanly closed. */
void rpc_close_reason(uint32_t code, struct vic_err *err);
