/* Media types: which documents and layers there are, and descriptors that carry them. */
#include "lib/oci/media.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define MEDIA_TYPE_MAX 255 /* RFC 6838: 127 on each side of the slash */

static const struct {
    const char *type;
    enum oci_kind kind;
} documents[] = {
    {OCI_TYPE_INDEX, OCI_INDEX},
    {OCI_TYPE_MANIFEST, OCI_MANIFEST},
    {OCI_TYPE_DOCKER_LIST, OCI_INDEX},
    {OCI_TYPE_DOCKER_MANIFEST, OCI_MANIFEST},
};

static const struct {
    const char *type;
    enum oci_compression compression;
} layers[] = {
    {"application/vnd.oci.image.layer.v1.tar", OCI_TAR},
    {"application/vnd.oci.image.layer.v1.tar+gzip", OCI_TAR_GZIP},
    {"application/vnd.oci.image.layer.v1.tar+zstd", OCI_TAR_ZSTD},
    {"application/vnd.docker.image.rootfs.diff.tar", OCI_TAR},
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", OCI_TAR_GZIP},
    {"application/vnd.docker.image.rootfs.diff.tar.zstd", OCI_TAR_ZSTD},
};

/* Their bytes are fetched from elsewhere (or not at all), by licence: Windows base layers. */
static const char *const foreign[] = {
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
};

/* The generic ones come from registries and tools older than the types; Docker takes them too. */
static const char *const configs[] = {
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",
    "application/json",
    "",
};

/* Also keeps terminal control bytes out of messages that quote it. */
static bool is_media_type(const char *s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "!#$&^_.+-/";
    size_t n = strspn(s, allowed);
    return s[n] == '\0' && n > 0 && n <= MEDIA_TYPE_MAX;
}

bool oci_digest_is_valid(const char *text)
{
    return text && vic_str_starts_with(text, "sha256:") && vic_str_is_hex(text + 7, 64);
}

int oci_document_type(const char *media_type, enum oci_kind *ret_kind, const char **ret_constant)
{
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        if (vic_str_eq(media_type, documents[i].type)) {
            *ret_kind = documents[i].kind;
            *ret_constant = documents[i].type;
            return 1;
        }
    }
    return 0;
}

int oci_layer_compression(const char *media_type, const char *path,
                          enum oci_compression *ret_compression, struct vic_err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
        if (vic_str_eq(media_type, layers[i].type)) {
            *ret_compression = layers[i].compression;
            return 0;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
        if (vic_str_starts_with(media_type, foreign[i]))
            return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                            "%s.mediaType: a layer that may not be distributed ('%s') cannot be "
                            "fetched from a registry",
                            path, media_type);
    }
    return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0, "%s.mediaType: no layer type known here: '%s'",
                    path, media_type);
}

int oci_check_config_type(const char *media_type, struct vic_err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
        if (vic_str_eq(media_type, configs[i]))
            return 0;
    }
    return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                    "config.mediaType: '%s' is not a container image", media_type);
}

int oci_descriptor_parse(const cJSON *desc, const char *path, struct oci_descriptor *ret_desc,
                         struct vic_err *err)
{
    if (!cJSON_IsObject(desc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected an object", path);
    const char *media_type = NULL;
    const char *digest = NULL;
    int64_t size = -1;
    int r = json_get_str(desc, path, "mediaType", &media_type, err);
    if (r == 0)
        r = json_need_str(desc, path, "digest", &digest, err);
    if (r == 0)
        r = json_get_i64(desc, path, "size", 0, OCI_BLOB_MAX, &size, err);
    if (r < 0)
        return r;
    if (size < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.size: missing", path);
    if (!oci_digest_is_valid(digest))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.digest: expected 'sha256:' and 64 hex digits",
                        path);
    if (!vic_str_is_empty(media_type) && !is_media_type(media_type))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.mediaType: not a media type", path);
    struct oci_descriptor d = {.size = (uint64_t)size};
    memcpy(d.digest, digest, sizeof(d.digest));
    d.media_type = vic_xstrdup(media_type ? media_type : "");
    *ret_desc = d;
    return 0;
}

void oci_descriptor_release(struct oci_descriptor *d)
{
    free(d->media_type);
    d->media_type = NULL;
}
