/* Healthchecks: documents of both sides, and what results make of a status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "personality/docker/health.h"
#include "portlayer/execution/health.h"

#define S VIC_NS_PER_S

static struct pl_health_spec read_spec(const char *text)
{
    auto_json cJSON *doc = cJSON_Parse(text);
    struct pl_health_spec s = {0};
    struct vic_err err = {0};
    if (pl_health_spec_from_json(doc, "spec.health", &s, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return s;
}

static bool note(struct pl_health *h, const struct pl_health_spec *s, int64_t at_s, int code)
{
    struct pl_health_result r = {
        .start_ns = at_s * S, .end_ns = at_s * S, .exit_code = code, .output = vic_xstrdup("o")};
    return pl_health_note(h, s, 0, &r);
}

static void test_a_spec_has_defaults_and_is_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "{\"args\":[]}",
        "{\"args\":[\"x\"],\"interval_ms\":-1}",
        "{\"args\":[\"x\"],\"retries\":\"3\"}",
        "{\"args\":[\"x\"],\"other\":1}",
        "[]",
    };
    struct pl_health_spec s = read_spec("{\"args\":[\"a\",\"b\"]}");
    assert_int_equal(s.interval_ms, 30000);
    assert_int_equal(s.timeout_ms, 30000);
    assert_int_equal(s.start_period_ms, 0);
    assert_int_equal(s.start_interval_ms, 5000);
    assert_int_equal(s.retries, 3);
    auto_json cJSON *doc = pl_health_spec_to_json(&s);
    auto_free char *text = json_print(doc);
    struct pl_health_spec again = read_spec(text);
    assert_string_equal(again.args[1], "b");
    assert_int_equal(again.retries, 3);
    pl_health_spec_release(&s);
    pl_health_spec_release(&again);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        auto_json cJSON *bad = cJSON_Parse(wrong[i]);
        struct vic_err err = {0};
        assert_true(pl_health_spec_from_json(bad, "spec.health", &s, &err) < 0);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
    }
}

static void test_failures_in_a_row_make_it_unhealthy(void **state)
{
    (void)state;
    struct pl_health_spec s = read_spec("{\"args\":[\"x\"],\"retries\":2}");
    struct pl_health h = {0};
    pl_health_begin(&h, &s);
    assert_int_equal(h.status, PL_HEALTH_STARTING);
    assert_false(note(&h, &s, 1, 1));
    assert_true(note(&h, &s, 2, 0));
    assert_int_equal(h.status, PL_HEALTH_HEALTHY);
    assert_int_equal(h.failing_streak, 0);
    assert_false(note(&h, &s, 3, -1));
    assert_int_equal(h.status, PL_HEALTH_HEALTHY);
    assert_true(note(&h, &s, 4, 7));
    assert_int_equal(h.status, PL_HEALTH_UNHEALTHY);
    assert_int_equal(h.failing_streak, 2);
    assert_false(note(&h, &s, 5, 7));
    assert_int_equal(h.n_log, PL_HEALTH_LOG_MAX);
    assert_true(note(&h, &s, 6, 0));
    assert_int_equal(h.n_log, PL_HEALTH_LOG_MAX);
    assert_int_equal(h.log[0].start_ns, 2 * S); /* the oldest has gone */
    assert_int_equal(h.log[PL_HEALTH_LOG_MAX - 1].exit_code, 0);
    pl_health_begin(&h, &s);
    assert_int_equal(h.status, PL_HEALTH_STARTING);
    assert_int_equal(h.n_log, 0);
    pl_health_release(&h);
    pl_health_spec_release(&s);
}

static void test_failures_of_the_start_period_do_not_count(void **state)
{
    (void)state;
    struct pl_health_spec s = read_spec("{\"args\":[\"x\"],\"retries\":1,\"start_period_ms\":10000,"
                                        "\"start_interval_ms\":1000,\"interval_ms\":60000}");
    struct pl_health h = {0};
    pl_health_begin(&h, &s);
    assert_int_equal(pl_health_wait_ms(&h, &s, 0, 1 * S), 1000);
    assert_false(note(&h, &s, 1, 1));
    assert_int_equal(h.failing_streak, 0);
    assert_int_equal(pl_health_wait_ms(&h, &s, 0, 10 * S), 60000);
    assert_true(note(&h, &s, 2, 0)); /* once it was healthy they do */
    assert_int_equal(pl_health_wait_ms(&h, &s, 0, 2 * S), 60000);
    assert_true(note(&h, &s, 3, 1));
    assert_int_equal(h.status, PL_HEALTH_UNHEALTHY);
    pl_health_begin(&h, &s);
    assert_true(note(&h, &s, 10, 1));
    pl_health_release(&h);
    pl_health_spec_release(&s);
}

static void test_lateness_is_told_as_go_prints_durations(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *output, *text;
    } rows[] = {
        {30000, "", "Health check exceeded timeout (30s)"},
        {500, "half", "Health check exceeded timeout (500ms): half"},
        {90000, "", "Health check exceeded timeout (1m30s)"},
        {3600000, "", "Health check exceeded timeout (1h0m0s)"},
        {1500, "", "Health check exceeded timeout (1.5s)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pl_health_spec s = {.timeout_ms = rows[i].ms};
        auto_free char *text = pl_health_late_text(&s, rows[i].output);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_docker_bodies_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *health, *says; /* NULL: it is right */
    } rows[] = {
        {"null", NULL},
        {"{}", NULL},
        {"{\"Test\":[]}", NULL},
        {"{\"Test\":[\"NONE\"]}", NULL},
        {"{\"Test\":[\"CMD\",\"a\",\"b\"],\"Interval\":1000000,\"Retries\":0}", NULL},
        {"{\"Test\":[\"CMD-SHELL\",\"exit 0\"]}", NULL},
        {"{\"Test\":[\"CMD\"]}", "CMD expects a command"},
        {"{\"Test\":[\"CMD-SHELL\",\"a\",\"b\"]}", "one command line"},
        {"{\"Test\":[\"curl\",\"x\"]}", "Unknown healthcheck type 'curl'"},
        {"{\"Test\":\"x\"}", "Test"},
        {"{\"Interval\":999999}", "Interval in Healthcheck cannot be less than 1ms"},
        {"{\"Timeout\":-1}", "Timeout in Healthcheck cannot be less than 1ms"},
        {"{\"StartInterval\":1}", "StartInterval in Healthcheck cannot be less than 1ms"},
        {"{\"Retries\":-1}", "Retries in Healthcheck cannot be negative"},
        {"[]", "Healthcheck"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *text = vic_xasprintf("{\"Healthcheck\":%s}", rows[i].health);
        auto_json cJSON *body = cJSON_Parse(text);
        struct vic_err err = {0};
        int r = docker_health_check(body, &err);
        if ((r == 0) != !rows[i].says || (r < 0 && !strstr(err.message, rows[i].says)))
            fail_msg("%s: %d %s", rows[i].health, r, err.message);
    }
}

static void assert_spec(const char *config, const char *image, const char *want)
{
    auto_json cJSON *c = cJSON_Parse(config);
    auto_json cJSON *i = cJSON_Parse(image);
    docker_health_merge(c, i);
    auto_json cJSON *spec = docker_health_spec(c);
    auto_free char *text = spec ? json_print(spec) : vic_xstrdup("none");
    assert_string_equal(text, want);
}

static void test_what_the_creator_leaves_open_is_the_images(void **state)
{
    (void)state;
    static const char image[] =
        "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"a b\"],\"Interval\":1500000,\"Retries\":9}}";
    assert_spec("{}", image,
                "{\"args\":[\"/bin/sh\",\"-c\",\"a b\"],\"interval_ms\":2,\"timeout_ms\":0,"
                "\"start_period_ms\":0,\"start_interval_ms\":0,\"retries\":9}");
    assert_spec("{\"Healthcheck\":{\"Timeout\":3000000,\"Test\":[\"CMD\",\"c\"]}}", image,
                "{\"args\":[\"c\"],\"interval_ms\":2,\"timeout_ms\":3,"
                "\"start_period_ms\":0,\"start_interval_ms\":0,\"retries\":9}");
    assert_spec("{\"Healthcheck\":{\"Test\":[\"NONE\"]}}", image, "none");
    assert_spec("{\"Healthcheck\":{\"Retries\":2}}", "{}", "none");
    assert_spec("{}", "{\"Healthcheck\":7,\"Shell\":8}", "none");
    assert_spec(
        "{}",
        "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"]},\"Shell\":[\"/bin/bash\",\"-ec\"]}",
        "{\"args\":[\"/bin/bash\",\"-ec\",\"x\"],\"interval_ms\":0,\"timeout_ms\":0,"
        "\"start_period_ms\":0,\"start_interval_ms\":0,\"retries\":0}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_spec_has_defaults_and_is_checked),
        cmocka_unit_test(test_failures_in_a_row_make_it_unhealthy),
        cmocka_unit_test(test_failures_of_the_start_period_do_not_count),
        cmocka_unit_test(test_lateness_is_told_as_go_prints_durations),
        cmocka_unit_test(test_docker_bodies_are_checked),
        cmocka_unit_test(test_what_the_creator_leaves_open_is_the_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
