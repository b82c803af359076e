/* A client and a server session joined by memory: ends of all kinds, and abuse. */
#include <string.h>

#include "test/unit/rpc_pair.h"

static void the_client_cancels(void **state)
{
    (void)state;
    struct seen seen;
    pair_open("/v1/pipe", &seen);
    (void)rpc_stream_write(seen.st, "never read", 10);
    rpc_stream_cancel(seen.st);
    pair_run();
    assert_int_equal(seen.closes, 0);
    assert_int_equal(t.at_server.closes, 1);
    assert_int_equal(t.at_server.kind, VIC_ERR_UNAVAILABLE);
    /* Before anything was sent, too. */
    struct rpc_stream *st = NULL;
    assert_int_equal(rpc_open(t.client, "POST", "/v1/pipe", &pair_all_events, &seen, &st, NULL), 0);
    rpc_stream_cancel(st);
    struct answer a = {0};
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, pair_on_answer, &a, &st, NULL),
                     0);
    pair_run();
    rpc_stream_cancel(st);
    pair_run();
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
    pair_open("/v1/pipe", &seen);
    rpc_stream_cancel(t.at_server.st);
    pair_run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.kind, VIC_ERR_UNAVAILABLE);
    assert_int_equal(t.at_server.closes, 0);
    struct answer a = {0};
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, pair_on_answer, &a, NULL, NULL),
                     0);
    pair_run();
    rpc_stream_cancel(t.held[0]);
    pair_run();
    assert_int_equal(a.n, 1);
    assert_int_equal(a.kind, VIC_ERR_UNAVAILABLE);
}

static void a_callback_may_cancel_its_own_stream(void **state)
{
    (void)state;
    struct seen seen;
    pair_open("/v1/pipe", &seen);
    t.at_server.cancel_on_data = true;
    static char chunk[100000];
    (void)rpc_stream_write(seen.st, chunk, sizeof(chunk));
    pair_run();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(t.at_server.closes, 0);
    pair_open("/v1/pipe", &seen);
    seen.cancel_on_data = true;
    (void)rpc_stream_write(t.at_server.st, chunk, sizeof(chunk));
    pair_run();
    assert_int_equal(seen.closes, 0);
    assert_int_equal(t.at_server.closes, 1);
    vic_buf_release(&seen.data);
}

static void streams_without_events_are_held_until_let_go(void **state)
{
    (void)state;
    struct rpc_stream *st = NULL;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rpc_open(t.client, "POST", "/v1/pipe", &pair_no_events, NULL, &st, NULL),
                         0);
        pair_run();
        rpc_stream_cancel(t.at_server.st);
        pair_run();
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
    pair_open("/v1/pipe", &seen);
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, pair_on_answer, &a, NULL, NULL),
                     0);
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, pair_on_answer, &a, NULL, NULL),
                     0);
    pair_run();
    assert_int_equal(rpc_call(t.client, "POST", "/v1/hold", NULL, pair_on_answer, &a, NULL, NULL),
                     0);
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
        assert_int_equal(
            rpc_call(t.client, "POST", "/v1/hold", NULL, pair_on_answer, &a, NULL, NULL), 0);
    pair_run();
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
    int r = rpc_call(t.client, "POST", "/v1/empty", NULL, pair_on_answer, a, NULL, NULL);
    assert_true(err ? r < 0 : r == 0);
}

static void a_callback_may_call_again(void **state)
{
    (void)state;
    struct answer a = {0};
    assert_int_equal(
        rpc_call(t.client, "POST", "/v1/empty", NULL, on_answer_call_again, &a, NULL, NULL), 0);
    pair_run();
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
    pair_open("/v1/pipe", &seen);
    rpc_session_shutdown(t.server);
    pair_run();
    struct answer a = {0};
    struct vic_err err;
    assert_true(rpc_call(t.client, "GET", "/v1/empty", NULL, pair_on_answer, &a, NULL, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_UNAVAILABLE);
    (void)rpc_stream_write(t.at_server.st, "last words", 10);
    rpc_stream_end(t.at_server.st);
    rpc_stream_end(seen.st);
    pair_run();
    assert_string_equal(vic_buf_str(&seen.data), "last words");
    assert_int_equal(seen.kind, VIC_ERR_NONE);
    assert_true(rpc_session_is_over(t.server));
    vic_buf_release(&seen.data);
}

static void pings_are_counted_until_bytes_come(void **state)
{
    (void)state;
    pair_run();
    rpc_session_ping(t.client);
    rpc_session_ping(t.client);
    assert_int_equal(rpc_session_pings_unanswered(t.client), 2);
    pair_run();
    assert_int_equal(rpc_session_pings_unanswered(t.client), 0);
}

static void output_is_announced_once(void **state)
{
    (void)state;
    pair_run();
    t.outputs = 0;
    struct answer a = {0};
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            rpc_call(t.client, "POST", "/v1/empty", NULL, pair_on_answer, &a, NULL, NULL), 0);
    assert_int_equal(t.outputs, 1);
    pair_run();
    assert_int_equal(a.n, 5);
}

static void garbage_ends_a_session(void **state)
{
    (void)state;
    struct vic_err err;
    struct seen seen;
    pair_open("/v1/pipe", &seen);
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
            rpc_session_new_server(pair_routes, pair_n_routes, NULL, NULL, NULL);
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
        if (rpc_open(t.client, "POST", "/v1/pipe", &pair_all_events, &seen, &seen.st, NULL) < 0)
            break;
        while ((int)pair_carry(t.client, t.server) | (int)pair_carry(t.server, t.client))
            ;
        if (!rpc_session_is_over(t.server))
            rpc_stream_cancel(seen.st);
        while ((int)pair_carry(t.client, t.server) | (int)pair_carry(t.server, t.client))
            ;
    }
    assert_true(n > 4096 && n < 30000);
    assert_true(rpc_session_is_over(t.server));
}

static void who_asks_and_does_not_read_is_dropped(void **state)
{
    (void)state;
    static const uint8_t ping[17] = {0, 0, 8, 6};
    pair_run();
    int n = 0;
    while (n < 100000 && rpc_session_feed(t.server, ping, sizeof(ping), NULL) == 0)
        n++;
    assert_true(n < 20000);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pair_set_up, pair_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
