/* lib/oci: what is accepted, what is refused, and that each refusal names its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/oci/oci.h"

#define D "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CONFIG                                                                                     \
    "{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" D "\",\"size\":10}"
#define LAYER(type) "{\"mediaType\":\"" type "\",\"digest\":\"" D "\",\"size\":5}"
#define OCI_LAYER LAYER("application/vnd.oci.image.layer.v1.tar+gzip")
#define MANIFEST(config, layers)                                                                   \
    "{\"schemaVersion\":2,\"config\":" config ",\"layers\":[" layers "]}"
#define ENTRY(os, arch, variant)                                                                   \
    "{\"mediaType\":\"" OCI_TYPE_MANIFEST "\",\"digest\":\"" D                                     \
    "\",\"size\":1,\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch                       \
    "\",\"variant\":\"" variant "\"}}"
#define INDEX(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"

static void test_manifest_is_read(void **state)
{
    (void)state;
    static const char text[] = MANIFEST(
        CONFIG, OCI_LAYER "," LAYER("application/vnd.docker.image.rootfs.diff.tar.gzip") "," LAYER(
                    "application/vnd.oci.image.layer.v1.tar+zstd"));
    struct oci_manifest m;
    struct vic_err err;
    assert_int_equal(oci_manifest_parse(text, strlen(text), "", &m, &err), 0);
    assert_string_equal(m.media_type, OCI_TYPE_MANIFEST);
    assert_int_equal(m.n_layers, 3);
    assert_int_equal(m.layers[1].compression, OCI_TAR_GZIP);
    assert_int_equal(m.layers[2].compression, OCI_TAR_ZSTD);
    assert_int_equal(m.layers[0].blob.size, 5);
    assert_string_equal(m.config.digest, D);
    oci_manifest_release(&m);
    static const char served[] = OCI_TYPE_DOCKER_MANIFEST "; charset=utf-8";
    assert_int_equal(oci_manifest_parse(text, strlen(text), served, &m, &err), 0);
    assert_string_equal(m.media_type, OCI_TYPE_DOCKER_MANIFEST);
    oci_manifest_release(&m);
}

static const struct {
    const char *text;
    const char *served_as;
    enum vic_err_kind kind;
    const char *says;
} refused[] = {
    {"", NULL, VIC_ERR_INVALID, "malformed"},
    {"[]", NULL, VIC_ERR_INVALID, "expected an object"},
    {"{}", NULL, VIC_ERR_INVALID, "layers: missing"},
    {"{\"schemaVersion\":1}", NULL, VIC_ERR_UNIMPLEMENTED, "schema 1"},
    {"{\"schemaVersion\":3,\"layers\":[]}", NULL, VIC_ERR_INVALID, "schemaVersion"},
    {MANIFEST(CONFIG, OCI_LAYER), "application/vnd.docker.distribution.manifest.v1+prettyjws",
     VIC_ERR_UNIMPLEMENTED, "schema 1"},
    {MANIFEST(CONFIG, OCI_LAYER), "application/x-thing", VIC_ERR_UNIMPLEMENTED,
     "application/x-thing"},
    {MANIFEST(CONFIG, OCI_LAYER), OCI_TYPE_INDEX, VIC_ERR_INVALID, "manifests: missing"},
    {MANIFEST(CONFIG, ""), NULL, VIC_ERR_INVALID, "layers: expected 1 to"},
    {MANIFEST("{}", OCI_LAYER), NULL, VIC_ERR_INVALID, "config.digest"},
    {MANIFEST("7", OCI_LAYER), NULL, VIC_ERR_INVALID, "config: expected an object"},
    {MANIFEST(CONFIG, "{\"digest\":\"sha256:AB\",\"size\":1}"), NULL, VIC_ERR_INVALID,
     "layers[0].digest"},
    {MANIFEST(CONFIG, OCI_LAYER ",{\"digest\":\"" D "\"}"), NULL, VIC_ERR_INVALID,
     "layers[1].size: missing"},
    {MANIFEST(CONFIG, "{\"digest\":\"" D "\",\"size\":-1}"), NULL, VIC_ERR_INVALID,
     "layers[0].size"},
    {MANIFEST(CONFIG, "{\"digest\":\"" D "\",\"size\":1e30}"), NULL, VIC_ERR_INVALID,
     "layers[0].size"},
    {MANIFEST(CONFIG, "{\"digest\":\"" D "\",\"size\":1.5}"), NULL, VIC_ERR_INVALID,
     "layers[0].size"},
    {MANIFEST(CONFIG, "{\"mediaType\":\"a\\u001b[2J\",\"digest\":\"" D "\",\"size\":1}"), NULL,
     VIC_ERR_INVALID, "layers[0].mediaType: not a media type"},
    {MANIFEST(CONFIG, LAYER("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")), NULL,
     VIC_ERR_UNIMPLEMENTED, "may not be distributed"},
    {MANIFEST(CONFIG, LAYER("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd")), NULL,
     VIC_ERR_UNIMPLEMENTED, "may not be distributed"},
    {MANIFEST(CONFIG, LAYER("application/vnd.oci.image.layer.v1.tar+encrypted")), NULL,
     VIC_ERR_UNIMPLEMENTED, "layers[0].mediaType"},
    {MANIFEST("{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\",\"digest\":\"" D
              "\",\"size\":1}",
              OCI_LAYER),
     NULL, VIC_ERR_UNIMPLEMENTED, "helm"},
    {MANIFEST("{\"digest\":\"" D "\",\"size\":5000000}", OCI_LAYER), NULL, VIC_ERR_INVALID,
     "config.size"},
    {"{\"schemaVersion\":2,\"manifests\":[],\"layers\":[],\"config\":{}}", NULL, VIC_ERR_INVALID,
     "at once"},
    {"{\"schemaVersion\":2,\"mediaType\":\"" OCI_TYPE_DOCKER_MANIFEST "\",\"layers\":[]}",
     OCI_TYPE_MANIFEST, VIC_ERR_INVALID, "served as"},
    {INDEX(""), NULL, VIC_ERR_INVALID, "expected an image manifest"},
};

static void test_bad_manifests_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct oci_manifest m;
        struct vic_err err = {0};
        int r = oci_manifest_parse(refused[i].text, strlen(refused[i].text), refused[i].served_as,
                                   &m, &err);
        if (r >= 0 || err.kind != refused[i].kind || !strstr(err.message, refused[i].says))
            fail_msg("case %zu: %d %s '%s'", i, r, vic_err_kind_to_string(err.kind), err.message);
    }
}

static void test_caps_hold_at_their_edge(void **state)
{
    (void)state;
    for (int n = OCI_LAYERS_MAX; n <= OCI_LAYERS_MAX + 1; n++) {
        auto_buf struct vic_buf b = {0};
        vic_buf_add_str(&b, "{\"config\":" CONFIG ",\"layers\":[");
        for (int i = 0; i < n; i++)
            vic_buf_addf(&b, "%s%s", i ? "," : "", OCI_LAYER);
        vic_buf_add_str(&b, "]}");
        struct oci_manifest m;
        int r = oci_manifest_parse(b.data, b.len, NULL, &m, NULL);
        assert_int_equal(r == 0, n == OCI_LAYERS_MAX);
        if (r == 0)
            oci_manifest_release(&m);
    }
    auto_free char *blanks = vic_xalloc(OCI_DOCUMENT_MAX + 2);
    memset(blanks, ' ', OCI_DOCUMENT_MAX + 1);
    struct oci_manifest m;
    struct vic_err err;
    assert_true(oci_manifest_parse(blanks, OCI_DOCUMENT_MAX + 1, NULL, &m, &err) < 0);
    assert_non_null(strstr(err.message, "larger than"));
}

static void select_is(const char *index, const char *want, const char *variant)
{
    struct oci_index x;
    struct oci_platform p;
    struct vic_err err;
    const struct oci_entry *e = NULL;
    assert_int_equal(oci_index_parse(index, strlen(index), NULL, &x, &err), 0);
    assert_int_equal(oci_platform_parse(want, &p, &err), 0);
    int r = oci_index_select(&x, &p, &e, &err);
    if (variant) {
        assert_int_equal(r, 0);
        assert_string_equal(e->platform.variant, variant);
    } else {
        assert_true(r < 0);
        assert_int_equal(err.kind, VIC_ERR_NOT_FOUND);
        assert_non_null(strstr(err.message, "no matching manifest for"));
    }
    oci_platform_release(&p);
    oci_index_release(&x);
}

static void test_platform_choice(void **state)
{
    (void)state;
    static const char arms[] = INDEX(ENTRY("linux", "arm", "v5") "," ENTRY(
        "linux", "arm", "v7") "," ENTRY("linux", "arm64", "v8") "," ENTRY("linux", "amd64", "v3"));
    select_is(arms, "linux/arm", "v7");
    select_is(arms, "linux/arm/v7", "v7");
    select_is(arms, "linux/arm/v6", "v5");
    select_is(arms, "linux/aarch64", "");
    select_is(arms, "linux/amd64", NULL); /* needs v3 */
    select_is(arms, "linux/amd64/v4", "v3");
    select_is(arms, "windows/amd64", NULL);
    static const char attested[] = INDEX(ENTRY("unknown", "unknown", ""));
    select_is(attested, "linux/amd64", NULL);
    static const char artifact[] =
        INDEX("{\"mediaType\":\"application/vnd.x\",\"digest\":\"" D "\",\"size\":1}");
    select_is(artifact, "linux/amd64", NULL);
    static const char unnamed[] =
        INDEX("{\"mediaType\":\"" OCI_TYPE_MANIFEST "\",\"digest\":\"" D "\",\"size\":1}");
    select_is(unnamed, "linux/amd64", "");
}

static void test_platform_text(void **state)
{
    (void)state;
    struct oci_platform p;
    struct vic_err err;
    assert_int_equal(oci_platform_parse("linux/arm64/v8", &p, &err), 0);
    auto_free char *text = oci_platform_to_string(&p);
    assert_string_equal(text, "linux/arm64");
    oci_platform_release(&p);
    static const char *const bad[] = {"", "linux", "linux/", "/amd64", "a/b/c/d", "linux/\x1b"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(oci_platform_parse(bad[i], &p, &err) < 0);
    oci_platform_host(&p);
    assert_string_equal(p.os, "linux");
    oci_platform_release(&p);
}

static const struct {
    const char *text;
    const char *says; /* NULL: accepted */
} configs[] = {
    {"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":"
     "[\"" D "\"]}}",
     NULL},
    {"{\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"" D "\"]}}", "architecture"},
    {"{\"os\":\"linux\",\"architecture\":\"amd64\"}", "rootfs: missing"},
    {"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[]}}", "diff_ids"},
    {"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[\"x\"]}}",
     "rootfs.diff_ids[0]"},
    {"{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":[],\"rootfs\":{}}",
     "config: expected an object"},
    {"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"tree\",\"diff_ids\":[]}}",
     "rootfs.type"},
    {"null", "expected an object"},
};

static void test_configurations(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
        struct oci_config c;
        struct vic_err err = {0};
        int r = oci_config_parse(configs[i].text, strlen(configs[i].text), &c, &err);
        if (!configs[i].says) {
            assert_int_equal(r, 0);
            assert_int_equal(c.n_diff_ids, 1);
            struct oci_manifest m = {.n_layers = 2};
            assert_true(oci_check_pair(&m, &c, &err) < 0);
            oci_config_release(&c);
        } else if (r >= 0 || err.kind != VIC_ERR_INVALID || !strstr(err.message, configs[i].says)) {
            fail_msg("case %zu: %d '%s'", i, r, err.message);
        }
    }
}

static void test_members_of_a_configuration_have_their_types(void **state)
{
    (void)state;
    static const struct {
        const char *member;
        const char *good;
        const char *bad;
        const char *says;
    } rows[] = {
        {"Labels", "{\"a\":\"b\"}", "{\"a\":1}", "config.Labels.a: expected a string"},
        {"Labels", "null", "[\"a\"]", "config.Labels: expected an object"},
        {"Env", "[\"A=1\"]", "[1]", "config.Env: expected an array of strings"},
        {"Env", "null", "{\"A\":\"1\"}", "config.Env: expected an array"},
        {"Cmd", "[\"sh\"]", "[[]]", "config.Cmd: expected an array of strings"},
        {"Entrypoint", "[]", "[null]", "config.Entrypoint: expected an array of strings"},
        {"User", "\"u\"", "0", "config.User: expected a string"},
        {"WorkingDir", "\"/\"", "[]", "config.WorkingDir: expected a string"},
        {"StopSignal", "\"TERM\"", "15", "config.StopSignal: expected a string"},
        {"ExposedPorts", "{\"1/tcp\":{}}", "[\"1/tcp\"]",
         "config.ExposedPorts: expected an object"},
        {"Volumes", "{\"/v\":{}}", "\"/v\"", "config.Volumes: expected an object"},
    };
    for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        bool is_bad = i % 2;
        auto_free char *text =
            vic_xasprintf("{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"%s\":%s},"
                          "\"rootfs\":{\"diff_ids\":[\"" D "\"]}}",
                          rows[i / 2].member, is_bad ? rows[i / 2].bad : rows[i / 2].good);
        struct oci_config c;
        struct vic_err err = {0};
        int r = oci_config_parse(text, strlen(text), &c, &err);
        if (r == 0)
            oci_config_release(&c);
        assert_int_equal(r < 0, is_bad);
        if (is_bad && (err.kind != VIC_ERR_INVALID || !strstr(err.message, rows[i / 2].says)))
            fail_msg("%s: %s", text, err.message);
    }
    auto_free char *late =
        vic_xasprintf("{\"os\":\"linux\",\"architecture\":\"amd64\","
                      "\"created\":\"%065d\",\"rootfs\":{\"diff_ids\":[\"" D "\"]}}",
                      1);
    struct oci_config c;
    struct vic_err err = {0};
    assert_true(oci_config_parse(late, strlen(late), &c, &err) < 0);
    assert_non_null(strstr(err.message, "created: longer"));
}

/* A configuration with that many values more, filled with blanks up to len bytes. */
static char *config_of(size_t n_values, size_t len)
{
    static const char head[] = "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{"
                               "\"diff_ids\":[\"" D "\"]},\"x\":[1";
    struct vic_buf b = {0};
    vic_buf_add_str(&b, head);
    for (size_t i = 1; i < n_values; i++)
        vic_buf_add_str(&b, ",1");
    vic_buf_add_str(&b, "]}");
    while (b.len < len)
        vic_buf_add_char(&b, ' ');
    return b.data;
}

static void test_large_configurations_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t n_values;
        size_t len;
        const char *says;
    } rows[] = {
        {19000, OCI_CONFIG_MAX, NULL},
        {1, OCI_CONFIG_MAX + 1, "larger than 262144 bytes"},
        {OCI_CONFIG_VALUES_MAX, 0, "more than 20000 values"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *text = config_of(rows[i].n_values, rows[i].len);
        size_t len = rows[i].len ? rows[i].len : strlen(text);
        struct oci_config c;
        struct vic_err err = {0};
        int r = oci_config_parse(text, len, &c, &err);
        if (r == 0)
            oci_config_release(&c);
        assert_int_equal(r == 0, !rows[i].says);
        if (rows[i].says)
            assert_non_null(strstr(err.message, rows[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest_is_read),
        cmocka_unit_test(test_bad_manifests_are_refused_by_name),
        cmocka_unit_test(test_caps_hold_at_their_edge),
        cmocka_unit_test(test_platform_choice),
        cmocka_unit_test(test_platform_text),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_members_of_a_configuration_have_their_types),
        cmocka_unit_test(test_large_configurations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
