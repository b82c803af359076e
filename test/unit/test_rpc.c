/* A client and a server session joined by memory: intents, streams, limits, and ends of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/rpc/rpc.h"

/* ---- the two ends and what happened to them ---- */

struct seen {
    unsigned responses, ends, drains, closes;
    enum vic_err_kind kind; /* of the close; NONE when clean */
    char message[VIC_ERR_MAX];
    struct vic_buf data;
    bool keep_window; /* do not consume */
    bool cancel_on_data;
    struct rpc_stream *st;
};

static struct {
    struct rpc_session *client, *server;
    size_t step; /* bytes per feed; 0: all at once */
    struct seen at_server;
    struct rpc_stream *held[2000];
    unsigned n_held;
    unsigned n_handled;
    unsigned outputs;
} t;

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

static const struct rpc_stream_events all_events = {
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_close = on_close,
};

static const struct rpc_stream_events no_events = {0};

/* ---- routes ---- */

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
    rpc_stream_set_events(st, &all_events, &t.at_server);
    rpc_reply_begin(st);
}

static void handle_upload(struct rpc_stream *st, void *arg)
{
    (void)arg;
    t.at_server.st = st;
    rpc_stream_set_events(st, &all_events, &t.at_server);
}

static const struct rpc_route routes[] = {
    {"POST", "/v1/echo/{id}", RPC_BODY_NONE_OR_JSON, handle_echo},
    {"GET", "/v1/echo/{id}", RPC_BODY_NONE_OR_JSON, handle_echo},
    {"POST", "/v1/empty", RPC_BODY_NONE_OR_JSON, handle_empty},
    {"POST", "/v1/fail/{kind}", RPC_BODY_NONE_OR_JSON, handle_fail},
    {"POST", "/v1/hold", RPC_BODY_NONE_OR_JSON, handle_hold},
    {"POST", "/v1/hold-stream", RPC_BODY_STREAM, handle_hold},
    {"POST", "/v1/pipe", RPC_BODY_STREAM, handle_pipe},
    {"POST", "/v1/upload", RPC_BODY_STREAM, handle_upload},
};

/* ---- the wire ---- */

static bool carry(struct rpc_session *from, struct rpc_session *to)
{
    uint8_t out[4096];
    size_t n = rpc_session_pull(from, out, sizeof(out));
    size_t step = t.step ? t.step : sizeof(out);
    for (size_t i = 0; i < n; i += step)
        assert_int_equal(rpc_session_feed(to, out + i, n - i < step ? n - i : step, NULL), 0);
    return n > 0;
}

/* Until both are silent. */
static void run(void)
{
    while ((int)carry(t.client, t.server) | (int)carry(t.server, t.client))
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

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.client = rpc_session_new_client(&session_events, NULL);
    t.server = rpc_session_new_server(routes, ARRAY_SIZE(routes), NULL, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rpc_session_free(t.client);
    rpc_session_free(t.server);
    vic_buf_release(&t.at_server.data);
    return 0;
}

/* ---- calls ---- */

struct answer {
    unsigned n;
    enum vic_err_kind kind;
    char message[VIC_ERR_MAX];
    cJSON *doc;
};

static void on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct answer *a = arg;
    a->n++;
    a->kind = err ? err->kind : VIC_ERR_NONE;
    (void)snprintf(a->message, sizeof(a->message), "%s", err ? err->message : "");
    a->doc = doc ? json_dup(doc) : NULL;
}

static void answer_release(struct answer *a)
{
    cJSON_Delete(a->doc);
}

#define auto_answer auto_(answer_release)

static void call(const char *method, const char *path, const cJSON *body, struct answer *a)
{
    struct vic_err err;
    assert_int_equal(rpc_call(t.client, method, path, body, on_answer, a, NULL, &err), 0);
    assert_int_equal(a->n, 0);
    run();
    assert_int_equal(a->n, 1);
}

static void a_call_brings_parameters_and_json_both_ways(void **state)
{
    (void)state;
    for (t.step = 0; t.step < 40; t.step++) {
        auto_answer struct answer a = {0};
        auto_json cJSON *body = json_new_obj();
        json_add_str(body, "name", "web");
        call("POST", "/v1/echo/a%20b%2Fc?q=x%3Dy&z", body, &a);
        assert_int_equal(a.kind, VIC_ERR_NONE);
        assert_string_equal(json_str(a.doc, "id", ""), "a b/c");
        assert_string_equal(json_str(a.doc, "q", ""), "x=y");
        assert_string_equal(json_str(json_member(a.doc, "body"), "name", ""), "web");
    }
}

static void an_answer_may_be_empty(void **state)
{
    (void)state;
    auto_answer struct answer a = {0};
    call("POST", "/v1/empty", NULL, &a);
    assert_int_equal(a.kind, VIC_ERR_NONE);
    assert_null(a.doc);
}

static void each_kind_of_error_arrives_as_itself(void **state)
{
    (void)state;
    for (int kind = VIC_ERR_INVALID; kind <= VIC_ERR_INTERNAL; kind++) {
        auto_answer struct answer a = {0};
        const char *name = vic_err_kind_to_string((enum vic_err_kind)kind);
        auto_free char *path = vic_xasprintf("/v1/fail/%s", name);
        auto_free char *message = vic_xasprintf("no '%s'", name);
        call("POST", path, NULL, &a);
        assert_int_equal(a.kind, kind);
        assert_string_equal(a.message, message);
        assert_null(a.doc);
    }
}

static void bad_requests_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        enum vic_err_kind kind;
    } cases[] = {
        {"POST", "/v1/nowhere", VIC_ERR_NOT_FOUND},
        {"POST", "/", VIC_ERR_INVALID},
        {"POST", "/v1/echo", VIC_ERR_NOT_FOUND},
        {"POST", "/v1/echo/a/b", VIC_ERR_NOT_FOUND},
        {"DELETE", "/v1/echo/a", VIC_ERR_INVALID},
        {"POST", "/v1/echo/", VIC_ERR_INVALID},
        {"POST", "/v1/echo/..", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%2e%2E", VIC_ERR_INVALID},
        {"POST", "/v1/echo/.", VIC_ERR_INVALID},
        {"POST", "/v1/echo/a%00b", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%ff", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%c0%80", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%ed%a0%80", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%f4%90%80%80", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%e2%82", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%4", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%zz", VIC_ERR_INVALID},
        {"POST", "/v1/echo/a?q=%00", VIC_ERR_INVALID},
        {"POST", "/v1/echo/a?q=1&q=2", VIC_ERR_INVALID},
        {"POST", "//v1/echo/a", VIC_ERR_INVALID},
        {"POST", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", VIC_ERR_INVALID},
        {"POST", "/v1/echo/%e2%82%ac%f0%9f%90%8b", VIC_ERR_NONE},
        {"GET", "/v1/echo/...?&", VIC_ERR_NONE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        auto_answer struct answer a = {0};
        call(cases[i].method, cases[i].path, NULL, &a);
        if (a.kind != cases[i].kind)
            print_error("%s: %s\n", cases[i].path, a.message);
        assert_int_equal(a.kind, cases[i].kind);
        assert_int_equal(rpc_session_open_streams(t.server), 0);
    }
}

static void encoding_is_undone_by_the_server(void **state)
{
    (void)state;
    static const char *const values[] = {"plain", "a b+c&d=e%f?g#h/i", "..", ".",
                                         "x.y",   "\xe2\x82\xac"};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        auto_answer struct answer a = {0};
        auto_free char *encoded = rpc_encode(values[i]);
        auto_free char *path = vic_xasprintf("/v1/echo/x?q=%s", encoded);
        call("GET", path, NULL, &a);
        assert_string_equal(json_str(a.doc, "q", ""), values[i]);
    }
}

static void a_body_that_is_no_json_is_refused(void **state)
{
    (void)state;
    struct seen seen = {0};
    static const char *const bodies[] = {"{", "{} x", "nope"};
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        seen = (struct seen){0};
        assert_int_equal(
            rpc_open(t.client, "POST", "/v1/echo/a", &all_events, &seen, &seen.st, NULL), 0);
        (void)rpc_stream_write(seen.st, bodies[i], strlen(bodies[i]));
        rpc_stream_end(seen.st);
        run();
        assert_int_equal(seen.closes, 1);
        assert_int_equal(seen.responses, 0);
        assert_int_equal(seen.kind, VIC_ERR_INVALID);
    }
    assert_int_equal(t.n_handled, 0);
}

static void a_body_over_the_cap_is_refused_early(void **state)
{
    (void)state;
    struct seen seen = {0};
    assert_int_equal(rpc_open(t.client, "POST", "/v1/echo/a", &all_events, &seen, &seen.st, NULL),
                     0);
    static char chunk[RPC_HIGH_WATER];
    size_t sent = 0;
    while (seen.st && sent < RPC_JSON_MAX + 4 * sizeof(chunk)) {
        (void)rpc_stream_write(seen.st, chunk, sizeof(chunk));
        sent += sizeof(chunk);
        run();
    }
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_INVALID);
    assert_non_null(strstr(seen.message, "larger"));
    assert_true(sent <= RPC_JSON_MAX + 2 * sizeof(chunk));
    assert_int_equal(rpc_session_open_streams(t.server), 0);
    assert_int_equal(rpc_session_open_streams(t.client), 0);
}

static void large_documents_pass(void **state)
{
    (void)state;
    auto_free char *text = vic_xalloc(8u << 20);
    memset(text, 'x', (8u << 20) - 1);
    auto_json cJSON *body = json_new_obj();
    json_add_str(body, "text", text);
    auto_answer struct answer a = {0};
    call("POST", "/v1/echo/a", body, &a);
    assert_int_equal(a.kind, VIC_ERR_NONE);
    assert_string_equal(json_str(json_member(a.doc, "body"), "text", ""), text);
}

static void a_thousand_calls_at_once(void **state)
{
    (void)state;
    enum {
        N = 1000
    };
    static struct answer answers[N];
    memset(answers, 0, sizeof(answers));
    for (int i = 0; i < N; i++)
        assert_int_equal(
            rpc_call(t.client, "POST", "/v1/hold", NULL, on_answer, &answers[i], NULL, NULL), 0);
    run();
    assert_int_equal(t.n_held, N);
    assert_int_equal(rpc_session_open_streams(t.client), N);
    for (int i = N - 1; i >= 0; i--)
        rpc_reply_json(t.held[i], NULL);
    run();
    for (int i = 0; i < N; i++) {
        assert_int_equal(answers[i].n, 1);
        assert_int_equal(answers[i].kind, VIC_ERR_NONE);
    }
    assert_int_equal(rpc_session_open_streams(t.client), 0);
    assert_int_equal(rpc_session_open_streams(t.server), 0);
}

static void too_many_calls_are_refused_at_once(void **state)
{
    (void)state;
    static struct answer a;
    struct vic_err err;
    for (int i = 0; i < RPC_STREAMS_MAX; i++)
        assert_int_equal(rpc_call(t.client, "GET", "/v1/empty", NULL, on_answer, &a, NULL, &err),
                         0);
    assert_true(rpc_call(t.client, "GET", "/v1/empty", NULL, on_answer, &a, NULL, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_UNAVAILABLE);
}

static void a_bad_path_of_ours_is_an_error_not_a_request(void **state)
{
    (void)state;
    struct vic_err err;
    auto_free char *longest = vic_xalloc(20000);
    memset(longest, '/', 19999);
    const char *const paths[] = {"", "v1", "/a b", "/a\n", longest};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        assert_true(rpc_call(t.client, "GET", paths[i], NULL, on_answer, NULL, NULL, &err) < 0);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
    }
}

/* ---- streams ---- */

static void open_stream(const char *path, struct seen *seen)
{
    *seen = (struct seen){0};
    assert_int_equal(rpc_open(t.client, "POST", path, &all_events, seen, &seen->st, NULL), 0);
    run();
}

static void streams_carry_bytes_both_ways_at_every_split(void **state)
{
    (void)state;
    for (t.step = 0; t.step < 30; t.step++) {
        struct seen seen;
        memset(&t.at_server, 0, sizeof(t.at_server));
        open_stream("/v1/pipe", &seen);
        assert_int_equal(seen.responses, 1);
        (void)rpc_stream_write(seen.st, "to the server", 13);
        (void)rpc_stream_write(t.at_server.st, "to the client", 13);
        run();
        rpc_stream_end(seen.st);
        run();
        assert_int_equal(t.at_server.ends, 1);
        assert_int_equal(t.at_server.closes, 0); /* half-closed */
        (void)rpc_stream_write(t.at_server.st, "!", 1);
        rpc_stream_end(t.at_server.st);
        run();
        assert_string_equal(vic_buf_str(&t.at_server.data), "to the server");
        assert_string_equal(vic_buf_str(&seen.data), "to the client!");
        assert_int_equal(seen.ends, 1);
        assert_int_equal(seen.closes, 1);
        assert_int_equal(seen.kind, VIC_ERR_NONE);
        assert_int_equal(t.at_server.closes, 1);
        assert_int_equal(t.at_server.kind, VIC_ERR_NONE);
        vic_buf_release(&seen.data);
        vic_buf_release(&t.at_server.data);
    }
}

static void a_stalled_reader_bounds_the_writer(void **state)
{
    (void)state;
    struct seen seen;
    open_stream("/v1/pipe", &seen);
    t.at_server.keep_window = true;
    static char chunk[10000];
    size_t queued = 0;
    size_t written = 0;
    /* The writer keeps to the rule: it stops at the mark. */
    while (queued < RPC_HIGH_WATER) {
        (void)rpc_stream_write(seen.st, chunk, sizeof(chunk));
        written += sizeof(chunk);
        run();
        queued = rpc_stream_queued(seen.st);
    }
    assert_int_equal(t.at_server.data.len, RPC_STREAM_WINDOW);
    assert_int_equal(written, RPC_STREAM_WINDOW + queued);
    assert_true(queued < RPC_HIGH_WATER + sizeof(chunk));
    assert_int_equal(seen.drains, 0);
    /* Other streams are not held up by it. */
    auto_answer struct answer a = {0};
    call("GET", "/v1/echo/x", NULL, &a);
    assert_int_equal(a.kind, VIC_ERR_NONE);
    /* The reader wakes: all of it arrives, and the writer hears that there is room. */
    t.at_server.keep_window = false;
    rpc_stream_consume(t.at_server.st, t.at_server.data.len);
    run();
    assert_int_equal(t.at_server.data.len, written);
    assert_int_equal(seen.drains, 1);
    assert_int_equal(rpc_stream_queued(seen.st), 0);
    rpc_stream_cancel(seen.st);
    run();
}

static void a_stalled_client_bounds_the_server(void **state)
{
    (void)state;
    struct seen seen;
    open_stream("/v1/pipe", &seen);
    seen.keep_window = true;
    static char chunk[10000];
    size_t written = 0;
    while (rpc_stream_queued(t.at_server.st) < RPC_HIGH_WATER) {
        (void)rpc_stream_write(t.at_server.st, chunk, sizeof(chunk));
        written += sizeof(chunk);
        run();
    }
    assert_int_equal(seen.data.len, RPC_STREAM_WINDOW);
    assert_true(written <= RPC_STREAM_WINDOW + RPC_HIGH_WATER + sizeof(chunk));
    rpc_stream_consume(seen.st, SIZE_MAX); /* more than was given is not given back */
    run();
    assert_int_equal(seen.data.len,
                     written < 2 * RPC_STREAM_WINDOW ? written : 2 * RPC_STREAM_WINDOW);
    vic_buf_release(&seen.data);
    rpc_stream_cancel(seen.st);
    run();
}

static void bytes_before_the_handler_listens_wait(void **state)
{
    (void)state;
    struct seen seen = {0};
    assert_int_equal(
        rpc_open(t.client, "POST", "/v1/hold-stream", &all_events, &seen, &seen.st, NULL), 0);
    (void)rpc_stream_write(seen.st, "early", 5);
    rpc_stream_end(seen.st);
    run();
    assert_int_equal(t.n_held, 1);
    t.at_server.st = t.held[0];
    rpc_stream_set_events(t.held[0], &all_events, &t.at_server);
    assert_int_equal(t.at_server.data.len, 0); /* not inside the call */
    run();
    assert_string_equal(vic_buf_str(&t.at_server.data), "early");
    assert_int_equal(t.at_server.ends, 1);
    rpc_reply_json(t.held[0], NULL);
    run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_NONE);
    assert_int_equal(t.at_server.closes, 0); /* it let go */
}

static void an_upload_is_answered_before_its_end(void **state)
{
    (void)state;
    struct seen seen;
    open_stream("/v1/upload", &seen);
    (void)rpc_stream_write(seen.st, "x", 1);
    run();
    struct vic_err err;
    (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "full");
    rpc_reply_error(t.at_server.st, &err);
    run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_CONFLICT);
    assert_string_equal(seen.message, "full");
    assert_int_equal(rpc_session_open_streams(t.server), 0);
}

static void an_error_after_the_beginning_resets(void **state)
{
    (void)state;
    struct seen seen;
    open_stream("/v1/pipe", &seen);
    struct vic_err err;
    (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "too late");
    rpc_reply_error(t.at_server.st, &err);
    run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_INTERNAL);
    assert_int_equal(t.at_server.closes, 0);
}

/* ---- ends ---- */

static void the_client_cancels(void **state)
{
    (void)state;
    struct seen seen;
    open_stream("/v1/pipe", &seen);
    (void)rpc_stream_write(seen.st, "never read", 10);
    rpc_stream_cancel(seen.st);
    run();
    assert_int_equal(seen.closes, 0);
    assert_int_equal(t.at_server.closes, 1);
    assert_int_equal(t.at_server.kind, VIC_ERR_UNAVAILABLE);
    /* Before anything was sent, too. */
    struct rpc_stream *st = NULL;
    assert_int_equal(rpc_open(t.client, "POST", "/v1/pipe", &all_events, &seen, &st, NULL), 0);
    rpc_stream_cancel(st);
    struct answer a = {0};
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, on_answer, &a, &st, NULL), 0);
    run();
    rpc_stream_cancel(st);
    run();
    assert_int_equal(a.n, 0);
    assert_int_equal(rpc_session_open_streams(t.client), 0);
    assert_int_equal(rpc_session_open_streams(t.server), 0);
    /* The handler without events still may answer what nobody asks any more. */
    assert_true(rpc_stream_is_closed(t.held[0]));
    assert_null(rpc_stream_session(t.held[0]));
    rpc_stream_consume(t.held[0], 1);
    rpc_reply_json(t.held[0], json_new_obj());
}

static void the_server_cancels(void **state)
{
    (void)state;
    struct seen seen;
    open_stream("/v1/pipe", &seen);
    rpc_stream_cancel(t.at_server.st);
    run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_UNAVAILABLE);
    assert_int_equal(t.at_server.closes, 0);
    struct answer a = {0};
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, on_answer, &a, NULL, NULL), 0);
    run();
    rpc_stream_cancel(t.held[0]);
    run();
    assert_int_equal(a.n, 1);
    assert_int_equal(a.kind, VIC_ERR_UNAVAILABLE);
}

static void a_callback_may_cancel_its_own_stream(void **state)
{
    (void)state;
    struct seen seen;
    open_stream("/v1/pipe", &seen);
    t.at_server.cancel_on_data = true;
    static char chunk[100000];
    (void)rpc_stream_write(seen.st, chunk, sizeof(chunk));
    run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(t.at_server.closes, 0);
    open_stream("/v1/pipe", &seen);
    seen.cancel_on_data = true;
    (void)rpc_stream_write(t.at_server.st, chunk, sizeof(chunk));
    run();
    assert_int_equal(seen.closes, 0);
    assert_int_equal(t.at_server.closes, 1);
    vic_buf_release(&seen.data);
}

static void streams_without_events_are_held_until_let_go(void **state)
{
    (void)state;
    struct rpc_stream *st = NULL;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rpc_open(t.client, "POST", "/v1/pipe", &no_events, NULL, &st, NULL), 0);
        run();
        rpc_stream_cancel(t.at_server.st);
        run();
        assert_true(rpc_stream_is_closed(st));
        assert_int_equal(rpc_stream_write(st, "x", 1), 0);
        if (i % 2)
            rpc_stream_end(st);
        else
            rpc_stream_cancel(st);
    }
}

static void freeing_a_session_ends_what_is_open(void **state)
{
    (void)state;
    struct seen seen;
    struct answer a = {0};
    open_stream("/v1/pipe", &seen);
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, on_answer, &a, NULL, NULL), 0);
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, on_answer, &a, NULL, NULL), 0);
    run();
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, on_answer, &a, NULL, NULL), 0);
    rpc_session_free(t.client);
    t.client = NULL;
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_UNAVAILABLE);
    assert_int_equal(a.n, 3);
    assert_int_equal(a.kind, VIC_ERR_UNAVAILABLE);
    struct vic_err why;
    (void)vic_fail(&why, VIC_ERR_UNAVAILABLE, 0, "the cable was cut");
    rpc_session_fail(t.server, &why);
    t.server = NULL;
    assert_string_equal(t.at_server.message, "the cable was cut");
    for (unsigned i = 0; i < t.n_held; i++)
        rpc_reply_error(t.held[i], &why);
}

static void on_close_answer_others(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct seen *seen = arg;
    (void)st;
    seen->closes++;
    for (unsigned i = 0; i < t.n_held; i++)
        if (t.held[i] != st)
            rpc_reply_error(t.held[i], err);
    t.n_held = 0;
}

static void an_end_may_answer_other_requests(void **state)
{
    (void)state;
    static const struct rpc_stream_events closing = {.on_close = on_close_answer_others};
    struct answer a = {0};
    struct seen seen = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, on_answer, &a, NULL, NULL),
                         0);
    run();
    for (unsigned i = 0; i < t.n_held; i++)
        rpc_stream_set_events(t.held[i], &closing, &seen);
    rpc_session_free(t.server);
    t.server = NULL;
    assert_int_equal(seen.closes, 1); /* the others were let go of before they could hear it */
    rpc_session_free(t.client);
    t.client = NULL;
}

static void on_answer_call_again(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    struct answer *a = arg;
    int r = rpc_call(t.client, "POST", "/v1/empty", NULL, on_answer, a, NULL, NULL);
    assert_true(err ? r < 0 : r == 0);
}

static void a_callback_may_call_again(void **state)
{
    (void)state;
    struct answer a = {0};
    assert_int_equal(
        rpc_call(t.client, "POST", "/v1/empty", NULL, on_answer_call_again, &a, NULL, NULL), 0);
    run();
    assert_int_equal(a.n, 1);
    assert_int_equal(
        rpc_call(t.client, "POST", "/v1/empty", NULL, on_answer_call_again, &a, NULL, NULL), 0);
    rpc_session_free(t.client);
    t.client = NULL;
    assert_int_equal(a.n, 1); /* nothing starts on a session that ends */
}

static void shutdown_lets_open_streams_finish(void **state)
{
    (void)state;
    struct seen seen;
    open_stream("/v1/pipe", &seen);
    rpc_session_shutdown(t.server);
    run();
    struct answer a = {0};
    struct vic_err err;
    assert_true(rpc_call(t.client, "GET", "/v1/empty", NULL, on_answer, &a, NULL, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_UNAVAILABLE);
    (void)rpc_stream_write(t.at_server.st, "last words", 10);
    rpc_stream_end(t.at_server.st);
    rpc_stream_end(seen.st);
    run();
    assert_string_equal(vic_buf_str(&seen.data), "last words");
    assert_int_equal(seen.kind, VIC_ERR_NONE);
    assert_true(rpc_session_is_over(t.server));
    vic_buf_release(&seen.data);
}

static void pings_are_counted_until_bytes_come(void **state)
{
    (void)state;
    run();
    rpc_session_ping(t.client);
    rpc_session_ping(t.client);
    assert_int_equal(rpc_session_pings_unanswered(t.client), 2);
    run();
    assert_int_equal(rpc_session_pings_unanswered(t.client), 0);
}

static void output_is_announced_once(void **state)
{
    (void)state;
    run();
    t.outputs = 0;
    struct answer a = {0};
    for (int i = 0; i < 5; i++)
        assert_int_equal(rpc_call(t.client, "POST", "/v1/empty", NULL, on_answer, &a, NULL, NULL),
                         0);
    assert_int_equal(t.outputs, 1);
    run();
    assert_int_equal(a.n, 5);
}

static void garbage_ends_a_session(void **state)
{
    (void)state;
    struct vic_err err;
    struct seen seen;
    open_stream("/v1/pipe", &seen);
    static const char garbage[] = "HTTP/1.1 400 Bad Request\r\n\r\nthis is no frame at all";
    assert_true(rpc_session_feed(t.client, (const uint8_t *)garbage, sizeof(garbage), &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_UNAVAILABLE);
    assert_int_equal(seen.closes, 1);
    (void)rpc_session_feed(t.server, (const uint8_t *)garbage, sizeof(garbage), &err);
    uint8_t out[4096];
    while (rpc_session_pull(t.server, out, sizeof(out)) > 0)
        ;
    assert_true(rpc_session_is_over(t.server));
    assert_int_equal(t.at_server.closes, 1);
    assert_true(rpc_session_feed(t.server, out, 1, &err) < 0);
}

/* ---- abuse ---- */

/* A HEADERS frame in plain literals: POST path, then n fields of len bytes. */
static void add_request(struct vic_buf *b, unsigned char id, const char *path, int n, int len)
{
    auto_buf struct vic_buf h = {0};
    const char *const fields[][2] = {
        {":method", "POST"}, {":scheme", "http"}, {":authority", "x"}, {":path", path}};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        vic_buf_addf(&h, "%c%c%s%c%s", 0, (int)strlen(fields[i][0]), fields[i][0],
                     (int)strlen(fields[i][1]), fields[i][1]);
    for (int i = 0; i < n; i++)
        vic_buf_addf(&h, "%c%cx%c%0*d", 0, 1, len, len, i);
    const char head[9] = {
        (char)(h.len >> 16), (char)(h.len >> 8), (char)h.len, 1, 5, 0, 0, 0, (char)id};
    vic_buf_add(b, head, sizeof(head));
    vic_buf_add(b, h.data, h.len);
}

static void a_storm_of_headers_is_refused(void **state)
{
    (void)state;
    static const struct {
        int n, len;
        unsigned handled;
        bool is_breach; /* the frame is larger than any may be */
    } storms[] = {{50, 10, 1, false}, {61, 10, 0, false}, {130, 100, 0, false}, {5000, 1, 0, true}};
    for (size_t i = 0; i < ARRAY_SIZE(storms); i++) {
        auto_buf struct vic_buf b = {0};
        vic_buf_add(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
        add_request(&b, 1, "/v1/echo/a", storms[i].n, storms[i].len);
        struct rpc_session *s =
            rpc_session_new_server(routes, ARRAY_SIZE(routes), NULL, NULL, NULL);
        t.n_handled = 0;
        assert_int_equal(rpc_session_feed(s, (const uint8_t *)b.data, b.len, NULL), 0);
        uint8_t out[4096];
        while (rpc_session_pull(s, out, sizeof(out)) > 0)
            ;
        assert_int_equal(t.n_handled, storms[i].handled);
        assert_int_equal(rpc_session_open_streams(s), 0);
        assert_int_equal(rpc_session_is_over(s), storms[i].is_breach);
        rpc_session_free(s);
    }
}

static void a_storm_of_resets_ends_the_session(void **state)
{
    (void)state;
    static struct seen seen;
    seen = (struct seen){0};
    int n = 0;
    for (; n < 30000 && !rpc_session_is_over(t.server); n++) {
        if (rpc_open(t.client, "POST", "/v1/pipe", &all_events, &seen, &seen.st, NULL) < 0)
            break;
        while ((int)carry(t.client, t.server) | (int)carry(t.server, t.client))
            ;
        if (!rpc_session_is_over(t.server))
            rpc_stream_cancel(seen.st);
        while ((int)carry(t.client, t.server) | (int)carry(t.server, t.client))
            ;
    }
    assert_true(n > 4096 && n < 30000);
    assert_true(rpc_session_is_over(t.server));
}

static void who_asks_and_does_not_read_is_dropped(void **state)
{
    (void)state;
    static const uint8_t ping[17] = {0, 0, 8, 6};
    run();
    int n = 0;
    while (n < 100000 && rpc_session_feed(t.server, ping, sizeof(ping), NULL) == 0)
        n++;
    assert_true(n < 20000);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_call_brings_parameters_and_json_both_ways),
        CASE(an_answer_may_be_empty),
        CASE(each_kind_of_error_arrives_as_itself),
        CASE(bad_requests_are_told_apart),
        CASE(encoding_is_undone_by_the_server),
        CASE(a_body_that_is_no_json_is_refused),
        CASE(a_body_over_the_cap_is_refused_early),
        CASE(large_documents_pass),
        CASE(a_thousand_calls_at_once),
        CASE(too_many_calls_are_refused_at_once),
        CASE(a_bad_path_of_ours_is_an_error_not_a_request),
        CASE(streams_carry_bytes_both_ways_at_every_split),
        CASE(a_stalled_reader_bounds_the_writer),
        CASE(a_stalled_client_bounds_the_server),
        CASE(bytes_before_the_handler_listens_wait),
        CASE(an_upload_is_answered_before_its_end),
        CASE(an_error_after_the_beginning_resets),
        CASE(the_client_cancels),
        CASE(the_server_cancels),
        CASE(a_callback_may_cancel_its_own_stream),
        CASE(streams_without_events_are_held_until_let_go),
        CASE(freeing_a_session_ends_what_is_open),
        CASE(an_end_may_answer_other_requests),
        CASE(a_callback_may_call_again),
        CASE(shutdown_lets_open_streams_finish),
        CASE(pings_are_counted_until_bytes_come),
        CASE(output_is_announced_once),
        CASE(garbage_ends_a_session),
        CASE(a_storm_of_headers_is_refused),
        CASE(a_storm_of_resets_ends_the_session),
        CASE(who_asks_and_does_not_read_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
