/* Reads the clocks; writes and reads RFC 3339 time. */
#include "lib/base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t vic_clock_wall_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail with a valid clock */
    return (int64_t)ts.tv_sec * VIC_NS_PER_S + ts.tv_nsec;
}

uint64_t vic_clock_monotonic_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void vic_clock_format_rfc3339(int64_t wall_ns, char *text)
{
    int64_t frac = wall_ns % VIC_NS_PER_S;
    time_t secs = (time_t)(wall_ns / VIC_NS_PER_S);
    if (frac < 0) {
        frac += VIC_NS_PER_S;
        secs--;
    }
    struct tm tm;
    (void)gmtime_r(&secs, &tm);
    (void)snprintf(text, VIC_CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ",
                   (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                   tm.tm_sec, (int)frac);
}

/* Reads exactly n digits at *p and moves past them. */
static bool digits(const char **p, int n, int *ret)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return true;
}

static bool literal(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static bool fraction(const char **p, int64_t *ret_ns)
{
    *ret_ns = 0;
    if (**p != '.')
        return true;
    (*p)++;
    int64_t unit = VIC_NS_PER_S;
    int64_t ns = 0;
    int n = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++, n++) {
        if (n >= 9)
            return false;
        unit /= 10;
        ns += unit * (**p - '0');
    }
    *ret_ns = ns;
    return n > 0;
}

static bool offset(const char **p, int *ret_seconds)
{
    *ret_seconds = 0;
    if (literal(p, 'Z'))
        return true;
    int sign = **p == '-' ? -1 : 1;
    int h;
    int m;
    if (!(literal(p, '+') || literal(p, '-')) || !digits(p, 2, &h) || !literal(p, ':') ||
        !digits(p, 2, &m) || h > 23 || m > 59)
        return false;
    *ret_seconds = sign * (h * 3600 + m * 60);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && is_leap);
}

int vic_clock_parse_rfc3339(const char *text, int64_t *ret_wall_ns)
{
    const char *p = text;
    struct tm tm = {0};
    int64_t ns;
    int off;
    if (!digits(&p, 4, &tm.tm_year) || !literal(&p, '-') || !digits(&p, 2, &tm.tm_mon) ||
        !literal(&p, '-') || !digits(&p, 2, &tm.tm_mday) || !literal(&p, 'T') ||
        !digits(&p, 2, &tm.tm_hour) || !literal(&p, ':') || !digits(&p, 2, &tm.tm_min) ||
        !literal(&p, ':') || !digits(&p, 2, &tm.tm_sec) || !fraction(&p, &ns) ||
        !offset(&p, &off) || *p)
        return -EINVAL;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > days_in_month(tm.tm_year, tm.tm_mon) || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return -EINVAL;
    /* int64 nanoseconds reach from 1677 to 2262; 0001-01-01 (Docker's zero time) is not within. */
    if (tm.tm_year < 1678 || tm.tm_year > 2261)
        return -ERANGE;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_wall_ns = ((int64_t)timegm(&tm) - off) * VIC_NS_PER_S + ns;
    return 0;
}
