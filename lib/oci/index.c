/* Indexes (manifest lists) and the choice of a platform's manifest. */
#include <limits.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/oci/media.h"

#define RANK_NONE INT_MAX
#define RANK_NO_PLATFORM (INT_MAX - 1) /* fits anything, after all that fit by name */

static void release_entry(struct oci_entry *e)
{
    oci_descriptor_release(&e->manifest);
    oci_platform_release(&e->platform);
}

/* 1: *ret_entry is set; 0: nothing a VM could run. */
static int parse_entry(const cJSON *v, const char *path, struct oci_entry *ret_entry,
                       struct vic_err *err)
{
    struct oci_entry e = {0};
    const char *constant;
    const cJSON *platform = NULL;
    char at[80];
    (void)snprintf(at, sizeof(at), "%s.platform", path);
    int r = oci_descriptor_parse(v, path, &e.manifest, err);
    if (r == 0 && vic_str_is_empty(e.manifest.media_type))
        r = vic_fail(err, VIC_ERR_INVALID, 0, "%s.mediaType: missing", path);
    if (r == 0)
        r = json_get_obj(v, path, "platform", &platform, err);
    if (r == 0)
        r = oci_platform_read(platform, at, &e.platform, err);
    if (r < 0) {
        release_entry(&e);
        return r;
    }
    if (!oci_document_type(e.manifest.media_type, &e.kind, &constant) ||
        vic_str_eq(e.platform.os, "unknown")) {
        release_entry(&e);
        return 0;
    }
    *ret_entry = e;
    return 1;
}

static int fill_index(const cJSON *doc, struct oci_index *x, struct vic_err *err)
{
    const cJSON *arr = NULL;
    int r = json_get_arr(doc, "", "manifests", &arr, err);
    if (r < 0)
        return r;
    int n = cJSON_GetArraySize(arr);
    if (n > OCI_ENTRIES_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "manifests: more than %d", OCI_ENTRIES_MAX);
    x->entries = vic_xalloc(((size_t)n + 1) * sizeof(*x->entries));
    int i = 0;
    const cJSON *v;
    cJSON_ArrayForEach(v, arr)
    {
        char path[64];
        (void)snprintf(path, sizeof(path), "manifests[%d]", i++);
        r = parse_entry(v, path, &x->entries[x->n_entries], err);
        if (r < 0)
            return r;
        x->n_entries += (size_t)r;
    }
    return 0;
}

int oci_index_parse(const char *text, size_t len, const char *media_type,
                    struct oci_index *ret_index, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    const char *type;
    int r = oci_document_parse(text, len, media_type, OCI_INDEX, &doc, &type, err);
    if (r < 0)
        return r;
    struct oci_index x = {.media_type = vic_xstrdup(type)};
    r = fill_index(doc, &x, err);
    if (r < 0)
        oci_index_release(&x);
    else
        *ret_index = x;
    return r;
}

void oci_index_release(struct oci_index *x)
{
    free(x->media_type);
    for (size_t i = 0; i < x->n_entries; i++)
        release_entry(&x->entries[i]);
    free(x->entries);
    *x = (struct oci_index){0};
}

/* "v7" -> 7; no variant means the architecture's usual one; 0 if it is not of that form. */
static int variant_number(const struct oci_platform *p)
{
    if (vic_str_is_empty(p->variant))
        return vic_str_eq(p->architecture, "arm64") ? 8
               : vic_str_eq(p->architecture, "arm") ? 7
                                                    : 1;
    const char *v = p->variant;
    return v[0] == 'v' && v[1] >= '1' && v[1] <= '9' && v[2] == '\0' ? v[1] - '0' : 0;
}

/* 0 is a perfect fit; an older variant runs too, the nearer the better. */
static int rank(const struct oci_platform *have, const struct oci_platform *want)
{
    if (vic_str_is_empty(have->os) && vic_str_is_empty(have->architecture))
        return RANK_NO_PLATFORM;
    if (!vic_str_eq(have->os, want->os) || !vic_str_eq(have->architecture, want->architecture))
        return RANK_NONE;
    if (vic_str_eq(have->variant, want->variant))
        return 0;
    int h = variant_number(have);
    int w = variant_number(want);
    return h == 0 || w == 0 || h > w ? RANK_NONE : w - h;
}

int oci_index_select(const struct oci_index *x, const struct oci_platform *want,
                     const struct oci_entry **ret_entry, struct vic_err *err)
{
    const struct oci_entry *best = NULL;
    int best_rank = RANK_NONE;
    for (size_t i = 0; i < x->n_entries; i++) {
        int r = rank(&x->entries[i].platform, want);
        if (r < best_rank) {
            best_rank = r;
            best = &x->entries[i];
        }
    }
    if (!best) {
        auto_free char *text = oci_platform_to_string(want);
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0,
                        "no matching manifest for %s in the manifest list entries", text);
    }
    *ret_entry = best;
    return 0;
}
