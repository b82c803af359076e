/* A layer's blob as a stream of tar bytes: unpacked, hashed and counted as it passes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define VL_DIGEST_TEXT_MAX 72 /* "sha256:", 64 digits, NUL */

enum vl_media {
    VL_MEDIA_NONE,
    VL_MEDIA_GZIP,
    VL_MEDIA_ZSTD,
};

/* "none", "gzip" or "zstd"; -EINVAL. */
int vl_media_from_string(const char *name, enum vl_media *ret_media);

struct vl_input;

/* Where the packed bytes come from: > 0 bytes, 0 at the end, -errno. */
typedef ssize_t (*vl_input_read_fn)(void *arg, void *data, size_t len);

/* More than max_bytes unpacked is INVALID. */
int vl_input_new(enum vl_media media, vl_input_read_fn read, void *arg, uint64_t max_bytes,
                 struct vl_input **ret_input, struct vic_err *err);
void vl_input_free(struct vl_input *in);
VIC_DEFINE_CLEANUP(vl_input_free_p, struct vl_input *, vl_input_free)

/* The next unpacked bytes, borrowed until the next call; 0 at the end. */
ssize_t vl_input_next(struct vl_input *in, const void **ret_data, struct vic_err *err);
/* What vl_input_next() reported when it failed; NULL if it did not. */
const struct vic_err *vl_input_error(const struct vl_input *in);

uint64_t vl_input_packed_bytes(const struct vl_input *in);
uint64_t vl_input_bytes(const struct vl_input *in);
/* Once, at the end. */
int vl_input_digest(struct vl_input *in, char ret_text[VL_DIGEST_TEXT_MAX], struct vic_err *err);
