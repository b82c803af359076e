/* index.json <-> rows, and the few ways rows change. */
#include "portlayer/storage/index.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/oci/oci.h"

#define REF_ANNOTATION "org.opencontainers.image.ref.name"

static void release_row(struct pl_index_row *row)
{
    free(row->ref);
    free(row->media_type);
}

static struct pl_index_row dup_row(const struct pl_index_row *row)
{
    struct pl_index_row copy = *row;
    copy.ref = vic_xstrdup_or_null(row->ref);
    copy.media_type = vic_xstrdup(row->media_type);
    return copy;
}

/* Room doubles whenever the count has reached a power of two. */
static void append(struct pl_index *x, struct pl_index_row row)
{
    if ((x->n & (x->n - 1)) == 0)
        x->rows = vic_xrealloc_array(x->rows, x->n ? 2 * x->n : 1, sizeof(*x->rows));
    x->rows[x->n++] = row;
}

static void remove_at(struct pl_index *x, size_t i)
{
    release_row(&x->rows[i]);
    memmove(&x->rows[i], &x->rows[i + 1], (x->n - i - 1) * sizeof(*x->rows));
    x->n--;
}

int pl_ref_check(const char *ref, struct vic_err *err)
{
    size_t n = strlen(ref);
    bool ok = n > 0 && n <= PL_REF_MAX;
    for (size_t i = 0; ok && i < n; i++)
        ok = ref[i] > ' ' && ref[i] < 0x7f;
    return ok ? 0
              : vic_fail(err, VIC_ERR_INVALID, 0, "ref: expected 1 to %d printable characters",
                         PL_REF_MAX);
}

static int parse_row(const cJSON *v, const char *path, struct pl_index_row *ret_row,
                     struct vic_err *err)
{
    const char *digest = NULL;
    const char *type = NULL;
    const cJSON *annotations = NULL;
    const char *ref = NULL;
    int64_t size = -1;
    if (!cJSON_IsObject(v))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected an object", path);
    int r = json_need_str(v, path, "digest", &digest, err);
    if (r == 0)
        r = json_need_str(v, path, "mediaType", &type, err);
    if (r == 0)
        r = json_get_i64(v, path, "size", 0, OCI_DOCUMENT_MAX, &size, err);
    if (r == 0)
        r = json_get_obj(v, path, "annotations", &annotations, err);
    if (r == 0)
        r = json_get_str(annotations, path, REF_ANNOTATION, &ref, err);
    if (r == 0 && ref && (r = pl_ref_check(ref, err)) < 0)
        return vic_fail_wrap(err, r, "%s", path);
    if (r < 0)
        return r;
    if (!oci_digest_is_valid(digest) || size < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: digest or size is wrong", path);
    struct pl_index_row row = {
        .ref = vic_xstrdup_or_null(ref), .media_type = vic_xstrdup(type), .size = (uint64_t)size};
    memcpy(row.manifest, digest, strlen(digest) + 1);
    *ret_row = row;
    return 0;
}

static int parse_rows(const cJSON *arr, struct pl_index *x, struct vic_map *refs,
                      struct vic_err *err)
{
    if (cJSON_GetArraySize(arr) > PL_INDEX_ROWS_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "manifests: more than %d", PL_INDEX_ROWS_MAX);
    const cJSON *v;
    cJSON_ArrayForEach(v, arr)
    {
        char path[64];
        struct pl_index_row row = {0};
        (void)snprintf(path, sizeof(path), "manifests[%zu]", x->n);
        int r = parse_row(v, path, &row, err);
        if (r < 0)
            return r;
        append(x, row);
        if (row.ref && vic_map_put(refs, row.ref, refs))
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s: ref '%s' stands there twice", path,
                            row.ref);
    }
    return 0;
}

int pl_index_parse(const char *text, size_t len, struct pl_index *ret_index, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    const cJSON *arr = NULL;
    int r = json_parse(text, len, &doc, err);
    if (r == 0 && !cJSON_IsObject(doc))
        r = vic_fail(err, VIC_ERR_INVALID, 0, "expected an object");
    if (r == 0)
        r = json_get_arr(doc, "", "manifests", &arr, err);
    if (r == 0 && !arr)
        r = vic_fail(err, VIC_ERR_INVALID, 0, "manifests: missing");
    if (r < 0)
        return r;
    struct pl_index x = {0};
    struct vic_map refs = {0}; /* seen; values are the map itself */
    r = parse_rows(arr, &x, &refs, err);
    vic_map_release(&refs);
    if (r < 0)
        pl_index_release(&x);
    else
        *ret_index = x;
    return r;
}

static int too_large(struct vic_err *err)
{
    return vic_fail(err, VIC_ERR_CONFLICT, 0,
                    "too many image names: at most %d, in %u bytes; remove some", PL_INDEX_ROWS_MAX,
                    PL_INDEX_MAX);
}

int pl_index_print(const struct pl_index *x, char **ret_text, struct vic_err *err)
{
    if (x->n > PL_INDEX_ROWS_MAX)
        return too_large(err);
    auto_json cJSON *doc = json_new_obj();
    json_add_i64(doc, "schemaVersion", 2);
    json_add_str(doc, "mediaType", OCI_TYPE_INDEX);
    cJSON *arr = json_add_arr(doc, "manifests");
    for (size_t i = 0; i < x->n; i++) {
        const struct pl_index_row *row = &x->rows[i];
        cJSON *v = json_new_obj();
        json_add_str(v, "mediaType", row->media_type);
        json_add_str(v, "digest", row->manifest);
        json_add_i64(v, "size", (int64_t)row->size);
        if (row->ref)
            json_add_str(json_add_obj(v, "annotations"), REF_ANNOTATION, row->ref);
        json_push(arr, v);
    }
    auto_free char *text = json_print(doc);
    if (strlen(text) > PL_INDEX_MAX)
        return too_large(err);
    *ret_text = TAKE_PTR(text);
    return 0;
}

void pl_index_dup(const struct pl_index *x, struct pl_index *ret_index)
{
    *ret_index = (struct pl_index){0};
    for (size_t i = 0; i < x->n; i++)
        append(ret_index, dup_row(&x->rows[i]));
}

void pl_index_release(struct pl_index *x)
{
    for (size_t i = 0; i < x->n; i++)
        release_row(&x->rows[i]);
    free(x->rows);
    *x = (struct pl_index){0};
}

const struct pl_index_row *pl_index_find_ref(const struct pl_index *x, const char *ref)
{
    for (size_t i = 0; i < x->n; i++) {
        if (x->rows[i].ref && strcmp(x->rows[i].ref, ref) == 0)
            return &x->rows[i];
    }
    return NULL;
}

const struct pl_index_row *pl_index_find_image(const struct pl_index *x, const char *image)
{
    for (size_t i = 0; i < x->n; i++) {
        if (strcmp(x->rows[i].image, image) == 0)
            return &x->rows[i];
    }
    return NULL;
}

void pl_index_put_image(struct pl_index *x, const struct pl_index_row *row)
{
    bool is_there = false;
    for (size_t i = 0; i < x->n; i++) {
        struct pl_index_row *old = &x->rows[i];
        if (strcmp(old->image, row->image) != 0)
            continue;
        is_there = true;
        memcpy(old->manifest, row->manifest, sizeof(old->manifest));
        free(old->media_type);
        old->media_type = vic_xstrdup(row->media_type);
        old->size = row->size;
    }
    if (is_there)
        return;
    struct pl_index_row added = *row;
    added.ref = NULL;
    append(x, dup_row(&added));
}

static struct pl_index_row *find_bare(struct pl_index *x, const char *image)
{
    for (size_t i = 0; i < x->n; i++) {
        if (!x->rows[i].ref && strcmp(x->rows[i].image, image) == 0)
            return &x->rows[i];
    }
    return NULL;
}

void pl_index_set_ref(struct pl_index *x, const char *ref, const char *image)
{
    if (!pl_index_find_image(x, image))
        return;
    pl_index_remove_ref(x, ref);
    struct pl_index_row *bare = find_bare(x, image);
    if (bare) {
        bare->ref = vic_xstrdup(ref);
        return;
    }
    struct pl_index_row row = *pl_index_find_image(x, image);
    auto_free char *copy = vic_xstrdup(ref);
    row.ref = copy;
    append(x, dup_row(&row));
}

void pl_index_remove_ref(struct pl_index *x, const char *ref)
{
    const struct pl_index_row *row = pl_index_find_ref(x, ref);
    if (!row)
        return;
    size_t at = (size_t)(row - x->rows);
    size_t of_image = 0;
    for (size_t i = 0; i < x->n; i++)
        of_image += strcmp(x->rows[i].image, row->image) == 0;
    if (of_image > 1) {
        remove_at(x, at);
        return;
    }
    free(x->rows[at].ref);
    x->rows[at].ref = NULL;
}

void pl_index_remove_image(struct pl_index *x, const char *image)
{
    for (size_t i = x->n; i-- > 0;) {
        if (strcmp(x->rows[i].image, image) == 0)
            remove_at(x, i);
    }
}

void pl_index_drop_unknown(struct pl_index *x)
{
    pl_index_remove_image(x, "");
}

char **pl_index_refs(const struct pl_index *x, const char *image)
{
    char **refs = NULL;
    for (size_t i = 0; i < x->n; i++) {
        if (x->rows[i].ref && strcmp(x->rows[i].image, image) == 0)
            refs = vic_strv_append(refs, x->rows[i].ref);
    }
    return refs;
}
