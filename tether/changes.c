/* What a container has changed of its image: two trees, walked side by side. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/base/utf8.h"
#include "tether/copy.h"

#define DEPTH_MAX 400 /* each level holds two descriptors */
#define FLUSH_BYTES (64u << 10)

enum kind {
    MODIFIED = 0, /* Docker's numbers */
    ADDED = 1,
    DELETED = 2,
};

/* What the host and its guest put into every container: Docker does not tell of it either. */
static const char *const ours[] = {
    "/dev", "/proc", "/sys", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/lost+found"};

struct walk {
    struct vic_buf path; /* of the entry at hand; "" is the root */
    struct {
        size_t path_len;
        bool is_told;
    } levels[DEPTH_MAX + 1]; /* the directories above it */
    size_t depth;
    struct vic_buf out; /* lines to be written */
    struct copy_ring_in *to;
};

/* A directory in either tree and one of its entries: no inode is none. */
struct side {
    int dir; /* borrowed; -1: this tree has no such directory */
    struct stat st;
};

/* ---- telling ---- */

static void add_line(struct walk *w, size_t path_len, enum kind kind)
{
    auto_json cJSON *doc = json_new_obj();
    auto_free char *path = vic_utf8_clean(vic_buf_str(&w->path), path_len);
    json_add_str(doc, "path", path);
    json_add_i64(doc, "kind", kind);
    auto_free char *text = json_print(doc);
    vic_buf_addf(&w->out, "%s\n", text);
}

static int flush(struct walk *w, struct vic_err *err)
{
    int r = copy_ring_add(w->to, vic_buf_str(&w->out), w->out.len, err);
    vic_buf_clear(&w->out);
    return r;
}

/* A directory is told of before what is in it, and because of that. */
static int tell(struct walk *w, enum kind kind, struct vic_err *err)
{
    for (size_t i = 0; i < w->depth; i++) {
        if (!w->levels[i].is_told)
            add_line(w, w->levels[i].path_len, MODIFIED);
        w->levels[i].is_told = true;
    }
    add_line(w, w->path.len, kind);
    return w->out.len > FLUSH_BYTES ? flush(w, err) : 0;
}

/* ---- the names of a directory ---- */

struct names {
    char **v; /* owned; sorted */
    size_t n, room;
};

static void names_release(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->v[i]);
    free(names->v);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_name(struct names *names, const char *name)
{
    if (names->n == names->room) {
        names->room = names->room ? 2 * names->room : 64;
        names->v = vic_xrealloc_array(names->v, names->room, sizeof(*names->v));
    }
    names->v[names->n++] = vic_xstrdup(name);
}

/* dir -1: none. */
static int list(int dir, struct names *names, struct vic_err *err)
{
    int fd = dir < 0 ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (dir >= 0 && !d)
        return vic_fail_errno(err, errno, "read a directory");
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            add_name(names, e->d_name);
    if (d)
        (void)closedir(d);
    if (names->n > 0)
        qsort(names->v, names->n, sizeof(*names->v), by_name);
    return 0;
}

/* ---- comparing ---- */

/* The container may have removed it meanwhile. */
static bool look(struct side *s, const char *name)
{
    if (s->dir < 0 || fstatat(s->dir, name, &s->st, AT_SYMLINK_NOFOLLOW) < 0)
        s->st = (struct stat){0};
    return s->st.st_ino != 0;
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The disk began as the image's file system: what was not touched is the same inode, unchanged.  One that lost or got a
 * name elsewhere was not, although its change time tells of it. */
static bool is_same(const struct stat *a, const struct stat *b)
{
    if (a->st_ino != b->st_ino || a->st_mode != b->st_mode || a->st_uid != b->st_uid ||
        a->st_gid != b->st_gid || a->st_rdev != b->st_rdev)
        return false;
    if (S_ISDIR(a->st_mode))
        return true; /* its times tell what its entries tell too */
    return a->st_size == b->st_size && is_same_time(a->st_mtim, b->st_mtim) &&
           (a->st_nlink != b->st_nlink || is_same_time(a->st_ctim, b->st_ctim));
}

static bool is_ours(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (strcmp(ours[i], path) == 0)
            return true;
    return false;
}

static int open_dir(const struct side *s, const char *name)
{
    return S_ISDIR(s->st.st_mode)
               ? openat(s->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
               : -1;
}

static int walk(struct walk *w, int now, int before, struct vic_err *err);

static int descend(struct walk *w, const char *name, const struct side *now,
                   const struct side *before, bool is_told, struct vic_err *err)
{
    auto_close int now_fd = open_dir(now, name);
    auto_close int before_fd = open_dir(before, name);
    if (now_fd < 0)
        return 0;
    if (w->depth == DEPTH_MAX)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "more than %d directories in one another",
                        DEPTH_MAX);
    w->levels[w->depth].path_len = w->path.len;
    w->levels[w->depth++].is_told = is_told;
    int r = walk(w, now_fd, before_fd, err);
    w->depth--;
    return r;
}

/* The entry at w->path. */
static int compare(struct walk *w, const char *name, struct side now, struct side before,
                   struct vic_err *err)
{
    bool is_there = look(&now, name);
    bool was_there = look(&before, name);
    int r = 0;
    if (is_ours(vic_buf_str(&w->path)) || (!is_there && !was_there))
        return 0;
    if (!is_there)
        return tell(w, DELETED, err);
    bool is_changed = !was_there || !is_same(&now.st, &before.st);
    bool is_mount_point = !was_there && vic_str_eq(vic_buf_str(&w->path), "/etc"); /* of ours */
    if (is_changed && !is_mount_point)
        r = tell(w, was_there ? MODIFIED : ADDED, err);
    return r < 0 ? r : descend(w, name, &now, &before, is_changed, err);
}

static int walk(struct walk *w, int now, int before, struct vic_err *err)
{
    auto_(names_release) struct names here = {0};
    auto_(names_release) struct names there = {0};
    const size_t len = w->path.len;
    size_t i = 0;
    size_t k = 0;
    int r = list(now, &here, err);
    if (r == 0)
        r = list(before, &there, err);
    while (r == 0 && (i < here.n || k < there.n)) {
        int order = i == here.n ? 1 : k == there.n ? -1 : strcmp(here.v[i], there.v[k]);
        const char *name = order > 0 ? there.v[k] : here.v[i];
        vic_buf_addf(&w->path, "/%s", name);
        r = compare(w, name, (struct side){.dir = now}, (struct side){.dir = before}, err);
        vic_buf_cut(&w->path, len);
        i += order <= 0;
        k += order >= 0;
    }
    return r;
}

int copy_changes(int root, int image, struct copy_ring_in *out, struct vic_err *err)
{
    static struct walk w; /* too large for a stack frame */
    w = (struct walk){.to = out};
    w.levels[0].is_told = true; /* nobody tells of "/" */
    w.depth = 1;
    int r = walk(&w, root, image, err);
    vic_buf_add_str(&w.out, "{}\n"); /* that is all */
    if (r == 0)
        r = flush(&w, err);
    if (r == 0)
        r = copy_ring_flush(out, err);
    vic_buf_release(&w.path);
    vic_buf_release(&w.out);
    return r;
}
