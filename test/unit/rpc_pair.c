/* The two ends, their routes, and the memory between them. */
#include "test/unit/rpc_pair.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct pair t;

static void on_response(struct rpc_stream *st, void *arg)
{
    struct seen *seen = arg;
    assert_ptr_equal(st, seen->st);
    assert_int_equal(seen->data.len, 0);
    seen->responses++;
}

static void on_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct seen *seen = arg;
    vic_buf_add(&seen->data, data, len);
    if (seen->cancel_on_data) {
        seen->st = NULL;
        rpc_stream_cancel(st);
        return;
    }
    if (!seen->keep_window)
        rpc_stream_consume(st, len);
}

static void on_end(struct rpc_stream *st, void *arg)
{
    struct seen *seen = arg;
    (void)st;
    seen->ends++;
}

static void on_drain(struct rpc_stream *st, void *arg)
{
    struct seen *seen = arg;
    assert_true(rpc_stream_queued(st) < RPC_LOW_WATER);
    seen->drains++;
}

static void on_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct seen *seen = arg;
    seen->closes++;
    seen->kind = err ? err->kind : VIC_ERR_NONE;
    (void)snprintf(seen->message, sizeof(seen->message), "%s", err ? err->message : "");
    /* All of these must do nothing by now. */
    assert_int_equal(rpc_stream_write(st, "x", 1), 0);
    rpc_stream_consume(st, 1);
    rpc_stream_end(st);
    rpc_stream_cancel(st);
    seen->st = NULL;
}

const struct rpc_stream_events pair_all_events = {
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_close = on_close,
};

const struct rpc_stream_events pair_no_events = {0};

/* ---- pair_routes ---- */

static void handle_echo(struct rpc_stream *st, void *arg)
{
    (void)arg;
    cJSON *doc = json_new_obj();
    json_add_str(doc, "id", rpc_stream_param(st, "id"));
    json_add_str(doc, "q", rpc_stream_query(st, "q"));
    if (rpc_stream_json(st))
        json_add(doc, "body", json_dup(rpc_stream_json(st)));
    t.n_handled++;
    rpc_reply_json(st, doc);
}

static void handle_empty(struct rpc_stream *st, void *arg)
{
    (void)arg;
    rpc_reply_json(st, NULL);
}

static void handle_fail(struct rpc_stream *st, void *arg)
{
    (void)arg;
    struct vic_err err;
    (void)vic_fail(&err, vic_err_kind_from_string(rpc_stream_param(st, "kind")), 0, "no '%s'",
                   rpc_stream_param(st, "kind"));
    rpc_reply_error(st, &err);
}

static void handle_hold(struct rpc_stream *st, void *arg)
{
    (void)arg;
    t.held[t.n_held++] = st;
}

/* Both ways: the test plays the server's part. */
static void handle_pipe(struct rpc_stream *st, void *arg)
{
    (void)arg;
    t.at_server.st = st;
    rpc_stream_set_events(st, &pair_all_events, &t.at_server);
    rpc_reply_begin(st);
}

static void handle_upload(struct rpc_stream *st, void *arg)
{
    (void)arg;
    t.at_server.st = st;
    rpc_stream_set_events(st, &pair_all_events, &t.at_server);
}

const struct rpc_route pair_routes[] = {
    {"POST", "/v1/echo/{id}", RPC_BODY_NONE_OR_JSON, handle_echo},
    {"GET", "/v1/echo/{id}", RPC_BODY_NONE_OR_JSON, handle_echo},
    {"POST", "/v1/empty", RPC_BODY_NONE_OR_JSON, handle_empty},
    {"POST", "/v1/fail/{kind}", RPC_BODY_NONE_OR_JSON, handle_fail},
    {"POST", "/v1/hold", RPC_BODY_NONE_OR_JSON, handle_hold},
    {"POST", "/v1/hold-stream", RPC_BODY_STREAM, handle_hold},
    {"POST", "/v1/pipe", RPC_BODY_STREAM, handle_pipe},
    {"POST", "/v1/upload", RPC_BODY_STREAM, handle_upload},
};

const size_t pair_n_routes = ARRAY_SIZE(pair_routes);

/* ---- the wire ---- */

static void feed(struct rpc_session *to, const uint8_t *data, size_t len)
{
    size_t step = t.step ? t.step : len;
    for (size_t i = 0; i < len; i += step)
        assert_int_equal(rpc_session_feed(to, data + i, len - i < step ? len - i : step, NULL), 0);
}

bool pair_carry(struct rpc_session *from, struct rpc_session *to)
{
    uint8_t out[4096];
    struct rpc_part part;
    size_t n = rpc_session_pull_part(from, out, sizeof(out), &part);
    feed(to, out, n);
    feed(to, part.data, part.len);
    return n + part.len > 0;
}

/* Until both are silent. */
void pair_run(void)
{
    while ((int)pair_carry(t.client, t.server) | (int)pair_carry(t.server, t.client))
        ;
    assert_false(rpc_session_wants_write(t.client));
    assert_false(rpc_session_wants_write(t.server));
}

static void on_output(void *arg)
{
    (void)arg;
    t.outputs++;
}

static const struct rpc_session_events session_events = {.on_output = on_output};

int pair_set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.client = rpc_session_new_client(RPC_STREAM_WINDOW, &session_events, NULL);
    t.server = rpc_session_new_server(pair_routes, pair_n_routes, NULL, NULL, NULL);
    return 0;
}

int pair_tear_down(void **state)
{
    (void)state;
    rpc_session_free(t.client);
    rpc_session_free(t.server);
    vic_buf_release(&t.at_server.data);
    return 0;
}

/* ---- calls ---- */

void pair_on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct answer *a = arg;
    a->n++;
    a->kind = err ? err->kind : VIC_ERR_NONE;
    (void)snprintf(a->message, sizeof(a->message), "%s", err ? err->message : "");
    a->doc = doc ? json_dup(doc) : NULL;
}

void pair_answer_release(struct answer *a)
{
    cJSON_Delete(a->doc);
}

void pair_call(const char *method, const char *path, const cJSON *body, struct answer *a)
{
    struct vic_err err;
    assert_int_equal(rpc_call(t.client, method, path, body, pair_on_answer, a, NULL, &err), 0);
    assert_int_equal(a->n, 0);
    pair_run();
    assert_int_equal(a->n, 1);
}

void pair_open(const char *path, struct seen *seen)
{
    *seen = (struct seen){0};
    assert_int_equal(rpc_open(t.client, "POST", path, &pair_all_events, seen, &seen->st, NULL), 0);
    pair_run();
}
