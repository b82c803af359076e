/* Healthchecks. */
#include "personality/docker/health.h"

#include <string.h>

#include "lib/base/banned.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

#define NS_PER_MS (VIC_NS_PER_S / 1000)
#define TIME_MAX_NS (365ll * 24 * 3600 * VIC_NS_PER_S)

static const struct {
    const char *docker;
    const char *ours;
} times[] = {
    {"Interval", "interval_ms"},
    {"Timeout", "timeout_ms"},
    {"StartPeriod", "start_period_ms"},
    {"StartInterval", "start_interval_ms"},
};

/* ---- what a creator says ---- */

static int check_times(const cJSON *health, struct vic_err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        int64_t ns = 0;
        int r =
            json_get_i64(health, "Healthcheck", times[i].docker, INT64_MIN, TIME_MAX_NS, &ns, err);
        if (r < 0)
            return r;
        if (ns != 0 && ns < NS_PER_MS)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s in Healthcheck cannot be less than 1ms",
                            times[i].docker);
    }
    return 0;
}

static int check_test(const cJSON *health, struct vic_err *err)
{
    auto_strv char **test = NULL;
    int r = json_get_strv(health, "Healthcheck", "Test", &test, err);
    size_t n = vic_strv_len(test);
    if (r < 0 || n == 0 || (strcmp(test[0], "NONE") == 0 && n == 1))
        return r;
    bool is_shell = strcmp(test[0], "CMD-SHELL") == 0;
    if (!is_shell && strcmp(test[0], "CMD") != 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "Unknown healthcheck type '%.100s' (expected NONE, CMD or CMD-SHELL)",
                        test[0]);
    if (n < 2 || (is_shell && n > 2) || test[1][0] == '\0')
        return vic_fail(err, VIC_ERR_INVALID, 0, "Healthcheck.Test: %s expects %s", test[0],
                        is_shell ? "one command line" : "a command");
    return 0;
}

int docker_health_check(const cJSON *config, struct vic_err *err)
{
    const cJSON *health;
    int64_t retries = 0;
    int r = json_get_obj(config, "", "Healthcheck", &health, err);
    if (r < 0 || !health || (r = check_test(health, err)) < 0 ||
        (r = check_times(health, err)) < 0 ||
        (r = json_get_i64(health, "Healthcheck", "Retries", INT32_MIN, INT32_MAX, &retries, err)) <
            0)
        return r;
    if (retries < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "Retries in Healthcheck cannot be negative");
    return 0;
}

static bool says_nothing(const cJSON *v)
{
    return !v || cJSON_IsNull(v) || (cJSON_IsArray(v) && !v->child) ||
           (cJSON_IsNumber(v) && v->valuedouble == 0);
}

static void inherit(cJSON *ours, const cJSON *theirs, const char *member)
{
    const cJSON *v = json_member(theirs, member);
    if (!says_nothing(json_member(ours, member)) || says_nothing(v))
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(ours, member);
    json_add(ours, member, json_dup(v));
}

void docker_health_merge(cJSON *config, const cJSON *image_config)
{
    const cJSON *theirs = json_member(image_config, "Healthcheck");
    cJSON *ours = cJSON_GetObjectItemCaseSensitive(config, "Healthcheck");
    if (cJSON_IsArray(json_member(image_config, "Shell")))
        inherit(config, image_config, "Shell");
    if (!cJSON_IsObject(theirs))
        return;
    if (!cJSON_IsObject(ours)) {
        cJSON_DeleteItemFromObjectCaseSensitive(config, "Healthcheck");
        ours = json_add_obj(config, "Healthcheck");
    }
    inherit(ours, theirs, "Test");
    inherit(ours, theirs, "Retries");
    for (size_t i = 0; i < ARRAY_SIZE(times); i++)
        inherit(ours, theirs, times[i].docker);
}

static void push_strings(cJSON *args, const cJSON *list)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, list)
    {
        if (cJSON_IsString(e))
            json_push_str(args, e->valuestring);
    }
}

static void add_args(cJSON *spec, const cJSON *config, const cJSON *test)
{
    static const char *const otherwise[] = {"/bin/sh", "-c"};
    cJSON *args = json_add_arr(spec, "args");
    if (strcmp(test->child->valuestring, "CMD-SHELL") == 0) {
        push_strings(args, json_member(config, "Shell"));
        bool has_shell = args->child;
        for (size_t i = 0; !has_shell && i < ARRAY_SIZE(otherwise); i++)
            json_push_str(args, otherwise[i]);
    }
    for (const cJSON *e = test->child->next; e; e = e->next)
        if (cJSON_IsString(e))
            json_push_str(args, e->valuestring);
}

cJSON *docker_health_spec(const cJSON *config)
{
    const cJSON *health = json_member(config, "Healthcheck");
    const cJSON *test = json_member(health, "Test");
    if (!cJSON_IsArray(test) || !cJSON_IsString(test->child) ||
        strcmp(test->child->valuestring, "NONE") == 0)
        return NULL;
    cJSON *spec = json_new_obj();
    add_args(spec, config, test);
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        int64_t ns = json_i64(health, times[i].docker, 0);
        json_add_i64(spec, times[i].ours, (ns + NS_PER_MS - 1) / NS_PER_MS);
    }
    json_add_i64(spec, "retries", json_i64(health, "Retries", 0));
    return spec;
}

/* ---- what is shown ---- */

const char *docker_health_status(const cJSON *state)
{
    return json_str(json_member(state, "health"), "status", "none");
}

cJSON *docker_health_json(const cJSON *state)
{
    const cJSON *health = json_member(state, "health");
    if (!health)
        return NULL;
    cJSON *out = json_new_obj();
    json_add_str(out, "Status", docker_health_status(state));
    json_add_i64(out, "FailingStreak", json_i64(health, "failing_streak", 0));
    cJSON *log = json_add_arr(out, "Log");
    const cJSON *e;
    cJSON_ArrayForEach(e, json_member(health, "log"))
    {
        cJSON *row = json_new_obj();
        json_add_str(row, "Start", json_str(e, "start", ""));
        json_add_str(row, "End", json_str(e, "end", ""));
        json_add_i64(row, "ExitCode", json_i64(e, "exit_code", 0));
        json_add_str(row, "Output", json_str(e, "output", ""));
        json_push(log, row);
    }
    return out;
}
