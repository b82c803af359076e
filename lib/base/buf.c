/* Growable byte buffer. */
#include "lib/base/buf.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"

void vic_buf_release(struct vic_buf *b)
{
    free(b->data);
    *b = (struct vic_buf){0};
}

void vic_buf_clear(struct vic_buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void vic_buf_reserve(struct vic_buf *b, size_t extra)
{
    size_t need = b->len + extra + 1;
    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    b->data = vic_xrealloc_array(b->data, cap, 1);
    b->cap = cap;
}

void vic_buf_add(struct vic_buf *b, const void *data, size_t len)
{
    vic_buf_reserve(b, len);
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void vic_buf_add_str(struct vic_buf *b, const char *s)
{
    vic_buf_add(b, s, strlen(s));
}

void vic_buf_add_char(struct vic_buf *b, char c)
{
    vic_buf_add(b, &c, 1);
}

void vic_buf_addf(struct vic_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0) {
        vic_buf_reserve(b, (size_t)n);
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void vic_buf_consume(struct vic_buf *b, size_t n)
{
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->data, b->data + n, b->len + 1);
}

void vic_buf_cut(struct vic_buf *b, size_t len)
{
    b->len = len;
    if (b->data)
        b->data[len] = '\0';
}

const char *vic_buf_str(const struct vic_buf *b)
{
    return b->data ? b->data : "";
}

char *vic_buf_take(struct vic_buf *b)
{
    vic_buf_reserve(b, 0);
    b->data[b->len] = '\0';
    char *text = b->data;
    *b = (struct vic_buf){0};
    return text;
}
