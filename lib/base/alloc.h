/*
 * Allocation for small things whose size we choose: these abort when memory is out.
 *
 * A size that comes from outside is capped first and then allocated with plain malloc and the failure
 * handled.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

void *vic_xalloc(size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *vic_xrealloc_array(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *vic_xstrdup(const char *s) __attribute__((malloc, nonnull, returns_nonnull));
char *vic_xstrndup(const char *s, size_t n) __attribute__((malloc, nonnull, returns_nonnull));
char *vic_xstrdup_or_null(const char *s); /* NULL gives NULL */
char *vic_xasprintf(const char *fmt, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* vic_new(struct x): one zeroed struct x. */
#define vic_new(type) ((type *)vic_xalloc(sizeof(type)))
