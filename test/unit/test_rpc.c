/* A client and a server session joined by memory: intents and streams. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/rpc_pair.h"

static void a_call_brings_parameters_and_json_both_ways(void **state)
{
    (void)state;
    for (t.step = 0; t.step < 40; t.step++) {
        auto_answer struct answer a = {0};
        auto_json cJSON *body = json_new_obj();
        json_add_str(body, "name", "web");
        pair_call("POST", "/v1/echo/a%20b%2Fc?q=x%3Dy&z", body, &a);
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
    pair_call("POST", "/v1/empty", NULL, &a);
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
        pair_call("POST", path, NULL, &a);
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
        pair_call(cases[i].method, cases[i].path, NULL, &a);
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
        pair_call("GET", path, NULL, &a);
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
            rpc_open(t.client, "POST", "/v1/echo/a", &pair_all_events, &seen, &seen.st, NULL), 0);
        (void)rpc_stream_write(seen.st, bodies[i], strlen(bodies[i]));
        rpc_stream_end(seen.st);
        pair_run();
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
    assert_int_equal(
        rpc_open(t.client, "POST", "/v1/echo/a", &pair_all_events, &seen, &seen.st, NULL), 0);
    static char chunk[RPC_HIGH_WATER];
    size_t sent = 0;
    while (seen.st && sent < RPC_JSON_MAX + 4 * sizeof(chunk)) {
        (void)rpc_stream_write(seen.st, chunk, sizeof(chunk));
        sent += sizeof(chunk);
        pair_run();
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
    pair_call("POST", "/v1/echo/a", body, &a);
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
            rpc_call(t.client, "POST", "/v1/hold", NULL, pair_on_answer, &answers[i], NULL, NULL),
            0);
    pair_run();
    assert_int_equal(t.n_held, N);
    assert_int_equal(rpc_session_open_streams(t.client), N);
    for (int i = N - 1; i >= 0; i--)
        rpc_reply_json(t.held[i], NULL);
    pair_run();
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
        assert_int_equal(
            rpc_call(t.client, "GET", "/v1/empty", NULL, pair_on_answer, &a, NULL, &err), 0);
    assert_true(rpc_call(t.client, "GET", "/v1/empty", NULL, pair_on_answer, &a, NULL, &err) < 0);
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
        assert_true(rpc_call(t.client, "GET", paths[i], NULL, pair_on_answer, NULL, NULL, &err) <
                    0);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
    }
}

/* ---- streams ---- */

static void streams_carry_bytes_both_ways_at_every_split(void **state)
{
    (void)state;
    for (t.step = 0; t.step < 30; t.step++) {
        struct seen seen;
        memset(&t.at_server, 0, sizeof(t.at_server));
        pair_open("/v1/pipe", &seen);
        assert_int_equal(seen.responses, 1);
        (void)rpc_stream_write(seen.st, "to the server", 13);
        (void)rpc_stream_write(t.at_server.st, "to the client", 13);
        pair_run();
        rpc_stream_end(seen.st);
        pair_run();
        assert_int_equal(t.at_server.ends, 1);
        assert_int_equal(t.at_server.closes, 0); /* half-closed */
        (void)rpc_stream_write(t.at_server.st, "!", 1);
        rpc_stream_end(t.at_server.st);
        pair_run();
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
    pair_open("/v1/pipe", &seen);
    t.at_server.keep_window = true;
    static char chunk[10000];
    size_t queued = 0;
    size_t written = 0;
    /* The writer keeps to the rule: it stops at the mark. */
    while (queued < RPC_HIGH_WATER) {
        (void)rpc_stream_write(seen.st, chunk, sizeof(chunk));
        written += sizeof(chunk);
        pair_run();
        queued = rpc_stream_queued(seen.st);
    }
    assert_int_equal(t.at_server.data.len, RPC_STREAM_WINDOW);
    assert_int_equal(written, RPC_STREAM_WINDOW + queued);
    assert_true(queued < RPC_HIGH_WATER + sizeof(chunk));
    assert_int_equal(seen.drains, 0);
    /* Other streams are not held up by it. */
    auto_answer struct answer a = {0};
    pair_call("GET", "/v1/echo/x", NULL, &a);
    assert_int_equal(a.kind, VIC_ERR_NONE);
    /* The reader wakes: all of it arrives, and the writer hears that there is room. */
    t.at_server.keep_window = false;
    rpc_stream_consume(t.at_server.st, t.at_server.data.len);
    pair_run();
    assert_int_equal(t.at_server.data.len, written);
    assert_int_equal(seen.drains, 1);
    assert_int_equal(rpc_stream_queued(seen.st), 0);
    rpc_stream_cancel(seen.st);
    pair_run();
}

/* Both ways a stream has much to send; a call and its answer pass by what is queued. */
static void a_call_does_not_wait_behind_a_streams_bytes(void **state)
{
    (void)state;
    struct seen seen;
    static char bulk[RPC_HIGH_WATER];
    pair_open("/v1/pipe", &seen);
    (void)rpc_stream_write(seen.st, bulk, sizeof(bulk));
    (void)rpc_stream_write(t.at_server.st, bulk, sizeof(bulk));
    (void)pair_carry(t.client, t.server); /* a frame of each is under way */
    (void)pair_carry(t.server, t.client);
    auto_answer struct answer a = {0};
    assert_int_equal(rpc_call(t.client, "GET", "/v1/echo/x", NULL, pair_on_answer, &a, NULL, NULL),
                     0);
    while (a.n == 0)
        assert_true((int)pair_carry(t.client, t.server) | (int)pair_carry(t.server, t.client));
    assert_true(rpc_stream_queued(seen.st) > sizeof(bulk) / 2);
    assert_true(rpc_stream_queued(t.at_server.st) > sizeof(bulk) / 2);
    pair_run();
    assert_int_equal(seen.data.len, sizeof(bulk));
    assert_int_equal(t.at_server.data.len, sizeof(bulk));
    vic_buf_release(&seen.data);
    rpc_stream_cancel(seen.st);
    pair_run();
}

static void a_stalled_client_bounds_the_server(void **state)
{
    (void)state;
    struct seen seen;
    pair_open("/v1/pipe", &seen);
    seen.keep_window = true;
    static char chunk[10000];
    size_t written = 0;
    while (rpc_stream_queued(t.at_server.st) < RPC_HIGH_WATER) {
        (void)rpc_stream_write(t.at_server.st, chunk, sizeof(chunk));
        written += sizeof(chunk);
        pair_run();
    }
    assert_int_equal(seen.data.len, RPC_STREAM_WINDOW);
    assert_true(written <= RPC_STREAM_WINDOW + RPC_HIGH_WATER + sizeof(chunk));
    rpc_stream_consume(seen.st, SIZE_MAX); /* more than was given is not given back */
    pair_run();
    assert_int_equal(seen.data.len,
                     written < 2 * RPC_STREAM_WINDOW ? written : 2 * RPC_STREAM_WINDOW);
    vic_buf_release(&seen.data);
    rpc_stream_cancel(seen.st);
    pair_run();
}

static void bytes_before_the_handler_listens_wait(void **state)
{
    (void)state;
    struct seen seen = {0};
    assert_int_equal(
        rpc_open(t.client, "POST", "/v1/hold-stream", &pair_all_events, &seen, &seen.st, NULL), 0);
    (void)rpc_stream_write(seen.st, "early", 5);
    rpc_stream_end(seen.st);
    pair_run();
    assert_int_equal(t.n_held, 1);
    t.at_server.st = t.held[0];
    rpc_stream_set_events(t.held[0], &pair_all_events, &t.at_server);
    assert_int_equal(t.at_server.data.len, 0); /* not inside the call */
    pair_run();
    assert_string_equal(vic_buf_str(&t.at_server.data), "early");
    assert_int_equal(t.at_server.ends, 1);
    rpc_reply_json(t.held[0], NULL);
    pair_run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_NONE);
    assert_int_equal(t.at_server.closes, 0); /* it let go */
}

static void an_upload_is_answered_before_its_end(void **state)
{
    (void)state;
    struct seen seen;
    pair_open("/v1/upload", &seen);
    (void)rpc_stream_write(seen.st, "x", 1);
    pair_run();
    struct vic_err err;
    (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "full");
    rpc_reply_error(t.at_server.st, &err);
    pair_run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_CONFLICT);
    assert_string_equal(seen.message, "full");
    assert_int_equal(rpc_session_open_streams(t.server), 0);
}

static void an_error_after_the_beginning_resets(void **state)
{
    (void)state;
    struct seen seen;
    pair_open("/v1/pipe", &seen);
    struct vic_err err;
    (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "too late");
    rpc_reply_error(t.at_server.st, &err);
    pair_run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_INTERNAL);
    assert_int_equal(t.at_server.closes, 0);
}

/* Memory with a pattern behind room for a frame's head; the caller frees it. */
static uint8_t *make_pattern(size_t len)
{
    uint8_t *memory = vic_xalloc(RPC_FRAME_HEAD + len);
    for (size_t i = 0; i < len; i++)
        memory[RPC_FRAME_HEAD + i] = (uint8_t)(i % 251);
    return memory;
}

static void assert_pattern(const struct vic_buf *b, size_t len)
{
    assert_int_equal(b->len, len);
    for (size_t i = 0; i < len; i++)
        if (b->data[i] != (char)(i % 251))
            fail_msg("byte %zu", i);
}

/* Past a frame, past a window, with other calls between. */
static void what_is_offered_arrives_in_its_place(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4096, RPC_FRAME_MAX, 3u << 20};
    static const size_t steps[] = {0, 7, 4096};
    for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(steps); i++) {
        size_t len = sizes[i / ARRAY_SIZE(steps)];
        t.step = steps[i % ARRAY_SIZE(steps)];
        struct seen seen;
        auto_free uint8_t *memory = make_pattern(len);
        t.at_server = (struct seen){0};
        pair_open("/v1/pipe", &seen);
        rpc_stream_offer(t.at_server.st, memory + RPC_FRAME_HEAD, len);
        auto_answer struct answer a = {0};
        pair_call("POST", "/v1/echo/a", NULL, &a);
        assert_int_equal(a.kind, VIC_ERR_NONE);
        pair_run();
        assert_pattern(&seen.data, len);
        assert_int_equal(t.at_server.drains, 1); /* once, and when all had been moved */
        rpc_stream_end(t.at_server.st);
        rpc_stream_end(seen.st);
        pair_run();
        assert_int_equal(seen.closes, 1);
        assert_int_equal(seen.kind, VIC_ERR_NONE);
        vic_buf_release(&seen.data);
    }
}

static void what_is_offered_may_be_given_up(void **state)
{
    (void)state;
    struct seen seen;
    const size_t len = RPC_STREAM_WINDOW + 200000;
    auto_free uint8_t *memory = make_pattern(len);
    pair_open("/v1/pipe", &seen);
    seen.keep_window = true;
    rpc_stream_offer(t.at_server.st, memory + RPC_FRAME_HEAD, len);
    pair_run();
    assert_pattern(&seen.data, RPC_STREAM_WINDOW); /* the rest waits where it is */
    assert_int_equal(t.at_server.drains, 0);
    rpc_stream_cancel(t.at_server.st);
    pair_run();
    assert_int_equal(seen.closes, 1);
    vic_buf_release(&seen.data);
    /* The last that was offered, moved and not yet told. */
    t.at_server = (struct seen){0};
    pair_open("/v1/pipe", &seen);
    rpc_stream_offer(t.at_server.st, memory + RPC_FRAME_HEAD, 10);
    assert_true(pair_carry(t.server, t.client));
    rpc_stream_cancel(t.at_server.st);
    pair_run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(t.at_server.drains, 0);
    vic_buf_release(&seen.data);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pair_set_up, pair_tear_down)

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
        CASE(a_call_does_not_wait_behind_a_streams_bytes),
        CASE(a_stalled_client_bounds_the_server),
        CASE(bytes_before_the_handler_listens_wait),
        CASE(what_is_offered_arrives_in_its_place),
        CASE(what_is_offered_may_be_given_up),
        CASE(an_upload_is_answered_before_its_end),
        CASE(an_error_after_the_beginning_resets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
