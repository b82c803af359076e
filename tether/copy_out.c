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

static int copy_data(const struct out *o, struct vic_err *err)
{
    for (;;) {
        const void *data;
        size_t len;
        la_int64_t offset;
        int r = archive_read_data_block(o->disk, &data, &len, &offset);
        if (r == ARCHIVE_EOF)
            return 0;
        if (r != ARCHIVE_OK)
            return fail(o->disk, "read a file", err);
        /* What a file has grown by meanwhile is cut; what it lacks, the writer fills with zeros. */
        if (archive_write_data(o->tar, data, len) < 0)
            return fail(o->tar, "write the archive", err);
    }
}

/* Sockets have no place in a tar, and Docker leaves them out too. */
static int write_entry(const struct out *o, struct archive_entry *e, struct vic_err *err)
{
    if (!e || archive_entry_filetype(e) == AE_IFSOCK)
        return 0;
    int r = archive_write_header(o->tar, e);
    if (r < ARCHIVE_WARN)
        return fail(o->tar, "write the archive", err);
    return archive_entry_size(e) > 0 ? copy_data(o, err) : 0;
}

static void rename_entry(const struct out *o, struct archive_entry *e)
{
    auto_free char *name = vic_xasprintf("%s%s", o->base, archive_entry_pathname(e) + o->strip);
    archive_entry_set_pathname(e, name[0] ? name : "/");
}

static int write_tree(const struct out *o, struct vic_err *err)
{
    for (;;) {
        struct archive_entry *e = archive_entry_new();
        struct archive_entry *spare = NULL;
        int r = archive_read_next_header2(o->disk, e);
        if (r == ARCHIVE_OK || r == ARCHIVE_WARN) {
            (void)archive_read_disk_descend(o->disk);
            rename_entry(o, e);
            archive_entry_linkify(o->links, &e, &spare);
            r = write_entry(o, e, err);
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

int copy_out(const char *path, int fd, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    int r = copy_stat(path, &doc, err);
    const char *name = json_str(doc, "name", "");
    const char *top = NULL;
    if (r < 0 || (r = enter(path, name, (mode_t)json_i64(doc, "mode", 0), &top, err)) < 0)
        return r;
    auto_(out_free) struct out o = {
        .disk = archive_read_disk_new(),
        .tar = archive_write_new(),
        .links = archive_entry_linkresolver_new(),
        .strip = strlen(top),
        .base = strcmp(name, "/") == 0 ? "" : name,
    };
    if (!o.disk || !o.tar || !o.links)
        return vic_fail(err, VIC_ERR_INTERNAL, ENOMEM, "out of memory");
    if ((r = open_archives(&o, fd, top, err)) < 0 || (r = write_tree(&o, err)) < 0)
        return r;
    return archive_write_close(o.tar) == ARCHIVE_OK ? 0 : fail(o.tar, "end the archive", err);
}
