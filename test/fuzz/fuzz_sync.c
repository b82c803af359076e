/* Foreign bytes to both sides of the sync line: however they are split, the outcome is the same. */
#include <stdlib.h>
#include <string.h>

#include "lib/rpc/sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rpc_sync whole;
    struct rpc_sync split;
    auto_buf struct vic_buf out = {0};
    auto_buf struct vic_buf out_split = {0};
    bool is_done;
    bool is_done_split = false;
    rpc_sync_guest_start(&whole);
    rpc_sync_guest_start(&split);
    size_t used = rpc_sync_guest_feed(&whole, data, len, &out, &is_done);
    size_t used_split = 0;
    while (used_split < len && !is_done_split)
        used_split += rpc_sync_guest_feed(&split, data + used_split, 1, &out_split, &is_done_split);
    if (used > len || used != used_split || is_done != is_done_split || out.len != out_split.len)
        abort();
    /* The nonce is random: nothing foreign can be the answer. */
    rpc_sync_host_start(&whole, false, &out);
    (void)rpc_sync_host_feed(&whole, data, len, &is_done);
    if (is_done)
        abort();
    return 0;
}
