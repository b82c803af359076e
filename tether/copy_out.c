/* A tree of the container as tar. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/cleanup.h"
#include "tether/copy.h"

struct out {
    struct archive *disk;
    struct archive *tar;
    struct archive_entry_linkresolver *links;
    size_t strip;     /* of each name: what disk puts before what is below the top */
    const char *base; /* what stands there in the archive */
    bool skips_top;
};

static void out_free(struct out *o)
{
    (void)archive_read_free(o->disk);
    (void)archive_write_free(o->tar);
    archive_entry_linkresolver_free(o->links);
}

static int fail(struct archive *a, const char *what, struct vic_err *err)
{
    const char *why = archive_error_string(a);
    return vic_fail(err, VIC_ERR_INTERNAL, EIO, "%s: %.300s", what, why ? why : "failed");
}

struct block {
    const void *data;
    size_t len;
    la_int64_t offset;
};

/* 1: there is one; 0: there is no more. */
static int read_block(const struct out *o, struct block *b, struct vic_err *err)
{
    int r = archive_read_data_block(o->disk, &b->data, &b->len, &b->offset);
    if (r == ARCHIVE_EOF)
        return 0;
    return r == ARCHIVE_OK ? 1 : fail(o->disk, "read a file", err);
}

/* The container goes on meanwhile: what it has removed since the directory was read is left out. */
static bool has_vanished(const struct out *o)
{
    return archive_errno(o->disk) == ENOENT;
}

static int write_data(const struct out *o, struct block *b, struct vic_err *err)
{
    int r = 1;
    while (r > 0) {
        /* What a file has grown by meanwhile is cut; what it lacks, the writer fills with zeros. */
        if (archive_write_data(o->tar, b->data, b->len) < 0)
            return fail(o->tar, "write the archive", err);
        r = read_block(o, b, err);
    }
    return r;
}

/* Sockets have no place in a tar, and Docker leaves them out too. */
static int write_entry(const struct out *o, struct archive_entry *e, struct vic_err *err)
{
    struct block first;
    if (!e || archive_entry_filetype(e) == AE_IFSOCK)
        return 0;
    int has_data = archive_entry_size(e) > 0 ? read_block(o, &first, err) : 0;
    if (has_data < 0)
        return has_vanished(o) ? 0 : has_data;
    int r = archive_write_header(o->tar, e);
    if (r < ARCHIVE_WARN)
        return fail(o->tar, "write the archive", err);
    return has_data ? write_data(o, &first, err) : 0;
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

static int write_tree(const struct out *o, struct vic_err *err)
{
    for (;;) {
        struct archive_entry *e = archive_entry_new();
        struct archive_entry *spare = NULL;
        int r = archive_read_next_header2(o->disk, e);
        if (r == ARCHIVE_OK || r == ARCHIVE_WARN) {
            (void)archive_read_disk_descend(o->disk);
            r = 0;
            if (rename_entry(o, e)) {
                archive_entry_linkify(o->links, &e, &spare);
                r = write_entry(o, e, err);
            }
        } else if (r == ARCHIVE_FAILED && has_vanished(o)) {
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

static int open_archives(struct out *o, int fd, const char *top, struct vic_err *err)
{
    (void)archive_read_disk_set_symlink_physical(o->disk);
    (void)archive_read_disk_set_behavior(
        o->disk, ARCHIVE_READDISK_NO_ACL | ARCHIVE_READDISK_NO_FFLAGS | ARCHIVE_READDISK_NO_SPARSE);
    if (archive_write_set_format_pax_restricted(o->tar) != ARCHIVE_OK ||
        archive_write_set_options(o->tar, "pax:xattrheader=SCHILY") != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(o->tar, 0) != ARCHIVE_OK ||
        archive_write_open_fd(o->tar, fd) != ARCHIVE_OK)
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

static int write_all(struct out *o, int fd, const char *top, struct vic_err *err)
{
    o->disk = archive_read_disk_new();
    o->tar = archive_write_new();
    o->links = archive_entry_linkresolver_new();
    if (!o->disk || !o->tar || !o->links)
        return vic_fail(err, VIC_ERR_INTERNAL, ENOMEM, "out of memory");
    int r = open_archives(o, fd, top, err);
    if (r < 0 || (r = write_tree(o, err)) < 0)
        return r;
    return archive_write_close(o->tar) == ARCHIVE_OK ? 0 : fail(o->tar, "end the archive", err);
}

int copy_out(const char *path, int fd, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    int r = copy_stat(path, &doc, err);
    const char *name = json_str(doc, "name", "");
    const char *top = NULL;
    if (r < 0 || (r = enter(path, name, (mode_t)json_i64(doc, "mode", 0), &top, err)) < 0)
        return r;
    auto_(out_free) struct out o = {
        .strip = strlen(top),
        .base = strcmp(name, "/") == 0 ? "" : name,
    };
    return write_all(&o, fd, top, err);
}

int copy_export(const char *path, int fd, struct vic_err *err)
{
    auto_(out_free) struct out o = {.strip = strlen("./"), .base = "", .skips_top = true};
    if (chdir(path) < 0)
        return vic_fail_errno(err, errno, "enter %.300s", path);
    return write_all(&o, fd, ".", err);
}
