/* A tree of the container as tar. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/cleanup.h"
#include "tether/copy.h"

#define LEASE_RETRY_MS 50
#define LEASE_MAX_MS 60000 /* the kernel ends one after 45 s (/proc/sys/fs/lease-break-time) */

struct out {
    struct copy_ring_in *to;
    const void *in_place; /* bytes that stand in to already */
    struct vic_err why;   /* to took no more */
    int start; /* the directory that the tree's names begin at; libarchive changes the current one */
    struct archive *disk;
    struct archive *tar;
    struct archive_entry_linkresolver *links;
    size_t strip;     /* of each name: what disk puts before what is below the top */
    const char *base; /* what stands there in the archive */
    bool skips_top;
    int waited_ms; /* for leases, in all */
};

static void out_free(struct out *o)
{
    vic_close_p(&o->start);
    (void)archive_read_free(o->disk);
    (void)archive_write_free(o->tar);
    archive_entry_linkresolver_free(o->links);
}

static int fail(struct archive *a, const char *what, struct vic_err *err)
{
    const char *why = archive_error_string(a);
    return vic_fail(err, VIC_ERR_INTERNAL, EIO, "%s: %.300s", what, why ? why : "failed");
}

/* The container goes on meanwhile: what it has removed since the directory was read, or has put something else in
 * the place of, is left out. */
static bool has_vanished(int e)
{
    return e == ENOENT || e == ENOTDIR || e == ELOOP || e == ENXIO || e == ENODEV;
}

/* libarchive does not say why it cannot enter a directory, but leaves errno as it was then. */
static int error_of(struct archive *a)
{
    int e = archive_errno(a);
    return e < 0 ? errno : e;
}

/* As openat(), also where path is longer than the kernel takes at once. */
static int open_below(int dir, const char *path, int flags)
{
    char part[PATH_MAX];
    auto_close int owned = -1;
    while (strlen(path) >= sizeof(part)) {
        memcpy(part, path, sizeof(part));
        char *slash = memrchr(part, '/', sizeof(part) - 1);
        if (!slash || slash == part)
            return -ENAMETOOLONG;
        *slash = '\0';
        int next = openat(dir, part, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (next < 0)
            return -errno;
        vic_close_p(&owned);
        owned = dir = next;
        path += slash + 1 - part;
    }
    int fd = openat(dir, path, flags);
    return fd < 0 ? -errno : fd;
}

/* Not by libarchive, whose own buffer would cost another copy.  -ENOENT: it is no file any more. */
static int open_once(const struct out *o, struct archive_entry *e)
{
    auto_close int fd = open_below(o->start, archive_entry_sourcepath(e),
                                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fd < 0 ? fd : -errno;
    return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -ENOENT;
}

/* A lease on a file (fcntl(2), F_SETLEASE) ends when it is opened, but its holder has its time.  An open that waits
 * for that might wait for ever at a FIFO that was put there. */
static int open_file(struct out *o, struct archive_entry *e)
{
    int fd = open_once(o, e);
    for (; fd == -EAGAIN && o->waited_ms < LEASE_MAX_MS; o->waited_ms += LEASE_RETRY_MS) {
        (void)poll(NULL, 0, LEASE_RETRY_MS);
        fd = open_once(o, e);
    }
    return fd;
}

/* What a file has grown by meanwhile is cut; what it lacks, the writer fills with zeros. */
static int write_data(struct out *o, int fd, la_int64_t left, struct vic_err *err)
{
    while (left > 0) {
        uint8_t *data;
        size_t room;
        int r = copy_ring_room(o->to, &data, &room, err);
        if (r < 0)
            return r;
        ssize_t n = read(fd, data, left < (la_int64_t)room ? (size_t)left : room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? vic_fail_errno(err, errno, "read a file") : 0;
        o->in_place = data;
        la_ssize_t written = archive_write_data(o->tar, data, (size_t)n);
        o->in_place = NULL;
        if (written < 0)
            return fail(o->tar, "write the archive", err);
        left -= n;
    }
    return 0;
}

/* Sockets have no place in a tar, and Docker leaves them out too. */
static int write_entry(struct out *o, struct archive_entry *e, struct vic_err *err)
{
    if (!e || archive_entry_filetype(e) == AE_IFSOCK)
        return 0;
    bool has_data = archive_entry_filetype(e) == AE_IFREG && archive_entry_size(e) > 0;
    int opened = has_data ? open_file(o, e) : -1;
    auto_close int fd = opened;
    if (has_data && fd < 0)
        return has_vanished(-opened) ? 0 : vic_fail_errno(err, -opened, "open a file");
    if (archive_write_header(o->tar, e) < ARCHIVE_WARN)
        return fail(o->tar, "write the archive", err);
    return has_data ? write_data(o, fd, archive_entry_size(e), err) : 0;
}

/* False for one that the archive does not name. */
static bool rename_entry(const struct out *o, struct archive_entry *e)
{
    if (o->skips_top && strlen(archive_entry_pathname(e)) < o->strip)
        return false;
    auto_free char *name = vic_xasprintf("%s%s", o->base, archive_entry_pathname(e) + o->strip);
    archive_entry_set_pathname(e, name[0] ? name : "/");
    return true;
}

static int write_tree(struct out *o, struct vic_err *err)
{
    for (;;) {
        struct archive_entry *e = archive_entry_new();
        struct archive_entry *spare = NULL;
        errno = 0;
        int r = archive_read_next_header2(o->disk, e);
        if (r == ARCHIVE_OK || r == ARCHIVE_WARN) {
            (void)archive_read_disk_descend(o->disk);
            r = 0;
            if (rename_entry(o, e)) {
                archive_entry_linkify(o->links, &e, &spare);
                r = write_entry(o, e, err);
            }
        } else if (r == ARCHIVE_FAILED && has_vanished(error_of(o->disk))) {
            r = 0;
        } else if (r == ARCHIVE_EOF) {
            r = 1;
        } else {
            r = fail(o->disk, "read a directory", err);
        }
        archive_entry_free(e);
        archive_entry_free(spare);
        if (r != 0)
            return r < 0 ? r : 0;
    }
}

static la_ssize_t on_tar_bytes(struct archive *a, void *arg, const void *data, size_t len)
{
    struct out *o = arg;
    if (data == o->in_place) {
        copy_ring_wrote(o->to, len);
        return (la_ssize_t)len;
    }
    if (copy_ring_add(o->to, data, len, &o->why) == 0)
        return (la_ssize_t)len;
    archive_set_error(a, EPIPE, "%.300s", o->why.message);
    return -1;
}

static int open_archives(struct out *o, const char *top, struct vic_err *err)
{
    (void)archive_read_disk_set_symlink_physical(o->disk);
    (void)archive_read_disk_set_behavior(
        o->disk, ARCHIVE_READDISK_NO_ACL | ARCHIVE_READDISK_NO_FFLAGS | ARCHIVE_READDISK_NO_SPARSE);
    if (archive_write_set_format_pax_restricted(o->tar) != ARCHIVE_OK ||
        archive_write_set_options(o->tar, "pax:xattrheader=SCHILY") != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(o->tar, 0) != ARCHIVE_OK ||
        archive_write_open(o->tar, o, NULL, on_tar_bytes, NULL) != ARCHIVE_OK)
        return fail(o->tar, "begin the archive", err);
    archive_entry_linkresolver_set_strategy(o->links, archive_format(o->tar));
    return archive_read_disk_open(o->disk, top) == ARCHIVE_OK ? 0 : fail(o->disk, "read", err);
}

/* Goes to where the names in the archive begin; *ret_top is what to read from there. */
static int enter(const char *path, const char *name, mode_t mode, const char **ret_top,
                 struct vic_err *err)
{
    auto_free char *parent = vic_xstrdup(path);
    char *slash = strrchr(parent, '/');
    if (!S_ISDIR(mode))
        slash[slash == parent] = '\0'; /* a path that ends in a slash is a directory */
    *ret_top = S_ISDIR(mode) ? "." : name;
    return chdir(parent) < 0 ? vic_fail_errno(err, errno, "enter %.300s", parent) : 0;
}

static int write_all(struct out *o, const char *top, struct vic_err *err)
{
    o->start = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->start < 0)
        return vic_fail_errno(err, errno, "open the directory");
    o->disk = archive_read_disk_new();
    o->tar = archive_write_new();
    o->links = archive_entry_linkresolver_new();
    if (!o->disk || !o->tar || !o->links)
        return vic_fail(err, VIC_ERR_INTERNAL, ENOMEM, "out of memory");
    int r = open_archives(o, top, err);
    if (r == 0 && (r = write_tree(o, err)) < 0)
        (void)archive_write_fail(o->tar); /* or what is missing would be filled up */
    if (r < 0)
        return r;
    if (archive_write_close(o->tar) != ARCHIVE_OK)
        return fail(o->tar, "end the archive", err);
    return copy_ring_flush(o->to, err);
}

int copy_out(const char *path, struct copy_ring_in *out, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    int r = copy_stat(path, &doc, err);
    const char *name = json_str(doc, "name", "");
    const char *top = NULL;
    if (r < 0 || (r = enter(path, name, (mode_t)json_i64(doc, "mode", 0), &top, err)) < 0)
        return r;
    auto_(out_free) struct out o = {
        .to = out,
        .start = -1,
        .strip = strlen(top),
        .base = strcmp(name, "/") == 0 ? "" : name,
    };
    return write_all(&o, top, err);
}

int copy_export(const char *path, struct copy_ring_in *out, struct vic_err *err)
{
    auto_(out_free) struct out o = {
        .to = out, .start = -1, .strip = strlen("./"), .base = "", .skips_top = true};
    if (chdir(path) < 0)
        return vic_fail_errno(err, errno, "enter %.300s", path);
    return write_all(&o, ".", err);
}
