/* rpc on a uv loop: servers that die and come back, peers that stall, guests behind a serial port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/host/listen.h"
#include "lib/host/loop.h"
#include "lib/host/rpc_uv.h"
#include "lib/host/work.h"
#include "lib/rpc/sync.h"

static struct {
    char dir[32];
    char *path;
    uv_loop_t loop;
    struct host_rpc_server *server;
    struct host_rpc_client *client;
    struct rpc_stream *at_server;
    size_t max_queued, written, received;
    unsigned answers, failures, closes;
    char message[VIC_ERR_MAX];
} t;

/* ---- the server ---- */

static void handle_hello(struct rpc_stream *st, void *arg)
{
    (void)arg;
    cJSON *doc = json_new_obj();
    json_add_str(doc, "hello", "world");
    rpc_reply_json(st, doc);
}

static void handle_never(struct rpc_stream *st, void *arg)
{
    (void)arg;
    t.at_server = st;
}

#define FLOOD (8u << 20)

/* Writes as long as it may, until FLOOD bytes are out. */
static void pour(struct rpc_stream *st)
{
    static const char chunk[32768];
    size_t queued = 0;
    while (t.written < FLOOD && queued < RPC_HIGH_WATER) {
        queued = rpc_stream_write(st, chunk, sizeof(chunk));
        t.written += sizeof(chunk);
        if (queued > t.max_queued)
            t.max_queued = queued;
    }
    if (t.written >= FLOOD)
        rpc_stream_end(st);
}

static void on_server_drain(struct rpc_stream *st, void *arg)
{
    (void)arg;
    pour(st);
}

static void handle_flood(struct rpc_stream *st, void *arg)
{
    static const struct rpc_stream_events events = {.on_drain = on_server_drain};
    rpc_stream_set_events(st, &events, arg);
    rpc_reply_begin(st);
    pour(st);
}

static const struct rpc_route routes[] = {
    {"GET", "/v1/hello", RPC_BODY_NONE_OR_JSON, handle_hello},
    {"GET", "/v1/never", RPC_BODY_NONE_OR_JSON, handle_never},
    {"GET", "/v1/flood", RPC_BODY_STREAM, handle_flood},
};

static void start_server(unsigned max_connections)
{
    int fd = -1;
    struct vic_err err;
    assert_int_equal(host_listen_unix(t.path, 0600, getuid(), getgid(), &fd, &err), 0);
    assert_int_equal(host_rpc_listen(&t.loop, fd, routes, ARRAY_SIZE(routes), NULL, max_connections,
                                     &t.server, &err),
                     0);
}

static void stop_server(void)
{
    host_rpc_server_close(t.server);
    t.server = NULL;
    (void)unlink(t.path);
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    (void)snprintf(t.dir, sizeof(t.dir), "/tmp/vic-rpc-XXXXXX");
    if (!mkdtemp(t.dir) || uv_loop_init(&t.loop) != 0)
        return -1;
    t.path = vic_xasprintf("%s/sock", t.dir);
    t.client = host_rpc_client_new(&t.loop, t.path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    host_rpc_client_close(t.client);
    if (t.server)
        stop_server();
    host_loop_finish(&t.loop); /* asserts that nothing is left */
    free(t.path);
    return vic_file_remove_tree(t.dir, NULL);
}

/* ---- calls ---- */

static void on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)arg;
    if (!err) {
        t.answers++;
        assert_string_equal(json_str(doc, "hello", ""), "world");
        return;
    }
    t.failures++;
    assert_int_equal(err->kind, VIC_ERR_UNAVAILABLE);
    (void)snprintf(t.message, sizeof(t.message), "%s", err->message);
}

static void call(const char *path)
{
    assert_int_equal(host_rpc_call(t.client, "GET", path, NULL, on_answer, NULL, NULL), 0);
}

/* Turns the loop until the counter has reached n. */
static void await(const unsigned *counter, unsigned n)
{
    while (*counter < n)
        (void)uv_run(&t.loop, UV_RUN_ONCE);
}

static void calls_share_one_connection_made_on_demand(void **state)
{
    (void)state;
    start_server(1);
    for (int i = 0; i < 500; i++)
        call("/v1/hello");
    assert_int_equal(t.answers, 0);
    await(&t.answers, 500);
    assert_int_equal(t.failures, 0);
}

static void a_server_that_is_away_is_named(void **state)
{
    (void)state;
    call("/v1/hello");
    call("/v1/hello");
    await(&t.failures, 2);
    assert_non_null(strstr(t.message, t.path));
    start_server(1);
    call("/v1/hello");
    await(&t.answers, 1);
}

static void a_server_that_died_and_came_back_is_used_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        start_server(4);
        call("/v1/hello");
        await(&t.answers, i + 1);
        call("/v1/never");
        t.at_server = NULL;
        while (!t.at_server)
            (void)uv_run(&t.loop, UV_RUN_ONCE);
        stop_server();
        await(&t.failures, i + 1);
        assert_true(rpc_stream_is_closed(t.at_server));
        rpc_reply_json(t.at_server, NULL); /* its handler learns nothing, and may still answer */
    }
}

static void closing_a_client_ends_its_calls(void **state)
{
    (void)state;
    start_server(4);
    call("/v1/hello");
    host_rpc_client_close(t.client); /* while it connects */
    assert_int_equal(t.failures, 1);
    t.client = host_rpc_client_new(&t.loop, t.path);
    call("/v1/never");
    while (!t.at_server)
        (void)uv_run(&t.loop, UV_RUN_ONCE);
    host_rpc_client_close(t.client);
    t.client = NULL;
    assert_int_equal(t.failures, 2);
    while (!rpc_stream_is_closed(t.at_server))
        (void)uv_run(&t.loop, UV_RUN_ONCE);
    rpc_stream_cancel(t.at_server);
}

static void on_answer_close(const struct vic_err *err, const cJSON *doc, void *arg)
{
    on_answer(err, doc, arg);
    host_rpc_client_close(TAKE_PTR(t.client));
}

static void a_callback_may_close_its_client(void **state)
{
    (void)state;
    start_server(4);
    assert_int_equal(host_rpc_call(t.client, "GET", "/v1/hello", NULL, on_answer_close, NULL, NULL),
                     0);
    call("/v1/never");
    await(&t.answers, 1);
    assert_null(t.client);
    await(&t.failures, 1);
    rpc_stream_cancel(t.at_server);
}

static void connections_past_the_limit_are_closed(void **state)
{
    (void)state;
    start_server(1);
    call("/v1/hello");
    await(&t.answers, 1);
    struct host_rpc_client *first = t.client;
    t.client = host_rpc_client_new(&t.loop, t.path);
    call("/v1/hello");
    await(&t.failures, 1);
    host_rpc_client_close(first);
}

static void a_path_too_long_is_refused(void **state)
{
    (void)state;
    auto_free char *path = vic_xasprintf("%s/%0100d", t.dir, 1);
    struct host_rpc_client *c = host_rpc_client_new(&t.loop, path);
    struct vic_err err;
    assert_true(host_rpc_call(c, "GET", "/v1/hello", NULL, on_answer, NULL, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    host_rpc_client_close(c);
    struct host_rpc_port *port = NULL;
    assert_true(host_rpc_port_open(&t.loop, path, NULL, NULL, &port, &err) < 0);
}

/* ---- curl, which is how one debugs it ---- */

struct curl {
    const char *method, *path, *data;
    const char *want; /* body and status */
    char *got;
};

static int run_curl(void *arg, struct vic_err *err)
{
    struct curl *c = arg;
    auto_free char *url = vic_xasprintf("http://x%s", c->path);
    const char *const argv[] = {"curl",
                                "-sS",
                                "--path-as-is",
                                "--http2-prior-knowledge",
                                "--unix-socket",
                                t.path,
                                "-X",
                                c->method,
                                "-w",
                                " %{http_code}",
                                url,
                                c->data ? "-d" : NULL,
                                c->data,
                                NULL};
    return host_run(argv, -1, 20000, &c->got, err);
}

static void on_curl(void *arg, int result, const struct vic_err *err)
{
    struct curl *c = arg;
    if (result < 0)
        print_error("%s\n", err->message);
    assert_int_equal(result, 0);
    assert_string_equal(c->got, c->want);
    free(c->got);
    t.answers++;
}

static void curl_is_answered(void **state)
{
    (void)state;
    static struct curl calls[] = {
        {"GET", "/v1/hello", NULL, "{\"hello\":\"world\"} 200", NULL},
        {"GET", "/v1/hello", "{\"a\":1}", "{\"hello\":\"world\"} 200", NULL},
        {"GET", "/v1/hello", "a=b",
         "{\"kind\":\"invalid\",\"message\":\"malformed JSON at byte 0\"} 400", NULL},
        {"GET", "/v2/hello", NULL, "{\"kind\":\"not_found\",\"message\":\"no such path\"} 404",
         NULL},
        {"PUT", "/v1/hello", NULL,
         "{\"kind\":\"invalid\",\"message\":\"method 'PUT' not allowed here\"} 405", NULL},
        {"GET", "/v1/../etc", NULL,
         "{\"kind\":\"invalid\",\"message\":\"path has an empty, '.' or '..' segment\"} 400", NULL},
    };
    start_server(16);
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        host_work(&t.loop, run_curl, on_curl, &calls[i]);
    await(&t.answers, ARRAY_SIZE(calls));
}

/* ---- back-pressure through the socket ---- */

static bool is_stalled;
static size_t stalled_bytes;

static void on_flood_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    (void)data;
    (void)arg;
    t.received += len;
    if (is_stalled)
        stalled_bytes += len;
    else
        rpc_stream_consume(st, len);
}

static void on_flood_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)arg;
    assert_null(err);
    t.closes++;
}

static void a_stalled_client_stops_the_server(void **state)
{
    (void)state;
    static const struct rpc_stream_events events = {.on_data = on_flood_data,
                                                    .on_close = on_flood_close};
    start_server(4);
    is_stalled = true;
    stalled_bytes = 0;
    struct rpc_stream *st = NULL;
    assert_int_equal(host_rpc_open(t.client, "GET", "/v1/flood", &events, NULL, &st, NULL), 0);
    rpc_stream_end(st);
    while (t.received < RPC_STREAM_WINDOW)
        (void)uv_run(&t.loop, UV_RUN_ONCE);
    call("/v1/hello"); /* others go on meanwhile */
    await(&t.answers, 1);
    assert_int_equal(t.received, RPC_STREAM_WINDOW);
    assert_true(t.written <= RPC_STREAM_WINDOW + RPC_HIGH_WATER + 32768);
    is_stalled = false;
    rpc_stream_consume(st, stalled_bytes);
    await(&t.closes, 1);
    assert_int_equal(t.received, FLOOD);
    assert_true(t.max_queued < RPC_HIGH_WATER + 32768);
}

/* ---- a guest behind a serial port, played by hand ---- */

static struct {
    uv_pipe_t listener, pipe;
    bool has_pipe;
    struct rpc_sync sync;
    struct rpc_session *session;
    unsigned ignore; /* sync lines not answered */
    unsigned asked;
    struct vic_buf in;
} guest;

static struct {
    unsigned ups, downs;
    char message[VIC_ERR_MAX];
    struct host_rpc_port *port;
} host;

static void guest_write(const void *data, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
    assert_int_equal(uv_try_write((uv_stream_t *)&guest.pipe, &buf, 1), len);
}

static void guest_flush(void)
{
    uint8_t out[65536];
    size_t n;
    while ((n = rpc_session_pull(guest.session, out, sizeof(out))) > 0)
        guest_write(out, n);
}

static void guest_sync(const uint8_t *data, size_t len)
{
    auto_buf struct vic_buf answer = {0};
    bool is_done = false;
    size_t used = rpc_sync_guest_feed(&guest.sync, data, len, &answer, &is_done);
    if (!is_done)
        return;
    guest.asked++;
    if (guest.ignore > 0) {
        guest.ignore--;
        rpc_sync_guest_start(&guest.sync);
        return;
    }
    guest_write("console noise\n", 14);
    guest_write(answer.data, answer.len);
    guest.session = rpc_session_new_server(routes, ARRAY_SIZE(routes), NULL, NULL, NULL);
    (void)rpc_session_feed(guest.session, data + used, len - used, NULL);
}

static void on_guest_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char space[65536];
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(space, sizeof(space));
}

static void on_guest_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    if (n < 0) {
        (void)uv_read_stop(stream);
        return;
    }
    const uint8_t *data = (const uint8_t *)buf->base;
    if (guest.session && rpc_session_feed(guest.session, data, (size_t)n, NULL) < 0) {
        rpc_session_free(TAKE_PTR(guest.session)); /* asked again before the answer came */
        rpc_sync_guest_start(&guest.sync);
    }
    if (!guest.session)
        guest_sync(data, (size_t)n);
    if (guest.session)
        guest_flush();
}

static void on_guest_connection(uv_stream_t *listener, int status)
{
    assert_int_equal(status, 0);
    (void)uv_pipe_init(&t.loop, &guest.pipe, 0);
    guest.has_pipe = true;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&guest.pipe), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&guest.pipe, on_guest_alloc, on_guest_read), 0);
}

static void guest_start(unsigned ignore)
{
    memset(&guest, 0, sizeof(guest));
    memset(&host, 0, sizeof(host));
    guest.ignore = ignore;
    int fd = -1;
    assert_int_equal(host_listen_unix(t.path, 0600, getuid(), getgid(), &fd, NULL), 0);
    (void)uv_pipe_init(&t.loop, &guest.listener, 0);
    assert_int_equal(uv_pipe_open(&guest.listener, fd), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&guest.listener, 1, on_guest_connection), 0);
}

static void guest_stop(void)
{
    rpc_session_free(TAKE_PTR(guest.session));
    if (guest.has_pipe)
        uv_close((uv_handle_t *)&guest.pipe, NULL);
    guest.has_pipe = false;
    uv_close((uv_handle_t *)&guest.listener, NULL);
}

static void on_up(struct rpc_session *session, void *arg)
{
    (void)arg;
    host.ups++;
    assert_int_equal(rpc_call(session, "GET", "/v1/hello", NULL, on_answer, NULL, NULL, NULL), 0);
}

static void on_down(const struct vic_err *err, void *arg)
{
    (void)arg;
    host.downs++;
    assert_int_equal(err->kind, VIC_ERR_UNAVAILABLE);
    (void)snprintf(host.message, sizeof(host.message), "%s", err->message);
}

static const struct host_rpc_port_events port_events = {.on_up = on_up, .on_down = on_down};

static void open_port(void)
{
    assert_int_equal(host_rpc_port_open(&t.loop, t.path, &port_events, NULL, &host.port, NULL), 0);
}

static void a_guest_is_called_after_the_sync_line(void **state)
{
    (void)state;
    guest_start(0);
    open_port();
    await(&t.answers, 1);
    assert_int_equal(host.ups, 1);
    assert_true(guest.asked >= 1);
    guest_stop(); /* the VM is gone */
    await(&host.downs, 1);
    host_rpc_port_close(host.port);
    assert_int_equal(host.ups, 1);
}

static void a_guest_that_does_not_answer_is_asked_again(void **state)
{
    (void)state;
    guest_start(2);
    open_port();
    await(&t.answers, 1);
    assert_true(guest.asked >= 3);
    host_rpc_port_close(host.port);
    (void)uv_run(&t.loop, UV_RUN_NOWAIT);
    assert_int_equal(host.downs, 0); /* no callback after the close */
    guest_stop();
}

static void a_guest_that_breaks_the_protocol_is_dropped(void **state)
{
    (void)state;
    guest_start(0);
    open_port();
    await(&t.answers, 1);
    for (int i = 0; i < 50; i++)
        guest_write("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    await(&host.downs, 1);
    host_rpc_port_close(host.port);
    guest_stop();
}

static void a_port_without_anyone_behind_goes_down(void **state)
{
    (void)state;
    memset(&host, 0, sizeof(host));
    open_port();
    await(&host.downs, 1);
    assert_non_null(strstr(host.message, t.path));
    host_rpc_port_close(host.port);
    open_port();
    host_rpc_port_close(host.port); /* while it connects */
    (void)uv_run(&t.loop, UV_RUN_NOWAIT);
    assert_int_equal(host.downs, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(calls_share_one_connection_made_on_demand),
        CASE(a_server_that_is_away_is_named),
        CASE(a_server_that_died_and_came_back_is_used_again),
        CASE(closing_a_client_ends_its_calls),
        CASE(a_callback_may_close_its_client),
        CASE(connections_past_the_limit_are_closed),
        CASE(a_path_too_long_is_refused),
        CASE(curl_is_answered),
        CASE(a_stalled_client_stops_the_server),
        CASE(a_guest_is_called_after_the_sync_line),
        CASE(a_guest_that_does_not_answer_is_asked_again),
        CASE(a_guest_that_breaks_the_protocol_is_dropped),
        CASE(a_port_without_anyone_behind_goes_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
