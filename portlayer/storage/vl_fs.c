/* Opens and closes a layer's file system; inodes and their attributes. */
#include "portlayer/storage/vl_fs.h"

#include <errno.h>
#include <et/com_err.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "portlayer/storage/vl_dir.h"

/* Stands wherever ext4 wants "now": the same layer gives the same bytes.  2020-01-01. */
#define FIXED_TIME 1577836800

int vl_fs_fail(const struct vl_fs *f, errcode_t code, struct vic_err *err, const char *what)
{
    const struct vic_err *io = f ? vl_io_error(f->io) : NULL;
    if (io) {
        if (err)
            *err = *io;
        return -io->code;
    }
    if (code == EXT2_ET_BLOCK_ALLOC_FAIL || code == EXT2_ET_INODE_ALLOC_FAIL ||
        code == EXT2_ET_DIR_NO_SPACE)
        code = ENOSPC;
    if (code == EXT2_ET_EA_NO_SPACE)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: more than ext4 can hold", what);
    if (code < EXT2_ET_BASE)
        return vic_fail_errno(err, (int)code, "%s", what);
    return vic_fail(err, VIC_ERR_INTERNAL, EIO, "%s: %s", what, error_message(code));
}

static int check_features(const struct vl_fs *f, struct vic_err *err)
{
    const struct ext2_super_block *sb = f->fs->super;
    if (f->fs->blocksize != VL_BLOCK_BYTES || EXT2_INODE_SIZE(sb) != VL_INODE_BYTES ||
        !ext2fs_has_feature_extents(f->fs->super) || !ext2fs_has_feature_filetype(f->fs->super) ||
        EXT2FS_CLUSTER_RATIO(f->fs) != 1)
        return vic_fail(err, VIC_ERR_INVALID, 0, "the parent layer is not one of ours");
    if (!(sb->s_state & EXT2_VALID_FS) || ext2fs_has_feature_journal_needs_recovery(f->fs->super))
        return vic_fail(err, VIC_ERR_INVALID, 0, "the parent layer is not clean");
    return 0;
}

int vl_fs_open(struct vl_dev *dev, struct vl_fs **ret_fs, struct vic_err *err)
{
    initialize_ext2_error_table();
    auto_(vl_fs_free_p) struct vl_fs *f = vic_new(struct vl_fs);
    f->io = vl_io_new(dev);
    if (getrandom(&f->hash_seed, sizeof(f->hash_seed), 0) < 0)
        return vic_fail_errno(err, errno, "getrandom");
    errcode_t e = ext2fs_open2(vl_io_name(f->io), NULL, EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0,
                               vl_io_manager(f->io), &f->fs);
    if (e) {
        f->fs = NULL;
        return vl_fs_fail(f, e, err, "open the file system");
    }
    int r = check_features(f, err);
    if (r < 0)
        return r;
    f->fs->now = FIXED_TIME;
    /* The copies of the superblock stay as mke2fs made them, as they do under the kernel. */
    f->fs->flags |= EXT2_FLAG_MASTER_SB_ONLY;
    e = ext2fs_read_bitmaps(f->fs);
    if (e)
        return vl_fs_fail(f, e, err, "read the bitmaps");
    f->goal = f->fs->super->s_first_data_block;
    *ret_fs = TAKE_PTR(f);
    return 0;
}

int vl_fs_finish(struct vl_fs *f, struct vic_err *err)
{
    int r = vl_dir_store_all(f, err);
    if (r < 0)
        return r;
    if (f->window < f->window_end)
        ext2fs_unmark_block_bitmap_range2(f->fs->block_map, f->window,
                                          (unsigned)(f->window_end - f->window));
    f->window = f->window_end = 0;
    ext2fs_mark_super_dirty(f->fs);
    ext2fs_mark_bb_dirty(f->fs);
    ext2fs_mark_ib_dirty(f->fs);
    errcode_t e = ext2fs_flush2(f->fs, EXT2_FLAG_FLUSH_NO_SYNC);
    if (e)
        return vl_fs_fail(f, e, err, "write the file system");
    return vl_io_flush(f->io, err);
}

void vl_fs_free(struct vl_fs *f)
{
    if (!f)
        return;
    vl_dir_free_all(f);
    if (f->fs)
        ext2fs_free(f->fs);
    vl_io_free(f->io);
    free(f);
}

/* ---- inodes ---- */

int vl_inode_take(struct vl_fs *f, bool is_dir, uint32_t *ret_ino, struct vic_err *err)
{
    ext2_ino_t ino;
    errcode_t e = ext2fs_new_inode(f->fs, EXT2_ROOT_INO, is_dir ? S_IFDIR : S_IFREG, NULL, &ino);
    if (e)
        return vl_fs_fail(f, e, err, "take an inode");
    ext2fs_inode_alloc_stats2(f->fs, ino, +1, is_dir);
    *ret_ino = ino;
    return 0;
}

int vl_inode_read(struct vl_fs *f, uint32_t ino, union vl_inode *ret_inode, struct vic_err *err)
{
    errcode_t e = ext2fs_read_inode_full(f->fs, ino, &ret_inode->base, sizeof(*ret_inode));
    return e ? vl_fs_fail(f, e, err, "read an inode") : 0;
}

int vl_inode_write(struct vl_fs *f, uint32_t ino, union vl_inode *inode, struct vic_err *err)
{
    errcode_t e = ext2fs_write_inode_full(f->fs, ino, &inode->base, sizeof(*inode));
    return e ? vl_fs_fail(f, e, err, "write an inode") : 0;
}

/* ext4 holds 34 bits of seconds around 1970; the kernel clamps in the same way. */
static void set_time(__u32 *base, __u32 *extra, int64_t s, uint32_t ns)
{
    const int64_t lowest = INT32_MIN;
    const int64_t highest = (INT64_C(1) << 34) + INT32_MIN - 1;
    if (s < lowest || s > highest) {
        s = s < lowest ? lowest : highest;
        ns = 0;
    }
    *base = (__u32)(uint64_t)s;
    *extra = (__u32)(((s - (int32_t)(uint32_t)(uint64_t)s) >> 32) & 3) | ns << 2;
}

void vl_inode_set_meta(union vl_inode *inode, const struct vl_meta *meta)
{
    struct ext2_inode_large *in = &inode->large;
    in->i_mode = (__u16)((in->i_mode & S_IFMT) | meta->perm);
    in->i_uid = (__u16)meta->uid;
    in->i_gid = (__u16)meta->gid;
    in->osd2.linux2.l_i_uid_high = (__u16)(meta->uid >> 16);
    in->osd2.linux2.l_i_gid_high = (__u16)(meta->gid >> 16);
    set_time(&in->i_mtime, &in->i_mtime_extra, meta->mtime_s, meta->mtime_ns);
    set_time(&in->i_ctime, &in->i_ctime_extra, meta->mtime_s, meta->mtime_ns);
    set_time(&in->i_atime, &in->i_atime_extra, meta->atime_s, meta->atime_ns);
}

void vl_inode_init(union vl_inode *inode, uint32_t type, const struct vl_meta *meta)
{
    memset(inode, 0, sizeof(*inode));
    struct ext2_inode_large *in = &inode->large;
    in->i_mode = (__u16)type;
    in->i_links_count = 1;
    in->i_extra_isize = sizeof(struct ext2_inode_large) - EXT2_GOOD_OLD_INODE_SIZE;
    vl_inode_set_meta(inode, meta);
    in->i_crtime = in->i_mtime;
    in->i_crtime_extra = in->i_mtime_extra;
}

static bool is_known_xattr(const char *name)
{
    static const char *const prefixes[] = {"user.", "trusted.", "security."};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (vic_str_starts_with(name, prefixes[i]) && name[strlen(prefixes[i])])
            return true;
    return vic_str_eq(name, "system.posix_acl_access") ||
           vic_str_eq(name, "system.posix_acl_default");
}

static int collect_name(char *name, char *value, size_t len, void *arg)
{
    (void)value;
    (void)len;
    char ***names = arg;
    *names = vic_strv_append(*names, name);
    return 0;
}

static errcode_t remove_all_xattrs(struct ext2_xattr_handle *h)
{
    auto_strv char **names = NULL;
    errcode_t e = ext2fs_xattrs_iterate(h, collect_name, &names);
    for (char **n = names; !e && n && *n; n++)
        e = ext2fs_xattr_remove(h, *n);
    return e;
}

int vl_inode_set_xattrs(struct vl_fs *f, uint32_t ino, const struct vl_meta *meta, bool is_new,
                        struct vic_err *err)
{
    if (is_new && meta->n_xattrs == 0)
        return 0;
    struct ext2_xattr_handle *h;
    errcode_t e = ext2fs_xattrs_open(f->fs, ino, &h);
    if (e)
        return vl_fs_fail(f, e, err, "extended attributes");
    e = ext2fs_xattrs_read(h);
    if (!e && !is_new)
        e = remove_all_xattrs(h);
    int r = e ? vl_fs_fail(f, e, err, "extended attributes") : 0;
    for (size_t i = 0; r == 0 && i < meta->n_xattrs; i++) {
        const struct vl_xattr *x = &meta->xattrs[i];
        size_t name_len = strlen(x->name);
        if (!is_known_xattr(x->name) || name_len > VL_NAME_MAX) {
            r = vic_fail(err, VIC_ERR_INVALID, 0, "extended attribute of an unknown kind");
            break;
        }
        e = ext2fs_xattr_set(h, x->name, x->value, x->len);
        /* What it answers to a malformed ACL. */
        if (e == EINVAL)
            r = vic_fail(err, VIC_ERR_INVALID, 0, "extended attribute '%s' is malformed", x->name);
        else if (e)
            r = vl_fs_fail(f, e, err, "extended attributes");
    }
    (void)ext2fs_xattrs_close(&h); /* only frees: each change was written at once */
    return r;
}

int vl_inode_truncate(struct vl_fs *f, uint32_t ino, union vl_inode *inode, struct vic_err *err)
{
    if (!ext2fs_inode_has_valid_blocks2(f->fs, &inode->base))
        return 0;
    errcode_t e = ext2fs_punch(f->fs, ino, &inode->base, NULL, 0, ~UINT64_C(0));
    if (e)
        return vl_fs_fail(f, e, err, "free blocks");
    vl_io_fence(f->io);
    return vl_inode_read(f, ino, inode, err);
}

int vl_inode_drop_link(struct vl_fs *f, uint32_t ino, bool is_dir, struct vic_err *err)
{
    union vl_inode inode;
    int r = vl_inode_read(f, ino, &inode, err);
    if (r < 0)
        return r;
    if (!is_dir && inode.large.i_links_count > 1) {
        inode.large.i_links_count--;
        return vl_inode_write(f, ino, &inode, err);
    }
    r = vl_inode_truncate(f, ino, &inode, err);
    if (r < 0)
        return r;
    if (ext2fs_file_acl_block(f->fs, &inode.base)) {
        errcode_t e = ext2fs_free_ext_attr(f->fs, ino, &inode.large);
        if (e)
            return vl_fs_fail(f, e, err, "free extended attributes");
        vl_io_fence(f->io);
    }
    memset(&inode, 0, sizeof(inode));
    inode.large.i_dtime = FIXED_TIME;
    r = vl_inode_write(f, ino, &inode, err);
    if (r < 0)
        return r;
    ext2fs_inode_alloc_stats2(f->fs, ino, -1, is_dir);
    return 0;
}
