/* What comes out of a container, by the real tether-copy.  Skipped where we are not root. */
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "test/unit/tether_world.h"

#define LARGE (3u << 20)
#define TAR_BLOCK 512u

static void install_copier(const char *command)
{
    auto_free char *path = vic_xasprintf("%s/bin/copier", root);
    auto_free char *script = vic_xasprintf("#!/bin/sh\n%s\n", command);
    assert_int_equal(vic_file_replace(path, script, strlen(script), 0755, NULL), 0);
}

/* The real one, beside this test's own program.  Leaks are not looked for where there is no /proc. */
static void install_real_copier(void)
{
    char self[4096] = "";
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    auto_free char *command =
        vic_xasprintf("ASAN_OPTIONS=detect_leaks=0 exec %s/tether-copy \"$@\"", dirname(self));
    install_copier(command);
}

static char *make_file(const char *name)
{
    char *data = vic_xalloc(LARGE);
    auto_free char *path = vic_xasprintf("%s/%s", root, name);
    for (size_t i = 0; i < LARGE; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    assert_int_equal(vic_file_replace(path, data, LARGE, 0644, NULL), 0);
    return data;
}

/* A line about the file, its header, its bytes. */
static void assert_copy(struct run *run, const char *data)
{
    auto_buf struct vic_buf got = {0};
    struct vic_err err = {0};
    if (tether_drive_get(&run->drive, "/v1/copy?path=/large", &got, &err) < 0)
        fail_msg("%s", err.message);
    const char *line_end = memchr(got.data, '\n', got.len);
    assert_non_null(line_end);
    size_t start = (size_t)(line_end + 1 - got.data) + TAR_BLOCK;
    assert_true(got.len >= start + LARGE);
    assert_memory_equal(got.data + start, data, LARGE);
}

/* Cancels once so many bytes have come. */
struct impatient {
    size_t limit, n;
    bool is_done;
};

static void on_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct impatient *i = arg;
    (void)data;
    i->n += len;
    rpc_stream_consume(st, len);
    if (i->n < i->limit)
        return;
    i->is_done = true;
    rpc_stream_cancel(st);
}

/* What its stream had half sent must not break the session, nor what comes next. */
static void test_a_copy_is_given_up_anywhere(void **state)
{
    (void)state;
    skip_unless_root();
    static const struct rpc_stream_events events = {.on_data = on_data};
    struct run run;
    install_real_copier();
    auto_free char *data = make_file("large");
    begin(&run);
    configure(&run);
    for (size_t limit = 1; limit < LARGE; limit += 190000) {
        struct impatient i = {.limit = limit};
        struct rpc_stream *st = NULL;
        struct vic_err err = {0};
        assert_int_equal(
            rpc_open(run.drive.session, "GET", "/v1/copy?path=/large", &events, &i, &st, &err), 0);
        rpc_stream_end(st);
        if (tether_drive_pump(&run.drive, &i.is_done, &err) < 0)
            fail_msg("%zu bytes: %s", limit, err.message);
        auto_json cJSON *doc = NULL;
        assert_int_equal(tether_drive_call(&run.drive, "GET", "/v1/hello", NULL, &doc, NULL), 0);
        assert_copy(&run, data);
    }
    call(&run, "/v1/start", "{\"args\":[\"true\"]}");
    end_run(&run);
    release(&run);
}

/* A copy under way when the container ends: its peer hears of it, and tether ends all the same. */
static void test_the_end_cuts_a_copy_off(void **state)
{
    (void)state;
    skip_unless_root();
    static const struct rpc_stream_events deaf = {0};
    struct run run;
    struct rpc_stream *st = NULL;
    install_real_copier();
    auto_free char *data = make_file("large");
    begin(&run);
    configure(&run);
    call(&run, "/v1/start", "{\"args\":[\"true\"]}");
    assert_int_equal(
        rpc_open(run.drive.session, "GET", "/v1/copy?path=/large", &deaf, NULL, &st, NULL), 0);
    rpc_stream_end(st); /* and what comes is not consumed */
    end_run(&run);
    release(&run);
}

static void test_a_copier_that_lies_is_no_good_copy(void **state)
{
    (void)state;
    skip_unless_root();
    /* One byte, and then a length of 0, half a length, one that is too large: with success, if it comes to that. */
    static const char *const scripts[] = {
        "printf '\\001\\000\\000\\000\\000\\000\\000\\000'",
        "printf '\\001\\000\\000\\000ab'",
        "printf '\\001\\000\\000\\000\\377\\377\\377\\377'",
    };
    struct run run;
    begin(&run);
    configure(&run);
    for (size_t i = 0; i < 3; i++) {
        auto_buf struct vic_buf got = {0};
        struct vic_err err = {0};
        install_copier(scripts[i]);
        assert_true(tether_drive_get(&run.drive, "/v1/copy?path=/large", &got, &err) < 0);
        assert_int_equal(got.len, 1);
    }
    call(&run, "/v1/start", "{\"args\":[\"true\"]}");
    end_run(&run);
    release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_is_given_up_anywhere),
        cmocka_unit_test(test_the_end_cuts_a_copy_off),
        cmocka_unit_test(test_a_copier_that_lies_is_no_good_copy),
    };
    return cmocka_run_group_tests_name("tether", tests, make_root, remove_root);
}
