/* vic-layer's meaning of a tar, applied to an ext4 in memory: each test ends with e2fsck's blessing. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "test/lib/layer_mem.h"

#define DISK_BYTES (64u << 20)
#define MAX_BYTES (32u << 20)
#define TAR_BYTES (8u << 20)

/* One entry; what is left out is a root-owned 0644 (0755) file (directory) of 2023. */
struct entry {
    const char *path;
    const char *link; /* target of a symbolic link */
    const char *hardlink;
    const char *data;
    size_t size; /* of data; 0: a string */
    int64_t uid;
    int64_t gid;
    int64_t mtime;
    long mtime_ns;
    const char *xattr;
    const char *value;
    size_t value_len;
    unsigned type; /* AE_IF…; 0 is a file */
    unsigned perm;
    unsigned major;
    unsigned minor;
};

struct tar {
    char *data;
    size_t len;
};

static void release_tar(struct tar *t)
{
    free(t->data);
}
#define auto_tar auto_(release_tar)

static void add_entry(struct archive *a, const struct entry *e)
{
    struct archive_entry *ae = archive_entry_new();
    size_t size = e->size || !e->data ? e->size : strlen(e->data);
    unsigned type = e->type ? e->type : AE_IFREG;
    archive_entry_set_pathname(ae, e->path);
    archive_entry_set_filetype(ae, type);
    archive_entry_set_perm(ae, e->perm ? e->perm : type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_uid(ae, e->uid);
    archive_entry_set_gid(ae, e->gid);
    archive_entry_set_mtime(ae, e->mtime ? e->mtime : 1700000000, e->mtime_ns);
    archive_entry_set_size(ae, (la_int64_t)size);
    archive_entry_set_rdevmajor(ae, e->major);
    archive_entry_set_rdevminor(ae, e->minor);
    if (e->link)
        archive_entry_set_symlink(ae, e->link);
    if (e->hardlink)
        archive_entry_set_hardlink(ae, e->hardlink);
    if (e->xattr)
        archive_entry_xattr_add_entry(ae, e->xattr, e->value,
                                      e->value_len ? e->value_len : strlen(e->value));
    assert_int_equal(archive_write_header(a, ae), ARCHIVE_OK);
    if (size > 0)
        assert_int_equal(archive_write_data(a, e->data, size), size);
    archive_entry_free(ae);
}

static struct tar make_tar(const struct entry *entries, size_t n)
{
    struct tar t = {.data = vic_xalloc(TAR_BYTES)};
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_set_format_pax(a), ARCHIVE_OK);
    assert_int_equal(archive_write_set_options(a, "hdrcharset=BINARY"), ARCHIVE_OK);
    assert_int_equal(archive_write_set_bytes_per_block(a, 512), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(a, t.data, TAR_BYTES, &t.len), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++)
        add_entry(a, &entries[i]);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    return t;
}

static int apply_tar(struct vl_dev *dev, const struct tar *t, struct vic_err *err)
{
    return layer_mem_apply(dev, VL_MEDIA_NONE, t->data, t->len, MAX_BYTES, NULL, err);
}

static int try_layer(struct vl_dev *dev, const struct entry *entries, size_t n, struct vic_err *err)
{
    auto_tar struct tar t = make_tar(entries, n);
    return apply_tar(dev, &t, err);
}

#define LAYER(dev, ...)                                                                            \
    do {                                                                                           \
        const struct entry entries_[] = {__VA_ARGS__};                                             \
        struct vic_err err_ = {0};                                                                 \
        if (try_layer(dev, entries_, ARRAY_SIZE(entries_), &err_) < 0)                             \
            fail_msg("%s", err_.message);                                                          \
    } while (0)

/* On its own disk: a refused layer leaves no usable one. */
#define REFUSED(code, ...)                                                                         \
    do {                                                                                           \
        auto_(vl_dev_free_p) struct vl_dev *dev_ = layer_mem_format(DISK_BYTES);                   \
        const struct entry entries_[] = {__VA_ARGS__};                                             \
        struct vic_err err_ = {0};                                                                 \
        assert_int_equal(try_layer(dev_, entries_, ARRAY_SIZE(entries_), &err_), -(code));         \
        assert_int_equal(err_.kind, VIC_ERR_INVALID);                                              \
    } while (0)

static void check_disk(const struct vl_dev *dev)
{
    auto_close int fd = memfd_create("disk", 0);
    assert_int_equal(vl_mem_save(dev, fd), 0);
    auto_free char *command = vic_xasprintf(
        "e2fsck -fn /proc/%d/fd/%d >/tmp/test_layer_tar.%d 2>&1", getpid(), fd, getpid());
    int r = system(command); // NOLINT(cert-env33-c): a fixed command
    auto_free char *log = vic_xasprintf("/tmp/test_layer_tar.%d", getpid());
    if (r != 0) {
        auto_free char *show = vic_xasprintf("cat %s", log);
        (void)!system(show); // NOLINT(cert-env33-c)
    }
    (void)unlink(log);
    assert_int_equal(r, 0);
}

/* ---- looking ---- */

struct view {
    struct vl_io *io;
    ext2_filsys fs;
};

static struct view look(struct vl_dev *dev)
{
    struct view v = {.io = vl_io_new(dev)};
    assert_int_equal(
        ext2fs_open2(vl_io_name(v.io), NULL, EXT2_FLAG_64BITS, 0, 0, vl_io_manager(v.io), &v.fs),
        0);
    return v;
}

static void release_view(struct view *v)
{
    ext2fs_free(v->fs);
    vl_io_free(v->io);
}
#define auto_view auto_(release_view)

static uint32_t inode_of(const struct view *v, const char *path)
{
    ext2_ino_t ino = 0;
    errcode_t e = ext2fs_namei(v->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino);
    return e ? 0 : ino;
}

static union vl_inode stat_of(const struct view *v, const char *path)
{
    union vl_inode inode;
    uint32_t ino = inode_of(v, path);
    if (ino == 0)
        fail_msg("no '%s'", path);
    assert_int_equal(ext2fs_read_inode_full(v->fs, ino, &inode.base, sizeof(inode)), 0);
    return inode;
}

static void check_content(const struct view *v, const char *path, const char *data, size_t len)
{
    ext2_file_t file;
    auto_free char *got = vic_xalloc(len + 1);
    unsigned n = 0;
    assert_int_not_equal(inode_of(v, path), 0);
    assert_int_equal(ext2fs_file_open(v->fs, inode_of(v, path), 0, &file), 0);
    assert_int_equal(ext2fs_file_get_size(file), len);
    for (size_t at = 0; at < len; at += n) {
        assert_int_equal(ext2fs_file_read(file, got + at, (unsigned)(len - at), &n), 0);
        assert_int_not_equal(n, 0);
    }
    assert_int_equal(ext2fs_file_close(file), 0);
    assert_memory_equal(got, data, len);
}

static bool is_there(struct vl_dev *dev, const char *path)
{
    auto_view struct view v = look(dev);
    return inode_of(&v, path) != 0;
}

static int setup(void **state)
{
    *state = layer_mem_format(DISK_BYTES);
    return 0;
}

static int teardown(void **state)
{
    check_disk(*state);
    vl_dev_free(*state);
    return 0;
}

/* ---- what is kept ---- */

static void test_attributes_are_kept(void **state)
{
    LAYER(*state, {.path = "a", .data = "hello", .perm = 04755, .uid = 70000, .gid = 3000000000},
          {.path = "old", .mtime = -86400 * 365, .mtime_ns = 0},
          {.path = "late", .mtime = INT64_C(6000000000), .mtime_ns = 123456789},
          {.path = "never", .mtime = INT64_C(99000000000)},
          {.path = "d", .type = AE_IFDIR, .perm = 01777, .gid = 5},
          {.path = ".", .type = AE_IFDIR, .perm = 0700, .uid = 9});
    auto_view struct view v = look(*state);
    union vl_inode a = stat_of(&v, "/a");
    assert_int_equal(a.large.i_mode, S_IFREG | 04755);
    assert_int_equal(inode_uid(a.large), 70000);
    assert_int_equal(inode_gid(a.large), 3000000000);
    check_content(&v, "/a", "hello", 5);
    assert_int_equal((int32_t)stat_of(&v, "/old").large.i_mtime, -86400 * 365);
    assert_int_equal(stat_of(&v, "/old").large.i_mtime_extra & 3, 0);
    union vl_inode late = stat_of(&v, "/late");
    int64_t s = (int32_t)late.large.i_mtime + ((int64_t)(late.large.i_mtime_extra & 3) << 32);
    assert_int_equal(s, INT64_C(6000000000));
    assert_int_equal(late.large.i_mtime_extra >> 2, 123456789);
    assert_int_equal(late.large.i_crtime, late.large.i_mtime);
    assert_int_equal(stat_of(&v, "/never").large.i_mtime, INT32_MAX);
    assert_int_equal(stat_of(&v, "/d").large.i_mode, S_IFDIR | 01777);
    assert_int_equal(stat_of(&v, "/").large.i_mode, S_IFDIR | 0700);
}

static void test_missing_parents_are_made(void **state)
{
    LAYER(*state, {.path = "/p/q/../r/f", .data = "x", .uid = 7});
    auto_view struct view v = look(*state);
    union vl_inode p = stat_of(&v, "/p/r");
    assert_int_equal(p.large.i_mode, S_IFDIR | 0755);
    assert_int_equal(inode_uid(p.large), 0);
    assert_int_equal(inode_of(&v, "/p/q"), 0);
    assert_int_equal(inode_uid(stat_of(&v, "/p/r/f").large), 7);
}

static void test_devices_and_links_are_kept(void **state)
{
    char target[101];
    memset(target, 't', 100);
    target[100] = '\0';
    LAYER(*state, {.path = "null", .type = AE_IFCHR, .major = 1, .minor = 3, .perm = 0666},
          {.path = "big", .type = AE_IFBLK, .major = 259, .minor = 65541},
          {.path = "pipe", .type = AE_IFIFO}, {.path = "short", .type = AE_IFLNK, .link = "a/b"},
          {.path = "long", .type = AE_IFLNK, .link = target});
    auto_view struct view v = look(*state);
    assert_int_equal(stat_of(&v, "/null").large.i_mode, S_IFCHR | 0666);
    assert_int_equal(stat_of(&v, "/null").large.i_block[0], 0x103);
    assert_int_equal(stat_of(&v, "/big").large.i_block[0], 0);
    assert_int_equal(stat_of(&v, "/big").large.i_block[1], 5 | 259 << 8 | 0x10000 << 12);
    assert_int_equal(stat_of(&v, "/pipe").large.i_mode & S_IFMT, S_IFIFO);
    ext2_ino_t ino;
    assert_int_equal(ext2fs_lookup(v.fs, EXT2_ROOT_INO, "long", 4, NULL, &ino), 0);
    union vl_inode link;
    assert_int_equal(ext2fs_read_inode_full(v.fs, ino, &link.base, sizeof(link)), 0);
    assert_int_equal(link.large.i_size, 100);
    assert_int_equal(link.large.i_mode, S_IFLNK | 0777);
}

static void check_xattr(const struct view *v, const char *path, const char *name, const void *value,
                        size_t len)
{
    struct ext2_xattr_handle *h;
    void *got;
    size_t got_len;
    assert_int_equal(ext2fs_xattrs_open(v->fs, inode_of(v, path), &h), 0);
    assert_int_equal(ext2fs_xattrs_read(h), 0);
    errcode_t e = ext2fs_xattr_get(h, name, &got, &got_len);
    if (!value) {
        assert_int_not_equal(e, 0);
    } else {
        assert_int_equal(e, 0);
        assert_int_equal(got_len, len);
        assert_memory_equal(got, value, len);
        ext2fs_free_mem(&got);
    }
    assert_int_equal(ext2fs_xattrs_close(&h), 0);
}

/* Version 2: user::rw-, user:7:r--, group::r--, mask::r--, other::r-- */
static const char ACL[] = "\2\0\0\0"
                          "\1\0\6\0\377\377\377\377"
                          "\2\0\4\0\7\0\0\0"
                          "\4\0\4\0\377\377\377\377"
                          "\20\0\4\0\377\377\377\377"
                          "\40\0\4\0\377\377\377\377";

/* As libext2fs reads it back: ext4 keeps no id where none belongs. */
static const char ACL_READ[] = "\2\0\0\0"
                               "\1\0\6\0\0\0\0\0"
                               "\2\0\4\0\7\0\0\0"
                               "\4\0\4\0\0\0\0\0"
                               "\20\0\4\0\0\0\0\0"
                               "\40\0\4\0\0\0\0\0";

static void test_xattrs_are_kept_and_replaced(void **state)
{
    static const char cap[] = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    char large[2001];
    memset(large, 'v', 2000);
    large[2000] = '\0';
    LAYER(*state, {.path = "ping", .xattr = "security.capability", .value = cap, .value_len = 20},
          {.path = "d", .type = AE_IFDIR, .xattr = "user.one", .value = "1"},
          {.path = "large", .xattr = "user.large", .value = large},
          {.path = "acl", .xattr = "system.posix_acl_access", .value = ACL, .value_len = 44});
    LAYER(*state, {.path = "d", .type = AE_IFDIR, .xattr = "user.two", .value = "2"},
          {.path = "gone", .xattr = "user.large", .value = large}, {.path = "gone"});
    auto_view struct view v = look(*state);
    check_xattr(&v, "/ping", "security.capability", cap, 20);
    check_xattr(&v, "/large", "user.large", large, 2000);
    check_xattr(&v, "/d", "user.one", NULL, 0);
    check_xattr(&v, "/d", "user.two", "2", 1);
    check_xattr(&v, "/acl", "system.posix_acl_access", ACL_READ, 44);
}

static void test_bad_xattrs_are_refused(void **state)
{
    (void)state;
    REFUSED(EINVAL, {.path = "a", .xattr = "system.odd", .value = "1"});
    REFUSED(EINVAL,
            {.path = "a", .xattr = "system.posix_acl_access", .value = "short", .value_len = 5});
    char *large = vic_xalloc(60001);
    memset(large, 'v', 60000);
    REFUSED(EINVAL, {.path = "a", .xattr = "user.large", .value = large});
    free(large);
}

static void test_runs_of_zeros_become_holes(void **state)
{
    size_t len = 4u << 20;
    auto_free char *data = vic_xalloc(len);
    data[0] = 'a';
    data[1u << 20] = 'b';
    data[(1u << 20) + 8192 + 5] = 'c';
    LAYER(*state, {.path = "sparse", .data = data, .size = len},
          {.path = "zeros", .data = data + (2u << 20), .size = 1u << 20});
    auto_view struct view v = look(*state);
    check_content(&v, "/sparse", data, len);
    check_content(&v, "/zeros", data + (2u << 20), 1u << 20);
    assert_int_equal(stat_of(&v, "/sparse").large.i_blocks, 4 * 8); /* one zero block is written */
    assert_int_equal(stat_of(&v, "/zeros").large.i_blocks, 0);
}

static void test_many_extents_make_a_tree(void **state)
{
    size_t len = 6u << 20;
    auto_free char *data = vic_xalloc(len);
    for (size_t i = 0; i < len; i += 17 * VL_BLOCK_BYTES)
        data[i] = 'x';
    LAYER(*state, {.path = "comb", .data = data, .size = len});
    {
        auto_view struct view v = look(*state);
        check_content(&v, "/comb", data, len);
    }
    LAYER(*state, {.path = ".wh.comb"});
    assert_false(is_there(*state, "/comb"));
}

/* ---- what layers do to each other ---- */

static void test_whiteouts_remove_what_is_below_only(void **state)
{
    LAYER(*state, {.path = "f"}, {.path = "d/x/y"}, {.path = "d/z"}, {.path = "keep"});
    LAYER(*state, {.path = ".wh.f"}, {.path = "d/new"}, {.path = ".wh.d"}, {.path = "d/late"},
          {.path = "same"}, {.path = ".wh.same"}, {.path = ".wh.missing"}, {.path = "no/.wh.dir"});
    assert_false(is_there(*state, "/f"));
    assert_false(is_there(*state, "/d/x"));
    assert_false(is_there(*state, "/d/z"));
    assert_true(is_there(*state, "/d/new"));
    assert_true(is_there(*state, "/d/late"));
    assert_true(is_there(*state, "/same"));
    assert_true(is_there(*state, "/keep"));
    assert_false(is_there(*state, "/no"));
}

static void test_opaque_directories_hide_in_any_order(void **state)
{
    LAYER(*state, {.path = "a/old/deep"}, {.path = "a/f"}, {.path = "b/old/deep"}, {.path = "b/f"});
    LAYER(*state, {.path = "a/.wh..wh..opq"}, {.path = "a/old/new"}, {.path = "b/old/new"},
          {.path = "b/.wh..wh..opq"}, {.path = ".wh..wh.plnk/1.2"});
    for (size_t i = 0; i < 2; i++) {
        const char *const gone[] = {"/a/f", "/a/old/deep", "/b/f", "/b/old/deep", "/.wh..wh.plnk"};
        for (size_t k = 0; k < ARRAY_SIZE(gone); k++)
            assert_false(is_there(*state, gone[k]));
        assert_true(is_there(*state, "/a/old/new"));
        assert_true(is_there(*state, "/b/old/new"));
    }
}

static void test_types_replace_each_other(void **state)
{
    LAYER(*state, {.path = "dir/sub/f"}, {.path = "file"},
          {.path = "link", .type = AE_IFLNK, .link = "dir"}, {.path = "both", .type = AE_IFDIR},
          {.path = "both/kept"});
    LAYER(*state, {.path = "dir", .data = "now a file"}, {.path = "file", .type = AE_IFDIR},
          {.path = "file/in"}, {.path = "link", .type = AE_IFDIR}, {.path = "link/in"},
          {.path = "both", .type = AE_IFDIR, .perm = 0711, .uid = 4});
    auto_view struct view v = look(*state);
    check_content(&v, "/dir", "now a file", 10);
    assert_int_not_equal(inode_of(&v, "/file/in"), 0);
    assert_int_not_equal(inode_of(&v, "/link/in"), 0);
    assert_int_not_equal(inode_of(&v, "/both/kept"), 0);
    assert_int_equal(stat_of(&v, "/both").large.i_mode, S_IFDIR | 0711);
}

static void test_hard_links_cross_layers(void **state)
{
    LAYER(*state, {.path = "a", .data = "one"}, {.path = "b", .hardlink = "a"});
    LAYER(*state, {.path = "c", .hardlink = "/b"}, {.path = "b", .data = "other"},
          {.path = "a", .hardlink = "a"});
    {
        auto_view struct view v = look(*state);
        assert_int_equal(inode_of(&v, "/a"), inode_of(&v, "/c"));
        assert_int_equal(stat_of(&v, "/a").large.i_links_count, 2);
        check_content(&v, "/b", "other", 5);
        check_content(&v, "/c", "one", 3);
    }
    LAYER(*state, {.path = ".wh.a"}, {.path = ".wh.c"});
    assert_false(is_there(*state, "/c"));
    REFUSED(ENOENT, {.path = "x", .hardlink = "missing"});
    REFUSED(EPERM, {.path = "d", .type = AE_IFDIR}, {.path = "x", .hardlink = "d"});
    REFUSED(EINVAL, {.path = "x", .hardlink = "../../etc/passwd"});
    REFUSED(ENOENT, {.path = "d/f"}, {.path = "d", .hardlink = "d/f"});
}

/* ---- paths ---- */

static void test_links_in_paths_are_followed_inside(void **state)
{
    LAYER(*state, {.path = "usr/lib/x"}, {.path = "lib", .type = AE_IFLNK, .link = "usr/lib"},
          {.path = "out", .type = AE_IFLNK, .link = "../../../../etc"},
          {.path = "abs", .type = AE_IFLNK, .link = "/usr/../new/dir"});
    LAYER(*state, {.path = "lib/y"}, {.path = "out/passwd"}, {.path = "abs/z"},
          {.path = "lib/.wh.x"});
    assert_true(is_there(*state, "/usr/lib/y"));
    assert_false(is_there(*state, "/usr/lib/x"));
    assert_true(is_there(*state, "/etc/passwd"));
    assert_true(is_there(*state, "/new/dir/z"));
    REFUSED(ELOOP, {.path = "l", .type = AE_IFLNK, .link = "l"}, {.path = "l/x"});
    REFUSED(ENOTDIR, {.path = "f"}, {.path = "f/x"});
}

static void test_bad_paths_are_refused(void **state)
{
    (void)state;
    char *name = vic_xalloc(100001);
    memset(name, 'n', 256);
    REFUSED(ENAMETOOLONG, {.path = name});
    memset(name, 'n', 100000);
    REFUSED(ENAMETOOLONG, {.path = name});
    for (size_t i = 0; i < 5000; i++)
        name[i] = i % 2 ? '/' : 'n';
    name[5000] = '\0';
    REFUSED(ENAMETOOLONG, {.path = name});
    REFUSED(EINVAL, {.path = "../x"});
    REFUSED(EINVAL, {.path = "a/../../x"});
    REFUSED(EINVAL, {.path = "a/.wh."});
    REFUSED(EINVAL, {.path = "a/.wh..."});
    REFUSED(EINVAL, {.path = ".", .data = "x"});
    REFUSED(EINVAL, {.path = "a", .uid = INT64_C(4294967295)});
    free(name);
}

static void test_names_are_bytes(void **state)
{
    char name[256];
    memset(name, 0xff, 255);
    name[255] = '\0';
    LAYER(*state, {.path = name}, {.path = "\xc3\xa9/e\xcc\x81"}, {.path = "a\nb\\ \x01"});
    assert_true(is_there(*state, name));
    assert_true(is_there(*state, "/\xc3\xa9/e\xcc\x81"));
    assert_true(is_there(*state, "/a\nb\\ \x01"));
}

static void test_large_directories_are_indexed(void **state)
{
    enum {
        N = 9000
    };
    struct entry *entries = vic_xalloc(N * sizeof(*entries));
    for (size_t i = 0; i < N; i++)
        entries[i] = (struct entry){
            .path = vic_xasprintf("big/%s%zu", i % 3 ? "" : "a-rather-long-name-of-a-file-", i)};
    for (size_t at = 0; at < N; at += N / 2) {
        struct vic_err err = {0};
        if (try_layer(*state, entries + at, N / 2, &err) < 0)
            fail_msg("%s", err.message);
    }
    {
        auto_view struct view v = look(*state);
        assert_true(stat_of(&v, "/big").large.i_flags & EXT2_INDEX_FL);
        for (size_t i = 0; i < N; i += 997)
            assert_int_not_equal(inode_of(&v, entries[i].path), 0);
    }
    for (size_t i = 0; i < N; i++)
        free((char *)(uintptr_t)entries[i].path);
    free(entries);
    check_disk(*state);
    LAYER(*state, {.path = "big/.wh..wh..opq"}, {.path = "big/one"});
    auto_view struct view v = look(*state);
    assert_false(stat_of(&v, "/big").large.i_flags & EXT2_INDEX_FL);
}

/* ---- streams ---- */

static void test_every_truncation_is_refused_or_whole(void **state)
{
    (void)state;
    const struct entry entries[] = {
        {.path = "a", .data = "hello"},
        {.path = "d/b", .data = "world", .xattr = "user.x", .value = "y"}};
    auto_tar struct tar t = make_tar(entries, ARRAY_SIZE(entries));
    auto_(vl_dev_free_p) struct vl_dev *base = layer_mem_format(4u << 20);
    for (size_t len = 1; len < t.len; len += 37) {
        auto_(vl_dev_free_p) struct vl_dev *dev = vl_mem_new(4u << 20, base);
        struct vic_err err = {0};
        struct tar cut = {t.data, len};
        int r = apply_tar(dev, &cut, &err);
        if (len % 512 != 0 && len < t.len - 1024)
            assert_int_equal(r, -EINVAL);
    }
}

static struct tar gzip(const struct tar *t, int level)
{
    struct tar out = {.data = vic_xalloc(TAR_BYTES)};
    z_stream z = {.next_in = (Bytef *)t->data,
                  .avail_in = (uInt)t->len,
                  .next_out = (Bytef *)out.data,
                  .avail_out = TAR_BYTES};
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.len = z.total_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    return out;
}

static void test_gzip_is_checked(void **state)
{
    const struct entry entries[] = {{.path = "a", .data = "hello"}};
    auto_tar struct tar t = make_tar(entries, ARRAY_SIZE(entries));
    auto_tar struct tar z = gzip(&t, 6);
    char plain[VL_DIGEST_TEXT_MAX];
    char packed[VL_DIGEST_TEXT_MAX];
    struct vic_err err = {0};
    assert_int_equal(layer_mem_apply(*state, VL_MEDIA_NONE, t.data, t.len, MAX_BYTES, plain, &err),
                     0);
    assert_int_equal(layer_mem_apply(*state, VL_MEDIA_GZIP, z.data, z.len, MAX_BYTES, packed, &err),
                     0);
    assert_string_equal(plain, packed);
    auto_(vl_dev_free_p) struct vl_dev *dev = layer_mem_format(4u << 20);
    for (size_t cut = 1; cut < z.len; cut += 7)
        assert_int_equal(
            layer_mem_apply(dev, VL_MEDIA_GZIP, z.data, z.len - cut, MAX_BYTES, packed, &err),
            -EINVAL);
    z.data[z.len++] = 'x';
    assert_int_equal(layer_mem_apply(dev, VL_MEDIA_GZIP, z.data, z.len, MAX_BYTES, packed, &err),
                     -EINVAL);
    assert_int_equal(layer_mem_apply(dev, VL_MEDIA_GZIP, t.data, t.len, MAX_BYTES, packed, &err),
                     -EINVAL);
    assert_int_equal(layer_mem_apply(dev, VL_MEDIA_ZSTD, t.data, t.len, MAX_BYTES, packed, &err),
                     -EINVAL);
}

static void test_a_bomb_ends_at_the_cap(void **state)
{
    (void)state;
    struct tar zeros = {.data = vic_xalloc(6u << 20), .len = 6u << 20};
    auto_tar struct tar z = gzip(&zeros, 9);
    free(zeros.data);
    auto_(vl_dev_free_p) struct vl_dev *dev = layer_mem_format(4u << 20);
    struct vic_err err = {0};
    assert_int_equal(layer_mem_apply(dev, VL_MEDIA_GZIP, z.data, z.len, 1u << 20, NULL, &err),
                     -EFBIG);
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    assert_string_equal(err.message, "layer larger than 1048576 bytes");
}

static void test_a_full_disk_is_an_error(void **state)
{
    (void)state;
    auto_free char *data = vic_xalloc(5u << 20);
    memset(data, 'x', 5u << 20);
    const struct entry entries[] = {{.path = "a", .data = data, .size = 5u << 20}};
    auto_(vl_dev_free_p) struct vl_dev *dev = layer_mem_format(4u << 20);
    struct vic_err err = {0};
    assert_int_equal(try_layer(dev, entries, 1, &err), -ENOSPC);
}

static void test_an_empty_layer_changes_nothing(void **state)
{
    struct vic_err err = {0};
    static const char zeros[1024];
    char digest[VL_DIGEST_TEXT_MAX];
    assert_int_equal(layer_mem_apply(*state, VL_MEDIA_NONE, zeros, 1024, MAX_BYTES, digest, &err),
                     0);
    assert_string_equal(digest,
                        "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
    assert_int_equal(layer_mem_apply(*state, VL_MEDIA_NONE, zeros, 0, MAX_BYTES, digest, &err), 0);
}

int main(void)
{
#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_attributes_are_kept),
        DISK_TEST(test_missing_parents_are_made),
        DISK_TEST(test_devices_and_links_are_kept),
        DISK_TEST(test_xattrs_are_kept_and_replaced),
        cmocka_unit_test(test_bad_xattrs_are_refused),
        DISK_TEST(test_runs_of_zeros_become_holes),
        DISK_TEST(test_many_extents_make_a_tree),
        DISK_TEST(test_whiteouts_remove_what_is_below_only),
        DISK_TEST(test_opaque_directories_hide_in_any_order),
        DISK_TEST(test_types_replace_each_other),
        DISK_TEST(test_hard_links_cross_layers),
        DISK_TEST(test_links_in_paths_are_followed_inside),
        cmocka_unit_test(test_bad_paths_are_refused),
        DISK_TEST(test_names_are_bytes),
        DISK_TEST(test_large_directories_are_indexed),
        cmocka_unit_test(test_every_truncation_is_refused_or_whole),
        DISK_TEST(test_gzip_is_checked),
        cmocka_unit_test(test_a_bomb_ends_at_the_cap),
        cmocka_unit_test(test_a_full_disk_is_an_error),
        DISK_TEST(test_an_empty_layer_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
