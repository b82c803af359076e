/* Lays a directory out in ext4's blocks: a single one, or a hash tree of one or two levels. */
#include <errno.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "portlayer/storage/vl_dir.h"

#define TAIL_BYTES 12u
/* A leaf is filled up to here, so that a container's first files fit without a split. */
#define LEAF_FILL 3072u
/* The fake entries of the root with its dx_root_info, and of an inner node. */
#define ROOT_HEAD_BYTES 32u
#define NODE_HEAD_BYTES 8u

struct hashed {
    const struct vl_dentry *entry;
    uint32_t hash;
    uint32_t minor;
};

struct leaf {
    size_t first; /* index of its first entry */
    size_t n;
    uint32_t hash;
};

static size_t entry_bytes(size_t name_len)
{
    return (8 + name_len + 3) & ~(size_t)3;
}

static size_t usable_bytes(const struct vl_fs *f)
{
    return ext2fs_has_feature_metadata_csum(f->fs->super) ? VL_BLOCK_BYTES - TAIL_BYTES
                                                          : VL_BLOCK_BYTES;
}

/* Writes one entry at offset and returns the offset behind it. */
static size_t put_entry(unsigned char *block, size_t offset, uint32_t ino, uint8_t type,
                        const char *name, size_t len)
{
    struct ext2_dir_entry_2 head = {
        .inode = ino,
        .rec_len = (__u16)entry_bytes(len),
        .name_len = (__u8)len,
        .file_type = type,
    };
    memcpy(block + offset, &head, 8);
    memcpy(block + offset + 8, name, len);
    return offset + entry_bytes(len);
}

/* Stretches the entry at `last` to the end of what is used, and adds the checksum's place. */
static void close_leaf(const struct vl_fs *f, unsigned char *block, size_t last)
{
    size_t usable = usable_bytes(f);
    struct ext2_dir_entry *e = (struct ext2_dir_entry *)(void *)(block + last);
    e->rec_len = (__u16)(usable - last);
    if (usable < VL_BLOCK_BYTES)
        ext2fs_initialize_dirent_tail(f->fs,
                                      (struct ext2_dir_entry_tail *)(void *)(block + usable));
}

static int build_single(const struct vl_fs *f, const struct vl_dir *d, unsigned char **ret_blocks)
{
    unsigned char *block = vic_xalloc(VL_BLOCK_BYTES);
    size_t last = 12;
    (void)put_entry(block, 0, d->ino, EXT2_FT_DIR, ".", 1);
    size_t offset = put_entry(block, last, d->parent->ino, EXT2_FT_DIR, "..", 2);
    for (size_t i = 0; i < d->n_slots; i++) {
        const struct vl_dentry *e = d->entries[i];
        if (!e)
            continue;
        last = offset;
        offset = put_entry(block, offset, e->ino, e->type, e->name, e->len);
    }
    close_leaf(f, block, last);
    *ret_blocks = block;
    return 0;
}

static int compare_hashed(const void *a, const void *b)
{
    const struct hashed *x = a;
    const struct hashed *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->minor != y->minor)
        return x->minor < y->minor ? -1 : 1;
    return x->entry->slot < y->entry->slot ? -1 : x->entry->slot > y->entry->slot;
}

static int hash_all(const struct vl_fs *f, const struct vl_dir *d, struct hashed *out,
                    struct vic_err *err)
{
    const struct ext2_super_block *sb = f->fs->super;
    int version = sb->s_def_hash_version;
    if (version <= EXT2_HASH_TEA && (sb->s_flags & EXT2_FLAGS_UNSIGNED_HASH))
        version += 3;
    size_t n = 0;
    for (size_t i = 0; i < d->n_slots; i++) {
        const struct vl_dentry *e = d->entries[i];
        if (!e)
            continue;
        ext2_dirhash_t hash;
        ext2_dirhash_t minor;
        errcode_t code = ext2fs_dirhash(version, e->name, e->len, sb->s_hash_seed, &hash, &minor);
        if (code)
            return vl_fs_fail(f, code, err, "hash a name");
        out[n++] = (struct hashed){.entry = e, .hash = hash, .minor = minor};
    }
    qsort(out, n, sizeof(*out), compare_hashed);
    return 0;
}

/* Divides the sorted entries among leaves.  A leaf that begins in the middle of equal hashes says so
 * by the lowest bit. */
static size_t divide(const struct hashed *h, size_t n, struct leaf *leaves)
{
    size_t n_leaves = 0;
    size_t used = LEAF_FILL;
    for (size_t i = 0; i < n; i++) {
        size_t need = entry_bytes(h[i].entry->len);
        if (used + need > LEAF_FILL) {
            bool is_continued = i > 0 && h[i].hash == h[i - 1].hash;
            leaves[n_leaves++] = (struct leaf){.first = i, .hash = h[i].hash | is_continued};
            used = 0;
        }
        leaves[n_leaves - 1].n++;
        used += need;
    }
    return n_leaves;
}

static void fill_leaf(const struct vl_fs *f, unsigned char *block, const struct hashed *h, size_t n)
{
    size_t last = 0;
    size_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        const struct vl_dentry *e = h[i].entry;
        last = offset;
        offset = put_entry(block, offset, e->ino, e->type, e->name, e->len);
    }
    close_leaf(f, block, last);
}

/* The index part of a root or node: limit and count, then (hash, block) pairs. */
static void fill_index(const struct vl_fs *f, unsigned char *block, size_t head,
                       const struct ext2_dx_entry *entries, size_t n)
{
    size_t room = VL_BLOCK_BYTES - head;
    if (ext2fs_has_feature_metadata_csum(f->fs->super))
        room -= sizeof(struct ext2_dx_tail);
    struct ext2_dx_countlimit count = {
        .limit = (__le16)(room / sizeof(struct ext2_dx_entry)),
        .count = (__le16)n,
    };
    memcpy(block + head, entries, n * sizeof(*entries));
    memcpy(block + head, &count, sizeof(count)); /* in place of the first hash */
}

static void fill_root(const struct vl_fs *f, const struct vl_dir *d, unsigned char *block,
                      unsigned levels)
{
    (void)put_entry(block, 0, d->ino, EXT2_FT_DIR, ".", 1);
    (void)put_entry(block, 12, d->parent->ino, EXT2_FT_DIR, "..", 2);
    ((struct ext2_dir_entry *)(void *)(block + 12))->rec_len = VL_BLOCK_BYTES - 12;
    struct ext2_dx_root_info info = {
        .hash_version = f->fs->super->s_def_hash_version,
        .info_length = sizeof(info),
        .indirect_levels = (__u8)levels,
    };
    memcpy(block + 24, &info, sizeof(info));
}

static size_t index_limit(const struct vl_fs *f, size_t head)
{
    size_t tail = ext2fs_has_feature_metadata_csum(f->fs->super) ? sizeof(struct ext2_dx_tail) : 0;
    return (VL_BLOCK_BYTES - head - tail) / sizeof(struct ext2_dx_entry);
}

/* Block 0 is the root, then the inner nodes if there are any, then the leaves. */
static int build_tree(const struct vl_fs *f, const struct vl_dir *d, const struct hashed *h,
                      const struct leaf *leaves, size_t n_leaves, unsigned char **ret_blocks,
                      size_t *ret_n, struct vic_err *err)
{
    size_t per_root = index_limit(f, ROOT_HEAD_BYTES);
    size_t per_node = index_limit(f, NODE_HEAD_BYTES);
    size_t n_nodes = n_leaves <= per_root ? 0 : (n_leaves + per_node - 1) / per_node;
    if (n_nodes > per_root)
        return vic_fail(err, VIC_ERR_INVALID, 0, "too many files in one directory");
    size_t first_leaf = 1 + n_nodes;
    size_t n = first_leaf + n_leaves;
    unsigned char *blocks = vic_xalloc(n * VL_BLOCK_BYTES);
    auto_free struct ext2_dx_entry *at_leaves = vic_xalloc(n_leaves * sizeof(*at_leaves));
    for (size_t i = 0; i < n_leaves; i++) {
        fill_leaf(f, blocks + (first_leaf + i) * VL_BLOCK_BYTES, h + leaves[i].first, leaves[i].n);
        at_leaves[i] = (struct ext2_dx_entry){leaves[i].hash, (__le32)(first_leaf + i)};
    }
    fill_root(f, d, blocks, n_nodes > 0);
    if (n_nodes == 0)
        fill_index(f, blocks, ROOT_HEAD_BYTES, at_leaves, n_leaves);
    auto_free struct ext2_dx_entry *at_nodes = vic_xalloc((n_nodes + 1) * sizeof(*at_nodes));
    for (size_t i = 0; i < n_nodes; i++) {
        unsigned char *node = blocks + (1 + i) * VL_BLOCK_BYTES;
        size_t first = i * per_node;
        size_t count = n_leaves - first < per_node ? n_leaves - first : per_node;
        ((struct ext2_dir_entry *)(void *)node)->rec_len = VL_BLOCK_BYTES;
        fill_index(f, node, NODE_HEAD_BYTES, at_leaves + first, count);
        at_nodes[i] = (struct ext2_dx_entry){leaves[first].hash, (__le32)(1 + i)};
    }
    if (n_nodes > 0)
        fill_index(f, blocks, ROOT_HEAD_BYTES, at_nodes, n_nodes);
    *ret_blocks = blocks;
    *ret_n = n;
    return 0;
}

int vl_htree_build(struct vl_fs *f, const struct vl_dir *d, unsigned char **ret_blocks,
                   size_t *ret_n, bool *ret_is_indexed, struct vic_err *err)
{
    size_t bytes = 24;
    for (size_t i = 0; i < d->n_slots; i++)
        bytes += d->entries[i] ? entry_bytes(d->entries[i]->len) : 0;
    *ret_is_indexed = bytes > usable_bytes(f);
    if (!*ret_is_indexed) {
        *ret_n = 1;
        return build_single(f, d, ret_blocks);
    }
    auto_free struct hashed *h = vic_xalloc(d->n_live * sizeof(*h));
    int r = hash_all(f, d, h, err);
    if (r < 0)
        return r;
    auto_free struct leaf *leaves = vic_xalloc(d->n_live * sizeof(*leaves));
    size_t n_leaves = divide(h, d->n_live, leaves);
    return build_tree(f, d, h, leaves, n_leaves, ret_blocks, ret_n, err);
}
