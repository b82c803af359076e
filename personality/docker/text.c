/* Texts for people. */
#include "personality/docker/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/str.h"
#include "personality/docker/health.h"

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

char *docker_text_duration(int64_t seconds)
{
    if (seconds < 1)
        return vic_xstrdup("Less than a second");
    if (seconds == 1)
        return vic_xstrdup("1 second");
    if (seconds < MINUTE)
        return vic_xasprintf("%d seconds", (int)seconds);
    if (seconds < 2 * MINUTE)
        return vic_xstrdup("About a minute");
    if (seconds < HOUR)
        return vic_xasprintf("%d minutes", (int)(seconds / MINUTE));
    int64_t hours = (seconds + HOUR / 2) / HOUR;
    if (hours == 1)
        return vic_xstrdup("About an hour");
    if (hours < 48)
        return vic_xasprintf("%d hours", (int)hours);
    int64_t days = hours / 24;
    if (hours < 24 * 7 * 2)
        return vic_xasprintf("%d days", (int)days);
    if (hours < 24 * 30 * 2)
        return vic_xasprintf("%d weeks", (int)(days / 7));
    if (hours < 24 * 365 * 2)
        return vic_xasprintf("%d months", (int)(days / 30));
    return vic_xasprintf("%d years", (int)(seconds / DAY / 365));
}

const char *docker_text_state(const cJSON *state)
{
    static const struct {
        const char *ours;
        const char *docker;
    } names[] = {
        {"created", "created"}, {"starting", "created"},  {"running", "running"},
        {"paused", "paused"},   {"stopping", "running"},  {"exited", "exited"},
        {"dead", "dead"},       {"removing", "removing"},
    };
    const char *status = json_str(state, "status", "created");
    bool was_started = *json_str(state, "started_at", "") != '\0';
    if (json_bool(state, "restarting", false))
        return "restarting";
    if (strcmp(status, "starting") == 0 && was_started)
        return "exited";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i].ours, status) == 0)
            return names[i].docker;
    return "dead";
}

bool docker_state_is_running(const cJSON *state)
{
    const char *s = docker_text_state(state);
    return strcmp(s, "running") == 0 || strcmp(s, "paused") == 0 || strcmp(s, "restarting") == 0;
}

static char *since(const cJSON *state, const char *member, int64_t now_ns)
{
    int64_t then_ns = now_ns;
    (void)vic_clock_parse_rfc3339(json_str(state, member, ""), &then_ns); /* else: just now */
    return docker_text_duration((now_ns - then_ns) / VIC_NS_PER_S);
}

static const char *health_text(const cJSON *state)
{
    const char *status = docker_health_status(state);
    return strcmp(status, "starting") == 0    ? " (health: starting)"
           : strcmp(status, "healthy") == 0   ? " (healthy)"
           : strcmp(status, "unhealthy") == 0 ? " (unhealthy)"
                                              : "";
}

char *docker_text_status(const cJSON *state, int64_t now_ns)
{
    const char *s = docker_text_state(state);
    if (strcmp(s, "restarting") == 0) {
        auto_free char *d = since(state, "finished_at", now_ns);
        return vic_xasprintf("Restarting (%d) %s ago", (int)json_i64(state, "exit_code", 0), d);
    }
    if (docker_state_is_running(state)) {
        auto_free char *d = since(state, "started_at", now_ns);
        const char *more = strcmp(s, "paused") == 0 ? " (Paused)" : health_text(state);
        return vic_xasprintf("Up %s%s", d, more);
    }
    if (strcmp(s, "removing") == 0)
        return vic_xstrdup("Removal In Progress");
    if (strcmp(s, "dead") == 0)
        return vic_xstrdup("Dead");
    if (*json_str(state, "finished_at", "") == '\0')
        return vic_xstrdup("Created");
    auto_free char *d = since(state, "finished_at", now_ns);
    return vic_xasprintf("Exited (%d) %s ago", (int)json_i64(state, "exit_code", 0), d);
}

/* The first second at which docker_text_duration() says something else; from an hour on perhaps the same. */
static int64_t next_duration(int64_t seconds)
{
    if (seconds < MINUTE)
        return seconds < 0 ? 1 : seconds + 1;
    if (seconds < 2 * MINUTE)
        return 2 * MINUTE;
    if (seconds < HOUR)
        return (seconds / MINUTE + 1) * MINUTE;
    return (seconds + HOUR / 2) / HOUR * HOUR + HOUR / 2;
}

int64_t docker_text_status_until(const cJSON *state, int64_t now_ns)
{
    const char *s = docker_text_state(state);
    bool is_up = strcmp(s, "running") == 0 || strcmp(s, "paused") == 0;
    bool is_over = strcmp(s, "exited") == 0 || strcmp(s, "restarting") == 0;
    int64_t then_ns;
    if ((!is_up && !is_over) ||
        vic_clock_parse_rfc3339(json_str(state, is_up ? "started_at" : "finished_at", ""),
                                &then_ns) < 0)
        return INT64_MAX;
    int64_t seconds = (now_ns - then_ns) / VIC_NS_PER_S;
    return then_ns + next_duration(seconds) * VIC_NS_PER_S;
}

char *docker_text_random_name(unsigned attempt)
{
    static const char *const adjectives[] = {
        "able",   "amber",   "bold",  "brave", "bright", "calm",   "clear",  "clever",
        "cosmic", "crisp",   "eager", "early", "fair",   "famous", "gentle", "glad",
        "golden", "happy",   "keen",  "kind",  "lively", "lucid",  "merry",  "modest",
        "noble",  "patient", "quick", "quiet", "steady", "sunny",  "swift",  "witty",
    };
    static const char *const surnames[] = {
        "abel",    "babbage",  "bohr",      "curie",   "darwin",   "dirac",   "euler",   "faraday",
        "fermi",   "franklin", "galois",    "gauss",   "germain",  "goodall", "hamming", "hopper",
        "huygens", "kepler",   "knuth",     "lamarr",  "lovelace", "maxwell", "meitner", "noether",
        "pascal",  "planck",   "ramanujan", "ritchie", "shannon",  "tesla",   "turing",  "volta",
    };
    struct vic_id id;
    vic_id_new(&id); /* 256 random bits, of which a few are enough */
    unsigned long r = strtoul(id.text + VIC_ID_LEN - 6, NULL, 16);
    const char *a = adjectives[r % ARRAY_SIZE(adjectives)];
    const char *s = surnames[(r >> 8) % ARRAY_SIZE(surnames)];
    if (attempt == 0)
        return vic_xasprintf("%s_%s", a, s);
    return vic_xasprintf("%s_%s%u", a, s, (unsigned)(r >> 16) % (attempt < 4 ? 10u : 256u));
}

char *docker_text_command(const cJSON *args)
{
    struct vic_buf b = {0};
    const cJSON *arg;
    cJSON_ArrayForEach(arg, args)
    {
        const char *text = cJSON_IsString(arg) ? arg->valuestring : "";
        bool quote = b.len > 0 && strchr(text, ' ');
        if (arg != args->child)
            vic_buf_add_char(&b, ' ');
        vic_buf_addf(&b, quote ? "'%s'" : "%s", text);
    }
    char *text = vic_buf_take(&b);
    return text ? text : vic_xstrdup("");
}

/* Up to nine digits of a fraction as nanoseconds; -1 if that is none. */
static int64_t parse_fraction(const char *s)
{
    int64_t ns = 0;
    int digits = 0;
    for (; isdigit((unsigned char)*s); s++)
        if (digits++ < 9)
            ns = ns * 10 + (*s - '0');
    if (*s || digits == 0)
        return -1;
    for (; digits < 9; digits++)
        ns *= 10;
    return ns;
}

int docker_text_to_ns(const char *text, int64_t *ret_ns)
{
    if (vic_clock_parse_rfc3339(text, ret_ns) == 0)
        return 0;
    const char *dot = strchr(text, '.');
    auto_free char *whole = dot ? vic_xstrndup(text, (size_t)(dot - text)) : vic_xstrdup(text);
    int64_t s = 0;
    const int64_t max_s = INT64_MAX / VIC_NS_PER_S - 1;
    if (vic_str_to_i64(whole, INT64_MIN, INT64_MAX, &s) < 0)
        return -EINVAL;
    /* Docker takes any number of seconds: what we cannot count to is as good as never. */
    s = s > max_s ? max_s : s < -max_s ? -max_s : s;
    int64_t ns = dot ? parse_fraction(dot + 1) : 0;
    if (ns < 0)
        return -EINVAL;
    *ret_ns = s * VIC_NS_PER_S + ns;
    return 0;
}
