/* Small allocations that abort instead of failing. */
#include "lib/base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
    if (!p) {
        (void)fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

void *vic_xalloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *vic_xrealloc_array(void *p, size_t n, size_t size)
{
    return checked(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *vic_xstrdup(const char *s)
{
    return checked(strdup(s));
}

char *vic_xstrndup(const char *s, size_t n)
{
    n = strnlen(s, n);
    char *copy = checked(malloc(n + 1));
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *vic_xstrdup_or_null(const char *s)
{
    return s ? vic_xstrdup(s) : NULL;
}

char *vic_xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : text);
}
