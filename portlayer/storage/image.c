/* An image's documents, read from the content store and checked against each other. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/oci/oci.h"
#include "portlayer/storage/content.h"
#include "portlayer/storage/layer.h"
#include "portlayer/storage/store.h"

void pl_image_free(struct pl_image *image)
{
    if (!image)
        return;
    vic_strv_free(image->blobs);
    vic_strv_free(image->chains);
    cJSON_Delete(image->config);
    free(image);
}

void pl_image_docs_release(struct pl_image_docs *d)
{
    pl_image_free(d->image);
    free(d->row.media_type);
    vic_strv_free(d->diff_ids);
    free(d->blob_sizes);
    free(d->compressions);
    *d = (struct pl_image_docs){0};
}

/* NOT_FOUND also adds the digest to missing. */
static int read_document(const char *dir, const char *digest, char **ret_text, size_t *ret_len,
                         char ***missing, struct vic_err *err)
{
    struct vic_err e;
    int r = pl_content_read(dir, digest, OCI_DOCUMENT_MAX, ret_text, ret_len, &e);
    if (r < 0 && e.kind == VIC_ERR_NOT_FOUND)
        *missing = vic_strv_append(*missing, digest);
    if (r < 0 && err)
        *err = e;
    return r;
}

static int check_blobs(const char *dir, const struct oci_manifest *m, char ***missing,
                       struct vic_err *err)
{
    for (size_t i = 0; i < m->n_layers; i++) {
        const struct oci_descriptor *b = &m->layers[i].blob;
        uint64_t size;
        struct vic_err e;
        int r = pl_content_stat(dir, b->digest, &size, &e);
        if (r < 0 && e.kind == VIC_ERR_NOT_FOUND) {
            if (!vic_strv_contains(*missing, b->digest))
                *missing = vic_strv_append(*missing, b->digest);
        } else if (r < 0) {
            *err = e;
            return r;
        } else if (size != b->size) {
            return vic_fail(err, VIC_ERR_INVALID, 0,
                            "layers[%zu].size: the manifest says %llu, the blob has %llu bytes", i,
                            (unsigned long long)b->size, (unsigned long long)size);
        }
    }
    return *missing ? vic_fail(err, VIC_ERR_NOT_FOUND, 0, "no such content '%s'", (*missing)[0])
                    : 0;
}

static void fill_layers(struct pl_image_docs *d, const struct oci_manifest *m,
                        const struct oci_config *c)
{
    d->n_layers = m->n_layers;
    d->blob_sizes = vic_xalloc(m->n_layers * sizeof(*d->blob_sizes));
    d->compressions = vic_xalloc(m->n_layers * sizeof(*d->compressions));
    d->diff_ids = vic_strv_dup(c->diff_ids);
    char chain[HOST_DIGEST_MAX] = "";
    for (size_t i = 0; i < m->n_layers; i++) {
        d->blob_sizes[i] = m->layers[i].blob.size;
        d->compressions[i] = (int)m->layers[i].compression;
        d->image->blobs = vic_strv_append(d->image->blobs, m->layers[i].blob.digest);
        char parent[HOST_DIGEST_MAX];
        memcpy(parent, chain, sizeof(parent));
        pl_chain_id(*parent ? parent : NULL, c->diff_ids[i], chain);
        d->image->chains = vic_strv_append(d->image->chains, chain);
    }
}

static int read_config(const char *dir, const struct oci_manifest *m, struct pl_image_docs *d,
                       char ***missing, struct vic_err *err)
{
    auto_free char *text = NULL;
    size_t len;
    struct oci_config c = {0};
    int r = read_document(dir, m->config.digest, &text, &len, missing, err);
    if (r < 0)
        return r;
    r = oci_config_parse(text, len, &c, err);
    if (r < 0)
        return r;
    r = oci_check_pair(m, &c, err);
    if (r == 0) {
        fill_layers(d, m, &c);
        (void)vic_clock_parse_rfc3339(json_str(c.doc, "created", ""), &d->image->created_ns);
        d->image->config = TAKE_PTR(c.doc);
    }
    oci_config_release(&c);
    return r;
}

static int read_rest(const char *dir, const struct oci_manifest *m, struct pl_image_docs *d,
                     char ***missing, struct vic_err *err)
{
    memcpy(d->image->id, m->config.digest, sizeof(m->config.digest));
    memcpy(d->row.image, m->config.digest, sizeof(m->config.digest));
    int r = read_config(dir, m, d, missing, err);
    if (r < 0 && !*missing)
        return r;
    return check_blobs(dir, m, missing, err);
}

int pl_image_read(const char *content_dir, const char *manifest, const char *media_type,
                  struct pl_image_docs *ret_docs, char ***ret_missing, struct vic_err *err)
{
    auto_free char *text = NULL;
    size_t len;
    char **missing = NULL;
    struct oci_manifest m = {0};
    struct pl_image_docs d = {.image = vic_new(struct pl_image)};
    int r = read_document(content_dir, manifest, &text, &len, &missing, err);
    if (r == 0)
        r = oci_manifest_parse(text, len, media_type, &m, err);
    if (r == 0) {
        memcpy(d.row.manifest, manifest, strlen(manifest) + 1);
        d.row.media_type = vic_xstrdup(m.media_type);
        d.row.size = len;
        r = read_rest(content_dir, &m, &d, &missing, err);
    }
    oci_manifest_release(&m);
    if (r < 0) {
        pl_image_docs_release(&d);
        *ret_missing = missing;
        return r;
    }
    *ret_docs = d;
    return 0;
}
