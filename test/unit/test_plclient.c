/* The client's splitters give the same pieces wherever the stream is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "portlayer/api.h"

static void on_doc(const cJSON *doc, void *arg)
{
    vic_buf_addf(arg, "%d;", (int)json_i64(doc, "n", -1));
}

static void test_lines_at_every_split(void **state)
{
    (void)state;
    static const char text[] = "{\"n\":1}\n{\"n\":22}\n{\"n\":3}\n";
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        auto_buf struct vic_buf got = {0};
        struct pl_lines *l = pl_lines_new(on_doc, &got);
        assert_int_equal(pl_lines_feed(l, text, cut, NULL), 0);
        assert_int_equal(pl_lines_feed(l, text + cut, strlen(text) - cut, NULL), 0);
        assert_string_equal(vic_buf_str(&got), "1;22;3;");
        pl_lines_free(l);
    }
}

static void test_lines_refuse_what_is_no_object(void **state)
{
    (void)state;
    static const char *const bad[] = {"x\n", "[]\n", "{\n", "\n", "1\n"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        auto_buf struct vic_buf got = {0};
        struct pl_lines *l = pl_lines_new(on_doc, &got);
        struct vic_err err = {0};
        assert_true(pl_lines_feed(l, bad[i], strlen(bad[i]), &err) < 0);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
        pl_lines_free(l);
    }
}

static void on_record(const struct vic_record *head, const void *data, void *arg)
{
    vic_buf_addf(arg, "%d:%.*s;", (int)head->type, (int)head->len, (const char *)data);
}

static void add_record(struct vic_buf *b, enum vic_record_type type, const char *text)
{
    uint8_t header[VIC_RECORD_HEADER];
    struct vic_record r = {.type = type, .wall_ns = 5, .len = (uint32_t)strlen(text)};
    vic_record_encode(&r, header);
    vic_buf_add(b, header, sizeof(header));
    vic_buf_add_str(b, text);
}

static void test_records_at_every_split(void **state)
{
    (void)state;
    auto_buf struct vic_buf in = {0};
    add_record(&in, VIC_RECORD_STDOUT, "hello");
    add_record(&in, VIC_RECORD_STDERR, "");
    add_record(&in, VIC_RECORD_STDOUT, "x");
    for (size_t a = 0; a <= in.len; a++)
        for (size_t b = a; b <= in.len; b++) {
            auto_buf struct vic_buf got = {0};
            struct pl_records *r = pl_records_new(on_record, &got);
            assert_int_equal(pl_records_feed(r, in.data, a, NULL), 0);
            assert_int_equal(pl_records_feed(r, in.data + a, b - a, NULL), 0);
            assert_int_equal(pl_records_feed(r, in.data + b, in.len - b, NULL), 0);
            assert_string_equal(vic_buf_str(&got), "1:hello;2:;1:x;");
            pl_records_free(r);
        }
}

static void test_records_refuse_garbage(void **state)
{
    (void)state;
    auto_buf struct vic_buf got = {0};
    struct pl_records *r = pl_records_new(on_record, &got);
    assert_int_equal(pl_records_feed(r, "VR", 2, NULL), 0);
    assert_true(pl_records_feed(r, "XX", 2, NULL) < 0);
    pl_records_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_at_every_split),
        cmocka_unit_test(test_lines_refuse_what_is_no_object),
        cmocka_unit_test(test_records_at_every_split),
        cmocka_unit_test(test_records_refuse_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
