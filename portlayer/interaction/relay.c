/* Joins a client's stream with one of the tether's. */
#include "portlayer/interaction/relay.h"

#include "lib/base/alloc.h"
#include "lib/base/str.h"

struct relay {
    struct pl_container *c;    /* a reference */
    struct rpc_stream *client; /* NULL once over */
    struct rpc_stream *guest;
    size_t owed_to_client; /* windows not given back yet */
    size_t owed_to_guest;
    const char *method, *action; /* literals */
    char *path;                  /* owned */
    bool has_begun;              /* the client was told that it goes well */
};

static const struct rpc_stream_events deaf;

/* The end of such a request is told at once: its client's was heard before it was asked again. */
static bool has_no_body(const struct relay *r)
{
    return vic_str_eq(r->method, "GET");
}

static void relay_free(struct relay *r)
{
    pl_nap_leave(r->c);
    pl_container_unref(r->c);
    free(r->path);
    free(r);
}

/* ---- the guest's side ---- */

static void on_guest_response(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct relay *r = arg;
    r->has_begun = true;
    if (r->action)
        pl_container_emit(r->c, r->action, NULL, NULL);
    rpc_reply_begin(r->client);
}

static void on_guest_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct relay *r = arg;
    if (rpc_stream_write(r->client, data, len) < RPC_HIGH_WATER)
        rpc_stream_consume(st, len);
    else
        r->owed_to_guest += len;
}

static void on_guest_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct relay *r = arg;
    rpc_stream_consume(r->client, r->owed_to_client);
    r->owed_to_client = 0;
}

/* The VM has gone with its container's process; nothing was said or taken yet, so it can be asked again. */
static bool can_ask_again(const struct relay *r, const struct vic_err *err)
{
    const struct pl_container *c = r->c;
    return err->kind == VIC_ERR_UNAVAILABLE && has_no_body(r) && !c->nap && !c->x->is_closed &&
           pl_container_is_over(c);
}

static void on_guest_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    struct relay *r = arg;
    struct rpc_stream *client = r->client;
    rpc_stream_set_events(client, &deaf, NULL);
    if (!err)
        rpc_stream_end(client);
    else if (r->has_begun)
        rpc_stream_cancel(client);
    else if (can_ask_again(r, err))
        pl_nap_wait_for_end(r->c, client, r->method, r->path, r->action);
    else
        rpc_reply_error(client, err);
    relay_free(r);
}

/* ---- the client's side ---- */

static void on_client_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct relay *r = arg;
    if (rpc_stream_write(r->guest, data, len) < RPC_HIGH_WATER)
        rpc_stream_consume(st, len);
    else
        r->owed_to_client += len;
}

static void on_client_end(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct relay *r = arg;
    if (!has_no_body(r))
        rpc_stream_end(r->guest);
}

static void on_client_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct relay *r = arg;
    rpc_stream_consume(r->guest, r->owed_to_guest);
    r->owed_to_guest = 0;
}

static void on_client_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct relay *r = arg;
    rpc_stream_cancel(r->guest);
    relay_free(r);
}

void pl_relay(struct rpc_stream *st, struct pl_container *c, const char *method, const char *path,
              const char *action)
{
    static const struct rpc_stream_events guest_events = {.on_response = on_guest_response,
                                                          .on_data = on_guest_data,
                                                          .on_drain = on_guest_drain,
                                                          .on_close = on_guest_close};
    static const struct rpc_stream_events client_events = {.on_data = on_client_data,
                                                           .on_end = on_client_end,
                                                           .on_drain = on_client_drain,
                                                           .on_close = on_client_close};
    struct rpc_session *session = c->channel ? pl_channel_session(c->channel) : NULL;
    struct relay *r = vic_new(struct relay);
    struct vic_err err;
    int res = session ? rpc_open(session, method, path, &guest_events, r, &r->guest, &err)
                      : vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "the guest does not answer now");
    if (res < 0) {
        rpc_reply_error(st, &err);
        free(r);
        return;
    }
    pl_container_ref(c);
    pl_nap_use(c);
    r->c = c;
    r->client = st;
    r->method = method;
    r->path = vic_xstrdup(path);
    r->action = action;
    if (has_no_body(r))
        rpc_stream_end(r->guest);
    rpc_stream_set_events(st, &client_events, r);
}
