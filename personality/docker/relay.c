/* Streams from the port layer to clients. */
#include "personality/docker/relay.h"

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/version.h"

struct docker_relay {
    struct docker_req *req; /* a reference */
    struct rpc_stream *st;
    const struct docker_relay_ops *ops;
    void *arg;
    size_t unconsumed; /* bytes taken while the client was slow */
    bool is_paused;
    bool has_begun;
};

struct docker_req *docker_relay_req(const struct docker_relay *l)
{
    return l->req;
}

struct rpc_stream *docker_relay_stream(const struct docker_relay *l)
{
    return l->st;
}

static void relay_free(struct docker_relay *l)
{
    docker_req_watch(l->req, NULL, NULL);
    l->ops->on_free(l->arg);
    docker_req_unref(l->req);
    free(l);
}

static void finish(struct docker_relay *l, const struct vic_err *err)
{
    l->st = NULL;
    l->ops->on_end(l, err, l->has_begun, l->arg);
    relay_free(l);
}

static void on_response(struct rpc_stream *st, void *arg)
{
    struct docker_relay *l = arg;
    (void)st;
    l->has_begun = true;
    l->ops->on_begin(l, l->arg);
}

static void on_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct docker_relay *l = arg;
    struct vic_err err;
    int r = l->ops->on_data(l, data, len, l->arg, &err);
    if (r < 0) {
        rpc_stream_cancel(st);
        finish(l, &err);
        return;
    }
    l->is_paused = l->is_paused || r == 0;
    if (l->is_paused)
        l->unconsumed += len;
    else
        rpc_stream_consume(st, len);
}

static void on_input_drain(struct rpc_stream *st, void *arg)
{
    struct docker_relay *l = arg;
    (void)st;
    if (l->ops->on_input_drain)
        l->ops->on_input_drain(l, l->arg);
}

/* The run is over and all of its output is here: there is nobody left to read what a client would type. */
static void on_output_end(struct rpc_stream *st, void *arg)
{
    if (rpc_stream_queued(st) == 0) {
        rpc_stream_end(st);
        return;
    }
    rpc_stream_cancel(st); /* what is typed already may never be taken */
    finish(arg, NULL);
}

static void on_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st; /* gone with this */
    finish(arg, err);
}

static const struct rpc_stream_events stream_events = {
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_output_end,
    .on_drain = on_input_drain,
    .on_close = on_close,
};

void docker_relay_resume(struct docker_relay *l)
{
    l->is_paused = false;
    size_t n = l->unconsumed;
    l->unconsumed = 0;
    if (l->st && n > 0)
        rpc_stream_consume(l->st, n);
}

static void on_drain(void *arg)
{
    docker_relay_resume(arg);
}

void docker_relay_cancel(struct docker_relay *l)
{
    if (l->st)
        rpc_stream_cancel(l->st);
    l->st = NULL;
    relay_free(l);
}

static void on_gone(void *arg)
{
    docker_relay_cancel(arg);
}

static const struct docker_req_events req_events = {.on_drain = on_drain, .on_gone = on_gone};

struct docker_relay *docker_relay_open(struct docker_req *r, const char *method, const char *path,
                                       bool has_input, const struct docker_relay_ops *ops,
                                       void *arg)
{
    struct docker_relay *l = vic_new(struct docker_relay);
    *l = (struct docker_relay){.req = docker_req_ref(r), .ops = ops, .arg = arg};
    struct vic_err err;
    if (r->is_gone) {
        relay_free(l);
        return NULL;
    }
    if (host_rpc_open(r->docker->pl, method, path, &stream_events, l, &l->st, &err) < 0) {
        docker_reply_error(r, &err);
        relay_free(l);
        return NULL;
    }
    docker_req_watch(r, &req_events, l);
    if (!has_input)
        rpc_stream_end(l->st);
    return l;
}

const char *docker_output_type(const struct docker_req *r, bool is_raw)
{
    return is_raw || r->api < DOCKER_API_MULTIPLEXED_TYPE
               ? "application/vnd.docker.raw-stream"
               : "application/vnd.docker.multiplexed-stream";
}
