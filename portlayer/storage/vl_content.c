/* Puts the content of files on the disk: block allocation, extents, holes. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ext2fs/ext2fs.h>
#include <ext2fs/ext3_extents.h>

#include "lib/base/alloc.h"
#include "portlayer/storage/vl_fs.h"

/* Long enough that the bitmap is seldom searched, short enough to leave room for libext2fs's own blocks
 * on a small disk.  Windows mostly follow each other, and then so do extents. */
#define WINDOW_BLOCKS 2048u
/* Shorter runs of zeros are written: a hole splits the extent, and that costs more. */
#define HOLE_MIN_BLOCKS 16u
#define INLINE_EXTENTS 4u

void vl_extents_release(struct vl_extents *x)
{
    free(x->v);
    *x = (struct vl_extents){0};
}

/* The next run of free blocks; they count as taken until they are given back in vl_fs_finish(). */
static int refill_window(struct vl_fs *f, struct vic_err *err)
{
    uint64_t end = ext2fs_blocks_count(f->fs->super);
    blk64_t first;
    errcode_t e = EXT2_ET_BLOCK_ALLOC_FAIL;
    if (f->goal < end)
        e = ext2fs_find_first_zero_block_bitmap2(f->fs->block_map, f->goal, end - 1, &first);
    if (e)
        e = ext2fs_find_first_zero_block_bitmap2(f->fs->block_map, f->fs->super->s_first_data_block,
                                                 end - 1, &first);
    if (e)
        return vl_fs_fail(f, ENOSPC, err, "write to the layer");
    uint64_t last = first + WINDOW_BLOCKS - 1 < end - 1 ? first + WINDOW_BLOCKS - 1 : end - 1;
    blk64_t taken;
    if (ext2fs_find_first_set_block_bitmap2(f->fs->block_map, first, last, &taken))
        taken = last + 1;
    f->window = first;
    f->window_end = taken;
    f->goal = taken;
    ext2fs_mark_block_bitmap_range2(f->fs->block_map, first, (unsigned)(taken - first));
    return 0;
}

int vl_extents_append(struct vl_fs *f, struct vl_extents *x, uint64_t lblk, uint64_t *ret_pblk,
                      struct vic_err *err)
{
    if (f->window == f->window_end) {
        int r = refill_window(f, err);
        if (r < 0)
            return r;
    }
    uint64_t pblk = f->window++;
    struct vl_extent *last = x->n ? &x->v[x->n - 1] : NULL;
    if (last && last->lblk + last->len == lblk && last->pblk + last->len == pblk &&
        last->len < EXT_INIT_MAX_LEN) {
        last->len++;
    } else {
        if (x->n == x->cap) {
            x->cap = x->cap ? 2 * x->cap : 4;
            x->v = vic_xrealloc_array(x->v, x->cap, sizeof(*x->v));
        }
        assert(x->v);
        x->v[x->n++] = (struct vl_extent){.lblk = (uint32_t)lblk, .len = 1, .pblk = pblk};
    }
    x->n_blocks++;
    *ret_pblk = pblk;
    return 0;
}

static void store_inline(const struct vl_extents *x, union vl_inode *inode)
{
    struct {
        struct ext3_extent_header header;
        struct ext3_extent extents[INLINE_EXTENTS];
    } root = {.header = {.eh_magic = EXT3_EXT_MAGIC, .eh_max = INLINE_EXTENTS}};
    _Static_assert(sizeof(root) == sizeof(inode->large.i_block), "the root fills i_block");
    for (size_t i = 0; i < x->n && x->n <= INLINE_EXTENTS; i++) {
        root.extents[i] = (struct ext3_extent){
            .ee_block = x->v[i].lblk,
            .ee_len = (__le16)x->v[i].len,
            .ee_start_hi = (__le16)(x->v[i].pblk >> 32),
            .ee_start = (__le32)x->v[i].pblk,
        };
        root.header.eh_entries++;
    }
    memcpy(inode->large.i_block, &root, sizeof(root));
}

static int store_tree(struct vl_fs *f, const struct vl_extents *x, uint32_t ino,
                      struct vic_err *err)
{
    ext2_extent_handle_t h;
    errcode_t e = ext2fs_extent_open(f->fs, ino, &h);
    if (e)
        return vl_fs_fail(f, e, err, "extents");
    for (size_t i = 0; !e && i < x->n; i++) {
        struct ext2fs_extent extent = {
            .e_pblk = x->v[i].pblk, .e_lblk = x->v[i].lblk, .e_len = x->v[i].len};
        e = ext2fs_extent_insert(h, EXT2_EXTENT_INSERT_AFTER, &extent);
    }
    ext2fs_extent_free(h);
    return e ? vl_fs_fail(f, e, err, "extents") : 0;
}

int vl_extents_store(struct vl_fs *f, const struct vl_extents *x, uint32_t ino,
                     union vl_inode *inode, uint64_t size, struct vic_err *err)
{
    inode->large.i_flags |= EXT4_EXTENTS_FL;
    store_inline(x, inode);
    errcode_t e = ext2fs_inode_size_set(f->fs, &inode->base, (ext2_off64_t)size);
    if (!e)
        e = ext2fs_iblk_add_blocks(f->fs, &inode->base, x->n_blocks);
    if (e)
        return vl_fs_fail(f, e, err, "size of a file");
    for (size_t i = 0; i < x->n; i++)
        ext2fs_block_alloc_stats_range(f->fs, x->v[i].pblk, x->v[i].len, +1);
    int r = vl_inode_write(f, ino, inode, err);
    if (r < 0 || x->n <= INLINE_EXTENTS)
        return r;
    r = store_tree(f, x, ino, err);
    return r < 0 ? r : vl_inode_read(f, ino, inode, err);
}

/* ---- bytes ---- */

static bool is_zero(const unsigned char *block)
{
    return block[0] == 0 && memcmp(block, block + 1, VL_BLOCK_BYTES - 1) == 0;
}

static int put_block(struct vl_content *c, const unsigned char *block, struct vic_err *err)
{
    if (c->lblk >= UINT32_MAX)
        return vic_fail(err, VIC_ERR_INVALID, EFBIG, "file too large");
    uint64_t pblk;
    int r = vl_extents_append(c->f, &c->extents, c->lblk, &pblk, err);
    if (r < 0)
        return r;
    c->lblk++;
    return vl_io_put(c->f->io, pblk, block, err);
}

static int settle_zeros(struct vl_content *c, struct vic_err *err)
{
    static const unsigned char zeros[VL_BLOCK_BYTES];
    uint64_t n = c->n_zero;
    c->n_zero = 0;
    if (n >= HOLE_MIN_BLOCKS || c->has_gap) {
        c->has_gap = false;
        c->lblk += n;
        return 0;
    }
    int r = 0;
    for (; r == 0 && n > 0; n--)
        r = put_block(c, zeros, err);
    return r;
}

static int add_block(struct vl_content *c, const unsigned char *block, struct vic_err *err)
{
    if (is_zero(block)) {
        c->n_zero++;
        return 0;
    }
    int r = c->n_zero ? settle_zeros(c, err) : 0;
    return r < 0 ? r : put_block(c, block, err);
}

/* A hole from where we are up to offset. */
static int skip_to(struct vl_content *c, uint64_t offset, struct vic_err *err)
{
    uint64_t here = (c->lblk + c->n_zero) * VL_BLOCK_BYTES + c->n_partial;
    if (offset < here)
        return vic_fail(err, VIC_ERR_INVALID, 0, "sparse file goes backwards");
    uint64_t gap = offset - here;
    if (c->n_partial > 0) {
        uint64_t room = VL_BLOCK_BYTES - c->n_partial;
        size_t n = (size_t)(gap < room ? gap : room);
        memset(c->partial + c->n_partial, 0, n);
        c->n_partial += n;
        gap -= n;
        if (c->n_partial == VL_BLOCK_BYTES) {
            c->n_partial = 0;
            int r = add_block(c, c->partial, err);
            if (r < 0)
                return r;
        }
    }
    if (gap >= VL_BLOCK_BYTES) {
        c->n_zero += gap / VL_BLOCK_BYTES;
        c->has_gap = true;
    }
    if (gap % VL_BLOCK_BYTES) {
        memset(c->partial, 0, gap % VL_BLOCK_BYTES);
        c->n_partial = gap % VL_BLOCK_BYTES;
    }
    return 0;
}

int vl_content_write(struct vl_content *c, uint64_t offset, const void *data, size_t len,
                     struct vic_err *err)
{
    int r = skip_to(c, offset, err);
    const unsigned char *in = data;
    while (r == 0 && len > 0) {
        if (c->n_partial == 0 && len >= VL_BLOCK_BYTES) {
            r = add_block(c, in, err);
            in += VL_BLOCK_BYTES;
            len -= VL_BLOCK_BYTES;
            continue;
        }
        size_t room = VL_BLOCK_BYTES - c->n_partial;
        size_t n = len < room ? len : room;
        memcpy(c->partial + c->n_partial, in, n);
        c->n_partial += n;
        in += n;
        len -= n;
        if (c->n_partial == VL_BLOCK_BYTES) {
            c->n_partial = 0;
            r = add_block(c, c->partial, err);
        }
    }
    return r;
}

int vl_content_end(struct vl_content *c, struct vic_err *err)
{
    if (c->n_partial == 0)
        return 0;
    memset(c->partial + c->n_partial, 0, VL_BLOCK_BYTES - c->n_partial);
    c->n_partial = 0;
    return add_block(c, c->partial, err);
}
