/* Changes of the index and removal of what nobody uses, one at a time. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/storage/content.h"
#include "portlayer/storage/facts.h"
#include "portlayer/storage/layer.h"
#include "portlayer/storage/store.h"

/* A blob that no image uses may belong to a pull in progress; after this long it does not. */
#define ORPHAN_AGE_S 3600

struct pl_op *pl_op_new(struct pl_storage *s, void (*prepare)(struct pl_op *),
                        void (*done)(struct pl_op *, int, const struct vic_err *), void *arg)
{
    struct pl_op *op = vic_new(struct pl_op);
    *op = (struct pl_op){.s = s, .prepare = prepare, .done = done, .arg = arg};
    vic_list_init(&op->link);
    return op;
}

static void op_free(struct pl_op *op)
{
    pl_index_release(&op->next);
    vic_strv_free(op->need_blobs);
    vic_strv_free(op->missing);
    vic_strv_free(op->try_blobs);
    vic_strv_free(op->gone_layers);
    vic_map_release(&op->used);
    free(op);
}

/* ---- marking ------------------------------------------------------------------------------- */

static void mark(struct vic_map *m, const char *key)
{
    (void)vic_map_put(m, key, m);
}

static void mark_chain(const struct pl_storage *s, struct vic_map *chains, const char *chain)
{
    while (*chain && !vic_map_get(chains, chain)) {
        mark(chains, chain);
        const struct pl_layer *layer = vic_map_get(&s->layers, chain);
        if (!layer)
            return;
        chain = layer->parent;
    }
}

/* Everything that stands once the op's index is in force. */
static void mark_used(struct pl_op *op, struct vic_map *chains)
{
    const struct pl_storage *s = op->s;
    for (size_t i = 0; i < op->next.n; i++) {
        const struct pl_index_row *row = &op->next.rows[i];
        mark(&op->used, row->manifest);
        mark(&op->used, row->image);
        const struct pl_image *image = vic_map_get(&s->images, row->image);
        for (char *const *b = image ? image->blobs : NULL; b && *b; b++)
            mark(&op->used, *b);
        for (char *const *c = image ? image->chains : NULL; c && *c; c++)
            mark_chain(s, chains, *c);
    }
    map_for_each(slot, &s->holders) {
        const struct pl_holder *h = slot->value;
        mark_chain(s, chains, h->chain);
    }
    pl_commits_mark(s, &op->used, chains);
}

static void find_gone_layers(struct pl_op *op)
{
    struct vic_map chains = {0};
    mark_used(op, &chains);
    map_for_each(slot, &op->s->layers) {
        if (op->s->keeps_layers || vic_map_get(&chains, slot->key))
            continue;
        op->gone_layers = vic_strv_append(op->gone_layers, slot->key);
        mark(&op->s->going, slot->key);
    }
    vic_map_release(&chains);
}

/* ---- on the pool --------------------------------------------------------------------------- */

static int check_needed(struct pl_op *op, struct vic_err *err)
{
    for (char *const *b = op->need_blobs; b && *b; b++) {
        uint64_t size;
        struct vic_err e;
        int r = pl_content_stat(op->s->content_dir, *b, &size, &e);
        if (r < 0 && e.kind == VIC_ERR_NOT_FOUND)
            op->missing = vic_strv_append(op->missing, *b);
        else if (r < 0) {
            *err = e;
            return r;
        }
    }
    if (op->missing)
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "content '%s' is gone", op->missing[0]);
    return 0;
}

static int write_index(struct pl_op *op, struct vic_err *err)
{
    auto_free char *path = vic_xasprintf("%s/index.json", op->s->content_dir);
    auto_free char *text = NULL;
    int r = pl_index_print(&op->next, &text, err);
    if (r < 0)
        return r;
    return vic_file_replace(path, text, strlen(text), 0644, err);
}

static void remove_blob(struct pl_op *op, const char *digest)
{
    auto_free char *path = pl_content_path(op->s->content_dir, digest);
    if (unlink(path) < 0 && errno != ENOENT)
        vic_log(VIC_DEBUG, "content", digest, "not removed: %s", strerror(errno));
}

static void remove_old_orphans(struct pl_op *op)
{
    auto_free char *dir = vic_xasprintf("%s/blobs/sha256", op->s->content_dir);
    DIR *d = opendir(dir);
    if (!d)
        return;
    time_t now = time(NULL);
    for (struct dirent *e; (e = readdir(d));) {
        char digest[HOST_DIGEST_MAX];
        struct stat st;
        (void)snprintf(digest, sizeof(digest), "sha256:%.64s", e->d_name);
        if (!host_digest_is_valid(digest) || vic_map_get(&op->used, digest))
            continue;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            now - st.st_mtime > ORPHAN_AGE_S)
            (void)unlinkat(dirfd(d), e->d_name, 0); /* tried again by the next op */
    }
    (void)closedir(d);
}

/* What cannot be removed now is found again by the next sweep, so that is no failure of the op. */
static int op_work(void *arg, struct vic_err *err)
{
    struct pl_op *op = arg;
    int r = check_needed(op, err);
    if (r == 0 && op->writes_index)
        r = write_index(op, err);
    if (r < 0)
        return r;
    for (char *const *c = op->gone_layers; c && *c; c++)
        pl_facts_remove_layer(op->s->layers_dir, *c);
    for (char *const *b = op->try_blobs; b && *b; b++) {
        if (!vic_map_get(&op->used, *b))
            remove_blob(op, *b);
    }
    remove_old_orphans(op);
    return 0;
}

/* ---- on the loop --------------------------------------------------------------------------- */

static void drop_images(struct pl_storage *s)
{
    char **gone = NULL;
    map_for_each(slot, &s->images) {
        if (!pl_index_find_image(&s->index, slot->key))
            gone = vic_strv_append(gone, slot->key);
    }
    for (char *const *id = gone; id && *id; id++)
        pl_image_free(vic_map_remove(&s->images, *id));
    vic_strv_free(gone);
}

static void op_commit(struct pl_op *op)
{
    struct pl_storage *s = op->s;
    pl_index_release(&s->index);
    s->index = op->next;
    s->revision++;
    op->next = (struct pl_index){0};
    for (char *const *c = op->gone_layers; c && *c; c++)
        free(vic_map_remove(&s->layers, *c));
}

static void run_next(struct pl_storage *s);

static void on_op_done(void *arg, int result, const struct vic_err *err)
{
    struct pl_op *op = arg;
    struct pl_storage *s = op->s;
    if (result == 0)
        op_commit(op);
    for (char *const *c = op->gone_layers; c && *c; c++)
        (void)vic_map_remove(&s->going, *c);
    s->is_op_running = false;
    if (op->done)
        op->done(op, result, err);
    if (result == 0)
        drop_images(s);
    op_free(op);
    pl_commits_wake(s);
    run_next(s);
}

static void run_next(struct pl_storage *s)
{
    if (s->is_op_running || vic_list_is_empty(&s->ops))
        return;
    struct pl_op *op = container_of(s->ops.next, struct pl_op, link);
    vic_list_remove(&op->link);
    s->is_op_running = true;
    pl_index_dup(&s->index, &op->next);
    if (op->prepare)
        op->prepare(op);
    find_gone_layers(op);
    host_work(s->pl->loop, op_work, on_op_done, op);
}

void pl_op_start(struct pl_op *op)
{
    struct pl_storage *s = op->s;
    vic_list_append(&s->ops, &op->link);
    run_next(s);
}

void pl_gc_start(struct pl_storage *s, char **try_blobs)
{
    struct pl_op *op = pl_op_new(s, NULL, NULL, NULL);
    op->try_blobs = try_blobs;
    pl_op_start(op);
}
