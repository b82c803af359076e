/* Names of keys and what is typed, of any bytes: how it is cut makes no difference, and nothing is lost. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "personality/docker/keys.h"
#include "portlayer/interaction/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Cut after every step bytes. */
static bool type(const char *hex, const uint8_t *data, size_t len, size_t step, struct vic_buf *out)
{
    struct pl_keys k;
    int r = pl_keys_from_hex(hex, &k, NULL);
    assert(r == 0);
    for (size_t at = 0; at < len; at += step)
        if (pl_keys_feed(&k, data + at, len - at < step ? len - at : step, out))
            return true;
    pl_keys_end(&k, out);
    return false;
}

/* The names, a line end, and what is typed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *end = len > 0 ? memchr(data, '\n', len) : NULL;
    size_t n_names = end ? (size_t)(end - data) : len;
    auto_free char *names = vic_xstrndup((const char *)data, n_names);
    struct docker_keys keys;
    struct vic_err err;
    auto_buf struct vic_buf whole = {0};
    auto_buf struct vic_buf cut = {0};
    if (docker_keys_parse(names, "detach", &keys, &err) < 0 || !end)
        return 0;
    size_t n = len - n_names - 1;
    bool detaches = type(keys.hex, end + 1, n, n + 1, &whole);
    for (size_t step = 1; step <= 3; step++) {
        vic_buf_clear(&cut);
        bool same = type(keys.hex, end + 1, n, step, &cut);
        assert(same == detaches);
        assert(cut.len == whole.len &&
               memcmp(vic_buf_str(&cut), vic_buf_str(&whole), cut.len) == 0);
    }
    assert(detaches || (whole.len == n && memcmp(vic_buf_str(&whole), end + 1, n) == 0));
    return 0;
}
