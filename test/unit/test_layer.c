/* portlayer/storage/layer: chain ids, file names, and what a crash leaves. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "portlayer/storage/layer.h"
#include "portlayer/storage/room.h"
#include "portlayer/storage/spawn.h"

#define D16(c) c c c c c c c c c c c c c c c c
#define DIGEST(c) "sha256:" D16(c) D16(c) D16(c) D16(c)

/* A file system of that many MiB, with so many free. */
static uint64_t size_mib;
static uint64_t free_mib;

int __wrap_statvfs(const char *path, struct statvfs *v);

int __wrap_statvfs(const char *path, struct statvfs *v)
{
    (void)path;
    *v = (struct statvfs){.f_frsize = 1 << 20, .f_blocks = size_mib, .f_bavail = free_mib};
    return 0;
}

static void test_room_is_kept_for_containers(void **state)
{
    (void)state;
    static const struct {
        uint64_t size_mib;
        uint64_t free_mib;
        uint64_t more_mib;
        bool is_refused;
    } rows[] = {
        {10000, 1024, 0, false},   {10000, 1023, 0, true},      {10000, 2024, 1000, false},
        {10000, 2024, 1001, true}, {100000, 5000, 0, false},    {100000, 4999, 0, true},
        {1000, 1000, 0, true},     {100000, 6000, 1000, false}, {100000, 6000, 1001, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct vic_err err = {0};
        size_mib = rows[i].size_mib;
        free_mib = rows[i].free_mib;
        int r = pl_room_check("/d", rows[i].more_mib << 20, &err);
        assert_int_equal(r, rows[i].is_refused ? -ENOSPC : 0);
        if (r < 0)
            assert_non_null(strstr(err.message, "no space left in the datastore"));
    }
}

static void test_a_layer_is_not_begun_without_room(void **state)
{
    (void)state;
    char store[] = "/tmp/test_layer.XXXXXX";
    assert_non_null(mkdtemp(store));
    const struct pl_config config = {.datastore = store, .disk_size_bytes = 1 << 20};
    const struct pl_layer_apply apply = {
        .chain_id = DIGEST("a"), .diff_id = DIGEST("a"), .blob_path = "/dev/null"};
    uint64_t size;
    struct vic_err err = {0};
    size_mib = 10000;
    free_mib = 1000;
    assert_int_equal(pl_layer_apply(&config, &apply, &size, &err), -ENOSPC);
    assert_int_equal(rmdir(store), 0); /* nothing was made */
}

static void test_chain_ids_follow_the_oci_rule(void **state)
{
    (void)state;
    char one[HOST_DIGEST_MAX];
    char two[HOST_DIGEST_MAX];
    char three[HOST_DIGEST_MAX];
    pl_chain_id(NULL, DIGEST("a"), one);
    assert_string_equal(one, DIGEST("a"));
    pl_chain_id(one, DIGEST("b"), two);
    assert_string_equal(two,
                        "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c");
    pl_chain_id(two, DIGEST("c"), three);
    assert_string_equal(three,
                        "sha256:c1377126441fb2f5ec2c21ae2a60255331d639e830f0ee1b40a36e52d4c40588");
}

static void test_file_names_hold_no_colon(void **state)
{
    (void)state;
    char store[] = "/data";
    const struct pl_config config = {.datastore = store, .disk_size_bytes = 1 << 20};
    auto_free char *base = pl_layer_path(&config, NULL);
    auto_free char *layer = pl_layer_path(&config, DIGEST("a"));
    assert_string_equal(base, "/data/layers/base-1048576.qcow2");
    assert_string_equal(layer, "/data/layers/" D16("a") D16("a") D16("a") D16("a") ".qcow2");
}

static void test_stale_files_go_and_layers_stay(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_layer.XXXXXX";
    assert_non_null(mkdtemp(dir));
    auto_free char *tmp = vic_xasprintf("%s/tmp-1.qcow2", dir);
    auto_free char *sub = vic_xasprintf("%s/tmp-1.qcow2.d", dir);
    auto_free char *keep = vic_xasprintf("%s/base-1.qcow2", dir);
    struct vic_err err;
    assert_int_equal(vic_file_replace(tmp, "x", 1, 0600, &err), 0);
    assert_int_equal(vic_file_replace(keep, "x", 1, 0600, &err), 0);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_int_equal(pl_layer_remove_stale(dir, &err), 0);
    assert_int_equal(vic_file_exists(tmp), 0);
    assert_int_equal(vic_file_exists(sub), 0);
    assert_int_equal(vic_file_exists(keep), 1);
    assert_int_equal(vic_file_remove_tree(dir, &err), 0);
    assert_int_equal(pl_layer_remove_stale(dir, &err), 0);
}

static void test_a_tool_that_fails_is_quoted(void **state)
{
    (void)state;
    struct vic_err err = {0};
    const char *const fails[] = {"sh", "-c", "echo no luck >&2; exit 3", NULL};
    assert_int_equal(pl_spawn_run(fails, "sh", 600000, &err), -EIO);
    assert_string_equal(err.message, "sh failed (3): no luck");
    const char *const missing[] = {"/no/such/tool", NULL};
    assert_int_equal(pl_spawn_run(missing, "tool", 600000, &err), -ENOENT);
    const char *const slow[] = {"sleep", "60", NULL};
    assert_int_equal(pl_spawn_run(slow, "sleep", 50, &err), -ETIMEDOUT);
    assert_string_equal(err.message, "sleep did not end in time");
}

static void test_a_blob_that_is_not_there_leaves_nothing(void **state)
{
    (void)state;
    char store[] = "/no/such/store";
    const struct pl_config config = {.datastore = store, .layer_uid = (uid_t)-1};
    const struct pl_layer_apply apply = {
        .chain_id = DIGEST("a"), .diff_id = DIGEST("a"), .blob_path = "/no/such/blob"};
    uint64_t size = 7;
    struct vic_err err;
    assert_int_equal(pl_layer_apply(&config, &apply, &size, &err), -ENOENT);
    assert_int_equal(size, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_is_kept_for_containers),
        cmocka_unit_test(test_a_layer_is_not_begun_without_room),
        cmocka_unit_test(test_chain_ids_follow_the_oci_rule),
        cmocka_unit_test(test_file_names_hold_no_colon),
        cmocka_unit_test(test_stale_files_go_and_layers_stay),
        cmocka_unit_test(test_a_tool_that_fails_is_quoted),
        cmocka_unit_test(test_a_blob_that_is_not_there_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
