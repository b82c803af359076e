/* content/index.json: what is accepted survives being written and read again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "portlayer/storage/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pl_index x;
    struct pl_index y;
    struct vic_err err;
    if (pl_index_parse((const char *)data, len, &x, &err) < 0)
        return 0;
    auto_free char *text = NULL;
    int r = pl_index_print(&x, &text, &err);
    assert(r == 0);
    r = pl_index_parse(text, strlen(text), &y, &err);
    assert(r == 0 && x.n == y.n);
    pl_index_release(&x);
    pl_index_release(&y);
    return 0;
}
