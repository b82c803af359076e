/*
 * The ext4 file system of a layer while vic-layer changes it.
 *
 * Inodes and bitmaps are libext2fs's.  Directories that are touched are held in memory whole
 * (vl_dir.h) and written back, indexed where they are large, when the file system is closed.  The
 * content of files is put on the disk in long runs taken from a window of free blocks.
 */
#pragma once

#include <ext2fs/ext2fs.h>

#include "portlayer/storage/vl_io.h"

#define VL_INODE_BYTES 256u
#define VL_NAME_MAX 255u
#define VL_PATH_MAX 4096u
/* Directories in memory: more than any image needs, less than the worker may use. */
#define VL_DIR_MEMORY_MAX (UINT64_C(1) << 30)
#define VL_DIR_BUCKETS 16384u

struct vl_dir;

struct vl_fs {
    ext2_filsys fs;
    struct vl_io *io; /* owned */
    uint64_t window;  /* free blocks marked as taken: [window, window_end) */
    uint64_t window_end;
    uint64_t goal;                          /* where to look for the next window */
    struct vl_dir *buckets[VL_DIR_BUCKETS]; /* owned; by inode */
    struct vl_dir *first;                   /* the same in the order they were loaded */
    struct vl_dir *last;
    uint64_t dir_memory;
    uint32_t hash_seed;
};

struct vl_xattr {
    const char *name; /* borrowed, as is value */
    const void *value;
    size_t len;
};

/* What every inode has. */
struct vl_meta {
    uint32_t perm; /* 07777 at most */
    uint32_t uid;
    uint32_t gid;
    int64_t mtime_s;
    uint32_t mtime_ns;
    int64_t atime_s;
    uint32_t atime_ns;
    const struct vl_xattr *xattrs; /* borrowed */
    size_t n_xattrs;
};

union vl_inode {
    struct ext2_inode_large large;
    struct ext2_inode base;
    unsigned char bytes[VL_INODE_BYTES];
};

int vl_fs_open(struct vl_dev *dev, struct vl_fs **ret_fs, struct vic_err *err); /* dev: borrowed */
/* Writes everything; the file system is complete and clean on the disk when this returns 0. */
int vl_fs_finish(struct vl_fs *f, struct vic_err *err);
void vl_fs_free(struct vl_fs *f); /* without vl_fs_finish() the disk holds nothing usable */
VIC_DEFINE_CLEANUP(vl_fs_free_p, struct vl_fs *, vl_fs_free)

/* Turns an error of libext2fs into ours. */
int vl_fs_fail(const struct vl_fs *f, errcode_t code, struct vic_err *err, const char *what);

/* ---- inodes ---- */

/* A free inode number, taken. */
int vl_inode_take(struct vl_fs *f, bool is_dir, uint32_t *ret_ino, struct vic_err *err);
int vl_inode_read(struct vl_fs *f, uint32_t ino, union vl_inode *ret_inode, struct vic_err *err);
int vl_inode_write(struct vl_fs *f, uint32_t ino, union vl_inode *inode, struct vic_err *err);
/* Owner, permissions and times; the type bits of the mode stay. */
void vl_inode_set_meta(union vl_inode *inode, const struct vl_meta *meta);
/* A fresh inode of this type (S_IFREG …) with one link and no blocks. */
void vl_inode_init(union vl_inode *inode, uint32_t type, const struct vl_meta *meta);
/* Replaces all of an inode's extended attributes.  INVALID for one that ext4 cannot hold. */
int vl_inode_set_xattrs(struct vl_fs *f, uint32_t ino, const struct vl_meta *meta, bool is_new,
                        struct vic_err *err);
/* One link less; without any the inode and its blocks are free. */
int vl_inode_drop_link(struct vl_fs *f, uint32_t ino, bool is_dir, struct vic_err *err);

/* ---- content ---- */

struct vl_extent {
    uint32_t lblk;
    uint32_t len;
    uint64_t pblk;
};

/* Zero-initialised is empty. */
struct vl_extents {
    struct vl_extent *v; /* owned */
    size_t n;
    size_t cap;
    uint64_t n_blocks;
};
void vl_extents_release(struct vl_extents *x);

/* Takes a free block for logical block lblk, which lies behind all before it. */
int vl_extents_append(struct vl_fs *f, struct vl_extents *x, uint64_t lblk, uint64_t *ret_pblk,
                      struct vic_err *err);
/* Gives the extents and the size to an inode without content, and writes it. */
int vl_extents_store(struct vl_fs *f, const struct vl_extents *x, uint32_t ino,
                     union vl_inode *inode, uint64_t size, struct vic_err *err);
/* Frees an inode's blocks; the inode on the disk has none then. */
int vl_inode_truncate(struct vl_fs *f, uint32_t ino, union vl_inode *inode, struct vic_err *err);

/* A file's bytes as they arrive, offsets rising; gaps and runs of zeros become holes. */
struct vl_content {
    struct vl_fs *f; /* borrowed */
    struct vl_extents extents;
    uint64_t n_zero; /* blocks of zeros not yet decided about */
    uint64_t lblk;   /* the next one, behind the zeros */
    size_t n_partial;
    bool has_gap; /* the zeros include a hole of the archive */
    unsigned char partial[VL_BLOCK_BYTES];
};
int vl_content_write(struct vl_content *c, uint64_t offset, const void *data, size_t len,
                     struct vic_err *err);
/* The last, partial block. */
int vl_content_end(struct vl_content *c, struct vic_err *err);
