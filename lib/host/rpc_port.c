/* A client session with a guest behind a serial port's unix socket: handshake first, then keep-alive. */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/base/alloc.h"
#include "lib/host/rpc_conn.h"
#include "lib/host/rpc_uv.h"
#include "lib/rpc/sync.h"

/* Then twice as long each time: a slow guest must not be outrun by new questions. */
#define SYNC_RETRY_MS 500
#define SYNC_RETRY_MAX_MS 8000
#define PING_MS 10000
#define PINGS_MAX 3 /* unanswered: the guest is given up after 30 s of silence */

struct host_rpc_port {
    struct host_rpc_conn *conn; /* NULL once closed */
    uv_connect_t connect;
    uv_timer_t timer;
    const struct host_rpc_port_events *events;
    void *arg;
    char *path; /* owned */
    struct rpc_sync sync;
    unsigned retry_ms;
    bool is_up;
    bool is_connecting;
    bool is_closing;
    bool is_timer_closed;
};

/* The connect request lives in the port, so both its answer and the timer's end are awaited. */
static void free_when_quiet(struct host_rpc_port *p)
{
    if (!p->is_closing || p->is_connecting || !p->is_timer_closed)
        return;
    free(p->path);
    free(p);
}

static void down(struct host_rpc_port *p, const struct vic_err *err)
{
    struct host_rpc_conn *conn = TAKE_PTR(p->conn);
    (void)uv_timer_stop(&p->timer);
    if (conn)
        host_rpc_conn_close(conn, err);
    if (!p->is_closing)
        p->events->on_down(err, p->arg);
}

static void on_lost(struct host_rpc_conn *conn, const struct vic_err *err, void *arg)
{
    (void)conn;
    down(arg, err);
}

static void on_ping(uv_timer_t *timer)
{
    struct host_rpc_port *p = timer->data;
    struct rpc_session *session = host_rpc_conn_session(p->conn);
    if (rpc_session_pings_unanswered(session) < PINGS_MAX) {
        rpc_session_ping(session);
        return;
    }
    struct vic_err err;
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, ETIMEDOUT, "the guest does not answer");
    down(p, &err);
}

static void ask(struct host_rpc_port *p, bool is_retry)
{
    auto_buf struct vic_buf line = {0};
    rpc_sync_host_start(&p->sync, is_retry, &line);
    host_rpc_conn_send(p->conn, line.data, line.len);
}

/* A guest that still boots has not read the last line: it waits in the socket, and another one behind
 * it would only have to be thrown away. */
static void on_retry(uv_timer_t *timer)
{
    struct host_rpc_port *p = timer->data;
    uv_os_fd_t fd;
    int unread = 0;
    if (uv_fileno((uv_handle_t *)host_rpc_conn_pipe(p->conn), &fd) == 0 &&
        ioctl(fd, SIOCOUTQ, &unread) == 0 && unread == 0)
        ask(p, true);
    p->retry_ms = p->retry_ms < SYNC_RETRY_MAX_MS ? 2 * p->retry_ms : SYNC_RETRY_MAX_MS;
    (void)uv_timer_start(&p->timer, on_retry, p->retry_ms, 0);
}

static void on_bytes(struct host_rpc_conn *conn, const uint8_t *data, size_t len, void *arg)
{
    struct host_rpc_port *p = arg;
    bool is_done;
    size_t used = rpc_sync_host_feed(&p->sync, data, len, &is_done);
    if (!is_done)
        return;
    struct rpc_session *session =
        rpc_session_new_client(RPC_GUEST_WINDOW, &host_rpc_conn_session_events, conn);
    host_rpc_conn_set_session(conn, session);
    struct vic_err err;
    if (used < len && rpc_session_feed(session, data + used, len - used, &err) < 0) {
        down(p, &err);
        return;
    }
    p->is_up = true;
    (void)uv_timer_start(&p->timer, on_ping, PING_MS, PING_MS);
    p->events->on_up(session, p->arg);
}

static const struct host_rpc_conn_events conn_events = {.on_bytes = on_bytes, .on_lost = on_lost};

static void on_connected(uv_connect_t *req, int status)
{
    struct host_rpc_port *p = req->data;
    struct vic_err err;
    p->is_connecting = false;
    if (p->is_closing) {
        free_when_quiet(p);
        return;
    }
    if (status < 0)
        (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, -status, "cannot reach the guest at '%s': %s",
                       p->path, uv_strerror(status));
    if (status < 0 || host_rpc_conn_start(p->conn, &err) < 0) {
        down(p, &err);
        return;
    }
    ask(p, false);
    p->retry_ms = SYNC_RETRY_MS;
    (void)uv_timer_start(&p->timer, on_retry, p->retry_ms, 0);
}

int host_rpc_port_open(uv_loop_t *loop, const char *socket_path,
                       const struct host_rpc_port_events *events, void *arg,
                       struct host_rpc_port **ret_port, struct vic_err *err)
{
    if (strlen(socket_path) >= 108)
        return vic_fail(err, VIC_ERR_INVALID, ENAMETOOLONG, "socket path '%s' is too long",
                        socket_path);
    struct host_rpc_port *p = vic_new(struct host_rpc_port);
    p->events = events;
    p->arg = arg;
    p->path = vic_xstrdup(socket_path);
    p->conn = host_rpc_conn_new(loop, &conn_events, p);
    (void)uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    p->connect.data = p;
    p->is_connecting = true;
    uv_pipe_connect(&p->connect, host_rpc_conn_pipe(p->conn), p->path, on_connected);
    *ret_port = p;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct host_rpc_port *p = handle->data;
    p->is_timer_closed = true;
    free_when_quiet(p);
}

void host_rpc_port_close(struct host_rpc_port *p)
{
    if (!p || p->is_closing)
        return;
    p->is_closing = true;
    struct host_rpc_conn *conn = TAKE_PTR(p->conn);
    if (conn)
        host_rpc_conn_close(conn, NULL);
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}
