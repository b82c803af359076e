/* Paths in a layer's file system: finding, replacing and removing. */
#pragma once

#include "portlayer/storage/vl_dir.h"

/* What an archive calls a file, as a path without "." or ".." below the root ("" is the root itself).
 * INVALID for one that leaves the root, or is too long. */
int vl_path_clean(const char *name, char ret_path[VL_PATH_MAX + 1], struct vic_err *err);

/* The directory that holds path's last component.  Symbolic links on the way are followed, never out
 * of the root.  make (may be NULL): missing directories are made so, and those passed count as part of
 * this layer.  -ENOENT, with err untouched, where something is missing and make is NULL. */
int vl_tree_parent(struct vl_fs *f, const char *path, const struct vl_meta *make,
                   struct vl_dir **ret_dir, struct vic_err *err);
/* The last component of a clean path. */
const char *vl_path_base(const char *path);

/* Removes an entry and all below it. */
int vl_tree_remove(struct vl_fs *f, struct vl_dir *d, struct vl_dentry *entry, struct vic_err *err);
/* The same, but spares what this layer made. */
int vl_tree_hide(struct vl_fs *f, struct vl_dir *d, struct vl_dentry *entry, struct vic_err *err);
/* Hides everything in the directory. */
int vl_tree_hide_all(struct vl_fs *f, struct vl_dir *d, struct vic_err *err);

/* ret_target: terminated, VL_PATH_MAX + 1 bytes. */
int vl_tree_readlink(struct vl_fs *f, uint32_t ino, char *ret_target, struct vic_err *err);
