/* A growable run of bytes.  Always NUL-terminated one past the end, so text can be read in place. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"

/* Zero-initialised is empty and valid.  data is NULL until something was added. */
struct vic_buf {
    char *data; /* owned */
    size_t len;
    size_t cap;
};

#define auto_buf auto_(vic_buf_release)

void vic_buf_release(struct vic_buf *b);
void vic_buf_clear(struct vic_buf *b); /* keeps the memory */

/* These abort when memory is out: a length that comes from outside is capped by the caller first. */
void vic_buf_reserve(struct vic_buf *b, size_t extra);
void vic_buf_add(struct vic_buf *b, const void *data, size_t len);
void vic_buf_add_str(struct vic_buf *b, const char *s);
void vic_buf_add_char(struct vic_buf *b, char c);
void vic_buf_addf(struct vic_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first n bytes (n <= len). */
void vic_buf_consume(struct vic_buf *b, size_t n);

/* Drops what is behind the first len bytes (len <= b->len). */
void vic_buf_cut(struct vic_buf *b, size_t len);

/* The text so far, "" when empty; borrowed until the next change. */
const char *vic_buf_str(const struct vic_buf *b);

/* The text as the caller's own string; leaves b empty. */
char *vic_buf_take(struct vic_buf *b);
