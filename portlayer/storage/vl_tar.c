/* Applies tar entries: whiteouts, replaced files, links, devices, attributes and content. */
#include "portlayer/storage/vl_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "portlayer/storage/vl_tree.h"

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define XATTRS_MAX 64u
#define MINOR_MAX 0xfffffu
#define MAJOR_MAX 0xfffu
/* ext4 keeps a link's target in the inode when it and its NUL fit i_block. */
#define FAST_LINK_MAX 59u

struct apply {
    struct vl_fs *f;
    struct vl_input *in;
    const struct vl_tar_events *events;
    struct archive *archive;
    struct archive_entry *entry; /* borrowed from archive */
    struct vl_meta meta;
    struct vl_xattr xattrs[XATTRS_MAX];
    uint64_t n_entries;
    char path[VL_PATH_MAX + 1];
};

/* A name from the archive, fit for a message. */
static const char *shown(const char *name, char text[128])
{
    size_t i = 0;
    for (; name[i] && i < 124; i++)
        text[i] = name[i] >= ' ' && name[i] < 0x7f ? name[i] : '?';
    if (name[i])
        for (size_t dots = 0; dots < 3; dots++)
            text[i++] = '.';
    text[i] = '\0';
    return text;
}

static int fail_archive(struct apply *a, struct vic_err *err)
{
    const struct vic_err *in = vl_input_error(a->in);
    if (in) {
        if (err)
            *err = *in;
        return -in->code;
    }
    char text[128];
    const char *why = archive_error_string(a->archive);
    return vic_fail(err, VIC_ERR_INVALID, 0, "bad tar: %s", shown(why ? why : "damaged", text));
}

static la_ssize_t on_read(struct archive *archive, void *arg, const void **ret_data)
{
    struct apply *a = arg;
    struct vic_err err;
    if (a->events && a->events->on_progress)
        a->events->on_progress(vl_input_packed_bytes(a->in), a->events->arg);
    int r = vl_io_poll(a->f->io, &err); /* a failure shows at the next write */
    (void)r;
    ssize_t n = vl_input_next(a->in, ret_data, &err);
    if (n < 0)
        archive_set_error(archive, err.code, "%s", err.message);
    return n;
}

/* ---- what every entry has ---- */

/* libarchive 3.6 reads pax's "-1.5" as -1 and +0.5. */
static void fix_negative(int64_t *s, uint32_t *ns)
{
    if (*s < 0 && *ns > 0) {
        *s -= 1;
        *ns = 1000000000u - *ns;
    }
}

static int read_meta(struct apply *a, struct vic_err *err)
{
    struct archive_entry *e = a->entry;
    int64_t uid = archive_entry_uid(e);
    int64_t gid = archive_entry_gid(e);
    if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "owner %jd:%jd is out of range", (intmax_t)uid,
                        (intmax_t)gid);
    a->meta = (struct vl_meta){
        .perm = archive_entry_perm(e) & 07777,
        .uid = (uint32_t)uid,
        .gid = (uint32_t)gid,
        .mtime_s = archive_entry_mtime(e),
        .mtime_ns = (uint32_t)archive_entry_mtime_nsec(e),
        .xattrs = a->xattrs,
    };
    fix_negative(&a->meta.mtime_s, &a->meta.mtime_ns);
    a->meta.atime_s = a->meta.mtime_s;
    a->meta.atime_ns = a->meta.mtime_ns;
    if (archive_entry_atime_is_set(e)) {
        a->meta.atime_s = archive_entry_atime(e);
        a->meta.atime_ns = (uint32_t)archive_entry_atime_nsec(e);
        fix_negative(&a->meta.atime_s, &a->meta.atime_ns);
    }
    const char *name;
    const void *value;
    size_t len;
    (void)archive_entry_xattr_reset(e);
    while (archive_entry_xattr_next(e, &name, &value, &len) == ARCHIVE_OK) {
        if (len == 0) /* in pax an empty value takes the record back; Docker reads it so */
            continue;
        if (a->meta.n_xattrs == XATTRS_MAX)
            return vic_fail(err, VIC_ERR_INVALID, 0, "more than %u extended attributes",
                            XATTRS_MAX);
        a->xattrs[a->meta.n_xattrs++] = (struct vl_xattr){name, value, len};
    }
    return 0;
}

/* A directory that the archive leaves out. */
static struct vl_meta implied_meta(const struct apply *a)
{
    return (struct vl_meta){
        .perm = 0755,
        .mtime_s = a->meta.mtime_s,
        .mtime_ns = a->meta.mtime_ns,
        .atime_s = a->meta.mtime_s,
        .atime_ns = a->meta.mtime_ns,
    };
}

/* ---- making things ---- */

/* Writes a new inode (already numbered) and names it. */
static int finish_inode(struct apply *a, struct vl_dir *d, uint32_t ino, uint8_t type,
                        struct vic_err *err)
{
    int r = vl_inode_set_xattrs(a->f, ino, &a->meta, true, err);
    const char *base = vl_path_base(a->path);
    return r < 0 ? r : vl_dir_add(a->f, d, base, strlen(base), ino, type, NULL, err);
}

static int copy_content(struct apply *a, struct vl_content *c, uint64_t size, struct vic_err *err)
{
    for (;;) {
        const void *data;
        size_t len;
        la_int64_t offset;
        int r = archive_read_data_block(a->archive, &data, &len, &offset);
        if (r == ARCHIVE_EOF)
            return vl_content_end(c, err);
        if (r != ARCHIVE_OK)
            return fail_archive(a, err);
        if (offset < 0 || (uint64_t)offset > size || len > size - (uint64_t)offset)
            return vic_fail(err, VIC_ERR_INVALID, 0, "more content than its size says");
        if (len > 0 && (r = vl_content_write(c, (uint64_t)offset, data, len, err)) < 0)
            return r;
    }
}

static void release_content(struct vl_content *c)
{
    vl_extents_release(&c->extents);
}

static int make_file(struct apply *a, struct vl_dir *d, struct vic_err *err)
{
    int64_t size = archive_entry_size(a->entry);
    if (size < 0 || (uint64_t)size > (uint64_t)UINT32_MAX * VL_BLOCK_BYTES)
        return vic_fail(err, VIC_ERR_INVALID, EFBIG, "file too large");
    auto_(release_content) struct vl_content c = {.f = a->f};
    int r = copy_content(a, &c, (uint64_t)size, err);
    uint32_t ino = 0;
    if (r == 0)
        r = vl_inode_take(a->f, false, &ino, err);
    if (r < 0)
        return r;
    union vl_inode inode;
    vl_inode_init(&inode, S_IFREG, &a->meta);
    r = vl_extents_store(a->f, &c.extents, ino, &inode, (uint64_t)size, err);
    return r < 0 ? r : finish_inode(a, d, ino, EXT2_FT_REG_FILE, err);
}

static int store_link_block(struct apply *a, const char *target, size_t len, uint32_t ino,
                            union vl_inode *inode, struct vic_err *err)
{
    auto_(vl_extents_release) struct vl_extents x = {0};
    char block[VL_BLOCK_BYTES] = {0};
    memcpy(block, target, len);
    uint64_t pblk;
    int r = vl_extents_append(a->f, &x, 0, &pblk, err);
    if (r < 0)
        return r;
    errcode_t e = io_channel_write_blk64(a->f->fs->io, pblk, 1, block);
    if (e)
        return vl_fs_fail(a->f, e, err, "write a symbolic link");
    return vl_extents_store(a->f, &x, ino, inode, len, err);
}

static int make_symlink(struct apply *a, struct vl_dir *d, struct vic_err *err)
{
    const char *target = archive_entry_symlink(a->entry);
    size_t len = target ? strlen(target) : 0;
    if (len == 0 || len >= VL_PATH_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "symbolic link with a target of %zu bytes", len);
    a->meta.perm = 0777; /* as Linux has it, whatever the archive says */
    uint32_t ino;
    int r = vl_inode_take(a->f, false, &ino, err);
    if (r < 0)
        return r;
    union vl_inode inode;
    vl_inode_init(&inode, S_IFLNK, &a->meta);
    if (len <= FAST_LINK_MAX) {
        memcpy(inode.large.i_block, target, len);
        inode.large.i_size = (__u32)len;
        r = vl_inode_write(a->f, ino, &inode, err);
    } else {
        r = store_link_block(a, target, len, ino, &inode, err);
    }
    return r < 0 ? r : finish_inode(a, d, ino, EXT2_FT_SYMLINK, err);
}

/* A device number as Linux keeps it in an inode. */
static void set_device(union vl_inode *inode, uint32_t major, uint32_t minor)
{
    if (major < 256 && minor < 256)
        inode->large.i_block[0] = major << 8 | minor;
    else
        inode->large.i_block[1] = (minor & 0xff) | major << 8 | (minor & ~UINT32_C(0xff)) << 12;
}

static int make_special(struct apply *a, struct vl_dir *d, uint32_t type, uint8_t dir_type,
                        struct vic_err *err)
{
    uint64_t major = (uint64_t)archive_entry_rdevmajor(a->entry);
    uint64_t minor = (uint64_t)archive_entry_rdevminor(a->entry);
    if (type != S_IFIFO && (major > MAJOR_MAX || minor > MINOR_MAX))
        return vic_fail(err, VIC_ERR_INVALID, 0, "device number out of range");
    uint32_t ino;
    int r = vl_inode_take(a->f, false, &ino, err);
    if (r < 0)
        return r;
    union vl_inode inode;
    vl_inode_init(&inode, type, &a->meta);
    if (type != S_IFIFO)
        set_device(&inode, (uint32_t)major, (uint32_t)minor);
    r = vl_inode_write(a->f, ino, &inode, err);
    return r < 0 ? r : finish_inode(a, d, ino, dir_type, err);
}

/* An existing directory keeps its content and takes on everything else. */
static int update_dir(struct apply *a, uint32_t ino, struct vic_err *err)
{
    union vl_inode inode;
    int r = vl_inode_read(a->f, ino, &inode, err);
    if (r < 0)
        return r;
    vl_inode_set_meta(&inode, &a->meta);
    r = vl_inode_write(a->f, ino, &inode, err);
    return r < 0 ? r : vl_inode_set_xattrs(a->f, ino, &a->meta, false, err);
}

static int find_link_target(struct apply *a, const char *path, struct vl_dentry **ret_entry,
                            struct vic_err *err)
{
    struct vl_dir *d;
    char text[128];
    int r = vl_tree_parent(a->f, path, NULL, &d, err);
    if (r < 0 && r != -ENOENT)
        return r;
    const char *base = vl_path_base(path);
    *ret_entry = r == 0 ? vl_dir_find(a->f, d, base, strlen(base)) : NULL;
    if (!*ret_entry)
        return vic_fail(err, VIC_ERR_INVALID, ENOENT, "hard link to '%s', which does not exist",
                        shown(path, text));
    if ((*ret_entry)->type == EXT2_FT_DIR)
        return vic_fail(err, VIC_ERR_INVALID, EPERM, "hard link to a directory");
    return 0;
}

static int make_hardlink(struct apply *a, struct vl_dir *d, const char *target,
                         struct vl_dentry *existing, struct vic_err *err)
{
    char path[VL_PATH_MAX + 1];
    struct vl_dentry *to = NULL;
    int r = vl_path_clean(target, path, err);
    if (r == 0)
        r = find_link_target(a, path, &to, err);
    if (r == 0 && existing && existing->ino == to->ino) {
        existing->in_layer = true; /* it already is that link */
        return 0;
    }
    uint32_t ino = r == 0 ? to->ino : 0;
    if (r == 0 && existing) {
        r = vl_tree_remove(a->f, d, existing, err);
        if (r == 0) /* the target may have been below what went */
            r = find_link_target(a, path, &to, err);
    }
    if (r < 0 || !to)
        return r;
    union vl_inode inode;
    r = vl_inode_read(a->f, ino, &inode, err);
    if (r < 0)
        return r;
    if (inode.large.i_links_count >= EXT2_LINK_MAX)
        return vic_fail(err, VIC_ERR_INVALID, EMLINK, "more than %d hard links", EXT2_LINK_MAX);
    inode.large.i_links_count++;
    r = vl_inode_write(a->f, ino, &inode, err);
    const char *base = vl_path_base(a->path);
    return r < 0 ? r : vl_dir_add(a->f, d, base, strlen(base), ino, to->type, NULL, err);
}

/* ---- one entry ---- */

static int apply_whiteout(struct apply *a, struct vl_dir *d, const char *name, struct vic_err *err)
{
    if (strcmp(name, WHITEOUT_OPAQUE) == 0)
        return vl_tree_hide_all(a->f, d, err);
    const char *hidden = name + strlen(WHITEOUT);
    struct vl_dentry *e = vl_dir_find(a->f, d, hidden, strlen(hidden));
    return e ? vl_tree_hide(a->f, d, e, err) : 0;
}

static bool is_bad_whiteout(const char *name)
{
    static const char *const bad[] = {WHITEOUT, WHITEOUT ".", WHITEOUT ".."};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (strcmp(name, bad[i]) == 0)
            return true;
    return false;
}

static int make_by_type(struct apply *a, struct vl_dir *d, struct vic_err *err)
{
    const char *base = vl_path_base(a->path);
    switch (archive_entry_filetype(a->entry)) {
    case AE_IFREG:
        return make_file(a, d, err);
    case AE_IFDIR:
        return vl_dir_make(a->f, d, base, strlen(base), &a->meta, NULL, err);
    case AE_IFLNK:
        return make_symlink(a, d, err);
    case AE_IFCHR:
        return make_special(a, d, S_IFCHR, EXT2_FT_CHRDEV, err);
    case AE_IFBLK:
        return make_special(a, d, S_IFBLK, EXT2_FT_BLKDEV, err);
    case AE_IFIFO:
        return make_special(a, d, S_IFIFO, EXT2_FT_FIFO, err);
    default:
        return vic_fail(err, VIC_ERR_INVALID, 0, "unknown type of entry");
    }
}

static int apply_named(struct apply *a, struct vic_err *err)
{
    bool is_dir = archive_entry_filetype(a->entry) == AE_IFDIR;
    const char *hardlink = archive_entry_hardlink(a->entry);
    const char *base = vl_path_base(a->path);
    struct vl_dir *d;
    if (!*a->path) {
        if (!is_dir || hardlink)
            return vic_fail(err, VIC_ERR_INVALID, 0, "the root is not a directory");
        int r = vl_dir_get(a->f, EXT2_ROOT_INO, NULL, &d, err);
        return r < 0 ? r : update_dir(a, EXT2_ROOT_INO, err);
    }
    /* What aufs kept for itself at the top of old layers. */
    if (vic_str_starts_with(a->path, WHITEOUT_META) && strcmp(a->path, WHITEOUT_OPAQUE) != 0)
        return 0;
    bool is_whiteout = vic_str_starts_with(base, WHITEOUT);
    if (is_bad_whiteout(base))
        return vic_fail(err, VIC_ERR_INVALID, 0, "whiteout of nothing");
    struct vl_meta implied = implied_meta(a);
    bool is_opaque = strcmp(base, WHITEOUT_OPAQUE) == 0;
    int r = vl_tree_parent(a->f, a->path, is_whiteout && !is_opaque ? NULL : &implied, &d, err);
    if (is_whiteout && r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    if (is_whiteout)
        return apply_whiteout(a, d, base, err);
    struct vl_dentry *existing = vl_dir_find(a->f, d, base, strlen(base));
    if (hardlink)
        return make_hardlink(a, d, hardlink, existing, err);
    if (existing && existing->type == EXT2_FT_DIR && is_dir) {
        existing->in_layer = true;
        return update_dir(a, existing->ino, err);
    }
    if (existing)
        r = vl_tree_remove(a->f, d, existing, err);
    return r < 0 ? r : make_by_type(a, d, err);
}

static int apply_entry(struct apply *a, struct vic_err *err)
{
    struct vic_err why = {0};
    char text[128];
    const char *name = archive_entry_pathname(a->entry);
    if (!name || !*name)
        return vic_fail(err, VIC_ERR_INVALID, 0, "bad tar: an entry without a name");
    int r = vl_path_clean(name, a->path, &why);
    if (r == 0)
        r = read_meta(a, &why);
    if (r == 0)
        r = apply_named(a, &why);
    if (r < 0)
        return vic_fail(err, why.kind ? why.kind : VIC_ERR_INTERNAL, -r, "'%s': %s",
                        shown(name, text), why.message);
    return 0;
}

/* In the C locale a name is bytes; libarchive keeps them and complains about those above 0x7f. */
static bool is_only_charset(struct archive *archive)
{
    const char *why = archive_error_string(archive);
    return why && strstr(why, "can't be converted from");
}

static int apply_all(struct apply *a, struct vic_err *err)
{
    for (;;) {
        archive_clear_error(a->archive);
        int r = archive_read_next_header(a->archive, &a->entry);
        if (r == ARCHIVE_EOF)
            break;
        if (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && is_only_charset(a->archive)))
            return fail_archive(a, err);
        r = apply_entry(a, err);
        if (r < 0)
            return r;
        a->n_entries++;
    }
    /* The digest covers what stands behind the end of the archive, too. */
    const void *data;
    ssize_t n;
    do {
        n = on_read(a->archive, a, &data);
    } while (n > 0);
    return n < 0 ? fail_archive(a, err) : 0;
}

int vl_tar_apply(struct vl_fs *f, struct vl_input *in, const struct vl_tar_events *events,
                 uint64_t *ret_entries, struct vic_err *err)
{
    auto_free struct apply *a = vic_new(struct apply);
    a->f = f;
    a->in = in;
    a->events = events;
    a->archive = archive_read_new();
    if (!a->archive)
        return vic_fail_errno(err, ENOMEM, "libarchive");
    int r = 0;
    if (archive_read_support_format_tar(a->archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(a->archive) != ARCHIVE_OK ||
        archive_read_open(a->archive, a, NULL, on_read, NULL) != ARCHIVE_OK)
        r = fail_archive(a, err);
    if (r == 0)
        r = apply_all(a, err);
    archive_read_free(a->archive);
    if (r == 0)
        *ret_entries = a->n_entries;
    return r;
}
