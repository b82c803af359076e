/* Finds the keys that detach. */
#include "portlayer/interaction/keys.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"

int pl_keys_from_hex(const char *hex, struct pl_keys *ret, struct vic_err *err)
{
    struct pl_keys k = {0};
    size_t len = hex ? strlen(hex) : 0;
    if (hex && (len == 0 || len % 2 != 0 || len / 2 > sizeof(k.keys) || !vic_str_is_hex(hex, len)))
        return vic_fail(err, VIC_ERR_INVALID, 0, "detach: expected 1 to %zu bytes in hex",
                        sizeof(k.keys));
    for (; k.n < len / 2; k.n++)
        (void)sscanf(hex + 2 * k.n, "%2hhx", &k.keys[k.n]); /* digits they are */
    *ret = k;
    return 0;
}

void pl_keys_end(struct pl_keys *k, struct vic_buf *out)
{
    vic_buf_add(out, k->keys, k->n_held);
    k->n_held = 0;
}

bool pl_keys_feed(struct pl_keys *k, const uint8_t *data, size_t len, struct vic_buf *out)
{
    if (k->n == 0)
        vic_buf_add(out, data, len);
    for (size_t i = 0; k->n > 0 && i < len; i++) {
        if (data[i] == k->keys[k->n_held]) {
            if (++k->n_held < k->n)
                continue;
            k->n_held = 0;
            return true;
        }
        pl_keys_end(k, out);
        vic_buf_add(out, &data[i], 1);
    }
    return false;
}
