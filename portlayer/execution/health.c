/* Probes' documents, and the rules by which results become a status. */
#include "portlayer/execution/health.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "portlayer/api.h"
#include "portlayer/execution/spec.h"

#define TIME_MAX_MS (365ll * 24 * 3600 * 1000)
#define NS_PER_MS 1000000
#define MS_PER_MINUTE 60000
#define MS_PER_HOUR (60 * MS_PER_MINUTE)

static const struct {
    const char *member;
    size_t offset;
    int64_t otherwise;
} times[] = {
    {"interval_ms", offsetof(struct pl_health_spec, interval_ms), 30000},
    {"timeout_ms", offsetof(struct pl_health_spec, timeout_ms), 30000},
    {"start_period_ms", offsetof(struct pl_health_spec, start_period_ms), 0},
    {"start_interval_ms", offsetof(struct pl_health_spec, start_interval_ms), 5000},
};
#define RETRIES_DEFAULT 3

static int64_t *time_of(struct pl_health_spec *s, size_t i)
{
    return (int64_t *)(void *)((char *)s + times[i].offset);
}

static int read_spec(const cJSON *doc, const char *path, struct pl_health_spec *s,
                     struct vic_err *err)
{
    static const char *const members[] = {
        "args", "interval_ms", "timeout_ms", "start_period_ms", "start_interval_ms", "retries"};
    int64_t retries = 0;
    int r = pl_check_members(doc, path, members, ARRAY_SIZE(members), err);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(times); i++) {
        r = json_get_i64(doc, path, times[i].member, 0, TIME_MAX_MS, time_of(s, i), err);
        if (*time_of(s, i) == 0)
            *time_of(s, i) = times[i].otherwise;
    }
    if (r < 0 || (r = json_get_i64(doc, path, "retries", 0, INT32_MAX, &retries, err)) < 0 ||
        (r = json_get_strv(doc, path, "args", &s->args, err)) < 0)
        return r;
    s->retries = retries ? (unsigned)retries : RETRIES_DEFAULT;
    size_t total = 0;
    for (char **v = s->args; v && *v; v++)
        total += strlen(*v) + 1;
    if (total == 0 || total > PL_SPEC_ARGS_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.args: expected a command of at most %u bytes",
                        path, PL_SPEC_ARGS_MAX);
    return 0;
}

int pl_health_spec_from_json(const cJSON *doc, const char *path, struct pl_health_spec *ret,
                             struct vic_err *err)
{
    struct pl_health_spec s = {0};
    int r = read_spec(doc, path, &s, err);
    if (r < 0)
        pl_health_spec_release(&s);
    else
        *ret = s;
    return r;
}

cJSON *pl_health_spec_to_json(const struct pl_health_spec *s)
{
    cJSON *doc = json_new_obj();
    struct pl_health_spec copy = *s;
    json_add_strv(doc, "args", s->args);
    for (size_t i = 0; i < ARRAY_SIZE(times); i++)
        json_add_i64(doc, times[i].member, *time_of(&copy, i));
    json_add_i64(doc, "retries", s->retries);
    return doc;
}

void pl_health_spec_release(struct pl_health_spec *s)
{
    vic_strv_free(s->args);
    *s = (struct pl_health_spec){0};
}

static const char *const names[] = {
    [PL_HEALTH_NONE] = "none",
    [PL_HEALTH_STARTING] = "starting",
    [PL_HEALTH_HEALTHY] = "healthy",
    [PL_HEALTH_UNHEALTHY] = "unhealthy",
};

const char *pl_health_to_string(enum pl_health_status status)
{
    return names[status];
}

enum pl_health_status pl_health_from_string(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (vic_str_eq(names[i], name))
            return (enum pl_health_status)i;
    return PL_HEALTH_NONE;
}

void pl_health_begin(struct pl_health *h, const struct pl_health_spec *s)
{
    pl_health_release(h);
    h->status = s->args ? PL_HEALTH_STARTING : PL_HEALTH_NONE;
}

void pl_health_suspend(struct pl_health *h)
{
    if (h->status != PL_HEALTH_NONE)
        h->status = PL_HEALTH_UNHEALTHY;
}

static void remember(struct pl_health *h, const struct pl_health_result *take_result)
{
    if (h->n_log == PL_HEALTH_LOG_MAX) {
        free(h->log[0].output);
        memmove(h->log, h->log + 1, (PL_HEALTH_LOG_MAX - 1) * sizeof(h->log[0]));
        h->n_log--;
    }
    h->log[h->n_log++] = *take_result;
}

bool pl_health_note(struct pl_health *h, const struct pl_health_spec *s, int64_t started_ns,
                    const struct pl_health_result *take_result)
{
    enum pl_health_status before = h->status;
    bool is_early = h->status == PL_HEALTH_STARTING &&
                    take_result->start_ns - started_ns < s->start_period_ms * NS_PER_MS;
    remember(h, take_result);
    if (take_result->exit_code == 0) {
        h->failing_streak = 0;
        h->status = PL_HEALTH_HEALTHY;
    } else if (!is_early && ++h->failing_streak >= s->retries) {
        h->status = PL_HEALTH_UNHEALTHY;
    }
    return h->status != before;
}

uint64_t pl_health_wait_ms(const struct pl_health *h, const struct pl_health_spec *s,
                           int64_t started_ns, int64_t now_ns)
{
    bool is_early =
        h->status == PL_HEALTH_STARTING && now_ns - started_ns < s->start_period_ms * NS_PER_MS;
    return (uint64_t)(is_early ? s->start_interval_ms : s->interval_ms);
}

/* As Go prints a duration: "1m30s", "500ms". */
static void add_duration(struct vic_buf *b, int64_t ms)
{
    if (ms < 1000) {
        vic_buf_addf(b, "%" PRId64 "ms", ms);
        return;
    }
    if (ms >= MS_PER_HOUR)
        vic_buf_addf(b, "%" PRId64 "h", ms / MS_PER_HOUR);
    if (ms >= MS_PER_MINUTE)
        vic_buf_addf(b, "%" PRId64 "m", ms % MS_PER_HOUR / MS_PER_MINUTE);
    vic_buf_addf(b, "%g", (double)(ms % MS_PER_MINUTE) / 1000);
    vic_buf_add_char(b, 's');
}

char *pl_health_late_text(const struct pl_health_spec *s, const char *output)
{
    struct vic_buf b = {0};
    vic_buf_add_str(&b, "Health check exceeded timeout (");
    add_duration(&b, s->timeout_ms);
    vic_buf_add_str(&b, ")");
    if (output[0])
        vic_buf_addf(&b, ": %s", output);
    return vic_buf_take(&b);
}

cJSON *pl_health_to_json(const struct pl_health *h)
{
    cJSON *doc = json_new_obj();
    json_add_str(doc, "status", names[h->status]);
    json_add_i64(doc, "failing_streak", h->failing_streak);
    cJSON *log = json_add_arr(doc, "log");
    for (size_t i = 0; i < h->n_log; i++) {
        cJSON *o = json_new_obj();
        pl_add_time(o, "start", h->log[i].start_ns);
        pl_add_time(o, "end", h->log[i].end_ns);
        json_add_i64(o, "exit_code", h->log[i].exit_code);
        json_add_str(o, "output", h->log[i].output);
        json_push(log, o);
    }
    return doc;
}

void pl_health_release(struct pl_health *h)
{
    for (size_t i = 0; i < h->n_log; i++)
        free(h->log[i].output);
    *h = (struct pl_health){0};
}
