/* rpc servers and clients on a uv loop, over unix sockets. */
#include "lib/host/rpc_uv.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/host/rpc_conn.h"

#define BACKLOG 511

/* ---- server ---- */

struct host_rpc_server {
    uv_pipe_t listener;
    const struct rpc_route *routes;
    size_t n_routes;
    void *arg;
    unsigned max_connections;
    unsigned n_connections;
    bool is_closing;
    struct vic_list peers;
};

struct peer {
    struct vic_list link;
    struct host_rpc_server *server;
    struct host_rpc_conn *conn;
};

static void drop_peer(struct peer *p, const struct vic_err *why)
{
    vic_list_remove(&p->link);
    p->server->n_connections--;
    host_rpc_conn_close(p->conn, why);
    free(p);
}

static void on_peer_lost(struct host_rpc_conn *conn, const struct vic_err *err, void *arg)
{
    (void)conn;
    drop_peer(arg, err);
}

static const struct host_rpc_conn_events peer_events = {.on_lost = on_peer_lost};

static void on_connection(uv_stream_t *listener, int status)
{
    struct host_rpc_server *s = listener->data;
    if (status < 0)
        return; /* out of descriptors: uv asks again when one is free */
    struct peer *p = vic_new(struct peer);
    p->server = s;
    p->conn = host_rpc_conn_new(listener->loop, &peer_events, p);
    vic_list_append(&s->peers, &p->link);
    s->n_connections++;
    host_rpc_conn_set_session(p->conn,
                              rpc_session_new_server(s->routes, s->n_routes, s->arg,
                                                     &host_rpc_conn_session_events, p->conn));
    struct vic_err err;
    if (uv_accept(listener, (uv_stream_t *)host_rpc_conn_pipe(p->conn)) < 0 ||
        s->n_connections > s->max_connections || host_rpc_conn_start(p->conn, &err) < 0)
        drop_peer(p, NULL);
}

int host_rpc_listen(uv_loop_t *loop, int listen_fd, const struct rpc_route *routes, size_t n_routes,
                    void *arg, unsigned max_connections, struct host_rpc_server **ret_server,
                    struct vic_err *err)
{
    struct host_rpc_server *s = vic_new(struct host_rpc_server);
    s->routes = routes;
    s->n_routes = n_routes;
    s->arg = arg;
    s->max_connections = max_connections;
    s->listener.data = s;
    vic_list_init(&s->peers);
    (void)uv_pipe_init(loop, &s->listener, 0);
    int r = uv_pipe_open(&s->listener, listen_fd);
    if (r < 0)
        (void)close(listen_fd);
    else
        r = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    if (r < 0) {
        host_rpc_server_close(s);
        return vic_fail_errno(err, -r, "listen for intents");
    }
    *ret_server = s;
    return 0;
}

static void on_server_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void host_rpc_server_close(struct host_rpc_server *s)
{
    if (!s)
        return;
    while (!vic_list_is_empty(&s->peers))
        drop_peer(container_of(s->peers.next, struct peer, link), NULL);
    uv_close((uv_handle_t *)&s->listener, on_server_closed);
}

/* ---- client ---- */

struct host_rpc_client {
    uv_loop_t *loop;
    char *path;                 /* owned */
    struct host_rpc_conn *conn; /* NULL while there is none */
    bool is_closed;             /* being closed: calls that fail by it must begin no others */
};

struct connecting {
    uv_connect_t req;
    struct host_rpc_client *client; /* not to be used once the connection is closed */
    struct host_rpc_conn *conn;
};

static void on_client_lost(struct host_rpc_conn *conn, const struct vic_err *err, void *arg)
{
    struct host_rpc_client *c = arg;
    if (c->conn == conn)
        c->conn = NULL;
    host_rpc_conn_close(conn, err);
}

static const struct host_rpc_conn_events client_events = {.on_lost = on_client_lost};

static void on_connected(uv_connect_t *req, int status)
{
    struct connecting *t = container_of(req, struct connecting, req);
    struct vic_err err;
    if (status != UV_ECANCELED) { /* else the client was closed meanwhile */
        if (status < 0)
            (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, -status, "cannot reach '%s': %s",
                           t->client->path, uv_strerror(status));
        if (status < 0 || host_rpc_conn_start(t->conn, &err) < 0)
            on_client_lost(t->conn, &err, t->client);
    }
    free(t);
}

static struct rpc_session *session_of(struct host_rpc_client *c)
{
    if (!c->conn) {
        c->conn = host_rpc_conn_new(c->loop, &client_events, c);
        host_rpc_conn_set_session(
            c->conn,
            rpc_session_new_client(RPC_STREAM_WINDOW, &host_rpc_conn_session_events, c->conn));
        struct connecting *t = vic_new(struct connecting);
        t->client = c;
        t->conn = c->conn;
        uv_pipe_connect(&t->req, host_rpc_conn_pipe(c->conn), c->path, on_connected);
    }
    return host_rpc_conn_session(c->conn);
}

/* uv would cut a path that is too long, and reach some other socket. */
static int check(const struct host_rpc_client *c, struct vic_err *err)
{
    if (c->is_closed)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "the connection was closed");
    if (strlen(c->path) < sizeof(((struct sockaddr_un *)0)->sun_path))
        return 0;
    return vic_fail(err, VIC_ERR_INVALID, ENAMETOOLONG, "socket path '%s' is too long", c->path);
}

struct host_rpc_client *host_rpc_client_new(uv_loop_t *loop, const char *socket_path)
{
    struct host_rpc_client *c = vic_new(struct host_rpc_client);
    c->loop = loop;
    c->path = vic_xstrdup(socket_path);
    return c;
}

void host_rpc_client_close(struct host_rpc_client *c)
{
    if (!c)
        return;
    c->is_closed = true;
    struct host_rpc_conn *conn = TAKE_PTR(c->conn);
    if (conn)
        host_rpc_conn_close(conn, NULL);
    free(c->path);
    free(c);
}

int host_rpc_call(struct host_rpc_client *c, const char *method, const char *path,
                  const cJSON *body, rpc_done_fn done, void *arg, struct vic_err *err)
{
    int r = check(c, err);
    return r < 0 ? r : rpc_call(session_of(c), method, path, body, done, arg, NULL, err);
}

int host_rpc_open(struct host_rpc_client *c, const char *method, const char *path,
                  const struct rpc_stream_events *events, void *arg, struct rpc_stream **ret_stream,
                  struct vic_err *err)
{
    int r = check(c, err);
    return r < 0 ? r : rpc_open(session_of(c), method, path, events, arg, ret_stream, err);
}
