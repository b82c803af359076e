/* Inside lib/host: an rpc session on a uv pipe, shared by servers, clients and serial ports. */
#pragma once

#include <uv.h>

#include "lib/rpc/rpc.h"

struct host_rpc_conn;

struct host_rpc_conn_events {
    /* Bytes came while there is no session (the sync handshake); may be NULL if there always is one. */
    void (*on_bytes)(struct host_rpc_conn *c, const uint8_t *data, size_t len, void *arg);
    /* The peer is gone or broke the protocol; called once, not after a close.  Then close it. */
    void (*on_lost)(struct host_rpc_conn *c, const struct vic_err *err, void *arg);
};

/* The pipe is initialised and not yet connected. */
struct host_rpc_conn *host_rpc_conn_new(uv_loop_t *loop, const struct host_rpc_conn_events *events,
                                        void *arg);
uv_pipe_t *host_rpc_conn_pipe(struct host_rpc_conn *c);

/* Session events that make a conn send what its session has; events_arg must be the conn. */
extern const struct rpc_session_events host_rpc_conn_session_events;

/* Moves the session in. */
void host_rpc_conn_set_session(struct host_rpc_conn *c, struct rpc_session *session);
struct rpc_session *host_rpc_conn_session(struct host_rpc_conn *c); /* NULL if none */

/* Once the pipe is connected: reads, and sends what is queued. */
int host_rpc_conn_start(struct host_rpc_conn *c, struct vic_err *err);
/* Bytes outside any session (the sync line). */
void host_rpc_conn_send(struct host_rpc_conn *c, const void *data, size_t len);

/* Ends it: the session's streams are told why (NULL: the connection was lost).  Safe inside the
 * session's callbacks; what must wait is done when they have returned. */
void host_rpc_conn_close(struct host_rpc_conn *c, const struct vic_err *why);
