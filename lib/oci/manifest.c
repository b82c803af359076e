/* Image manifests and image configurations. */
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/oci/media.h"

#define PATH_MAX_HERE 64 /* "rootfs.diff_ids[4294967295]" */
#define CREATED_MAX 64   /* an RFC 3339 time; lists of images hold it */

static int parse_layers(const cJSON *arr, struct oci_manifest *m, struct vic_err *err)
{
    int n = cJSON_GetArraySize(arr);
    if (n < 1 || n > OCI_LAYERS_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "layers: expected 1 to %d, found %d",
                        OCI_LAYERS_MAX, n);
    m->layers = vic_xalloc((size_t)n * sizeof(*m->layers));
    const cJSON *e;
    cJSON_ArrayForEach(e, arr)
    {
        char path[PATH_MAX_HERE];
        (void)snprintf(path, sizeof(path), "layers[%zu]", m->n_layers);
        struct oci_layer *l = &m->layers[m->n_layers];
        int r = oci_descriptor_parse(e, path, &l->blob, err);
        if (r < 0)
            return r;
        m->n_layers++;
        r = oci_layer_compression(l->blob.media_type, path, &l->compression, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int fill_manifest(const cJSON *doc, struct oci_manifest *m, struct vic_err *err)
{
    const cJSON *config = NULL;
    const cJSON *layers = NULL;
    int r = json_get_obj(doc, "", "config", &config, err);
    if (r == 0)
        r = json_get_arr(doc, "", "layers", &layers, err);
    if (r == 0)
        r = oci_descriptor_parse(config, "config", &m->config, err);
    if (r == 0)
        r = oci_check_config_type(m->config.media_type, err);
    if (r == 0 && m->config.size > OCI_CONFIG_MAX)
        r = vic_fail(err, VIC_ERR_INVALID, 0, "config.size: larger than %u bytes", OCI_CONFIG_MAX);
    return r < 0 ? r : parse_layers(layers, m, err);
}

int oci_manifest_parse(const char *text, size_t len, const char *media_type,
                       struct oci_manifest *ret_manifest, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    const char *type;
    int r = oci_document_parse(text, len, media_type, OCI_MANIFEST, &doc, &type, err);
    if (r < 0)
        return r;
    struct oci_manifest m = {.media_type = vic_xstrdup(type)};
    r = fill_manifest(doc, &m, err);
    if (r < 0)
        oci_manifest_release(&m);
    else
        *ret_manifest = m;
    return r;
}

void oci_manifest_release(struct oci_manifest *m)
{
    free(m->media_type);
    oci_descriptor_release(&m->config);
    for (size_t i = 0; i < m->n_layers; i++)
        oci_descriptor_release(&m->layers[i].blob);
    free(m->layers);
    *m = (struct oci_manifest){0};
}

static int parse_diff_ids(const cJSON *rootfs, struct oci_config *c, struct vic_err *err)
{
    const char *type = NULL;
    int r = json_get_str(rootfs, "rootfs", "type", &type, err);
    if (r == 0)
        r = json_get_strv(rootfs, "rootfs", "diff_ids", &c->diff_ids, err);
    if (r < 0)
        return r;
    if (type && !vic_str_eq(type, "layers"))
        return vic_fail(err, VIC_ERR_INVALID, 0, "rootfs.type: expected 'layers'");
    c->n_diff_ids = vic_strv_len(c->diff_ids);
    if (c->n_diff_ids < 1 || c->n_diff_ids > OCI_LAYERS_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "rootfs.diff_ids: expected 1 to %d, found %zu",
                        OCI_LAYERS_MAX, c->n_diff_ids);
    for (size_t i = 0; i < c->n_diff_ids; i++) {
        if (!oci_digest_is_valid(c->diff_ids[i]))
            return vic_fail(err, VIC_ERR_INVALID, 0,
                            "rootfs.diff_ids[%zu]: expected 'sha256:' and 64 hex digits", i);
    }
    return 0;
}

static int check_strings(const cJSON *config, const char *member, struct vic_err *err)
{
    auto_strv char **strings = NULL;
    return json_get_strv(config, "config", member, &strings, err);
}

static int check_string(const cJSON *config, const char *member, struct vic_err *err)
{
    const char *s = NULL;
    return json_get_str(config, "config", member, &s, err);
}

static int check_object(const cJSON *config, const char *member, struct vic_err *err)
{
    const cJSON *o = NULL;
    return json_get_obj(config, "config", member, &o, err);
}

static int check_labels(const cJSON *config, const char *member, struct vic_err *err)
{
    const cJSON *labels = NULL;
    int r = json_get_obj(config, "config", member, &labels, err);
    const cJSON *e;
    cJSON_ArrayForEach(e, labels)
    {
        if (!cJSON_IsString(e))
            return vic_fail(err, VIC_ERR_INVALID, 0, "config.%s.%.80s: expected a string", member,
                            e->string);
    }
    return r;
}

/* What a container takes over has the type that everybody expects. */
static int check_run_config(const cJSON *config, struct vic_err *err)
{
    static const struct {
        const char *member;
        int (*check)(const cJSON *config, const char *member, struct vic_err *err);
    } rows[] = {
        {"Labels", check_labels},      {"Env", check_strings},         {"Cmd", check_strings},
        {"Entrypoint", check_strings}, {"User", check_string},         {"WorkingDir", check_string},
        {"StopSignal", check_string},  {"ExposedPorts", check_object}, {"Volumes", check_object},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
        r = rows[i].check(config, rows[i].member, err);
    return r;
}

static int check_created(const cJSON *doc, struct vic_err *err)
{
    const char *created = NULL;
    int r = json_get_str(doc, "", "created", &created, err);
    if (r == 0 && created && strlen(created) > CREATED_MAX)
        r = vic_fail(err, VIC_ERR_INVALID, 0, "created: longer than %d bytes", CREATED_MAX);
    return r;
}

static int fill_config(struct oci_config *c, struct vic_err *err)
{
    const char *s = NULL;
    const cJSON *o = NULL;
    int r = json_need_str(c->doc, "", "os", &s, err);
    if (r == 0)
        r = json_need_str(c->doc, "", "architecture", &s, err);
    if (r == 0)
        r = oci_platform_read(c->doc, "", &c->platform, err);
    if (r == 0)
        r = check_created(c->doc, err);
    if (r == 0)
        r = json_get_obj(c->doc, "", "config", &o, err);
    if (r == 0)
        r = check_run_config(o, err);
    if (r == 0)
        r = json_get_obj(c->doc, "", "rootfs", &o, err);
    if (r < 0)
        return r;
    if (!o)
        return vic_fail(err, VIC_ERR_INVALID, 0, "rootfs: missing");
    return parse_diff_ids(o, c, err);
}

int oci_config_parse(const char *text, size_t len, struct oci_config *ret_config,
                     struct vic_err *err)
{
    if (len > OCI_CONFIG_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "image configuration: larger than %u bytes",
                        OCI_CONFIG_MAX);
    struct oci_config c = {0};
    int r = json_parse_capped(text, len, OCI_CONFIG_VALUES_MAX, &c.doc, err);
    if (r == 0 && !cJSON_IsObject(c.doc))
        r = vic_fail(err, VIC_ERR_INVALID, 0, "expected an object");
    if (r == 0)
        r = fill_config(&c, err);
    if (r < 0) {
        oci_config_release(&c);
        return vic_fail_wrap(err, r, "image configuration");
    }
    *ret_config = c;
    return 0;
}

void oci_config_release(struct oci_config *c)
{
    oci_platform_release(&c->platform);
    vic_strv_free(c->diff_ids);
    cJSON_Delete(c->doc);
    *c = (struct oci_config){0};
}

int oci_check_pair(const struct oci_manifest *m, const struct oci_config *c, struct vic_err *err)
{
    if (m->n_layers != c->n_diff_ids)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "rootfs.diff_ids: the configuration names %zu layers, the manifest %zu",
                        c->n_diff_ids, m->n_layers);
    return 0;
}
