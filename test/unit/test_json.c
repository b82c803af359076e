/* Typed JSON: what is accepted, what is refused and how the place is named. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/json/json.h"

static cJSON *parse(const char *text)
{
    cJSON *doc = NULL;
    assert_int_equal(json_parse(text, strlen(text), &doc, NULL), 0);
    return doc;
}

static void refuse(const char *text, size_t len, const char *why)
{
    struct vic_err err;
    cJSON *doc = NULL;
    /* An exact copy: nothing past the end may be read. */
    auto_free char *exact = vic_xalloc(len ? len : 1);
    memcpy(exact, text, len);
    assert_true(json_parse(exact, len, &doc, &err) < 0);
    assert_null(doc);
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    if (!strstr(err.message, why))
        print_error("%s\n", err.message);
    assert_non_null(strstr(err.message, why));
}

static void documents_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",           " ",     "{",           "[1,",     "{\"a\"}",
                                        "nul",        "\"abc", "\"\\",        "\"\\u12", "[1 2]",
                                        "{\"a\":1,}", "}",     "\"\\ud800\"", "'a'"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        refuse(wrong[i], strlen(wrong[i]), "malformed JSON at byte");
    refuse("{} {}", 5, "extra bytes after the JSON document at byte 3");
    refuse("1 x", 3, "extra bytes");
}

static void a_nul_is_refused_however_it_is_written(void **state)
{
    (void)state;
    refuse("{}\0", 3, "NUL");
    refuse("\"a\0b\"", 5, "NUL");
    refuse("\"a\\u0000b\"", 10, "NUL at byte 2");
    refuse("{\"a\\u0000\":1}", 13, "NUL");
    refuse("\"\\\\\\u0000\"", 10, "NUL at byte 3");
}

static void escapes_that_only_look_like_a_nul_pass(void **state)
{
    (void)state;
    auto_json cJSON *doc = parse("\"\\\\u0000\\u0001\"");
    assert_string_equal(doc->valuestring, "\\u0000\001");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    auto_buf struct vic_buf b = {0};
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        vic_buf_add_char(&b, '[');
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        vic_buf_add_char(&b, ']');
    auto_json cJSON *doc = NULL;
    assert_int_equal(json_parse(b.data, b.len, &doc, NULL), 0);
    vic_buf_clear(&b);
    vic_buf_add_str(&b, "[");
    vic_buf_add_str(&b, "\"[[[[\\\"[[[[\",");
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        vic_buf_add_char(&b, '{');
    refuse(b.data, b.len, "deeper than");
    auto_json cJSON *brackets =
        parse("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"");
    assert_non_null(brackets);
}

static void the_number_of_values_is_bounded(void **state)
{
    (void)state;
    auto_buf struct vic_buf b = {0};
    vic_buf_add_char(&b, '[');
    for (unsigned i = 0; i < JSON_VALUES_MAX; i++)
        vic_buf_add(&b, "1,", 2);
    vic_buf_add(&b, "1]", 2);
    refuse(b.data, b.len, "more than");
}

static void integers_are_exact_within_their_bounds(void **state)
{
    (void)state;
    auto_json cJSON *doc =
        parse("{\"a\":1.5,\"b\":9007199254740991,\"c\":-7,\"d\":1e999,\"e\":\"1\","
              "\"f\":null,\"g\":1e3,\"h\":1e300,\"i\":-1e300}");
    struct vic_err err;
    int64_t v = 42;
    assert_true(json_get_i64(doc, "P", "a", 0, 10, &v, &err) < 0);
    assert_string_equal(err.message, "P.a: expected an integer");
    assert_true(json_get_i64(doc, "", "e", 0, 10, &v, &err) < 0);
    assert_string_equal(err.message, "e: expected an integer");
    assert_true(json_get_i64(doc, NULL, "d", INT64_MIN, INT64_MAX, &v, &err) < 0);
    assert_true(json_get_i64(doc, NULL, "h", 0, 100, &v, &err) < 0);
    assert_true(json_get_i64(doc, NULL, "i", 0, 100, &v, &err) < 0);
    assert_true(json_get_i64(doc, "P", "c", 0, 10, &v, &err) < 0);
    assert_string_equal(err.message, "P.c: expected an integer from 0 to 10");
    assert_int_equal(json_get_i64(doc, NULL, "f", 0, 10, &v, &err), 0);
    assert_int_equal(json_get_i64(doc, NULL, "absent", 0, 10, &v, &err), 0);
    assert_int_equal(v, 42);
    assert_int_equal(json_get_i64(doc, NULL, "g", 0, 1000, &v, &err), 0);
    assert_int_equal(v, 1000);
    assert_int_equal(json_get_i64(doc, NULL, "b", 0, INT64_MAX, &v, &err), 0);
    assert_true(v == INT64_C(9007199254740991));
    assert_int_equal(json_i64(doc, "c", 0), -7);
    assert_int_equal(json_i64(doc, "e", 5), 5);
}

static void big_integers_are_written_exactly(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {
        {0, "{\"n\":0}"},
        {INT64_C(9007199254740991), "{\"n\":9007199254740991}"},
        {INT64_C(9007199254740993), "{\"n\":9007199254740993}"},
        {INT64_C(1795342830123456789), "{\"n\":1795342830123456789}"},
        {INT64_MAX, "{\"n\":9223372036854775807}"},
        {INT64_MIN, "{\"n\":-9223372036854775808}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        auto_json cJSON *doc = json_new_obj();
        json_add_i64(doc, "n", cases[i].value);
        auto_free char *text = json_print(doc);
        assert_string_equal(text, cases[i].text);
        /* A copy keeps them, and reading them stays within their bounds. */
        auto_json cJSON *copy = json_dup(doc);
        auto_free char *again = json_print(copy);
        assert_string_equal(again, cases[i].text);
        auto_json cJSON *read = parse(text);
        int64_t v = 0;
        assert_int_equal(json_get_i64(read, NULL, "n", INT64_MIN, INT64_MAX, &v, NULL), 0);
        assert_true((double)v == (double)cases[i].value || i == 4); /* cJSON reads doubles */
        v = 0;
        assert_int_equal(json_get_i64(doc, NULL, "n", INT64_MIN, INT64_MAX, &v, NULL), 0);
        assert_true(v == cases[i].value); /* but not of what we built */
    }
}

static void parsed_integers_are_printed_as_integers(void **state)
{
    (void)state;
    auto_json cJSON *doc = parse("[1000000000000000,{\"a\":[-9007199254740991]},8589934592,1.5,"
                                 "1795342830123456768,1e300]");
    auto_free char *text = json_print(doc);
    assert_string_equal(text, "[1000000000000000,{\"a\":[-9007199254740991]},8589934592,1.5,"
                              "1795342830123456768,1e+300]");
    assert_true(cJSON_IsNumber(cJSON_GetArrayItem(doc, 0))); /* the document itself is untouched */
    auto_json cJSON *single = parse("1795342830123456768");
    auto_free char *single_text = json_print(single);
    assert_string_equal(single_text, "1795342830123456768");
}

static void wrong_types_name_their_place(void **state)
{
    (void)state;
    auto_json cJSON *doc =
        parse("{\"s\":\"x\",\"n\":1,\"b\":true,\"o\":{},\"a\":[\"x\",\"y\"],\"m\":[\"x\",1],"
              "\"z\":null,\"e\":\"\",\"ea\":[]}");
    struct vic_err err;
    const char *s = "kept";
    bool b = false;
    const cJSON *v = NULL;
    char **strv = NULL;
    assert_true(json_get_str(doc, "P", "n", &s, &err) < 0);
    assert_string_equal(err.message, "P.n: expected a string");
    assert_string_equal(s, "kept");
    assert_true(json_get_bool(doc, "P", "n", &b, &err) < 0);
    assert_true(json_get_obj(doc, "P", "a", &v, &err) < 0);
    assert_true(json_get_arr(doc, "P", "o", &v, &err) < 0);
    assert_true(json_get_strv(doc, "P", "m", &strv, &err) < 0);
    assert_string_equal(err.message, "P.m: expected an array of strings");
    assert_true(json_need_str(doc, "P", "e", &s, &err) < 0);
    assert_true(json_need_str(doc, "P", "z", &s, &err) < 0);
    assert_string_equal(err.message, "P.z: expected a non-empty string");
    assert_null(strv);
    assert_int_equal(json_get_str(doc, "P", "z", &s, &err), 0);
    assert_null(s);
    assert_int_equal(json_get_strv(doc, "P", "ea", &strv, &err), 0);
    assert_null(strv);
    assert_int_equal(json_get_strv(doc, "P", "a", &strv, &err), 0);
    assert_int_equal(vic_strv_len(strv), 2);
    vic_strv_free(strv);
    assert_int_equal(json_get_bool(doc, "P", "b", &b, &err), 0);
    assert_true(b);
    assert_null(json_member(doc, "S")); /* exact case */
    assert_null(json_member(NULL, "s"));
    assert_string_equal(json_str(doc, "n", "otherwise"), "otherwise");
    assert_true(json_bool(doc, "absent", true));
}

static void documents_are_built(void **state)
{
    (void)state;
    auto_json cJSON *doc = json_new_obj();
    const char *const strings[] = {"x", NULL};
    json_add_str(doc, "absent", NULL);
    json_add_str_or_empty(doc, "empty", NULL);
    json_addf(doc, "text", "%d \"quoted\"\n", 7);
    json_add_bool(doc, "yes", true);
    json_add_null(doc, "null");
    json_add(doc, "null2", NULL);
    json_add_i64(json_add_obj(doc, "obj"), "n", -1);
    json_push_str(json_add_arr(doc, "arr"), "a");
    json_add_strv(doc, "strv", (char *const *)(uintptr_t)strings);
    json_add_strv(doc, "none", NULL);
    auto_free char *text = json_print(doc);
    assert_string_equal(text, "{\"empty\":\"\",\"text\":\"7 \\\"quoted\\\"\\n\",\"yes\":true,"
                              "\"null\":null,\"null2\":null,\"obj\":{\"n\":-1},\"arr\":[\"a\"],"
                              "\"strv\":[\"x\"],\"none\":[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_that_are_none_are_refused),
        cmocka_unit_test(a_nul_is_refused_however_it_is_written),
        cmocka_unit_test(escapes_that_only_look_like_a_nul_pass),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(the_number_of_values_is_bounded),
        cmocka_unit_test(integers_are_exact_within_their_bounds),
        cmocka_unit_test(big_integers_are_written_exactly),
        cmocka_unit_test(parsed_integers_are_printed_as_integers),
        cmocka_unit_test(wrong_types_name_their_place),
        cmocka_unit_test(documents_are_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
