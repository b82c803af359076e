/* An ext4 in memory that layers can be applied to, for unit tests and fuzzing. */
#pragma once

#include "portlayer/storage/vl_fs.h"
#include "portlayer/storage/vl_input.h"

/* Freshly formatted; aborts on failure. */
struct vl_dev *layer_mem_format(uint64_t size_bytes);

/* Applies a blob as vic-layer does, to the flush at the end. */
int layer_mem_apply(struct vl_dev *dev, enum vl_media media, const void *blob, size_t len,
                    uint64_t max_bytes, char ret_digest[VL_DIGEST_TEXT_MAX], struct vic_err *err);
