/* Files: capped reads, replacement that leaves no rest, trees. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* The kernel's copy, which fails after one part once there is an error for it to fail with. */
static int copy_error;
static unsigned n_copied;

ssize_t __real_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t len,
                               unsigned flags);
ssize_t __wrap_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t len,
                               unsigned flags);

ssize_t __wrap_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t len,
                               unsigned flags)
{
    if (!copy_error)
        return __real_copy_file_range(in, in_at, out, out_at, len, flags);
    if (n_copied++ == 0)
        return __real_copy_file_range(in, in_at, out, out_at, 1000, flags);
    errno = copy_error;
    return -1;
}

static char dir[] = "/tmp/vic-file-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vic_file_remove_tree(dir, NULL);
}

static size_t entries(const char *path)
{
    DIR *d = opendir(path);
    size_t n = 0;
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n - 2;
}

static void a_file_is_replaced_whole(void **state)
{
    (void)state;
    auto_free char *path = vic_xasprintf("%s/replaced", dir);
    for (int i = 0; i < 2; i++) {
        auto_free char *text = vic_xasprintf("version %d", i);
        assert_int_equal(vic_file_replace(path, text, strlen(text), 0640, NULL), 0);
        auto_free char *data = NULL;
        size_t len = 0;
        assert_int_equal(vic_file_read(path, 100, &data, &len, NULL), 0);
        assert_string_equal(data, text);
        assert_int_equal(len, strlen(text));
    }
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(entries(dir), 1);
    auto_free char *folder = vic_xasprintf("%s/folder", dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    struct vic_err err;
    assert_true(vic_file_replace(folder, "x", 1, 0600, &err) < 0);
    assert_int_equal(entries(dir), 2); /* no temporary stays behind */
    auto_free char *nowhere = vic_xasprintf("%s/no/where", dir);
    assert_int_equal(vic_file_replace(nowhere, "x", 1, 0600, &err), -ENOENT);
}

static void a_read_stops_at_its_cap(void **state)
{
    (void)state;
    auto_free char *path = vic_xasprintf("%s/capped", dir);
    auto_free char *text = vic_xalloc(40000);
    assert_int_equal(vic_file_replace(path, text, 40000, 0600, NULL), 0);
    auto_free char *data = NULL;
    size_t len = 0;
    struct vic_err err;
    assert_int_equal(vic_file_read(path, 39999, &data, &len, &err), -EFBIG);
    assert_null(data);
    assert_int_equal(vic_file_read(path, 40000, &data, NULL, &err), 0);
    auto_free char *absent = vic_xasprintf("%s/absent", dir);
    auto_free char *none = NULL;
    assert_int_equal(vic_file_read(absent, 10, &none, NULL, &err), -ENOENT);
    assert_non_null(strstr(err.message, "absent"));
    assert_int_equal(vic_file_read(dir, 10, &none, NULL, &err), -EISDIR);
    assert_int_equal(vic_file_replace(path, "", 0, 0600, NULL), 0);
    assert_int_equal(vic_file_read(path, 0, &none, &len, &err), 0);
    assert_string_equal(none, "");
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    auto_free char *path = vic_xasprintf("%s/a/b//c/", dir);
    struct vic_err err;
    assert_int_equal(vic_file_mkdir_p(path, 0755, NULL), 0);
    assert_int_equal(vic_file_mkdir_p(path, 0755, NULL), 0);
    assert_int_equal(vic_file_exists(path), 1);
    auto_free char *file = vic_xasprintf("%s/a/file", dir);
    assert_int_equal(vic_file_replace(file, "x", 1, 0600, NULL), 0);
    auto_free char *below = vic_xasprintf("%s/below", file);
    assert_int_equal(vic_file_mkdir_p(below, 0755, &err), -ENOTDIR);
    assert_int_equal(vic_file_mkdir_p(file, 0755, &err), -ENOTDIR);
    assert_int_equal(vic_file_exists(below), 0);
}

static void a_tree_is_removed_and_links_are_not_followed(void **state)
{
    (void)state;
    auto_free char *kept = vic_xasprintf("%s/kept", dir);
    auto_free char *kept_file = vic_xasprintf("%s/kept/file", dir);
    auto_free char *tree = vic_xasprintf("%s/tree", dir);
    auto_free char *deep = vic_xasprintf("%s/tree/1/2/3", dir);
    auto_free char *link = vic_xasprintf("%s/tree/1/link", dir);
    auto_free char *top_link = vic_xasprintf("%s/top-link", dir);
    assert_int_equal(vic_file_mkdir_p(kept, 0755, NULL), 0);
    assert_int_equal(vic_file_replace(kept_file, "x", 1, 0600, NULL), 0);
    assert_int_equal(vic_file_mkdir_p(deep, 0755, NULL), 0);
    assert_int_equal(symlink(kept, link), 0);
    assert_int_equal(symlink(kept, top_link), 0);
    assert_int_equal(vic_file_remove_tree(tree, NULL), 0);
    assert_int_equal(vic_file_remove_tree(top_link, NULL), 0);
    assert_int_equal(vic_file_exists(tree), 0);
    assert_int_equal(vic_file_exists(kept_file), 1);
    assert_int_equal(vic_file_remove_tree(tree, NULL), 0); /* what is not there is no error */
    assert_int_equal(vic_file_remove_tree(kept_file, NULL), 0);
    assert_int_equal(vic_file_exists(kept_file), 0);
}

static void a_write_that_fails_says_so(void **state)
{
    (void)state;
    assert_int_equal(vic_file_write_all(-1, "x", 1), -EBADF);
    assert_int_equal(vic_file_write_all(-1, "x", 0), 0);
}

static void copy_is_whole(const char *from, const char *to, const char *want, size_t want_len)
{
    auto_free char *copied = NULL;
    size_t len = 0;
    struct vic_err err = {0};
    n_copied = 0;
    if (vic_file_copy(from, to, 0644, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(vic_file_read(to, 1u << 20, &copied, &len, NULL), 0);
    assert_int_equal(len, want_len);
    assert_memory_equal(copied, want, len);
    assert_int_equal(unlink(to), 0);
}

static void a_file_is_copied_whatever_lies_between(void **state)
{
    (void)state;
    static const int errors[] = {0, EXDEV, EINVAL, ENOSYS, EOPNOTSUPP};
    static char data[300000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7 >> 3);
    auto_free char *from = vic_xasprintf("%s/from", dir);
    auto_free char *to = vic_xasprintf("%s/to", dir);
    auto_free char *elsewhere = vic_xasprintf("/dev/shm%s", strrchr(dir, '/'));
    assert_int_equal(vic_file_replace(from, data, sizeof(data), 0644, NULL), 0);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        copy_error = errors[i];
        copy_is_whole(from, to, data, sizeof(data));
    }
    copy_error = 0;
    copy_is_whole(from, elsewhere, data, sizeof(data));
    copy_error = EIO;
    n_copied = 1;
    struct vic_err err = {0};
    assert_int_equal(vic_file_copy(from, to, 0644, &err), -EIO);
    copy_error = 0;
    assert_int_equal(vic_file_copy(from, to, 0644, &err), -EEXIST);
    assert_int_equal(unlink(to), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_whole),
        cmocka_unit_test(a_read_stops_at_its_cap),
        cmocka_unit_test(folders_are_made_with_their_parents),
        cmocka_unit_test(a_tree_is_removed_and_links_are_not_followed),
        cmocka_unit_test(a_file_is_copied_whatever_lies_between),
        cmocka_unit_test(a_write_that_fails_says_so),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
