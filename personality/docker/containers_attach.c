/*
 * POST /containers/{}/attach: a client's terminal or pipes, joined with a container's.
 *
 * With `Upgrade: tcp` the connection is taken over and carries input and output.  Without it HTTP
 * leaves no way for input, so only output is streamed, behind a 200.
 */
#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/handlers.h"
#include "personality/docker/hijack.h"
#include "personality/docker/intent.h"
#include "personality/docker/mux.h"
#include "personality/docker/relay.h"
#include "personality/docker/text.h"
#include "portlayer/api.h"

struct attach {
    struct docker_req *req;
    struct docker_relay *relay; /* NULL once the port layer's stream is over */
    struct docker_hijack *hijack;
    struct pl_records *records;
    struct docker_mux mux;
    struct vic_buf out; /* framed, until the connection takes it */
    bool is_upgrade;
    bool has_stdin;
    bool is_pending; /* the 101 is on its way */
    bool is_over;    /* the port layer has sent all */
    unsigned refs;   /* the relay's, and that of the connection from the 101 on */
};

static void attach_drop(struct attach *a, unsigned n)
{
    a->refs -= n;
    if (a->refs > 0)
        return;
    pl_records_free(a->records);
    vic_buf_release(&a->out);
    free(a);
}

/* ---- the client's side ---------------------------------------------------------------------------------- */

/* Output that came before the connection was ours, and its end. */
static bool push(struct attach *a)
{
    if (!a->hijack)
        return a->out.len < DOCKER_STREAM_HIGH;
    bool may_go_on = docker_hijack_write(a->hijack, vic_buf_str(&a->out), a->out.len);
    vic_buf_clear(&a->out);
    return may_go_on;
}

static void on_open(struct docker_hijack *h, void *arg)
{
    struct attach *a = arg;
    a->hijack = h;
    a->is_pending = false;
    bool may_go_on = push(a);
    if (a->is_over)
        docker_hijack_end(h);
    else if (may_go_on && a->relay)
        docker_relay_resume(a->relay);
}

static struct rpc_stream *input_of(const struct attach *a)
{
    return a->relay && a->has_stdin ? docker_relay_stream(a->relay) : NULL;
}

/* Input to a container without stdin is dropped, as Docker does. */
static bool on_input(const void *data, size_t len, void *arg)
{
    struct rpc_stream *st = input_of(arg);
    return !st || rpc_stream_write(st, data, len) < RPC_HIGH_WATER;
}

static void on_input_end(void *arg)
{
    struct rpc_stream *st = input_of(arg);
    if (st)
        rpc_stream_end(st);
}

static void on_client_drain(void *arg)
{
    struct attach *a = arg;
    if (a->relay)
        docker_relay_resume(a->relay);
}

static void on_client_close(void *arg)
{
    struct attach *a = arg;
    a->hijack = NULL;
    if (a->relay)
        docker_relay_cancel(a->relay);
    attach_drop(a, 1);
}

static const struct docker_hijack_events hijack_events = {
    .on_open = on_open,
    .on_data = on_input,
    .on_end = on_input_end,
    .on_drain = on_client_drain,
    .on_close = on_client_close,
};

/* ---- the port layer's side ------------------------------------------------------------------------------- */

static void on_begin(struct docker_relay *l, void *arg)
{
    struct attach *a = arg;
    a->relay = l;
    const char *type = docker_output_type(a->req, a->mux.is_raw);
    if (!a->is_upgrade) {
        docker_stream_begin(a->req, type);
        return;
    }
    a->is_pending = true;
    a->refs++;
    docker_hijack_start(a->req, type, &hijack_events, a);
}

static void on_record(const struct vic_record *head, const void *data, void *arg)
{
    struct attach *a = arg;
    if (head->type == VIC_RECORD_STDOUT || head->type == VIC_RECORD_STDERR)
        docker_mux_add(&a->mux, head, data, &a->out);
}

static int on_data(struct docker_relay *l, const void *data, size_t len, void *arg,
                   struct vic_err *err)
{
    struct attach *a = arg;
    (void)l;
    int r = pl_records_feed(a->records, data, len, err);
    if (r < 0)
        return r;
    if (a->is_upgrade)
        return push(a);
    bool may_go_on = docker_stream_write(a->req, vic_buf_str(&a->out), a->out.len);
    vic_buf_clear(&a->out);
    return may_go_on;
}

static void on_input_drain(struct docker_relay *l, void *arg)
{
    struct attach *a = arg;
    (void)l;
    if (a->hijack)
        docker_hijack_read_on(a->hijack);
}

static void on_end(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg)
{
    struct attach *a = arg;
    struct docker_req *r = docker_relay_req(l);
    a->is_over = true;
    if (!has_begun && err)
        docker_reply_container_error(r, err);
    else if (!has_begun)
        docker_reply_errorf(r, VIC_ERR_UNAVAILABLE, "the port layer did not answer the attach");
    else if (!a->is_upgrade && err)
        docker_stream_break(r);
    else if (!a->is_upgrade)
        docker_stream_end(r);
}

static void on_gone_early(void *arg)
{
    attach_drop(arg, 1);
}

/* The run, or the client, is over.  A connection not yet ours still has to get what is queued. */
static void on_free(void *arg)
{
    static const struct docker_req_events early = {.on_gone = on_gone_early};
    struct attach *a = arg;
    a->relay = NULL;
    if (a->hijack)
        docker_hijack_end(a->hijack);
    else if (a->is_pending && !a->req->is_gone)
        docker_req_watch(a->req, &early, a);
    attach_drop(a, !a->hijack && a->is_pending && a->req->is_gone ? 2 : 1);
}

/* ---- the request ------------------------------------------------------------------------------------------- */

static int check(const struct docker_req *r, const cJSON *container, bool is_upgrade,
                 struct vic_err *err)
{
    const char *state = docker_text_state(json_member(container, "state"));
    if (strcmp(state, "paused") == 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "container %s is paused, unpause the container before attach",
                        json_str(container, "id", ""));
    if (!is_upgrade && docker_req_bool(r, "stdin"))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "attaching stdin needs a connection upgrade: send the headers 'Connection: "
                        "Upgrade' and 'Upgrade: tcp'");
    return 0;
}

static bool wants_upgrade(const struct docker_req *r)
{
    const char *upgrade = docker_req_header(r, "Upgrade");
    return upgrade && strcasecmp(upgrade, "tcp") == 0;
}

static void on_container(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    static const struct docker_relay_ops ops = {.on_begin = on_begin,
                                                .on_data = on_data,
                                                .on_input_drain = on_input_drain,
                                                .on_end = on_end,
                                                .on_free = on_free};
    (void)arg;
    struct vic_err mine;
    bool is_upgrade = wants_upgrade(r);
    if (!err && check(r, doc, is_upgrade, &mine) < 0)
        err = &mine;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    const cJSON *process = json_member(json_member(doc, "spec"), "process");
    struct attach *a = vic_new(struct attach);
    *a = (struct attach){
        .req = r,
        .records = pl_records_new(on_record, a),
        .mux = {.is_raw = json_bool(process, "tty", false)},
        .is_upgrade = is_upgrade,
        .has_stdin = docker_req_bool(r, "stdin") && json_bool(process, "stdin", false),
        .refs = 1,
    };
    auto_free char *path = vic_xasprintf(
        "/v1/containers/%s/attach?stdin=%d&stdout=%d&stderr=%d&logs=%d&stream=%d",
        json_str(doc, "id", ""), a->has_stdin, docker_req_bool(r, "stdout"),
        docker_req_bool(r, "stderr"), docker_req_bool(r, "logs"), docker_req_bool(r, "stream"));
    docker_relay_open(r, "POST", path, a->has_stdin, &ops, a);
}

void docker_container_attach(struct docker_req *r)
{
    if (!docker_need_name(r))
        return;
    if (docker_req_query_or(r, "detachKeys", "")[0])
        docker_reply_errorf(r, VIC_ERR_UNIMPLEMENTED,
                            "detachKeys is not served here: close the client to detach");
    else
        docker_get_container(r, r->name, on_container, NULL);
}
