/* Walks and prunes the directory tree of a layer. */
#include "portlayer/storage/vl_tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"

#define LINKS_MAX 40

int vl_path_clean(const char *name, char ret_path[VL_PATH_MAX + 1], struct vic_err *err)
{
    bool is_absolute = name[0] == '/';
    size_t len = 0;
    if (strlen(name) > VL_PATH_MAX)
        return vic_fail(err, VIC_ERR_INVALID, ENAMETOOLONG, "path longer than %u bytes",
                        VL_PATH_MAX);
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            if (len == 0 && !is_absolute)
                return vic_fail(err, VIC_ERR_INVALID, 0, "breakout: path leaves the layer");
            while (len > 0 && ret_path[--len] != '/')
                ;
        } else if (n > VL_NAME_MAX) {
            return vic_fail(err, VIC_ERR_INVALID, ENAMETOOLONG, "name longer than %u bytes",
                            VL_NAME_MAX);
        } else if (n > 0 && !(n == 1 && p[0] == '.')) {
            if (len > 0)
                ret_path[len++] = '/';
            memcpy(ret_path + len, p, n);
            len += n;
        }
        p += n;
        p += *p == '/';
    }
    ret_path[len] = '\0';
    return 0;
}

const char *vl_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int vl_tree_readlink(struct vl_fs *f, uint32_t ino, char *ret_target, struct vic_err *err)
{
    union vl_inode inode;
    int r = vl_inode_read(f, ino, &inode, err);
    if (r < 0)
        return r;
    uint64_t len = EXT2_I_SIZE(&inode.base);
    if (len == 0 || len >= VL_PATH_MAX)
        return vic_fail(err, VIC_ERR_INTERNAL, EIO, "symbolic link of %ju bytes", (uintmax_t)len);
    if (ext2fs_is_fast_symlink(&inode.base)) {
        memcpy(ret_target, inode.large.i_block, len);
    } else {
        blk64_t pblk;
        char block[VL_BLOCK_BYTES];
        errcode_t e = ext2fs_bmap2(f->fs, ino, &inode.base, NULL, 0, 0, NULL, &pblk);
        if (!e)
            e = io_channel_read_blk64(f->fs->io, pblk, 1, block);
        if (e)
            return vl_fs_fail(f, e, err, "read a symbolic link");
        memcpy(ret_target, block, len);
    }
    ret_target[len] = '\0';
    return 0;
}

struct walk {
    struct vl_fs *f;
    struct vl_dir *dir;
    char *rest; /* owned: what is still to be walked, to the last slash */
    unsigned n_links;
};

/* Puts the link's target in front of the rest. */
static int follow(struct walk *w, uint32_t ino, size_t consumed, struct vic_err *err)
{
    char target[VL_PATH_MAX + 1];
    if (++w->n_links > LINKS_MAX)
        return vic_fail(err, VIC_ERR_INVALID, ELOOP, "too many levels of symbolic links");
    int r = vl_tree_readlink(w->f, ino, target, err);
    if (r < 0)
        return r;
    if (strlen(target) + strlen(w->rest + consumed) > 2 * VL_PATH_MAX)
        return vic_fail(err, VIC_ERR_INVALID, ENAMETOOLONG, "path through symbolic links too long");
    char *rest = vic_xasprintf("%s/%s", target, w->rest + consumed);
    free(w->rest);
    w->rest = rest;
    if (target[0] == '/')
        while (w->dir->parent != w->dir)
            w->dir = w->dir->parent;
    return 0;
}

/* Consumes one component. */
static int step(struct walk *w, const struct vl_meta *make, struct vic_err *err)
{
    const char *name = w->rest;
    size_t n = strcspn(name, "/");
    size_t consumed = n + (name[n] == '/');
    if (n == 2 && name[0] == '.' && name[1] == '.') {
        w->dir = w->dir->parent;
    } else if (n > VL_NAME_MAX) {
        return vic_fail(err, VIC_ERR_INVALID, ENAMETOOLONG, "name longer than %u bytes",
                        VL_NAME_MAX);
    } else if (n > 0 && !(n == 1 && name[0] == '.')) {
        struct vl_dentry *e = vl_dir_find(w->f, w->dir, name, n);
        int r = 0;
        if (!e && !make)
            return -ENOENT;
        if (!e)
            r = vl_dir_make(w->f, w->dir, name, n, make, &e, err);
        else if (e->type == EXT2_FT_SYMLINK)
            return follow(w, e->ino, consumed, err);
        else if (e->type != EXT2_FT_DIR)
            return vic_fail(err, VIC_ERR_INVALID, ENOTDIR, "'%.*s' in its path is not a directory",
                            (int)n, name);
        if (r < 0)
            return r;
        if (make)
            e->in_layer = true;
        r = vl_dir_get(w->f, e->ino, w->dir, &w->dir, err);
        if (r < 0)
            return r;
    }
    memmove(w->rest, w->rest + consumed, strlen(w->rest + consumed) + 1);
    return 0;
}

int vl_tree_parent(struct vl_fs *f, const char *path, const struct vl_meta *make,
                   struct vl_dir **ret_dir, struct vic_err *err)
{
    struct walk w = {.f = f};
    int r = vl_dir_get(f, EXT2_ROOT_INO, NULL, &w.dir, err);
    if (r < 0)
        return r;
    w.rest = vic_xstrndup(path, (size_t)(vl_path_base(path) - path));
    while (r == 0 && *w.rest)
        r = step(&w, make, err);
    free(w.rest);
    if (r == 0)
        *ret_dir = w.dir;
    return r;
}

/* ---- removal ---- */

/* Directories still to be emptied; a list, because a tree may be deeper than the stack. */
struct pending {
    struct vl_dir **v; /* owned */
    size_t n;
    size_t cap;
};

static void push(struct pending *p, struct vl_dir *d)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->v = vic_xrealloc_array(p->v, p->cap, sizeof(struct vl_dir *));
    }
    p->v[p->n++] = d;
}

/* Frees what entries of d name, sub-directories later.  d itself is forgotten. */
static int empty_out(struct vl_fs *f, struct vl_dir *d, struct pending *p, struct vic_err *err)
{
    for (size_t i = 0; i < d->n_slots; i++) {
        const struct vl_dentry *e = d->entries[i];
        if (!e)
            continue;
        struct vl_dir *sub = NULL;
        int r = e->type == EXT2_FT_DIR ? vl_dir_get(f, e->ino, d, &sub, err)
                                       : vl_inode_drop_link(f, e->ino, false, err);
        if (r < 0)
            return r;
        if (sub)
            push(p, sub);
    }
    uint32_t ino = d->ino;
    vl_dir_forget(f, d);
    return vl_inode_drop_link(f, ino, true, err);
}

int vl_tree_remove(struct vl_fs *f, struct vl_dir *d, struct vl_dentry *entry, struct vic_err *err)
{
    uint32_t ino = entry->ino;
    bool is_dir = entry->type == EXT2_FT_DIR;
    vl_dir_remove(f, d, entry);
    if (!is_dir)
        return vl_inode_drop_link(f, ino, false, err);
    struct vl_dir *sub;
    int r = vl_dir_get(f, ino, d, &sub, err);
    if (r < 0)
        return r;
    struct pending p = {0};
    push(&p, sub);
    while (r == 0 && p.n > 0)
        r = empty_out(f, p.v[--p.n], &p, err);
    free(p.v);
    return r;
}

static int hide_below(struct vl_fs *f, struct vl_dir *d, struct pending *p, struct vic_err *err)
{
    for (size_t i = 0; i < d->n_slots; i++) {
        struct vl_dentry *e = d->entries[i];
        if (!e)
            continue;
        int r = 0;
        if (!e->in_layer) {
            r = vl_tree_remove(f, d, e, err);
        } else if (e->type == EXT2_FT_DIR) {
            struct vl_dir *sub;
            r = vl_dir_get(f, e->ino, d, &sub, err);
            if (r == 0)
                push(p, sub);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int vl_tree_hide_all(struct vl_fs *f, struct vl_dir *d, struct vic_err *err)
{
    struct pending p = {0};
    push(&p, d);
    int r = 0;
    while (r == 0 && p.n > 0)
        r = hide_below(f, p.v[--p.n], &p, err);
    free(p.v);
    return r;
}

int vl_tree_hide(struct vl_fs *f, struct vl_dir *d, struct vl_dentry *entry, struct vic_err *err)
{
    if (!entry->in_layer)
        return vl_tree_remove(f, d, entry, err);
    if (entry->type != EXT2_FT_DIR)
        return 0;
    struct vl_dir *sub;
    int r = vl_dir_get(f, entry->ino, d, &sub, err);
    return r < 0 ? r : vl_tree_hide_all(f, sub, err);
}
