/* Copies as tar: names, links, what is in the way, archives that lie. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tether/copy.h"

#define LARGE (1200u << 10) /* bytes: more than a ring holds, and a slot */

struct tree {
    char dir[32];
    int start; /* the working directory, which copies leave */
};

static int set_up(void **state)
{
    struct tree *t = vic_new(struct tree);
    (void)snprintf(t->dir, sizeof(t->dir), "/tmp/test_copy.XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    t->start = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct tree *t = *state;
    assert_int_equal(fchdir(t->start), 0);
    assert_int_equal(vic_file_remove_tree(t->dir, NULL), 0);
    (void)close(t->start);
    free(t);
    return 0;
}

static char *at(const struct tree *t, const char *path)
{
    return vic_xasprintf("%s%s", t->dir, path);
}

static void make_dir(const struct tree *t, const char *path)
{
    auto_free char *full = at(t, path);
    assert_int_equal(mkdir(full, 0755), 0);
}

static void make_file(const struct tree *t, const char *path, const char *text)
{
    auto_free char *full = at(t, path);
    assert_int_equal(vic_file_replace(full, text, strlen(text), 0644, NULL), 0);
}

static void make_link(const struct tree *t, const char *target, const char *path)
{
    auto_free char *full = at(t, path);
    assert_int_equal(symlink(target, full), 0);
}

static bool has(const struct tree *t, const char *path, mode_t type)
{
    auto_free char *full = at(t, path);
    struct stat st;
    return lstat(full, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static void assert_text(const struct tree *t, const char *path, const char *expected)
{
    auto_free char *full = at(t, path);
    auto_free char *text = NULL;
    size_t len;
    assert_int_equal(vic_file_read(full, 1000, &text, &len, NULL), 0);
    assert_string_equal(text, expected);
}

/* ---- what comes out ---- */

/* A ring, both ends of it, and the thread that empties it into a file as tether would into a stream. */
struct drain {
    struct copy_ring_out out;
    struct copy_ring_in in;
    int memory, to;
    int filled[2], emptied[2];
    pthread_t thread;
};

static void drain_make(struct drain *d, const char *to)
{
    assert_int_equal(copy_ring_make(&d->out, &d->memory, NULL), 0);
    assert_int_equal(pipe2(d->filled, O_CLOEXEC), 0);
    assert_int_equal(pipe2(d->emptied, O_CLOEXEC), 0);
    d->to = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(d->to >= 0);
}

/* False when there is no more. */
static bool drain_slot(struct drain *d)
{
    uint8_t *data;
    size_t len;
    if (copy_ring_next(&d->out, d->filled[0], &data, &len) != 1)
        return false;
    memset(data - COPY_RING_HEAD, '!', COPY_RING_HEAD); /* what comes before is ours */
    bool is_good = vic_file_write_all(d->to, data, len) == 0;
    memset(data, '?', len);
    copy_ring_give_back(&d->out, d->emptied[1]);
    return is_good;
}

static void *drain_run(void *arg)
{
    while (drain_slot(arg))
        ;
    return NULL;
}

static struct copy_ring_in *drain_begin(struct drain *d, const char *to)
{
    drain_make(d, to);
    assert_int_equal(copy_ring_open(&d->in, d->memory, d->filled[1], d->emptied[0], NULL), 0);
    assert_int_equal(pthread_create(&d->thread, NULL, drain_run, d), 0);
    return &d->in;
}

static void drain_close(struct drain *d)
{
    (void)close(d->emptied[0]);
    (void)close(d->emptied[1]);
    (void)close(d->filled[0]);
    (void)close(d->memory);
    (void)close(d->to);
    copy_ring_release(&d->out);
}

static void drain_end(struct drain *d)
{
    copy_ring_close(&d->in);
    (void)close(d->filled[1]);
    assert_int_equal(pthread_join(d->thread, NULL), 0);
    drain_close(d);
}

/* ---- archives by hand ---- */

struct row {
    const char *name;
    mode_t type;
    const char *data; /* content, or what a link leads to */
    bool is_hard_link;
};

static int archive_of(const struct tree *t, const struct row *rows, size_t n)
{
    auto_free char *path = at(t, "/made.tar");
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, rows[i].name);
        archive_entry_set_filetype(e, rows[i].type);
        archive_entry_set_perm(e, 0755);
        archive_entry_set_uid(e, getuid());
        archive_entry_set_gid(e, getgid());
        archive_entry_set_size(e, 0);
        bool is_file = rows[i].type == S_IFREG && !rows[i].is_hard_link;
        if (rows[i].is_hard_link)
            archive_entry_set_hardlink(e, rows[i].data);
        else if (rows[i].type == S_IFLNK)
            archive_entry_set_symlink(e, rows[i].data);
        else if (is_file)
            archive_entry_set_size(e, (la_int64_t)strlen(rows[i].data));
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        if (is_file)
            assert_true(archive_write_data(a, rows[i].data, strlen(rows[i].data)) >= 0);
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static int unpack(const struct tree *t, const char *dir, const struct copy_in_options *o,
                  const struct row *rows, size_t n, struct vic_err *err)
{
    static const struct copy_in_options none;
    auto_close int fd = archive_of(t, rows, n);
    auto_free char *full = at(t, dir);
    return copy_in(full, fd, o ? o : &none, err);
}

/* The names in an archive, in its order, each behind a blank. */
static char *names_in(const char *path)
{
    struct vic_buf b = {0};
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    assert_int_equal(archive_read_support_format_tar(a), ARCHIVE_OK);
    assert_int_equal(archive_read_open_filename(a, path, 10240), ARCHIVE_OK);
    while (archive_read_next_header(a, &e) == ARCHIVE_OK)
        vic_buf_addf(&b, " %s", archive_entry_pathname(e));
    (void)archive_read_free(a);
    return vic_buf_take(&b);
}

static char *packed_names(const struct tree *t, const char *path)
{
    auto_free char *full = at(t, path);
    auto_free char *tar = at(t, "/out.tar");
    struct drain d;
    assert_int_equal(copy_out(full, drain_begin(&d, tar), NULL), 0);
    drain_end(&d);
    return names_in(tar);
}

/* ---- cases ---- */

static void test_stat(void **state)
{
    const struct tree *t = *state;
    make_dir(t, "/d");
    make_file(t, "/d/f", "12345");
    make_link(t, "d/f", "/to-file");
    make_link(t, "d", "/to-dir");
    make_link(t, "gone", "/dangling");
    static const struct {
        const char *path, *name;
        mode_t type;
        const char *target;
    } rows[] = {
        {"/d/f", "f", S_IFREG, NULL},         {"/d", "d", S_IFDIR, NULL},
        {"/d/", "d", S_IFDIR, NULL},          {"/to-file", "to-file", S_IFLNK, "/d/f"},
        {"/to-dir", "to-dir", S_IFLNK, "/d"}, {"/to-dir/", "to-dir", S_IFDIR, NULL},
        {"/to-dir/.", ".", S_IFDIR, NULL},    {"/dangling", "dangling", S_IFLNK, "/gone"},
        {"/to-dir/f", "f", S_IFREG, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *full = at(t, rows[i].path);
        auto_json cJSON *doc = NULL;
        assert_int_equal(copy_stat(full, &doc, NULL), 0);
        assert_string_equal(json_str(doc, "name", ""), rows[i].name);
        assert_int_equal(json_i64(doc, "mode", 0) & S_IFMT, rows[i].type);
        auto_free char *target = rows[i].target ? at(t, rows[i].target) : NULL;
        const char *said = json_str(doc, "link_target", NULL);
        assert_int_equal(said != NULL, target != NULL);
        if (target)
            assert_string_equal(said, target);
    }
    auto_free char *later = at(t, "/d/f"); /* than 64 bits of nanoseconds hold */
    const struct timespec times[] = {{.tv_sec = INT64_C(13569465600)},
                                     {.tv_sec = INT64_C(13569465600)}};
    auto_json cJSON *doc = NULL;
    assert_int_equal(utimensat(AT_FDCWD, later, times, 0), 0);
    assert_int_equal(copy_stat(later, &doc, NULL), 0);
    assert_true(vic_str_starts_with(json_str(doc, "mtime", ""), "2262-04-11T"));
    auto_free char *absent = at(t, "/d/f/x");
    auto_json cJSON *none = NULL;
    struct vic_err err = {0};
    assert_true(copy_stat(absent, &none, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_NOT_FOUND);
}

static void test_names_begin_with_what_was_asked_for(void **state)
{
    const struct tree *t = *state;
    make_dir(t, "/d");
    make_file(t, "/d/f", "1");
    make_link(t, "d", "/l");
    static const char *const rows[][2] = {
        {"/d", " d/ d/f"}, {"/d/", " d/ d/f"}, {"/d/.", " ./ ./f"},
        {"/d/f", " f"},    {"/l", " l"},       {"/l/", " l/ l/f"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *names = packed_names(t, rows[i][0]);
        assert_string_equal(names, rows[i][1]);
        assert_int_equal(fchdir(t->start), 0);
    }
}

static void test_what_went_out_comes_in(void **state)
{
    const struct tree *t = *state;
    make_dir(t, "/d");
    make_dir(t, "/to");
    make_file(t, "/d/f", "text");
    make_link(t, "f", "/d/l");
    auto_free char *f = at(t, "/d/f");
    auto_free char *hard = at(t, "/d/h");
    auto_free char *to = at(t, "/to");
    assert_int_equal(link(f, hard), 0);
    assert_int_equal(chmod(f, 04751), 0);
    auto_free char *names = packed_names(t, "/d");
    auto_free char *tar = at(t, "/out.tar");
    auto_close int fd = open(tar, O_RDONLY | O_CLOEXEC);
    static const struct copy_in_options none;
    assert_int_equal(copy_in(to, fd, &none, NULL), 0);
    assert_text(t, "/to/d/f", "text");
    struct stat a;
    struct stat b;
    auto_free char *new_f = at(t, "/to/d/f");
    auto_free char *new_h = at(t, "/to/d/h");
    assert_int_equal(stat(new_f, &a), 0);
    assert_int_equal(stat(new_h, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(a.st_mode & 07777, 04751);
    assert_true(has(t, "/to/d/l", S_IFLNK));
}

static void test_an_export_names_what_is_below(void **state)
{
    const struct tree *t = *state;
    make_dir(t, "/d");
    make_dir(t, "/d/sub");
    make_file(t, "/d/sub/.x", "1");
    auto_free char *full = at(t, "/d");
    auto_free char *tar = at(t, "/out.tar");
    struct drain d;
    assert_int_equal(copy_export(full, drain_begin(&d, tar), NULL), 0);
    drain_end(&d);
    auto_free char *names = names_in(tar);
    assert_string_equal(names, " sub/ sub/.x");
}

/* An export of /d by a process of its own, which stands before a full ring with its first large file, and has read
 * the names of all beside it. */
static pid_t export_begin(const struct tree *t, struct drain *d)
{
    auto_free char *full = at(t, "/d");
    auto_free char *tar = at(t, "/out.tar");
    drain_make(d, tar);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(d->emptied[1]);
        _exit(copy_ring_open(&d->in, d->memory, d->filled[1], d->emptied[0], NULL) < 0 ||
              copy_export(full, &d->in, NULL) < 0);
    }
    (void)close(d->filled[1]);
    assert_true(drain_slot(d));
    return pid;
}

/* The names in it. */
static char *export_end(const struct tree *t, struct drain *d, pid_t pid)
{
    int status;
    auto_free char *tar = at(t, "/out.tar");
    while (drain_slot(d))
        ;
    drain_close(d);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return names_in(tar);
}

static void make_large(const struct tree *t, const char *path)
{
    auto_free char *data = vic_xalloc(LARGE + 1);
    memset(data, 'x', LARGE);
    make_file(t, path, data);
}

static void test_what_vanishes_meanwhile_is_left_out(void **state)
{
    const struct tree *t = *state;
    static const char *const names[] = {"/d/a", "/d/b", "/d/c"};
    struct drain d;
    make_dir(t, "/d");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        make_large(t, names[i]);
    pid_t pid = export_begin(t, &d);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        auto_free char *file = at(t, names[i]);
        assert_int_equal(unlink(file), 0);
    }
    auto_free char *packed = export_end(t, &d, pid);
    assert_int_equal(strlen(packed), strlen(" a"));
}

/* Directories are entered only after the files beside them. */
static void test_directories_that_vanish_or_become_files_are_left_out(void **state)
{
    const struct tree *t = *state;
    struct drain d;
    make_dir(t, "/d");
    make_dir(t, "/d/gone");
    make_file(t, "/d/gone/x", "1");
    make_dir(t, "/d/file");
    make_large(t, "/d/a");
    pid_t pid = export_begin(t, &d);
    auto_free char *gone = at(t, "/d/gone");
    auto_free char *file = at(t, "/d/file");
    assert_int_equal(vic_file_remove_tree(gone, NULL), 0);
    assert_int_equal(rmdir(file), 0);
    make_file(t, "/d/file", "2");
    auto_free char *packed = export_end(t, &d, pid);
    assert_non_null(strstr(packed, " a"));
    assert_null(strstr(packed, "gone/x"));
}

/* Who holds it is told by a signal, here the one that ends it. */
static void test_a_leased_file_is_waited_for(void **state)
{
    const struct tree *t = *state;
    auto_free char *path = at(t, "/d/f");
    int ready[2];
    char sign;
    make_dir(t, "/d");
    make_file(t, "/d/f", "1");
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &sign, 1), 1);
    auto_free char *packed = packed_names(t, "/d");
    assert_string_equal(packed, " d/ d/f");
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGIO);
    (void)close(ready[0]);
}

/* Past several slots, and below a path that is longer than the kernel takes. */
static void test_a_deep_file_comes_out_as_it_is(void **state)
{
    const struct tree *t = *state;
    enum {
        DEPTH = 30,
        LEN = 3 << 20
    };
    char name[201];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    auto_free char *top = at(t, "/d");
    auto_free uint8_t *data = vic_xalloc(LEN);
    for (size_t i = 0; i < LEN; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    make_dir(t, "/d");
    assert_int_equal(chdir(top), 0);
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(mkdir(name, 0755), 0);
        assert_int_equal(chdir(name), 0);
    }
    assert_int_equal(vic_file_replace("file", data, LEN, 0644, NULL), 0);
    struct drain d;
    auto_free char *tar = at(t, "/out.tar");
    assert_int_equal(copy_export(top, drain_begin(&d, tar), NULL), 0);
    drain_end(&d);
    struct archive *a = archive_read_new();
    struct archive_entry *e = NULL;
    (void)archive_read_support_format_tar(a);
    assert_int_equal(archive_read_open_filename(a, tar, 65536), ARCHIVE_OK);
    for (int i = 0; i <= DEPTH; i++)
        assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
    assert_true(strlen(archive_entry_pathname(e)) > PATH_MAX);
    auto_free uint8_t *seen = vic_xalloc(LEN + 1);
    assert_int_equal(archive_read_data(a, seen, LEN + 1), LEN);
    assert_memory_equal(seen, data, LEN);
    (void)archive_read_free(a);
}

static void test_a_ring_with_a_wrong_length_is_refused(void **state)
{
    static const uint32_t wrong[] = {0, COPY_RING_SLOT + 1, UINT32_MAX};
    const struct tree *t = *state;
    auto_free char *to = at(t, "/out");
    struct drain d;
    uint8_t *data;
    size_t len;
    drain_make(&d, to);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(write(d.filled[1], &wrong[i], sizeof(wrong[i])), sizeof(wrong[i]));
        assert_int_equal(copy_ring_next(&d.out, d.filled[0], &data, &len), -EPROTO);
    }
    assert_int_equal(write(d.filled[1], "ab", 2), 2); /* half a one */
    assert_int_equal(copy_ring_next(&d.out, d.filled[0], &data, &len), -EPROTO);
    (void)close(d.filled[1]);
    assert_int_equal(copy_ring_next(&d.out, d.filled[0], &data, &len), 0);
    drain_close(&d);
}

/* Whoever empties it has gone. */
static void test_a_ring_without_a_reader_ends_the_copy(void **state)
{
    const struct tree *t = *state;
    auto_free char *to = at(t, "/out");
    auto_free char *data = vic_xalloc(LARGE);
    struct vic_err err;
    struct drain d;
    drain_make(&d, to);
    assert_int_equal(copy_ring_open(&d.in, d.memory, d.filled[1], d.emptied[0], NULL), 0);
    (void)close(d.emptied[1]);
    d.emptied[1] = -1;
    memset(data, 'x', LARGE);
    assert_true(copy_ring_add(&d.in, data, LARGE, &err) < 0);
    copy_ring_close(&d.in);
    (void)close(d.filled[1]);
    drain_close(&d);
}

static void test_what_is_in_the_way_is_replaced(void **state)
{
    const struct tree *t = *state;
    static const struct row file = {"x", S_IFREG, "new", false};
    static const struct row dir = {"x/", S_IFDIR, "", false};
    static const struct row link_out = {"x", S_IFLNK, "/etc/passwd", false};
    make_dir(t, "/to");
    make_dir(t, "/to/x");
    make_file(t, "/to/x/old", "1");
    assert_int_equal(unpack(t, "/to", NULL, &dir, 1, NULL), 0);
    assert_text(t, "/to/x/old", "1"); /* two directories are one */
    assert_int_equal(unpack(t, "/to", NULL, &file, 1, NULL), 0);
    assert_text(t, "/to/x", "new");
    assert_int_equal(unpack(t, "/to", NULL, &link_out, 1, NULL), 0);
    assert_int_equal(unpack(t, "/to", NULL, &file, 1, NULL), 0); /* not through the link */
    assert_true(has(t, "/to/x", S_IFREG));
}

static void test_kinds_are_kept_when_asked(void **state)
{
    const struct tree *t = *state;
    static const struct copy_in_options keeps = {.keeps_kind = true};
    static const struct row rows[] = {{"d", S_IFREG, "new", false}, {"f/", S_IFDIR, "", false}};
    make_dir(t, "/to");
    make_dir(t, "/to/d");
    make_file(t, "/to/f", "old");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct vic_err err = {0};
        assert_true(unpack(t, "/to", &keeps, &rows[i], 1, &err) < 0);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
        assert_non_null(strstr(err.message, "cannot overwrite"));
    }
    assert_true(has(t, "/to/d", S_IFDIR));
    assert_text(t, "/to/f", "old");
}

static void test_names_that_lead_out_are_refused(void **state)
{
    const struct tree *t = *state;
    static const struct row bad[] = {
        {"../x", S_IFREG, "1", false},     {"a/../../x", S_IFREG, "1", false},
        {"..", S_IFDIR, "", false},        {"/../x", S_IFREG, "1", false},
        {"./../x", S_IFREG, "1", false},   {"a/..", S_IFREG, "1", false},
        {"x", S_IFREG, "../secret", true},
    };
    make_dir(t, "/to");
    make_file(t, "/secret", "1");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct vic_err err = {0};
        assert_true(unpack(t, "/to", NULL, &bad[i], 1, &err) < 0);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
        assert_non_null(strstr(err.message, "leads out"));
        assert_false(has(t, "/x", S_IFREG));
    }
    static const struct row good[] = {{"/abs", S_IFREG, "1", false},
                                      {"./..x", S_IFREG, "1", false}};
    assert_int_equal(unpack(t, "/to", NULL, good, ARRAY_SIZE(good), NULL), 0);
    assert_true(has(t, "/to/abs", S_IFREG));
    assert_true(has(t, "/to/..x", S_IFREG));
}

static void test_bad_targets_and_bad_archives(void **state)
{
    const struct tree *t = *state;
    static const struct row file = {"x", S_IFREG, "new", false};
    make_file(t, "/f", "not a tar, and longer than one of its blocks would have to be");
    struct vic_err err = {0};
    assert_true(unpack(t, "/nowhere", NULL, &file, 1, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_NOT_FOUND);
    assert_true(unpack(t, "/f", NULL, &file, 1, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    assert_string_equal(err.message, "extraction point is not a directory");
    auto_free char *path = at(t, "/f");
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    static const struct copy_in_options none;
    assert_true(copy_in(t->dir, fd, &none, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    auto_close int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(copy_in(t->dir, empty, &none, NULL), 0);
}

/* As libarchive's own clients would: a file with bytes at its beginning, and a hole behind them. */
static int sparse_archive(const struct tree *t, la_int64_t size, size_t n_data)
{
    auto_free char *path = at(t, "/sparse.tar");
    auto_free char *data = vic_xalloc(n_data);
    memset(data, 'x', n_data);
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    assert_int_equal(archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    archive_entry_set_pathname(e, "sparse");
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, size);
    archive_entry_sparse_add_entry(e, 0, (la_int64_t)n_data);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, data, n_data), n_data);
    archive_entry_free(e);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static off_t size_of(const struct tree *t, const char *path)
{
    auto_free char *full = at(t, path);
    struct stat st;
    assert_int_equal(stat(full, &st), 0);
    return st.st_size;
}

static void test_a_file_is_as_long_as_what_came(void **state)
{
    const struct tree *t = *state;
    static const struct copy_in_options none;
    struct vic_err err = {0};
    make_dir(t, "/to");
    auto_free char *to = at(t, "/to");
    auto_close int whole = sparse_archive(t, 1 << 20, 5000);
    assert_int_equal(copy_in(to, whole, &none, &err), 0);
    assert_int_equal(size_of(t, "/to/sparse"), 1 << 20);
    auto_close int cut = sparse_archive(t, 100000, 100000);
    assert_int_equal(ftruncate(cut, 50000), 0);
    assert_int_equal(lseek(cut, 0, SEEK_SET), 0);
    assert_true(copy_in(to, cut, &none, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    assert_in_range(size_of(t, "/to/sparse"), 1, 50000);
}

/* What was not touched is the same inode in both: here a hard link. */
static void share(const struct tree *t, const char *before, const char *now)
{
    auto_free char *from = at(t, before);
    auto_free char *to = at(t, now);
    assert_int_equal(link(from, to), 0);
}

static char *changes_of(const struct tree *t, struct vic_err *ret_err)
{
    auto_free char *now = at(t, "/now");
    auto_free char *before = at(t, "/before");
    auto_free char *out = at(t, "/out");
    auto_close int now_fd = open(now, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int before_fd = open(before, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct drain d;
    char *text = NULL;
    int r = copy_changes(now_fd, before_fd, drain_begin(&d, out), ret_err);
    drain_end(&d);
    if (r == 0)
        assert_int_equal(vic_file_read(out, 1u << 20, &text, NULL, NULL), 0);
    return text;
}

static void test_changes_are_told_as_docker_tells_them(void **state)
{
    const struct tree *t = *state;
    static const char *const dirs[] = {"/before",      "/now",         "/before/etc", "/now/etc",
                                       "/before/gone", "/before/proc", "/now/proc",   "/now/new",
                                       "/now/new/sub", "/before/same", "/now/same"};
    struct vic_err err;
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        make_dir(t, dirs[i]);
    make_file(t, "/before/kept", "1");
    share(t, "/before/kept", "/now/kept");
    make_file(t, "/before/same/kept", "1");
    share(t, "/before/same/kept", "/now/same/kept");
    make_file(t, "/before/etc/changed", "old");
    make_file(t, "/now/etc/changed", "new");
    make_file(t, "/now/etc/hosts", "the host's");
    make_file(t, "/now/proc/1", "");
    make_file(t, "/before/gone/with it", "");
    make_file(t, "/now/new/sub/a \"b\"\nc\xff", "");
    make_file(t, "/before/kind", "");
    make_link(t, "kept", "/now/kind");
    auto_free char *text = changes_of(t, &err);
    /* Directories of two trees are two inodes here: each is told of, but for what the host made. */
    assert_string_equal(text, "{\"path\":\"/etc\",\"kind\":0}\n"
                              "{\"path\":\"/etc/changed\",\"kind\":0}\n"
                              "{\"path\":\"/gone\",\"kind\":2}\n"
                              "{\"path\":\"/kind\",\"kind\":0}\n"
                              "{\"path\":\"/new\",\"kind\":1}\n"
                              "{\"path\":\"/new/sub\",\"kind\":1}\n"
                              "{\"path\":\"/new/sub/a \\\"b\\\"\\nc\xef\xbf\xbd\",\"kind\":1}\n"
                              "{\"path\":\"/same\",\"kind\":0}\n"
                              "{}\n");
}

static void test_changes_too_deep_are_refused(void **state)
{
    const struct tree *t = *state;
    struct vic_err err;
    make_dir(t, "/before");
    make_dir(t, "/now");
    auto_free char *now = at(t, "/now");
    assert_int_equal(chdir(now), 0);
    for (int i = 0; i < 405; i++) {
        assert_int_equal(mkdir("d", 0755), 0);
        assert_int_equal(chdir("d"), 0);
    }
    auto_free char *text = changes_of(t, &err);
    assert_null(text);
    assert_int_equal(err.kind, VIC_ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stat, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_begin_with_what_was_asked_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_went_out_comes_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_export_names_what_is_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_vanishes_meanwhile_is_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_directories_that_vanish_or_become_files_are_left_out,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_leased_file_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_deep_file_comes_out_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_ring_with_a_wrong_length_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_ring_without_a_reader_ends_the_copy, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_in_the_way_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kinds_are_kept_when_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_that_lead_out_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_targets_and_bad_archives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_is_as_long_as_what_came, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes_are_told_as_docker_tells_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_changes_too_deep_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
