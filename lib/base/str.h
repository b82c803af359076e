/* Strings: comparing, splitting, and reading numbers without surprises. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"

bool vic_str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool vic_str_starts_with(const char *s, const char *prefix);
bool vic_str_ends_with(const char *s, const char *suffix);
bool vic_str_is_empty(const char *s); /* NULL or "" */

/* Whole-string decimal within [min, max]: no sign for unsigned, no blanks, no overflow.  -EINVAL,
 * or -ERANGE when it is a number out of bounds. */
int vic_str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
int vic_str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);

/* "0", "1", "true", "false", "t", "f" in any case, as Docker's clients send them; -EINVAL. */
int vic_str_to_bool(const char *s, bool *ret);

/* len bytes as lower-case hex; text holds 2 * len + 1. */
void vic_str_hex(const void *data, size_t len, char *text);
bool vic_str_is_hex(const char *s, size_t len); /* exactly len lower-case hex digits; not NULL */

/* A NULL-terminated vector of owned strings.  NULL is the empty vector. */
char **vic_strv_split(const char *s, char sep);  /* "a,,b" gives "a", "", "b"; "" gives none */
char **vic_strv_append(char **v, const char *s); /* returns the vector, moved */
char **vic_strv_dup(char *const *v);
size_t vic_strv_len(char *const *v);
bool vic_strv_contains(char *const *v, const char *s);
void vic_strv_free(char **v);
VIC_DEFINE_CLEANUP(vic_strv_free_p, char **, vic_strv_free)
#define auto_strv auto_(vic_strv_free_p)
