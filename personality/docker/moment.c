/* Timestamps, dates, and durations before now; the forms are those of Docker's time types. */
#include "personality/docker/moment.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/banned.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "personality/docker/text.h"

#define DURATION_MAX_S (250.0 * 366 * 24 * 3600) /* 292 years of nanoseconds fit */

static const struct unit {
    const char *name; /* longer ones before those they begin with */
    double seconds;
} units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};

static const struct unit *find_unit(const char *s, size_t *ret_len)
{
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        *ret_len = strlen(units[i].name);
        if (strncmp(s, units[i].name, *ret_len) == 0)
            return &units[i];
    }
    return NULL;
}

/* One "1.5h" of a duration; digits only, as strtod() would also take "0x1" and "inf". */
static int parse_part(const char **s, double *seconds)
{
    size_t digits = strspn(*s, "0123456789.");
    size_t unit_len;
    char *end;
    double number = strtod(*s, &end);
    const struct unit *unit = find_unit(*s + digits, &unit_len);
    if (digits == 0 || end != *s + digits || !unit)
        return -EINVAL;
    *seconds += number * unit->seconds;
    *s = end + unit_len;
    return 0;
}

static int parse_duration(const char *s, int64_t *ret_ns)
{
    double seconds = 0;
    bool is_negative = *s == '-';
    s += *s == '-' || *s == '+';
    do {
        if (parse_part(&s, &seconds) < 0 || seconds > DURATION_MAX_S)
            return -EINVAL;
    } while (*s);
    *ret_ns = (int64_t)(seconds * (double)VIC_NS_PER_S) * (is_negative ? -1 : 1);
    return 0;
}

static int parse_date(const char *text, int64_t *ret_ns)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H",
                                        "%Y-%m-%d"};
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, forms[i], &tm);
        if (!end || *end)
            continue;
        return __builtin_mul_overflow((int64_t)mktime(&tm), VIC_NS_PER_S, ret_ns) ? -ERANGE : 0;
    }
    return -EINVAL;
}

int docker_moment_parse(const char *text, int64_t now_ns, int64_t *ret_ns, struct vic_err *err)
{
    int64_t ago_ns;
    int r = docker_text_to_ns(text, ret_ns);
    if (r < 0)
        r = parse_date(text, ret_ns);
    if (r == 0)
        return 0;
    if (r == -ERANGE || parse_duration(text, &ago_ns) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid time '%.100s': expected a timestamp, a date, or a duration such "
                        "as 10m or 1h30m",
                        text);
    if (__builtin_sub_overflow(now_ns, ago_ns, ret_ns))
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid time '%.100s': out of range", text);
    return 0;
}
