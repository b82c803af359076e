/*
 * The keys that detach a terminal's client, found in what it types.  Pure.
 *
 * What may be the beginning of the sequence is held back; once it turns out to be none, it goes on.  As in
 * Docker the key that broke a sequence does not begin another.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "portlayer/api.h"

struct pl_keys {
    uint8_t keys[PL_DETACH_KEYS_MAX];
    size_t n;      /* 0: nothing detaches */
    size_t n_held; /* of the keys, typed already and not in any output */
};

/* hex NULL: none.  INVALID: not 1 to PL_DETACH_KEYS_MAX bytes as lower-case hex. */
int pl_keys_from_hex(const char *hex, struct pl_keys *ret, struct vic_err *err);
/* Adds to out what goes on to the process.  True: the sequence is complete, and what follows it is nobody's. */
bool pl_keys_feed(struct pl_keys *k, const uint8_t *data, size_t len, struct vic_buf *out);
/* No more will come: what is held goes on. */
void pl_keys_end(struct pl_keys *k, struct vic_buf *out);
