/* vic-docker without its sockets: routing, versions, filters, texts, framing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/base/utf8.h"
#include "personality/docker/authheader.h"
#include "personality/docker/config.h"
#include "personality/docker/filters.h"
#include "personality/docker/handlers.h"
#include "personality/docker/keys.h"
#include "personality/docker/moment.h"
#include "personality/docker/mux.h"
#include "personality/docker/router.h"
#include "personality/docker/text.h"
#include "personality/docker/version.h"

/* ---- routes ------------------------------------------------------------------------------------------------ */

static void test_every_route_finds_itself(void **state)
{
    (void)state;
    assert_int_equal(docker_n_routes, 107); /* the operations of v1.50.yaml */
    for (size_t i = 0; i < docker_n_routes; i++) {
        const struct docker_route *row = &docker_routes[i];
        const char *hole = strstr(row->path, "{}");
        auto_free char *path =
            hole ? vic_xasprintf("%.*sx%s", (int)(hole - row->path), row->path, hole + 2)
                 : vic_xstrdup(row->path);
        auto_free char *name = NULL;
        assert_ptr_equal(docker_route_find(row->method, path, &name), row);
        assert_true(!hole || strcmp(name, "x") == 0);
        /* What is refused says why. */
        assert_true(row->handle != docker_refuse || row->instead);
    }
}

static void test_names_may_hold_slashes(void **state)
{
    (void)state;
    auto_free char *name = NULL;
    const struct docker_route *row =
        docker_route_find(DOCKER_GET, "/images/127.0.0.1:5000/a/b/json", &name);
    assert_string_equal(row->operation, "ImageInspect");
    assert_string_equal(name, "127.0.0.1:5000/a/b");
    char *none = NULL;
    assert_null(docker_route_find(DOCKER_PUT, "/containers/json", &none));
    assert_null(docker_route_find(DOCKER_GET, "/nosuch", &none));
    assert_null(docker_route_find(DOCKER_GET, "/", &none));
}

static void test_paths_are_cleaned(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"//x", "/x"},       {"/a/../b", "/b"}, {"/../../x", "/x"}, {"/a/./b/", "/a/b/"},
        {"/images/..", "/"}, {"", "/"},         {"x", "/x"},        {"/a//", "/a/"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *clean = docker_route_clean(rows[i][0]);
        assert_string_equal(clean, rows[i][1]);
        assert_null(docker_route_clean(clean));
    }
    assert_null(docker_route_clean("/v1.50/containers/json"));
    assert_null(docker_route_clean("/"));
}

static void test_versions(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned api;
        bool has_version;
        const char *rest;
        const char *says;
    } rows[] = {
        {"/v1.41/info", 1041, true, "/info", NULL},
        {"/info", 1050, false, "/info", NULL},
        {"/v1.24/x", 1024, true, "/x", NULL},
        {"/v1.50/x", 1050, true, "/x", NULL},
        {"/v1.23/x", 1023, true, "/x",
         "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade "
         "your client to a newer version"},
        {"/v1.51/x", 1051, true, "/x",
         "client version 1.51 is too new. Maximum supported API version is 1.50"},
        {"/v2/x", 2000, true, "/x",
         "client version 2 is too new. Maximum supported API version "
         "is 1.50"},
        {"/v1.99999999999999/x", 1999, true, "/x", "too new"},
        {"/vx/x", 1050, false, "/vx/x", NULL},
        {"/v1.41", 1050, false, "/v1.41", NULL},
        {"/version", 1050, false, "/version", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned api;
        bool has_version;
        char text[40];
        struct vic_err err = {0};
        assert_string_equal(
            docker_version_split(rows[i].path, &api, &has_version, text, sizeof(text)),
            rows[i].rest);
        assert_int_equal(api, rows[i].api);
        assert_int_equal(has_version, rows[i].has_version);
        int r = has_version ? docker_version_check(api, text, &err) : 0;
        assert_int_equal(r < 0, rows[i].says != NULL);
        if (rows[i].says)
            assert_non_null(strstr(err.message, rows[i].says));
    }
}

/* ---- filters ------------------------------------------------------------------------------------------------- */

static const char *const known[] = {"label", "name", "status", "yes", NULL};

static void test_filters_are_read_in_both_forms(void **state)
{
    (void)state;
    auto_filters struct docker_filters f = {0};
    struct vic_err err;
    assert_int_equal(docker_filters_parse("{\"name\":{\"a\":true,\"b\":true,\"c\":false},"
                                          "\"status\":[\"x\"]}",
                                          known, &f, &err),
                     0);
    assert_int_equal(vic_strv_len(docker_filters_get(&f, "name")), 2);
    assert_true(docker_filters_match_exact(&f, "status", "x"));
    assert_false(docker_filters_match_exact(&f, "status", "y"));
    assert_true(docker_filters_match_exact(&f, "label", "anything"));
    assert_true(docker_filters_match_regex(&f, "name", "xbx"));
    assert_false(docker_filters_match_regex(&f, "name", "c"));
}

static void test_filters_are_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"nope\":{\"a\":true}}", "invalid filter 'nope'"},
        {"{", "invalid filter"},
        {"[]", "invalid filter"},
        {"\"x\"", "invalid filter"},
        {"{\"name\":\"a\"}", "invalid filter"},
        {"{\"name\":{\"a\":1}}", "invalid filter"},
        {"{\"name\":[1]}", "invalid filter"},
        {"{\"yes\":{\"maybe\":true}}", "invalid filter 'yes=[maybe]'"},
        {"{\"yes\":[\"0\",\"1\"]}", "invalid filter 'yes=[1]'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_filters struct docker_filters f = {0};
        struct vic_err err = {0};
        bool is_given;
        bool value;
        int r = docker_filters_parse(rows[i][0], known, &f, &err);
        if (r == 0)
            r = docker_filters_bool(&f, "yes", &is_given, &value, &err);
        assert_true(r < 0);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
        assert_string_equal(err.message, rows[i][1]);
    }
}

static void test_labels_must_all_match(void **state)
{
    (void)state;
    auto_filters struct docker_filters f = {0};
    assert_int_equal(docker_filters_parse("{\"label\":{\"a\":true,\"b=2\":true}}", known, &f, NULL),
                     0);
    auto_json cJSON *yes = cJSON_Parse("{\"a\":\"1\",\"b\":\"2\"}");
    auto_json cJSON *no = cJSON_Parse("{\"a\":\"1\",\"b\":\"3\"}");
    assert_true(docker_filters_match_kv(&f, "label", yes));
    assert_false(docker_filters_match_kv(&f, "label", no));
    assert_false(docker_filters_match_kv(&f, "label", NULL));
    assert_false(docker_filters_match_no_kv(&f, "label", yes));
    assert_true(docker_filters_match_no_kv(&f, "label", NULL));
    assert_true(docker_filters_match_no_kv(&f, "label!", yes));
}

static void test_a_bad_expression_is_plain_text(void **state)
{
    (void)state;
    auto_filters struct docker_filters f = {0};
    assert_int_equal(docker_filters_parse("{\"name\":{\"a[\":true}}", known, &f, NULL), 0);
    assert_int_equal(docker_filters_compile(&f, "name", NULL), 0);
    assert_true(docker_filters_match_regex(&f, "name", "xa[x"));
    assert_false(docker_filters_match_regex(&f, "name", "xax"));
}

static void test_costly_expressions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool is_refused;
    } rows[] = {
        {"^/?a\\\\.b$", false},
        {"a\\\\{1\\\\}", false},
        {"a+b+c+", false},
        {"(a|b)*[0-9]?", false},
        {"a{1,99}", true},
        {"((((a{1,99}){1,99}){1,99}){1,99})", true},
        {"(a)\\\\1", true},
        {"a\\\\\\\\{2}", true},
        {"(((((((((a+)+)+)+)+)+)+)+)+)", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_filters struct docker_filters f = {0};
        struct vic_err err = {0};
        auto_free char *text = vic_xasprintf("{\"name\":[\"%s\"]}", rows[i].value);
        assert_int_equal(docker_filters_parse(text, known, &f, &err), 0);
        assert_int_equal(docker_filters_compile(&f, "name", &err) < 0, rows[i].is_refused);
        if (rows[i].is_refused)
            assert_true(err.kind == VIC_ERR_INVALID &&
                        strstr(err.message, "invalid filter 'name=["));
    }
    auto_filters struct docker_filters f = {0};
    assert_int_equal(docker_filters_parse("{\"name\":[\"^a\\\\.b$\"]}", known, &f, NULL), 0);
    assert_int_equal(docker_filters_compile(&f, "name", NULL), 0);
    assert_true(docker_filters_match_regex(&f, "name", "a.b"));
    assert_false(docker_filters_match_regex(&f, "name", "axb"));
}

/* ---- texts ---------------------------------------------------------------------------------------------------- */

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {-5, "Less than a second"}, {0, "Less than a second"}, {1, "1 second"},
        {59, "59 seconds"},         {60, "About a minute"},    {119, "About a minute"},
        {120, "2 minutes"},         {3599, "59 minutes"},      {3600, "About an hour"},
        {5400, "2 hours"},          {47 * 3600, "47 hours"},   {48 * 3600, "2 days"},
        {14 * 86400, "2 weeks"},    {60 * 86400, "2 months"},  {730 * 86400, "2 years"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *text = docker_text_duration(rows[i].seconds);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_status(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"status\":\"created\"}", "Created"},
        {"{\"status\":\"starting\"}", "Created"},
        {"{\"status\":\"running\",\"started_at\":\"1970-01-01T00:01:35Z\"}", "Up 5 seconds"},
        {"{\"status\":\"paused\",\"started_at\":\"1970-01-01T00:01:35Z\"}",
         "Up 5 seconds (Paused)"},
        {"{\"status\":\"stopping\",\"started_at\":\"1970-01-01T00:01:39Z\"}", "Up 1 second"},
        {"{\"status\":\"exited\",\"exit_code\":3,\"started_at\":\"1970-01-01T00:01:30Z\","
         "\"finished_at\":\"1970-01-01T00:01:38Z\"}",
         "Exited (3) 2 seconds ago"},
        {"{\"status\":\"restarting\",\"restarting\":true,\"exit_code\":3,"
         "\"finished_at\":\"1970-01-01T00:01:37Z\"}",
         "Restarting (3) 3 seconds ago"},
        {"{\"status\":\"starting\",\"restarting\":true,\"exit_code\":1,"
         "\"finished_at\":\"1970-01-01T00:01:39Z\"}",
         "Restarting (1) 1 second ago"},
        {"{\"status\":\"removing\"}", "Removal In Progress"},
        {"{\"status\":\"dead\"}", "Dead"},
        {"{\"status\":\"what\"}", "Dead"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_json cJSON *doc = cJSON_Parse(rows[i][0]);
        auto_free char *text = docker_text_status(doc, 100 * VIC_NS_PER_S);
        assert_string_equal(text, rows[i][1]);
    }
}

static void test_times(void **state)
{
    (void)state;
    int64_t ns = 0;
    assert_int_equal(docker_text_to_ns("12", &ns), 0);
    assert_int_equal(ns, 12 * VIC_NS_PER_S);
    assert_int_equal(docker_text_to_ns("12.5", &ns), 0);
    assert_int_equal(ns, 12500000000);
    assert_int_equal(docker_text_to_ns("12.000000001", &ns), 0);
    assert_int_equal(ns, 12000000001);
    assert_int_equal(docker_text_to_ns("1970-01-01T00:00:01Z", &ns), 0);
    assert_int_equal(ns, VIC_NS_PER_S);
    assert_int_equal(docker_text_to_ns("9999999999", &ns), 0); /* after all we can count to */
    assert_true(ns > 9000000000 * VIC_NS_PER_S);
    assert_int_equal(docker_text_to_ns("-9223372036854775808", &ns), 0);
    assert_true(ns < -9000000000 * VIC_NS_PER_S);
    static const char *const bad[] = {"", "x", "1.", "1.x", "99999999999999999999", "1 2"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(docker_text_to_ns(bad[i], &ns) < 0);
}

static void test_moments(void **state)
{
    (void)state;
    const int64_t now = 1000000 * VIC_NS_PER_S;
    static const struct {
        const char *text;
        int64_t expect_s;
    } rows[] = {
        {"12", 12},
        {"1970-01-02T00:00:00Z", 86400},
        {"10m", 1000000 - 600},
        {"1h30m", 1000000 - 5400},
        {"1.5h", 1000000 - 5400},
        {"2000ms", 1000000 - 2},
        {"-1h", 1000000 + 3600},
    };
    int64_t ns;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(docker_moment_parse(rows[i].text, now, &ns, NULL), 0);
        assert_int_equal(ns, rows[i].expect_s * VIC_NS_PER_S);
    }
    int64_t whole;
    assert_int_equal(docker_moment_parse("2026-01-02", now, &ns, NULL), 0);
    assert_int_equal(docker_moment_parse("2026-01-02T00:00:00", now, &whole, NULL), 0);
    assert_int_equal(ns, whole);
    static const char *const bad[] = {
        "",     "x",     "m",     "1h30",       "1x",          "0x1s",       "1e9h",
        "infs", "1h 2m", "1..2s", "2026-13-01", "9999999999h", "1600-01-01", "0001-01-01"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct vic_err err;
        assert_int_equal(docker_moment_parse(bad[i], now, &ns, &err), -EINVAL);
        assert_non_null(strstr(err.message, "invalid time"));
    }
    assert_int_equal(docker_moment_parse("-1h", INT64_MAX - VIC_NS_PER_S, &ns, NULL), -EINVAL);
}

static void test_generated_names_are_valid(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        auto_free char *name = docker_text_random_name(i % 8);
        assert_non_null(strchr(name, '_'));
        assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(name));
    }
}

static void test_text_becomes_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } rows[] = {
        {"a\0b", 3,
         "a\xef\xbf\xbd"
         "b"},
        {"\xc3\xa4", 2, "\xc3\xa4"},
        {"\xc3", 1, "\xef\xbf\xbd"},
        {"\xff\xfe", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
        {"", 0, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *out = vic_utf8_clean(rows[i].in, rows[i].len);
        assert_string_equal(out, rows[i].out);
    }
}

static void test_credentials_are_seen(void **state)
{
    (void)state;
    assert_false(docker_authheader_has_credentials(NULL));
    assert_false(docker_authheader_has_credentials(""));
    assert_false(docker_authheader_has_credentials("e30=")); /* {} */
    assert_false(docker_authheader_has_credentials("!!!"));
    assert_false(docker_authheader_has_credentials("eyJ1c2VybmFtZSI6IiJ9"));  /* username "" */
    assert_true(docker_authheader_has_credentials("eyJ1c2VybmFtZSI6ImEifQ")); /* username a */
}

/* ---- framing -------------------------------------------------------------------------------------------------- */

static void add(struct docker_mux *m, enum vic_record_type type, const char *text,
                struct vic_buf *out)
{
    const struct vic_record head = {
        .type = type, .wall_ns = VIC_NS_PER_S, .len = (uint32_t)strlen(text)};
    docker_mux_add(m, &head, text, out);
}

static void test_frames(void **state)
{
    (void)state;
    struct docker_mux m = {0};
    auto_buf struct vic_buf out = {0};
    add(&m, VIC_RECORD_STDOUT, "hi", &out);
    add(&m, VIC_RECORD_STDERR, "e", &out);
    add(&m, VIC_RECORD_STDOUT, "", &out);
    static const char want[] = "\1\0\0\0\0\0\0\2hi\2\0\0\0\0\0\0\1e";
    assert_int_equal(out.len, sizeof(want) - 1);
    assert_memory_equal(out.data, want, out.len);
}

/* From now on to the moment that is told the text is the same, and never is it told later than it changes. */
static void test_a_status_says_when_it_changes(void **state)
{
    (void)state;
    static const int64_t ages_s[] = {0, 1, 2, 58, 59, 60, 119, 120, 3599, 3600, 5399, 5400, 172800};
    auto_json cJSON *s =
        cJSON_Parse("{\"status\":\"running\",\"started_at\":\"2026-01-02T03:04:05.5Z\"}");
    int64_t then_ns;
    assert_int_equal(vic_clock_parse_rfc3339("2026-01-02T03:04:05.5Z", &then_ns), 0);
    for (size_t i = 0; i < ARRAY_SIZE(ages_s); i++) {
        int64_t now_ns = then_ns + ages_s[i] * VIC_NS_PER_S + 7;
        int64_t until_ns = docker_text_status_until(s, now_ns);
        auto_free char *now = docker_text_status(s, now_ns);
        auto_free char *last = docker_text_status(s, until_ns - 1);
        assert_true(until_ns > now_ns);
        assert_string_equal(now, last);
        if (ages_s[i] < 3600) {
            auto_free char *next = docker_text_status(s, until_ns);
            assert_string_not_equal(now, next);
        }
    }
    auto_json cJSON *created = cJSON_Parse("{\"status\":\"created\"}");
    assert_true(docker_text_status_until(created, then_ns) == INT64_MAX);
}

static void test_timestamps_stand_before_lines(void **state)
{
    (void)state;
    struct docker_mux m = {.is_raw = true, .has_timestamps = true, .details = "a=b"};
    auto_buf struct vic_buf out = {0};
    add(&m, VIC_RECORD_STDOUT, "a\nb", &out);
    add(&m, VIC_RECORD_STDERR, "E\n", &out);
    add(&m, VIC_RECORD_STDOUT, "c\n", &out);
#define T "1970-01-01T00:00:01.000000000Z a=b "
    assert_string_equal(vic_buf_str(&out), T "a\n" T "b" T "E\nc\n");
}

static void test_configuration(void **state)
{
    (void)state;
    static const char good[] = "{\"portlayer\":\"/p\",\"name\":\"n\",\"insecure_registries\":"
                               "[\"a:1\"],\"registry_mirrors\":[]}";
    struct docker_config c;
    struct vic_err err;
    assert_int_equal(docker_config_parse(good, strlen(good), &c, &err), 0);
    assert_string_equal(c.portlayer, "/p");
    assert_string_equal(c.insecure_registries[0], "a:1");
    docker_config_release(&c);
    static const char *const bad[] = {"", "[]", "{}", "{\"portlayer\":1}",
                                      "{\"portlayer\":\"/p\",\"registry_mirrors\":\"x\"}"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(docker_config_parse(bad[i], strlen(bad[i]), &c, &err) < 0);
}

/* ---- keys --------------------------------------------------------------------------------------------------- */

static void test_keys_have_dockers_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex; /* NULL: there is no such key */
    } rows[] = {
        {NULL, "1011"},
        {"", "1011"},
        {"ctrl-p,ctrl-q", "1011"},
        {"ctrl-a,b", "0162"},
        {"a", "61"},
        {"A,1,$", "413124"},
        {"DEL", "7f"},
        {"ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", "001b1c1d1e1f"},
        {"ctrl-z", "1a"},
        {"ctrl-A", NULL},
        {"ctrl-1", NULL},
        {"ctrl-", NULL},
        {"ctrl-ab", NULL},
        {"Ctrl-a", NULL},
        {"del", NULL},
        {"ab", NULL},
        {"a,", NULL},
        {",", NULL},
        {"a,,b", NULL},
        {"\xc3\xa9", NULL},
    };
    struct docker_keys keys;
    struct vic_err err;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int r = docker_keys_parse(rows[i].text, "detach", &keys, &err);
        assert_int_equal(r == 0, rows[i].hex != NULL);
        if (r == 0) {
            assert_string_equal(keys.hex, rows[i].hex);
            continue;
        }
        auto_free char *says = vic_xasprintf("Invalid detach keys (%s) provided", rows[i].text);
        assert_string_equal(err.message, says);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
    }
    char many[2 * (PL_DETACH_KEYS_MAX + 1)];
    for (size_t i = 0; i < sizeof(many); i++)
        many[i] = i % 2 ? ',' : 'a';
    many[sizeof(many) - 1] = '\0';
    assert_true(docker_keys_parse(many, "detach", &keys, &err) < 0);
    many[sizeof(many) - 3] = '\0';
    assert_int_equal(docker_keys_parse(many, "detach", &keys, &err), 0);
    assert_int_equal(strlen(keys.hex), 2 * PL_DETACH_KEYS_MAX);
}

/* ---- ps ---------------------------------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_finds_itself),
        cmocka_unit_test(test_names_may_hold_slashes),
        cmocka_unit_test(test_paths_are_cleaned),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_filters_are_read_in_both_forms),
        cmocka_unit_test(test_filters_are_refused),
        cmocka_unit_test(test_labels_must_all_match),
        cmocka_unit_test(test_costly_expressions_are_refused),
        cmocka_unit_test(test_a_bad_expression_is_plain_text),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_generated_names_are_valid),
        cmocka_unit_test(test_text_becomes_utf8),
        cmocka_unit_test(test_credentials_are_seen),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_timestamps_stand_before_lines),
        cmocka_unit_test(test_a_status_says_when_it_changes),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_keys_have_dockers_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
