/* The image index: round trip, refs, and index files that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/oci/oci.h"
#include "portlayer/storage/index.h"

#define HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define M1 "sha256:" HEX "1"
#define M2 "sha256:" HEX "2"
#define A "sha256:" HEX "a"
#define B "sha256:" HEX "b"

static void put(struct pl_index *x, const char *image, const char *manifest)
{
    char type[] = OCI_TYPE_MANIFEST;
    struct pl_index_row row = {.media_type = type, .size = 5};
    (void)snprintf(row.image, sizeof(row.image), "%s", image);
    (void)snprintf(row.manifest, sizeof(row.manifest), "%s", manifest);
    pl_index_put_image(x, &row);
}

static void refs_are(const struct pl_index *x, const char *image, const char *want)
{
    char text[256] = "";
    auto_strv char **refs = pl_index_refs(x, image);
    for (char *const *r = refs; r && *r; r++) {
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof(text) - n, "%s ", *r);
    }
    assert_string_equal(text, want);
}

static void test_refs_move_and_images_stay(void **state)
{
    (void)state;
    struct pl_index x = {0};
    put(&x, A, M1);
    put(&x, B, M2);
    assert_int_equal(x.n, 2);
    pl_index_set_ref(&x, "x:1", A);
    pl_index_set_ref(&x, "x:2", A);
    refs_are(&x, A, "x:1 x:2 ");
    assert_int_equal(x.n, 3);
    pl_index_set_ref(&x, "x:1", B);
    refs_are(&x, A, "x:2 ");
    refs_are(&x, B, "x:1 ");
    pl_index_set_ref(&x, "x:1", B);
    refs_are(&x, B, "x:1 ");
    pl_index_set_ref(&x, "x:1", "sha256:" HEX "c"); /* no such image: the ref stays */
    refs_are(&x, B, "x:1 ");
    pl_index_remove_ref(&x, "x:2");
    pl_index_remove_ref(&x, "x:2");
    refs_are(&x, A, "");
    assert_non_null(pl_index_find_image(&x, A));
    put(&x, A, M2);
    assert_string_equal(pl_index_find_image(&x, A)->manifest, M2);
    pl_index_remove_image(&x, A);
    assert_null(pl_index_find_image(&x, A));
    assert_int_equal(x.n, 1);
    pl_index_release(&x);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct pl_index x = {0};
    struct pl_index y;
    struct pl_index z;
    put(&x, A, M1);
    pl_index_set_ref(&x, "docker.io/library/x:tag", A);
    put(&x, B, M2);
    auto_free char *text = NULL;
    assert_int_equal(pl_index_print(&x, &text, NULL), 0);
    assert_int_equal(pl_index_parse(text, strlen(text), &y, NULL), 0);
    auto_free char *again = NULL;
    assert_int_equal(pl_index_print(&y, &again, NULL), 0);
    assert_string_equal(text, again);
    pl_index_dup(&y, &z);
    assert_string_equal(z.rows[0].ref, "docker.io/library/x:tag");
    pl_index_drop_unknown(&z);
    assert_int_equal(z.n, 0);
    pl_index_release(&x);
    pl_index_release(&y);
    pl_index_release(&z);
}

#define ROW(annotations)                                                                           \
    "{\"mediaType\":\"" OCI_TYPE_MANIFEST "\",\"digest\":\"" M1 "\",\"size\":5" annotations "}"
#define REF(name) ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" name "\"}"

static void test_wrong_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"", "malformed"},
        {"[]", "expected an object"},
        {"{}", "manifests: missing"},
        {"{\"manifests\":7}", "manifests"},
        {"{\"manifests\":[7]}", "manifests[0]: expected an object"},
        {"{\"manifests\":[{}]}", "manifests[0].digest"},
        {"{\"manifests\":[{\"digest\":\"x\",\"mediaType\":\"t\",\"size\":1}]}", "manifests[0]"},
        {"{\"manifests\":[" ROW(REF("a")) "," ROW(REF("a")) "]}", "twice"},
        {"{\"manifests\":[" ROW(REF("a b")) "]}", "ref"},
        {"{\"manifests\":[" ROW("") "", "malformed"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct pl_index x;
        struct vic_err err = {0};
        assert_true(pl_index_parse(bad[i].text, strlen(bad[i].text), &x, &err) < 0);
        if (!strstr(err.message, bad[i].says))
            fail_msg("case %zu: %s", i, err.message);
    }
}

/* n rows with names of that length. */
static struct pl_index many_rows(size_t n, int len)
{
    struct pl_index x = {.rows = vic_xalloc(n * sizeof(*x.rows)), .n = n};
    for (size_t i = 0; i < n; i++) {
        x.rows[i] = (struct pl_index_row){.ref = vic_xasprintf("%0*zu", len, i),
                                          .media_type = vic_xstrdup(OCI_TYPE_MANIFEST),
                                          .size = 5};
        (void)snprintf(x.rows[i].manifest, sizeof(x.rows[i].manifest), "%s", M1);
    }
    return x;
}

static void test_what_is_written_can_be_read(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        int len;
        bool is_refused;
    } rows[] = {
        {PL_INDEX_ROWS_MAX, 10, false},
        {PL_INDEX_ROWS_MAX + 1, 10, true},
        {PL_INDEX_ROWS_MAX, PL_REF_MAX, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pl_index x = many_rows(rows[i].n, rows[i].len);
        struct pl_index y = {0};
        auto_free char *text = NULL;
        struct vic_err err = {0};
        assert_int_equal(pl_index_print(&x, &text, &err) < 0, rows[i].is_refused);
        if (rows[i].is_refused) {
            assert_int_equal(err.kind, VIC_ERR_CONFLICT);
            assert_non_null(strstr(err.message, "too many image names"));
        } else {
            assert_int_equal(pl_index_parse(text, strlen(text), &y, &err), 0);
            assert_int_equal(y.n, x.n);
        }
        pl_index_release(&x);
        pl_index_release(&y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refs_move_and_images_stay),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_what_is_written_can_be_read),
        cmocka_unit_test(test_wrong_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
