/* Tells an index from a manifest, and refuses documents that claim to be both. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/oci/media.h"

static const char *const says_nothing[] = {
    "", "application/json", "application/octet-stream", "text/plain", "text/html",
};

#define SCHEMA1_PREFIX "application/vnd.docker.distribution.manifest.v1+"

static int refuse_schema1(struct vic_err *err)
{
    return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                    "docker image manifest schema 1 is not supported: push the image again with a "
                    "current client");
}

/* *ret stays NULL when the type says nothing. */
static int document_type(const char *media_type, const char *what, enum oci_kind *ret_kind,
                         const char **ret, struct vic_err *err)
{
    if (oci_document_type(media_type, ret_kind, ret))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(says_nothing); i++) {
        if (vic_str_eq(media_type, says_nothing[i]))
            return 0;
    }
    if (vic_str_starts_with(media_type, SCHEMA1_PREFIX))
        return refuse_schema1(err);
    return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0, "%s '%.200s' is not that of a container image",
                    what, media_type);
}

/* "type/subtype; charset=x" -> "type/subtype", the caller's. */
static char *without_parameters(const char *media_type)
{
    const char *s = media_type ? media_type : "";
    size_t n = strcspn(s, ";");
    while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    return vic_xstrndup(s, n);
}

static int check_members(const cJSON *doc, enum oci_kind kind, struct vic_err *err)
{
    bool has_entries = json_member(doc, "manifests");
    bool has_layers = json_member(doc, "layers") || json_member(doc, "config");
    if (has_entries && has_layers)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "manifest: is an index and an image manifest at once");
    if (kind == OCI_INDEX && !has_entries)
        return vic_fail(err, VIC_ERR_INVALID, 0, "manifests: missing");
    if (kind == OCI_MANIFEST && !has_layers)
        return vic_fail(err, VIC_ERR_INVALID, 0, "layers: missing");
    return 0;
}

int oci_detect_doc(const cJSON *doc, const char *media_type, enum oci_kind *ret_kind,
                   const char **ret_media_type, struct vic_err *err)
{
    if (!cJSON_IsObject(doc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "manifest: expected an object");
    int64_t version = 2;
    const char *own = NULL;
    int r = json_get_i64(doc, "", "schemaVersion", 0, INT32_MAX, &version, err);
    if (r == 0)
        r = json_get_str(doc, "", "mediaType", &own, err);
    if (r < 0)
        return r;
    if (version == 1)
        return refuse_schema1(err);
    if (version != 2)
        return vic_fail(err, VIC_ERR_INVALID, 0, "schemaVersion: expected 2");
    auto_free char *given = without_parameters(media_type);
    const char *outer = NULL;
    const char *inner = NULL;
    enum oci_kind kind = json_member(doc, "manifests") ? OCI_INDEX : OCI_MANIFEST;
    r = document_type(given, "media type", &kind, &outer, err);
    if (r == 0)
        r = document_type(own ? own : "", "mediaType", &kind, &inner, err);
    if (r < 0)
        return r;
    if (outer && inner && !vic_str_eq(outer, inner))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "mediaType: says '%s' in a document served as '%s'", inner, outer);
    r = check_members(doc, kind, err);
    if (r < 0)
        return r;
    const char *implied = kind == OCI_INDEX ? OCI_TYPE_INDEX : OCI_TYPE_MANIFEST;
    *ret_kind = kind;
    *ret_media_type = outer ? outer : inner ? inner : implied;
    return 0;
}

static int parse_capped(const char *text, size_t len, cJSON **ret_doc, struct vic_err *err)
{
    if (len > OCI_DOCUMENT_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "manifest: larger than %u bytes",
                        OCI_DOCUMENT_MAX);
    int r = json_parse(text, len, ret_doc, err);
    return r < 0 ? vic_fail_wrap(err, r, "manifest") : 0;
}

int oci_detect(const char *text, size_t len, const char *media_type, enum oci_kind *ret_kind,
               const char **ret_media_type, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    int r = parse_capped(text, len, &doc, err);
    return r < 0 ? r : oci_detect_doc(doc, media_type, ret_kind, ret_media_type, err);
}

int oci_document_parse(const char *text, size_t len, const char *media_type, enum oci_kind kind,
                       cJSON **ret_doc, const char **ret_media_type, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    enum oci_kind found = kind;
    const char *type = NULL;
    int r = parse_capped(text, len, &doc, err);
    if (r == 0)
        r = oci_detect_doc(doc, media_type, &found, &type, err);
    if (r < 0)
        return r;
    if (found != kind)
        return vic_fail(err, VIC_ERR_INVALID, 0, "manifest: expected %s, not '%s'",
                        kind == OCI_INDEX ? "an index" : "an image manifest", type);
    *ret_media_type = type;
    *ret_doc = TAKE_PTR(doc);
    return 0;
}
