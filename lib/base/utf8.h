/* UTF-8 out of bytes that may be anything. */
#pragma once

#include <stddef.h>

/* Bytes of the sequence at s, 0 if it is none (overlong, a surrogate, past U+10FFFF, cut) or a NUL. */
size_t vic_utf8_len(const unsigned char *s, size_t left);

/* Valid UTF-8 without NUL: each byte that is not becomes U+FFFD.  The caller's. */
char *vic_utf8_clean(const char *data, size_t len);
