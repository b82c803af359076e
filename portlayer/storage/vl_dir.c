/* Directories in memory: a hash table each, loaded from and stored to the file system. */
#include "portlayer/storage/vl_dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"

/* gcc's analyzer loses sight of an entry once it is reachable only through its directory. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define FIRST_BUCKETS 32u

static size_t bucket_of_dir(uint32_t ino)
{
    return (ino * UINT32_C(0x9e3779b1)) >> 18;
}
_Static_assert(VL_DIR_BUCKETS == 1u << 14, "bucket_of_dir() yields 14 bits");

/* Seeded, so that an archive cannot be made to collide. */
static uint32_t hash_name(const struct vl_fs *f, const char *name, size_t len)
{
    uint64_t h = f->hash_seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
        h ^= h >> 29;
    }
    return (uint32_t)(h ^ h >> 32);
}

struct vl_dentry *vl_dir_find(const struct vl_fs *f, const struct vl_dir *d, const char *name,
                              size_t len)
{
    if (d->n_buckets == 0)
        return NULL;
    uint32_t hash = hash_name(f, name, len);
    for (struct vl_dentry *e = d->buckets[hash % d->n_buckets]; e; e = e->next)
        if (e->hash == hash && e->len == len && memcmp(e->name, name, len) == 0)
            return e;
    return NULL;
}

static void grow_buckets(struct vl_dir *d)
{
    size_t n = d->n_buckets ? 2 * d->n_buckets : FIRST_BUCKETS;
    struct vl_dentry **buckets = vic_xalloc(n * sizeof(struct vl_dentry *));
    for (size_t i = 0; i < d->n_slots; i++) {
        struct vl_dentry *e = d->entries[i];
        if (!e)
            continue;
        e->next = buckets[e->hash % n];
        buckets[e->hash % n] = e;
    }
    free(d->buckets);
    d->buckets = buckets;
    d->n_buckets = n;
}

static int insert(struct vl_fs *f, struct vl_dir *d, const char *name, size_t len, uint32_t ino,
                  uint8_t type, struct vl_dentry **ret_entry, struct vic_err *err)
{
    /* 40: the slot, the bucket and malloc's own. */
    f->dir_memory += sizeof(struct vl_dentry) + len + 40;
    if (f->dir_memory > VL_DIR_MEMORY_MAX)
        return vic_fail(err, VIC_ERR_INVALID, ENOMEM, "too many files in one layer");
    struct vl_dentry *e = malloc(sizeof(*e) + len);
    if (!e)
        return vic_fail_errno(err, ENOMEM, "directory");
    *e = (struct vl_dentry){.ino = ino,
                            .hash = hash_name(f, name, len),
                            .slot = d->n_slots,
                            .type = type,
                            .len = (uint8_t)len};
    memcpy(e->name, name, len);
    if (d->n_slots == d->cap) {
        d->cap = d->cap ? 2 * d->cap : FIRST_BUCKETS;
        d->entries = vic_xrealloc_array(d->entries, d->cap, sizeof(struct vl_dentry *));
    }
    d->entries[d->n_slots++] = e;
    d->n_live++;
    d->n_subdirs += type == EXT2_FT_DIR;
    if (d->n_live > d->n_buckets) {
        grow_buckets(d);
    } else {
        e->next = d->buckets[e->hash % d->n_buckets];
        d->buckets[e->hash % d->n_buckets] = e;
    }
    if (ret_entry)
        *ret_entry = e;
    return 0;
}

int vl_dir_add(struct vl_fs *f, struct vl_dir *d, const char *name, size_t len, uint32_t ino,
               uint8_t type, struct vl_dentry **ret_entry, struct vic_err *err)
{
    struct vl_dentry *e = NULL;
    int r = insert(f, d, name, len, ino, type, &e, err);
    if (r < 0 || !e)
        return r;
    d->is_dirty = true;
    e->in_layer = true;
    if (ret_entry)
        *ret_entry = e;
    return 0;
}

void vl_dir_remove(struct vl_fs *f, struct vl_dir *d, struct vl_dentry *entry)
{
    struct vl_dentry **link = &d->buckets[entry->hash % d->n_buckets];
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    d->entries[entry->slot] = NULL;
    d->n_live--;
    d->n_subdirs -= entry->type == EXT2_FT_DIR;
    d->is_dirty = true;
    f->dir_memory -= sizeof(*entry) + entry->len + 40;
    free(entry);
}

/* ---- loading ---- */

struct loading {
    struct vl_fs *f;
    struct vl_dir *dir;
    struct vic_err *err;
    int result;
};

static int on_entry(ext2_ino_t dir, int kind, struct ext2_dir_entry *e, int offset, int blocksize,
                    char *buf, void *arg)
{
    (void)dir;
    (void)offset;
    (void)blocksize;
    (void)buf;
    struct loading *l = arg;
    if (kind != DIRENT_OTHER_FILE)
        return 0;
    size_t len = (size_t)ext2fs_dirent_name_len(e);
    l->result = insert(l->f, l->dir, e->name, len, e->inode, (uint8_t)ext2fs_dirent_file_type(e),
                       NULL, l->err);
    return l->result < 0 ? DIRENT_ABORT : 0;
}

static struct vl_dir *new_dir(struct vl_fs *f, uint32_t ino, struct vl_dir *parent)
{
    struct vl_dir *d = vic_new(struct vl_dir);
    d->ino = ino;
    d->parent = parent ? parent : d;
    d->bucket_next = f->buckets[bucket_of_dir(ino)];
    f->buckets[bucket_of_dir(ino)] = d;
    d->prev = f->last;
    if (f->last)
        f->last->next = d;
    else
        f->first = d;
    f->last = d;
    f->dir_memory += sizeof(*d);
    return d;
}

int vl_dir_get(struct vl_fs *f, uint32_t ino, struct vl_dir *parent, struct vl_dir **ret_dir,
               struct vic_err *err)
{
    for (struct vl_dir *d = f->buckets[bucket_of_dir(ino)]; d; d = d->bucket_next) {
        if (d->ino == ino) {
            *ret_dir = d;
            return 0;
        }
    }
    struct vl_dir *d = new_dir(f, ino, parent);
    struct loading l = {.f = f, .dir = d, .err = err};
    errcode_t e = ext2fs_dir_iterate2(f->fs, ino, 0, NULL, on_entry, &l);
    if (l.result < 0)
        return l.result;
    if (e)
        return vl_fs_fail(f, e, err, "read a directory");
    *ret_dir = d;
    return 0;
}

static void free_dir(struct vl_dir *d)
{
    for (size_t i = 0; i < d->n_slots; i++)
        free(d->entries[i]);
    free(d->entries);
    free(d->buckets);
    free(d);
}

void vl_dir_forget(struct vl_fs *f, struct vl_dir *d)
{
    struct vl_dir **link = &f->buckets[bucket_of_dir(d->ino)];
    while (*link != d)
        link = &(*link)->bucket_next;
    *link = d->bucket_next;
    *(d->prev ? &d->prev->next : &f->first) = d->next;
    *(d->next ? &d->next->prev : &f->last) = d->prev;
    for (size_t i = 0; i < d->n_slots; i++)
        if (d->entries[i])
            f->dir_memory -= sizeof(struct vl_dentry) + d->entries[i]->len + 40;
    f->dir_memory -= sizeof(*d);
    free_dir(d);
}

void vl_dir_free_all(struct vl_fs *f)
{
    while (f->first) {
        struct vl_dir *d = f->first;
        f->first = d->next;
        free_dir(d);
    }
}

int vl_dir_make(struct vl_fs *f, struct vl_dir *d, const char *name, size_t len,
                const struct vl_meta *meta, struct vl_dentry **ret_entry, struct vic_err *err)
{
    uint32_t ino;
    int r = vl_inode_take(f, true, &ino, err);
    if (r < 0)
        return r;
    union vl_inode inode;
    vl_inode_init(&inode, S_IFDIR, meta);
    struct vl_extents none = {0};
    r = vl_extents_store(f, &none, ino, &inode, 0, err);
    if (r == 0)
        r = vl_inode_set_xattrs(f, ino, meta, true, err);
    if (r == 0)
        r = vl_dir_add(f, d, name, len, ino, EXT2_FT_DIR, ret_entry, err);
    if (r < 0)
        return r;
    new_dir(f, ino, d)->is_dirty = true;
    return 0;
}

/* ---- storing ---- */

static int store(struct vl_fs *f, const struct vl_dir *d, struct vic_err *err)
{
    union vl_inode inode;
    int r = vl_inode_read(f, d->ino, &inode, err);
    if (r == 0)
        r = vl_inode_truncate(f, d->ino, &inode, err);
    auto_free unsigned char *blocks = NULL;
    size_t n = 0;
    bool is_indexed = false;
    if (r == 0)
        r = vl_htree_build(f, d, &blocks, &n, &is_indexed, err);
    if (r < 0)
        return r;
    auto_(vl_extents_release) struct vl_extents extents = {0};
    for (size_t i = 0; i < n; i++) {
        uint64_t pblk;
        r = vl_extents_append(f, &extents, i, &pblk, err);
        if (r < 0)
            return r;
        errcode_t e = ext2fs_write_dir_block4(f->fs, pblk, blocks + i * VL_BLOCK_BYTES, 0, d->ino);
        if (e)
            return vl_fs_fail(f, e, err, "write a directory");
    }
    size_t links = 2 + d->n_subdirs;
    inode.large.i_links_count = links > EXT2_LINK_MAX ? 1 : (__u16)links;
    inode.large.i_flags &= ~(__u32)EXT2_INDEX_FL;
    if (is_indexed)
        inode.large.i_flags |= EXT2_INDEX_FL;
    return vl_extents_store(f, &extents, d->ino, &inode, n * VL_BLOCK_BYTES, err);
}

int vl_dir_store_all(struct vl_fs *f, struct vic_err *err)
{
    for (struct vl_dir *d = f->first; d; d = d->next) {
        int r = d->is_dirty ? store(f, d, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}
