/* Unpacks gzip and zstd streams with a cap, and hashes what comes out. */
#include "portlayer/storage/vl_input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <openssl/evp.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define BUFFER_BYTES (256u << 10)
/* zstd's own default for its command: a frame that wants more memory is refused. */
#define ZSTD_WINDOW_LOG_MAX 27

struct vl_input {
    enum vl_media media;
    vl_input_read_fn read;
    void *arg;
    uint64_t max_bytes;
    uint64_t n_packed;
    uint64_t n_unpacked;
    EVP_MD_CTX *hash;
    z_stream z;
    bool has_z;
    ZSTD_DCtx *zstd;
    bool in_frame; /* a compressed frame has begun and not ended */
    bool is_end;   /* of the packed bytes */
    size_t packed_at;
    size_t packed_len;
    struct vic_err err;
    unsigned char packed[BUFFER_BYTES];
    unsigned char unpacked[BUFFER_BYTES];
};

int vl_media_from_string(const char *name, enum vl_media *ret_media)
{
    static const char *const names[] = {
        [VL_MEDIA_NONE] = "none", [VL_MEDIA_GZIP] = "gzip", [VL_MEDIA_ZSTD] = "zstd"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (vic_str_eq(name, names[i])) {
            *ret_media = (enum vl_media)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int fill(struct vl_input *in)
{
    if (in->packed_at < in->packed_len || in->is_end)
        return 0;
    ssize_t n = in->read(in->arg, in->packed, sizeof(in->packed));
    if (n < 0)
        return vic_fail_errno(&in->err, (int)-n, "read the blob");
    in->packed_at = 0;
    in->packed_len = (size_t)n;
    in->n_packed += (uint64_t)n;
    in->is_end = n == 0;
    return 0;
}

/* Each returns bytes put into unpacked; 0 means: call again, or the end if is_end. */
static ssize_t unpack_none(struct vl_input *in)
{
    size_t n = in->packed_len - in->packed_at;
    memcpy(in->unpacked, in->packed + in->packed_at, n);
    in->packed_at += n;
    return (ssize_t)n;
}

static ssize_t unpack_gzip(struct vl_input *in)
{
    size_t avail = in->packed_len - in->packed_at;
    if (avail == 0)
        return 0;
    in->in_frame = true;
    in->z.next_in = in->packed + in->packed_at;
    in->z.avail_in = (uInt)avail;
    in->z.next_out = in->unpacked;
    in->z.avail_out = BUFFER_BYTES;
    int r = inflate(&in->z, Z_NO_FLUSH);
    in->packed_at += avail - in->z.avail_in;
    if (r == Z_STREAM_END) { /* another member may follow */
        in->in_frame = false;
        r = inflateReset(&in->z);
    }
    if (r != Z_OK && r != Z_BUF_ERROR)
        return vic_fail(&in->err, VIC_ERR_INVALID, 0, "not valid gzip: %s",
                        in->z.msg ? in->z.msg : "corrupt");
    return BUFFER_BYTES - (ssize_t)in->z.avail_out;
}

static ssize_t unpack_zstd(struct vl_input *in)
{
    size_t avail = in->packed_len - in->packed_at;
    if (avail == 0 && !in->in_frame)
        return 0;
    ZSTD_inBuffer from = {in->packed + in->packed_at, avail, 0};
    ZSTD_outBuffer to = {in->unpacked, BUFFER_BYTES, 0};
    size_t r = ZSTD_decompressStream(in->zstd, &to, &from);
    if (ZSTD_isError(r))
        return vic_fail(&in->err, VIC_ERR_INVALID, 0, "not valid zstd: %s", ZSTD_getErrorName(r));
    in->packed_at += from.pos;
    in->in_frame = r != 0;
    return (ssize_t)to.pos;
}

static ssize_t next(struct vl_input *in)
{
    static ssize_t (*const unpack[])(struct vl_input *) = {
        [VL_MEDIA_NONE] = unpack_none,
        [VL_MEDIA_GZIP] = unpack_gzip,
        [VL_MEDIA_ZSTD] = unpack_zstd,
    };
    for (;;) {
        int r = fill(in);
        if (r < 0)
            return r;
        ssize_t n = unpack[in->media](in);
        if (n != 0)
            return n;
        if (in->is_end && in->in_frame)
            return vic_fail(&in->err, VIC_ERR_INVALID, 0, "the blob ends early");
        if (in->is_end)
            return 0;
    }
}

ssize_t vl_input_next(struct vl_input *in, const void **ret_data, struct vic_err *err)
{
    ssize_t n = in->err.kind == VIC_ERR_NONE ? next(in) : -in->err.code;
    if (n > 0 && (uint64_t)n > in->max_bytes - in->n_unpacked)
        n = vic_fail(&in->err, VIC_ERR_INVALID, EFBIG, "layer larger than %ju bytes",
                     (uintmax_t)in->max_bytes);
    if (n > 0 && EVP_DigestUpdate(in->hash, in->unpacked, (size_t)n) != 1)
        n = vic_fail(&in->err, VIC_ERR_INTERNAL, 0, "sha256");
    if (n < 0) {
        if (err)
            *err = in->err;
        return n;
    }
    in->n_unpacked += (uint64_t)n;
    *ret_data = in->unpacked;
    return n;
}

const struct vic_err *vl_input_error(const struct vl_input *in)
{
    return in->err.kind == VIC_ERR_NONE ? NULL : &in->err;
}

uint64_t vl_input_packed_bytes(const struct vl_input *in)
{
    return in->n_packed;
}

uint64_t vl_input_bytes(const struct vl_input *in)
{
    return in->n_unpacked;
}

int vl_input_digest(struct vl_input *in, char ret_text[VL_DIGEST_TEXT_MAX], struct vic_err *err)
{
    unsigned char md[32];
    unsigned len = sizeof(md);
    if (EVP_DigestFinal_ex(in->hash, md, &len) != 1)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "sha256");
    char hex[2 * sizeof(md) + 1];
    vic_str_hex(md, sizeof(md), hex);
    (void)snprintf(ret_text, VL_DIGEST_TEXT_MAX, "sha256:%s", hex);
    return 0;
}

int vl_input_new(enum vl_media media, vl_input_read_fn read, void *arg, uint64_t max_bytes,
                 struct vl_input **ret_input, struct vic_err *err)
{
    auto_(vl_input_free_p) struct vl_input *in = vic_new(struct vl_input);
    in->media = media;
    in->read = read;
    in->arg = arg;
    in->max_bytes = max_bytes;
    in->hash = EVP_MD_CTX_new();
    if (!in->hash || EVP_DigestInit_ex(in->hash, EVP_sha256(), NULL) != 1)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "sha256");
    if (media == VL_MEDIA_GZIP) {
        if (inflateInit2(&in->z, 16 + MAX_WBITS) != Z_OK)
            return vic_fail(err, VIC_ERR_INTERNAL, ENOMEM, "zlib");
        in->has_z = true;
    }
    if (media == VL_MEDIA_ZSTD) {
        in->zstd = ZSTD_createDCtx();
        if (!in->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(in->zstd, ZSTD_d_windowLogMax,
                                                             ZSTD_WINDOW_LOG_MAX)))
            return vic_fail(err, VIC_ERR_INTERNAL, ENOMEM, "zstd");
    }
    *ret_input = TAKE_PTR(in);
    return 0;
}

void vl_input_free(struct vl_input *in)
{
    if (!in)
        return;
    if (in->has_z)
        (void)inflateEnd(&in->z);
    ZSTD_freeDCtx(in->zstd);
    EVP_MD_CTX_free(in->hash);
    free(in);
}
