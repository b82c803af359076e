/* Formats an ext4 in memory with libext2fs and applies layers to it. */
#include "test/lib/layer_mem.h"

#include <stdio.h>
#include <string.h>

#include "portlayer/storage/vl_tar.h"

static void check(errcode_t e)
{
    if (!e)
        return;
    (void)fprintf(stderr, "layer_mem: %s\n", error_message(e));
    abort();
}

static void set_features(struct ext2_super_block *sb)
{
    sb->s_rev_level = EXT2_DYNAMIC_REV;
    sb->s_log_block_size = 2;
    sb->s_log_cluster_size = 2;
    sb->s_inode_size = VL_INODE_BYTES;
    sb->s_log_groups_per_flex = 4;
    ext2fs_set_feature_dir_index(sb);
    ext2fs_set_feature_xattr(sb);
    ext2fs_set_feature_filetype(sb);
    ext2fs_set_feature_extents(sb);
    ext2fs_set_feature_64bit(sb);
    ext2fs_set_feature_flex_bg(sb);
    ext2fs_set_feature_sparse_super(sb);
    ext2fs_set_feature_large_file(sb);
    ext2fs_set_feature_huge_file(sb);
    ext2fs_set_feature_dir_nlink(sb);
    ext2fs_set_feature_extra_isize(sb);
    ext2fs_set_feature_metadata_csum(sb);
}

struct vl_dev *layer_mem_format(uint64_t size_bytes)
{
    struct vl_dev *dev = vl_mem_new(size_bytes, NULL);
    auto_(vl_io_free_p) struct vl_io *io = vl_io_new(dev);
    struct ext2_super_block sb = {0};
    set_features(&sb);
    ext2fs_blocks_count_set(&sb, size_bytes / VL_BLOCK_BYTES);
    sb.s_inodes_count = (__u32)(size_bytes / VL_BLOCK_BYTES);
    ext2_filsys fs;
    check(ext2fs_initialize(vl_io_name(io), EXT2_FLAG_64BITS, &sb, vl_io_manager(io), &fs));
    fs->now = 1577836800;
    fs->super->s_checksum_type = EXT2_CRC32C_CHKSUM;
    fs->super->s_def_hash_version = EXT2_HASH_HALF_MD4;
    fs->super->s_flags |= EXT2_FLAGS_SIGNED_HASH;
    fs->super->s_min_extra_isize = fs->super->s_want_extra_isize = 32;
    memset(fs->super->s_uuid, 7, sizeof(fs->super->s_uuid));
    memset(fs->super->s_hash_seed, 9, sizeof(fs->super->s_hash_seed));
    ext2fs_init_csum_seed(fs);
    check(ext2fs_allocate_tables(fs));
    for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
        ext2fs_bg_flags_set(fs, g, EXT2_BG_INODE_ZEROED);
        ext2fs_group_desc_csum_set(fs, g);
    }
    check(ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, NULL));
    for (ext2_ino_t i = 1; i < EXT2_FIRST_INODE(fs->super); i++)
        if (i != EXT2_ROOT_INO)
            ext2fs_inode_alloc_stats2(fs, i, +1, 0);
    ext2fs_mark_ib_dirty(fs);
    fs->super->s_state |= EXT2_VALID_FS;
    check(ext2fs_close2(fs, EXT2_FLAG_FLUSH_NO_SYNC));
    struct vic_err err;
    check(vl_io_flush(io, &err) < 0);
    return dev;
}

struct blob {
    const unsigned char *data;
    size_t len;
};

/* Odd lengths, so that every boundary is met somewhere. */
static ssize_t read_some(void *arg, void *data, size_t len)
{
    struct blob *b = arg;
    size_t n = len < 5001 ? len : 5001;
    n = n < b->len ? n : b->len;
    memcpy(data, b->data, n);
    b->data += n;
    b->len -= n;
    return (ssize_t)n;
}

int layer_mem_apply(struct vl_dev *dev, enum vl_media media, const void *blob, size_t len,
                    uint64_t max_bytes, char ret_digest[VL_DIGEST_TEXT_MAX], struct vic_err *err)
{
    struct blob b = {blob, len};
    auto_(vl_input_free_p) struct vl_input *in = NULL;
    auto_(vl_fs_free_p) struct vl_fs *fs = NULL;
    uint64_t n;
    int r = vl_input_new(media, read_some, &b, max_bytes, &in, err);
    if (r == 0)
        r = vl_fs_open(dev, &fs, err);
    if (r == 0)
        r = vl_tar_apply(fs, in, NULL, &n, err);
    if (r == 0)
        r = vl_fs_finish(fs, err);
    return r < 0 || !ret_digest ? r : vl_input_digest(in, ret_digest, err);
}
