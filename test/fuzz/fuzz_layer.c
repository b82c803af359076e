/* Fuzzes a layer's tar: applied to an ext4 in memory that already has a layer.  The first byte picks the
 * packing. */
#include <stdint.h>
#include <stdlib.h>

#include "test/lib/layer_mem.h"

#define DISK_BYTES (16u << 20)
#define MAX_BYTES (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct vl_dev *base; /* made once; libFuzzer calls from one thread */
    if (!base)
        base = layer_mem_format(DISK_BYTES);
    if (len == 0)
        return 0;
    struct vic_err err;
    auto_(vl_dev_free_p) struct vl_dev *dev = vl_mem_new(DISK_BYTES, base);
    enum vl_media media = data[0] % 4 == 1   ? VL_MEDIA_GZIP
                          : data[0] % 4 == 2 ? VL_MEDIA_ZSTD
                                             : VL_MEDIA_NONE;
    /* Twice: the second time over what the first made, as a layer on its parent. */
    for (int i = 0; i < 2; i++)
        if (layer_mem_apply(dev, media, data + 1, len - 1, MAX_BYTES, NULL, &err) < 0)
            break;
    return 0;
}
