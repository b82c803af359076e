/* One host_rpc_port after the other for as long as the VM lives. */
#include "portlayer/interaction/channel.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/host/rpc_uv.h"

#define RETRY_MS 100

struct pl_channel {
    uv_loop_t *loop;
    char *path;
    struct host_rpc_port *port;
    struct rpc_session *session; /* borrowed from port; NULL while down */
    uv_timer_t timer;
    bool is_closed;
    const struct pl_channel_events *events;
    void *arg;
};

static void connect_port(struct pl_channel *c);

static void on_retry(uv_timer_t *t)
{
    struct pl_channel *c = t->data;
    if (c->port)
        host_rpc_port_close(c->port);
    c->port = NULL;
    if (!c->is_closed)
        connect_port(c);
}

static void on_up(struct rpc_session *session, void *arg)
{
    struct pl_channel *c = arg;
    c->session = session;
    c->events->on_up(session, c->arg);
}

static void on_down(const struct vic_err *err, void *arg)
{
    struct pl_channel *c = arg;
    vic_log(VIC_DEBUG, "channel", c->path, "down: %s", err ? err->message : "closed");
    c->session = NULL;
    (void)uv_timer_start(&c->timer, on_retry, RETRY_MS, 0);
}

static void connect_port(struct pl_channel *c)
{
    static const struct host_rpc_port_events events = {.on_up = on_up, .on_down = on_down};
    struct vic_err err = {0};
    if (host_rpc_port_open(c->loop, c->path, &events, c, &c->port, &err) < 0) {
        c->port = NULL;
        vic_log(VIC_DEBUG, "channel", c->path, "%s", err.message);
        (void)uv_timer_start(&c->timer, on_retry, RETRY_MS, 0);
    }
}

struct pl_channel *pl_channel_new(uv_loop_t *loop, const char *socket_path,
                                  const struct pl_channel_events *events, void *arg)
{
    struct pl_channel *c = vic_new(struct pl_channel);
    c->loop = loop;
    c->path = vic_xstrdup(socket_path);
    c->events = events;
    c->arg = arg;
    c->timer.data = c;
    (void)uv_timer_init(loop, &c->timer);
    connect_port(c);
    return c;
}

static void on_closed(uv_handle_t *h)
{
    struct pl_channel *c = h->data;
    free(c->path);
    free(c);
}

void pl_channel_close(struct pl_channel *c)
{
    if (!c || c->is_closed)
        return;
    c->is_closed = true;
    c->session = NULL;
    if (c->port)
        host_rpc_port_close(c->port);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

struct rpc_session *pl_channel_session(const struct pl_channel *c)
{
    return c ? c->session : NULL;
}

int pl_channel_call(struct pl_channel *c, const char *method, const char *path, const cJSON *body,
                    rpc_done_fn done, void *arg, struct vic_err *err)
{
    if (!pl_channel_session(c))
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "the virtual machine does not answer");
    return rpc_call(c->session, method, path, body, done, arg, NULL, err);
}
