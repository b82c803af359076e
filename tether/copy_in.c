/* A tar unpacked into a directory of the container, with Docker's rules for what is there already. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tether/copy.h"

#define BUFFER_BYTES (256u << 10)
#define RESTORED                                                                                   \
    (ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR)

struct in {
    struct archive *tar;
    struct archive *disk;
    const struct copy_in_options *options;
};

static void in_free(struct in *i)
{
    (void)archive_read_free(i->tar);
    (void)archive_write_free(i->disk);
}

static int fail_tar(const struct in *i, struct vic_err *err)
{
    const char *why = archive_error_string(i->tar);
    return vic_fail(err, VIC_ERR_INVALID, EBADMSG, "bad tar: %.300s", why ? why : "damaged");
}

static int fail_disk(const struct in *i, const char *name, struct vic_err *err)
{
    const char *why = archive_error_string(i->disk);
    int code = archive_errno(i->disk);
    return code > 0 ? vic_fail_errno(err, code, "unpack %.200s: %.200s", name, why ? why : "failed")
                    : vic_fail(err, VIC_ERR_INTERNAL, EIO, "unpack %.200s: %.200s", name,
                               why ? why : "failed");
}

/* Below where it is unpacked: without "/" and "./" in front.  NULL if it leads out of there. */
static const char *inner_name(const char *name)
{
    while (name && (name[0] == '/' || (name[0] == '.' && (name[1] == '/' || name[1] == '\0'))))
        name++;
    for (const char *p = name; p && *p; p += strcspn(p, "/"), p += *p == '/')
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
            return NULL;
    return name;
}

static int take_names(struct archive_entry *e, struct vic_err *err)
{
    const char *link = archive_entry_hardlink(e);
    const char *name = inner_name(archive_entry_pathname(e));
    const char *target = inner_name(link);
    if (!name || (link && !target))
        return vic_fail(err, VIC_ERR_INVALID, 0, "bad tar: %.300s leads out of the directory",
                        archive_entry_pathname(e) ? archive_entry_pathname(e) : "a name");
    size_t len = strlen(name);
    while (len > 0 && name[len - 1] == '/') /* lstat would look behind it */
        len--;
    auto_free char *bare = vic_xstrndup(name, len);
    archive_entry_copy_pathname(e, bare);
    if (link)
        archive_entry_copy_hardlink(e, target);
    return 0;
}

/* What is in the way goes, unless both are directories. */
static int make_way(const struct in *i, const char *name, bool is_dir, struct vic_err *err)
{
    struct stat st;
    if (lstat(name, &st) < 0)
        return 0; /* nothing there, or what comes after says why not */
    if (S_ISDIR(st.st_mode) == is_dir && is_dir)
        return 0;
    if (i->options->keeps_kind && S_ISDIR(st.st_mode))
        return vic_fail(err, VIC_ERR_INVALID, EISDIR,
                        "cannot overwrite directory \"%.200s\" with non-directory", name);
    if (i->options->keeps_kind && is_dir)
        return vic_fail(err, VIC_ERR_INVALID, ENOTDIR,
                        "cannot overwrite non-directory \"%.200s\" with directory", name);
    return vic_file_remove_tree(name, err);
}

static int write_block(const struct in *i, const char *name, const void *data, size_t len,
                       la_int64_t offset, struct vic_err *err)
{
    return archive_write_data_block(i->disk, data, len, offset) < ARCHIVE_OK
               ? fail_disk(i, name, err)
               : 0;
}

/* size bytes, of which the last may be a hole. */
static int copy_data(const struct in *i, const char *name, la_int64_t size, struct vic_err *err)
{
    la_int64_t end = 0;
    for (;;) {
        const void *data;
        size_t len;
        la_int64_t offset;
        int r = archive_read_data_block(i->tar, &data, &len, &offset);
        if (r == ARCHIVE_EOF)
            return end < size ? write_block(i, name, "", 1, size - 1, err) : 0;
        if (r != ARCHIVE_OK)
            return fail_tar(i, err);
        if ((r = write_block(i, name, data, len, offset, err)) < 0)
            return r;
        end = offset + (la_int64_t)len;
    }
}

static int unpack(const struct in *i, struct archive_entry *e, struct vic_err *err)
{
    int r = take_names(e, err);
    const char *name = archive_entry_pathname(e);
    if (r < 0 || name[0] == '\0') /* the directory itself stays as it is, as Docker does */
        return r;
    bool is_dir = archive_entry_filetype(e) == AE_IFDIR && !archive_entry_hardlink(e);
    if ((r = make_way(i, name, is_dir, err)) < 0)
        return r;
    if (i->options->has_owner) {
        archive_entry_set_uid(e, i->options->uid);
        archive_entry_set_gid(e, i->options->gid);
    }
    la_int64_t size = archive_entry_size(e);
    if (!archive_entry_hardlink(e))
        archive_entry_unset_size(
            e); /* libarchive would give it to a file whose bytes did not come */
    if (archive_write_header(i->disk, e) < ARCHIVE_WARN)
        return fail_disk(i, name, err);
    if (size > 0 && (r = copy_data(i, name, size, err)) < 0)
        return r;
    return archive_write_finish_entry(i->disk) < ARCHIVE_WARN ? fail_disk(i, name, err) : 0;
}

static int unpack_all(const struct in *i, struct vic_err *err)
{
    for (;;) {
        struct archive_entry *e;
        int r = archive_read_next_header(i->tar, &e);
        if (r == ARCHIVE_EOF)
            return 0;
        if (r < ARCHIVE_WARN)
            return fail_tar(i, err);
        if ((r = unpack(i, e, err)) < 0)
            return r;
    }
}

static int enter(const char *path, struct vic_err *err)
{
    struct stat st;
    if (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
        return vic_fail(err, VIC_ERR_NOT_FOUND, errno, "no such file: %.300s", path);
    if (!S_ISDIR(st.st_mode))
        return vic_fail(err, VIC_ERR_INVALID, ENOTDIR, "extraction point is not a directory");
    return chdir(path) < 0 ? vic_fail_errno(err, errno, "enter %.300s", path) : 0;
}

int copy_in(const char *path, int fd, const struct copy_in_options *options, struct vic_err *err)
{
    int r = enter(path, err);
    if (r < 0)
        return r;
    auto_(in_free) struct in i = {
        .tar = archive_read_new(), .disk = archive_write_disk_new(), .options = options};
    if (!i.tar || !i.disk)
        return vic_fail(err, VIC_ERR_INTERNAL, ENOMEM, "out of memory");
    (void)archive_write_disk_set_options(i.disk, RESTORED);
    if (archive_read_support_format_tar(i.tar) != ARCHIVE_OK ||
        archive_read_support_format_empty(i.tar) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(i.tar) != ARCHIVE_OK ||
        archive_read_open_fd(i.tar, fd, BUFFER_BYTES) != ARCHIVE_OK)
        return fail_tar(&i, err);
    r = unpack_all(&i, err);
    if (archive_write_close(i.disk) < ARCHIVE_WARN && r == 0) /* the directories' times */
        r = fail_disk(&i, path, err);
    return r;
}
