/* Bytes between a client's connection and a stream of the port layer. */
#include "personality/docker/join.h"

#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/hijack.h"
#include "personality/docker/mux.h"
#include "personality/docker/relay.h"
#include "portlayer/api.h"

struct join {
    struct docker_req *req;
    struct docker_relay *relay; /* NULL once the port layer's stream is over */
    struct docker_hijack *hijack;
    struct pl_records *records;
    struct docker_mux mux;
    struct vic_buf out; /* framed, until the connection takes it */
    bool is_upgrade;
    bool has_stdin;
    void (*reply_error)(struct docker_req *r, const struct vic_err *err);
    char *(*text_of_error)(const struct vic_err *err);
    bool is_pending; /* the 101 is on its way */
    bool is_over;    /* the port layer has sent all */
    unsigned refs;   /* the relay's, and that of the connection from the 101 on */
};

static void join_drop(struct join *j, unsigned n)
{
    j->refs -= n;
    if (j->refs > 0)
        return;
    pl_records_free(j->records);
    vic_buf_release(&j->out);
    free(j);
}

/* ---- the client's side ---------------------------------------------------------------------------------- */

/* Output that came before the connection was ours, and its end. */
static bool push(struct join *j)
{
    if (!j->hijack)
        return j->out.len < DOCKER_STREAM_HIGH;
    bool may_go_on = docker_hijack_write(j->hijack, vic_buf_str(&j->out), j->out.len);
    vic_buf_clear(&j->out);
    return may_go_on;
}

static void on_open(struct docker_hijack *h, void *arg)
{
    struct join *j = arg;
    j->hijack = h;
    j->is_pending = false;
    bool may_go_on = push(j);
    if (j->is_over)
        docker_hijack_end(h);
    else if (may_go_on && j->relay)
        docker_relay_resume(j->relay);
}

static struct rpc_stream *input_of(const struct join *j)
{
    return j->relay && j->has_stdin ? docker_relay_stream(j->relay) : NULL;
}

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
    struct join *j = arg;
    if (j->relay)
        docker_relay_resume(j->relay);
}

static void on_client_close(void *arg)
{
    struct join *j = arg;
    j->hijack = NULL;
    if (j->relay)
        docker_relay_cancel(j->relay);
    join_drop(j, 1);
}

static const struct docker_hijack_events hijack_events = {
    .on_open = on_open,
    .on_data = on_input,
    .on_end = on_input_end,
    .on_drain = on_client_drain,
    .on_close = on_client_close,
};

/* ---- the port layer's side ------------------------------------------------------------------------------- */

static void begin(struct join *j)
{
    const char *type = docker_output_type(j->req, j->mux.is_raw);
    if (!j->is_upgrade) {
        docker_stream_begin(j->req, type);
        return;
    }
    j->is_pending = true;
    j->refs++;
    docker_hijack_start(j->req, type, &hijack_events, j);
}

static void on_begin(struct docker_relay *l, void *arg)
{
    struct join *j = arg;
    j->relay = l;
    begin(j);
}

static void on_record(const struct vic_record *head, const void *data, void *arg)
{
    struct join *j = arg;
    if (head->type == VIC_RECORD_STDOUT || head->type == VIC_RECORD_STDERR)
        docker_mux_add(&j->mux, head, data, &j->out);
}

/* False: enough for now. */
static bool send_on(struct join *j)
{
    if (j->is_upgrade)
        return push(j);
    bool may_go_on = docker_stream_write(j->req, vic_buf_str(&j->out), j->out.len);
    vic_buf_clear(&j->out);
    return may_go_on;
}

static int on_data(struct docker_relay *l, const void *data, size_t len, void *arg,
                   struct vic_err *err)
{
    struct join *j = arg;
    (void)l;
    int r = pl_records_feed(j->records, data, len, err);
    if (r < 0)
        return r;
    return send_on(j);
}

static void on_input_drain(struct docker_relay *l, void *arg)
{
    struct join *j = arg;
    (void)l;
    if (j->hijack)
        docker_hijack_read_on(j->hijack);
}

static void end_stream(struct join *j, bool is_broken)
{
    if (j->is_upgrade)
        return; /* on_free ends the connection */
    if (is_broken)
        docker_stream_break(j->req);
    else
        docker_stream_end(j->req);
}

static void refuse(struct join *j, const struct vic_err *err)
{
    auto_free char *text = j->text_of_error ? j->text_of_error(err) : NULL;
    if (!text) {
        j->reply_error(j->req, err);
        return;
    }
    const struct vic_record head = {.type = VIC_RECORD_STDOUT, .len = (uint32_t)strlen(text)};
    begin(j);
    on_record(&head, text, j);
    (void)send_on(j); /* it is short */
    end_stream(j, false);
}

static void on_end(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg)
{
    static const struct vic_err silent = {.kind = VIC_ERR_UNAVAILABLE,
                                          .message = "the port layer did not answer"};
    struct join *j = arg;
    (void)l;
    j->is_over = true;
    if (has_begun)
        end_stream(j, err != NULL);
    else
        refuse(j, err ? err : &silent);
}

static void on_gone_early(void *arg)
{
    join_drop(arg, 1);
}

/* The run, or the client, is over.  A connection not yet ours still has to get what is queued. */
static void on_free(void *arg)
{
    static const struct docker_req_events early = {.on_gone = on_gone_early};
    struct join *j = arg;
    j->relay = NULL;
    if (j->hijack)
        docker_hijack_end(j->hijack);
    else if (j->is_pending && !j->req->is_gone)
        docker_req_watch(j->req, &early, j);
    join_drop(j, !j->hijack && j->is_pending && j->req->is_gone ? 2 : 1);
}

/* ---- the request ------------------------------------------------------------------------------------------- */

static bool wants_upgrade(const struct docker_req *r)
{
    const char *upgrade = docker_req_header(r, "Upgrade");
    return upgrade && strcasecmp(upgrade, "tcp") == 0;
}

int docker_join_check(const struct docker_req *r, bool wants_stdin, struct vic_err *err)
{
    if (!wants_stdin || wants_upgrade(r))
        return 0;
    return vic_fail(err, VIC_ERR_INVALID, 0,
                    "attaching stdin needs a connection upgrade: send the headers 'Connection: "
                    "Upgrade' and 'Upgrade: tcp'");
}

void docker_join_open(struct docker_req *r, const struct docker_join *what)
{
    static const struct docker_relay_ops ops = {.on_begin = on_begin,
                                                .on_data = on_data,
                                                .on_input_drain = on_input_drain,
                                                .on_end = on_end,
                                                .on_free = on_free};
    struct join *j = vic_new(struct join);
    *j = (struct join){
        .req = r,
        .records = pl_records_new(on_record, j),
        .mux = {.is_raw = what->is_raw},
        .is_upgrade = wants_upgrade(r),
        .has_stdin = what->has_stdin,
        .reply_error = what->reply_error,
        .text_of_error = what->text_of_error,
        .refs = 1,
    };
    docker_relay_open(r, "POST", what->path, what->has_stdin, &ops, j);
}
