/* Fuzzes a layer's tar: applied to an ext4 in memory that already has a layer.  The first byte picks the
 * packing, and whether header checksums are made right: few mutations would get past them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/lib/layer_mem.h"

#define DISK_BYTES (16u << 20)
#define MAX_BYTES (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fix_checksums(char *tar, size_t len)
{
    for (size_t at = 0; at + 512 <= len;) {
        char *h = tar + at;
        unsigned sum = 0;
        memset(h + 148, ' ', 8);
        for (size_t i = 0; i < 512; i++)
            sum += (unsigned char)h[i];
        if (sum > 8 * ' ')
            (void)snprintf(h + 148, 8, "%06o", sum);
        else
            memset(h + 148, 0, 8); /* the end of the archive */
        char size[13] = {0};
        memcpy(size, h + 124, 12);
        unsigned long long n = strtoull(size, NULL, 8);
        at += 512 + (n < len ? (size_t)(n + 511) / 512 * 512 : 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct vl_dev *base; /* made once; libFuzzer calls from one thread */
    if (!base)
        base = layer_mem_format(DISK_BYTES);
    if (len == 0)
        return 0;
    struct vic_err err;
    auto_free char *blob = malloc(len);
    if (!blob)
        return 0;
    memcpy(blob, data + 1, len - 1);
    if (!(data[0] & 8))
        fix_checksums(blob, len - 1);
    auto_(vl_dev_free_p) struct vl_dev *dev = vl_mem_new(DISK_BYTES, base);
    enum vl_media media = (data[0] & 3) == 1   ? VL_MEDIA_GZIP
                          : (data[0] & 3) == 2 ? VL_MEDIA_ZSTD
                                               : VL_MEDIA_NONE;
    /* Twice: the second time over what the first made, as a layer on its parent. */
    for (int i = 0; i < 2; i++)
        if (layer_mem_apply(dev, media, blob, len - 1, MAX_BYTES, NULL, &err) < 0)
            break;
    return 0;
}
