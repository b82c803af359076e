/* String helpers. */
#include "lib/base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"

bool vic_str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool vic_str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool vic_str_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s);
    size_t m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool vic_str_is_empty(const char *s)
{
    return !s || !*s;
}

int vic_str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    bool over = false;
    if (vic_str_is_empty(s))
        return -EINVAL;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -EINVAL;
        over = over || __builtin_mul_overflow(v, 10, &v) ||
               __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v);
    }
    if (over || v < min || v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

int vic_str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = s && *s == '-';
    uint64_t magnitude;
    int r = vic_str_to_u64(negative ? s + 1 : s, 0, (uint64_t)INT64_MAX + negative, &magnitude);
    if (r < 0)
        return r;
    int64_t v = negative ? (int64_t)-magnitude : (int64_t)magnitude;
    if (v < min || v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

int vic_str_to_bool(const char *s, bool *ret)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"1", true},  {"true", true},   {"t", true},
                 {"0", false}, {"false", false}, {"f", false}};
    for (size_t i = 0; s && i < ARRAY_SIZE(words); i++)
        if (strcasecmp(words[i].text, s) == 0) {
            *ret = words[i].value;
            return 0;
        }
    return -EINVAL;
}

void vic_str_hex(const void *data, size_t len, char *text)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = hex[p[i] >> 4];
        text[2 * i + 1] = hex[p[i] & 15];
    }
    text[2 * len] = '\0';
}

bool vic_str_is_hex(const char *s, size_t len)
{
    return s && strnlen(s, len + 1) == len && strspn(s, "0123456789abcdef") == len;
}

char **vic_strv_split(const char *s, char sep)
{
    char **v = NULL;
    if (vic_str_is_empty(s))
        return NULL;
    for (;;) {
        const char *end = strchrnul(s, sep);
        auto_free char *part = vic_xstrndup(s, (size_t)(end - s));
        v = vic_strv_append(v, part);
        if (!*end)
            return v;
        s = end + 1;
    }
}

char **vic_strv_append(char **v, const char *s)
{
    size_t n = vic_strv_len(v);
    v = vic_xrealloc_array(v, n + 2, sizeof(*v));
    v[n] = vic_xstrdup(s);
    v[n + 1] = NULL;
    return v;
}

char **vic_strv_dup(char *const *v)
{
    size_t n = vic_strv_len(v);
    if (n == 0)
        return NULL;
    char **copy = vic_xrealloc_array(NULL, n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = vic_xstrdup(v[i]);
    copy[n] = NULL;
    return copy;
}

size_t vic_strv_len(char *const *v)
{
    size_t n = 0;
    while (v && v[n])
        n++;
    return n;
}

bool vic_strv_contains(char *const *v, const char *s)
{
    for (; v && *v; v++)
        if (strcmp(*v, s) == 0)
            return true;
    return false;
}

void vic_strv_free(char **v)
{
    for (char **p = v; p && *p; p++)
        free(*p);
    free(v);
}
