/* Moves bytes between an rpc session and a uv pipe. */
#include "lib/host/rpc_conn.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"

/* As much as a socket may hold: each turn of the loop has its cost. */
#define READ_CHUNK (256u << 10)
#define WRITE_CHUNK 65536

struct host_rpc_conn {
    uv_pipe_t pipe;
    uv_idle_t flusher; /* runs once per loop turn in which the session has output */
    uv_write_t write;
    const struct host_rpc_conn_events *events;
    void *arg;
    struct rpc_session *session; /* owned */
    uint8_t *out;                /* owned; being written while is_writing */
    bool is_started;
    bool is_writing;
    bool is_lost;
    bool is_closing;
    int depth; /* inside the session */
    unsigned n_open;
    struct vic_err why;
};

static void flush(struct host_rpc_conn *c);

static void schedule(struct host_rpc_conn *c);

static void on_output(void *arg)
{
    schedule(arg);
}

const struct rpc_session_events host_rpc_conn_session_events = {.on_output = on_output};

static void on_closed(uv_handle_t *handle)
{
    struct host_rpc_conn *c = handle->data;
    if (--c->n_open > 0)
        return;
    free(c->out);
    free(c);
}

/* Ends what close has begun, outside the session's callbacks. */
static void finish_close(struct host_rpc_conn *c)
{
    struct rpc_session *session = TAKE_PTR(c->session);
    uv_close((uv_handle_t *)&c->flusher, on_closed);
    uv_close((uv_handle_t *)&c->pipe, on_closed);
    if (c->why.kind == VIC_ERR_NONE)
        rpc_session_free(session);
    else
        rpc_session_fail(session, &c->why);
}

static void leave(struct host_rpc_conn *c)
{
    if (--c->depth == 0 && c->is_closing)
        finish_close(c);
}

static void lose(struct host_rpc_conn *c, const struct vic_err *err)
{
    if (c->is_lost || c->is_closing)
        return;
    c->is_lost = true;
    (void)uv_read_stop((uv_stream_t *)&c->pipe);
    c->events->on_lost(c, err, c->arg);
}

static void lose_uv(struct host_rpc_conn *c, int status)
{
    struct vic_err err;
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, -status, "the connection was lost: %s",
                   status == UV_EOF ? "the peer closed it" : uv_strerror(status));
    lose(c, &err);
}

static void on_written(uv_write_t *req, int status)
{
    struct host_rpc_conn *c = req->data;
    c->is_writing = false;
    if (status < 0 && status != UV_ECANCELED)
        lose_uv(c, status);
    else if (status == 0)
        flush(c);
}

static void write_out(struct host_rpc_conn *c, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)c->out, (unsigned)len);
    c->write.data = c;
    int r = uv_try_write((uv_stream_t *)&c->pipe, &buf, 1);
    size_t sent = r > 0 ? (size_t)r : 0;
    if (sent == len)
        return;
    buf = uv_buf_init((char *)c->out + sent, (unsigned)(len - sent));
    r = uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, on_written);
    c->is_writing = r == 0;
    if (r < 0)
        lose_uv(c, r);
}

/* One write at a time: what the peer does not take stays in the streams' queues, where it is bounded. */
static void flush(struct host_rpc_conn *c)
{
    while (c->is_started && c->session && !c->is_writing && !c->is_lost && !c->is_closing) {
        c->depth++;
        size_t n = rpc_session_pull(c->session, c->out, WRITE_CHUNK);
        bool is_over = n == 0 && rpc_session_is_over(c->session);
        if (n > 0 && !c->is_closing)
            write_out(c, n);
        if (is_over)
            lose_uv(c, UV_EOF);
        bool is_last = c->depth == 1 && c->is_closing;
        leave(c);
        if (n == 0 || is_last)
            return;
    }
}

static void on_flush(uv_idle_t *handle)
{
    (void)uv_idle_stop(handle);
    flush(handle->data);
}

static void schedule(struct host_rpc_conn *c)
{
    if (!c->is_closing)
        (void)uv_idle_start(&c->flusher, on_flush);
}

/* One buffer for all connections, which are of one loop: what is read is dealt with before the next read. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char in[READ_CHUNK];
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(in, sizeof(in));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct host_rpc_conn *c = stream->data;
    if (n < 0) {
        lose_uv(c, (int)n);
        return;
    }
    if (n == 0)
        return;
    struct vic_err err;
    int r = 0;
    c->depth++;
    if (c->session)
        r = rpc_session_feed(c->session, (const uint8_t *)buf->base, (size_t)n, &err);
    else
        c->events->on_bytes(c, (const uint8_t *)buf->base, (size_t)n, c->arg);
    if (r < 0 && !c->is_closing)
        lose(c, &err);
    leave(c);
}

struct host_rpc_conn *host_rpc_conn_new(uv_loop_t *loop, const struct host_rpc_conn_events *events,
                                        void *arg)
{
    /* uv writes with write(): a peer that left must be an error, not the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    struct host_rpc_conn *c = vic_new(struct host_rpc_conn);
    c->events = events;
    c->arg = arg;
    c->out = vic_xalloc(WRITE_CHUNK);
    (void)uv_pipe_init(loop, &c->pipe, 0);
    (void)uv_idle_init(loop, &c->flusher);
    c->pipe.data = c;
    c->flusher.data = c;
    c->n_open = 2;
    return c;
}

uv_pipe_t *host_rpc_conn_pipe(struct host_rpc_conn *c)
{
    return &c->pipe;
}

void host_rpc_conn_set_session(struct host_rpc_conn *c, struct rpc_session *session)
{
    c->session = session;
    schedule(c);
}

struct rpc_session *host_rpc_conn_session(struct host_rpc_conn *c)
{
    return c->session;
}

int host_rpc_conn_start(struct host_rpc_conn *c, struct vic_err *err)
{
    int r = uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
    if (r < 0)
        return vic_fail_errno(err, -r, "read from a connection");
    c->is_started = true;
    schedule(c);
    return 0;
}

/* A write of its own, with its own copy: seldom, and small against the socket's buffer. */
struct raw_write {
    uv_write_t req;
    char data[];
};

static void on_raw_written(uv_write_t *req, int status)
{
    (void)status; /* a broken connection shows in reading too */
    free(container_of(req, struct raw_write, req));
}

void host_rpc_conn_send(struct host_rpc_conn *c, const void *data, size_t len)
{
    struct raw_write *w = vic_xalloc(sizeof(*w) + len);
    memcpy(w->data, data, len);
    uv_buf_t buf = uv_buf_init(w->data, (unsigned)len);
    if (uv_write(&w->req, (uv_stream_t *)&c->pipe, &buf, 1, on_raw_written) < 0)
        free(w);
}

void host_rpc_conn_close(struct host_rpc_conn *c, const struct vic_err *why)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    if (why)
        c->why = *why;
    if (c->depth == 0)
        finish_close(c);
}
