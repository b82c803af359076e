/* The sink onto the port layer, over a stream that is a stand-in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "personality/docker/sink.h"

struct rpc_stream {
    int unused;
};

static struct rpc_stream stream;
static const struct rpc_stream_events *events;
static void *events_arg;

int __wrap_host_rpc_open(struct host_rpc_client *c, const char *method, const char *path,
                         const struct rpc_stream_events *stream_events, void *arg,
                         struct rpc_stream **ret_stream, struct vic_err *err);
size_t __wrap_rpc_stream_write(struct rpc_stream *st, const void *data, size_t len);

int __wrap_host_rpc_open(struct host_rpc_client *c, const char *method, const char *path,
                         const struct rpc_stream_events *stream_events, void *arg,
                         struct rpc_stream **ret_stream, struct vic_err *err)
{
    (void)c;
    (void)method;
    (void)path;
    (void)err;
    events = stream_events;
    events_arg = arg;
    *ret_stream = &stream;
    return 0;
}

/* The port layer does not read. */
size_t __wrap_rpc_stream_write(struct rpc_stream *st, const void *data, size_t len)
{
    (void)st;
    (void)data;
    (void)len;
    return RPC_HIGH_WATER;
}

static unsigned n_drained;
static unsigned n_done;

static void on_drain(void *arg)
{
    (void)arg;
    n_drained++;
}

static void on_done(const struct vic_err *err, void *arg)
{
    (void)arg;
    assert_null(err);
    n_done++;
}

/* A blob that is there already: whoever waits to write must write on, or would wait for ever. */
static void test_an_early_answer_lets_the_writer_go_on(void **state)
{
    (void)state;
    static const struct img_writer_events writer_events = {.on_drain = on_drain,
                                                           .on_done = on_done};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct docker d = {.loop = &loop};
    struct img_writer *w = NULL;
    docker_sink_init(&d);
    assert_int_equal(d.sink.open(d.sink.arg, "sha256:1", 100, &writer_events, NULL, &w, NULL), 0);
    assert_false(d.sink.write(w, "x", 1));
    assert_int_equal(n_drained, 0);
    events->on_close(&stream, NULL, events_arg);
    assert_int_equal(n_drained, 1);
    assert_int_equal(n_done, 0);
    assert_true(d.sink.write(w, "x", 1));
    d.sink.finish(w);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(n_done, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_early_answer_lets_the_writer_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
