/* Directories in memory: loaded when first touched, written back when the layer is complete. */
#pragma once

#include "portlayer/storage/vl_fs.h"

struct vl_dentry {
    struct vl_dentry *next; /* in its bucket */
    uint32_t ino;
    uint32_t hash;
    size_t slot;   /* its place in entries */
    uint8_t type;  /* EXT2_FT_… */
    bool in_layer; /* this layer made it, or something below it */
    uint8_t len;
    char name[]; /* not terminated */
};

struct vl_dir {
    uint32_t ino;
    struct vl_dir *parent;      /* itself for the root */
    struct vl_dentry **entries; /* owned; in the order they came, NULL where one was removed */
    size_t n_slots;
    size_t cap;
    size_t n_live;
    size_t n_subdirs;
    struct vl_dentry **buckets;
    size_t n_buckets;
    bool is_dirty;
    struct vl_dir *bucket_next;
    struct vl_dir *prev;
    struct vl_dir *next;
};

/* The directory `ino`, which stands in parent (NULL: it is the root).  Borrowed until removed. */
int vl_dir_get(struct vl_fs *f, uint32_t ino, struct vl_dir *parent, struct vl_dir **ret_dir,
               struct vic_err *err);
struct vl_dentry *vl_dir_find(const struct vl_fs *f, const struct vl_dir *d, const char *name,
                              size_t len);
int vl_dir_add(struct vl_fs *f, struct vl_dir *d, const char *name, size_t len, uint32_t ino,
               uint8_t type, struct vl_dentry **ret_entry, struct vic_err *err);
/* Only the entry; what becomes of the inode is the caller's business. */
void vl_dir_remove(struct vl_fs *f, struct vl_dir *d, struct vl_dentry *entry);
void vl_dir_forget(struct vl_fs *f, struct vl_dir *d);

/* A new, empty directory in d. */
int vl_dir_make(struct vl_fs *f, struct vl_dir *d, const char *name, size_t len,
                const struct vl_meta *meta, struct vl_dentry **ret_entry, struct vic_err *err);

int vl_dir_store_all(struct vl_fs *f, struct vic_err *err);
void vl_dir_free_all(struct vl_fs *f);

/* The blocks of a directory as ext4 has them (vl_htree.c): one, or an index and its leaves.
 * ret_blocks: owned, *ret_n blocks; *ret_is_indexed says which. */
int vl_htree_build(struct vl_fs *f, const struct vl_dir *d, unsigned char **ret_blocks,
                   size_t *ret_n, bool *ret_is_indexed, struct vic_err *err);
