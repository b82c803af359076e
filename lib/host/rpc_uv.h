/*
 * lib/rpc on a uv loop: the one transport between our own processes.
 *
 * Servers accept on a listening socket; clients connect on demand and again after a break, so that
 * a peer which was killed and came back is simply used again.  The process ignores SIGPIPE from the
 * first connection on.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include <uv.h>

#include "lib/rpc/rpc.h"

/* ---- server ---- */

struct host_rpc_server;

/* Takes listen_fd.  At most max_connections at once; more are closed on accept. */
int host_rpc_listen(uv_loop_t *loop, int listen_fd, const struct rpc_route *routes, size_t n_routes,
                    void *arg, unsigned max_connections, struct host_rpc_server **ret_server,
                    struct vic_err *err);
void host_rpc_server_close(struct host_rpc_server *s);

/* ---- client ---- */

struct host_rpc_client;

/* Connects when first used.  A call made while the peer is away fails with UNAVAILABLE that names the
 * socket, after one attempt to connect. */
struct host_rpc_client *host_rpc_client_new(uv_loop_t *loop, const char *socket_path);
/* Streams still open get on_close.  Freed on the loop. */
void host_rpc_client_close(struct host_rpc_client *c);

/* As rpc_call and rpc_open, connecting first where needed: requests wait for the connection. */
int host_rpc_call(struct host_rpc_client *c, const char *method, const char *path,
                  const cJSON *body, rpc_done_fn done, void *arg, struct vic_err *err);
/* *ret_stream is not NULL; written bytes are queued while the connection is being made. */
int host_rpc_open(struct host_rpc_client *c, const char *method, const char *path,
                  const struct rpc_stream_events *events, void *arg, struct rpc_stream **ret_stream,
                  struct vic_err *err);

/* ---- one session on any stream descriptor ---- */

/* A client session on a connected unix socket behind which a serial port answers (a VM's channel):
 * performs the sync handshake first, retries it, pings while idle, and reports. */
struct host_rpc_port;
struct host_rpc_port_events {
    void (*on_up)(struct rpc_session *session, void *arg); /* the peer answered */
    void (*on_down)(const struct vic_err *err, void *arg); /* once, after which only close */
};
int host_rpc_port_open(uv_loop_t *loop, const char *socket_path,
                       const struct host_rpc_port_events *events, void *arg,
                       struct host_rpc_port **ret_port, struct vic_err *err);
void host_rpc_port_close(struct host_rpc_port *p); /* no callback follows */
