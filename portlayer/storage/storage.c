/* Opening the datastore, and who stands on what. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/storage/content.h"
#include "portlayer/storage/facts.h"
#include "portlayer/storage/layer.h"
#include "portlayer/storage/store.h"

/* QEMU's user may search the folders and read what it is given, no more. */
#define FOLDER_MODE 0711
#define EMPTY_INDEX "{\"schemaVersion\":2,\"manifests\":[]}"

static int read_index(struct pl_storage *s, struct vic_err *err)
{
    auto_free char *path = vic_xasprintf("%s/index.json", s->content_dir);
    auto_free char *text = NULL;
    size_t len;
    if (vic_file_exists(path) == 0)
        return vic_file_replace(path, EMPTY_INDEX, strlen(EMPTY_INDEX), 0644, err);
    int r = vic_file_read(path, PL_INDEX_MAX, &text, &len, err);
    if (r < 0)
        return r;
    r = pl_index_parse(text, len, &s->index, err);
    return r < 0 ? vic_fail_wrap(err, r, "image index '%s'", path) : 0;
}

/* One row's image; what is not whole any more is left out, and said. */
static void load_image(struct pl_storage *s, struct pl_index_row *row)
{
    struct pl_image_docs docs;
    char **missing = NULL;
    struct vic_err err;
    int r = pl_image_read(s->content_dir, row->manifest, row->media_type, &docs, &missing, &err);
    vic_strv_free(missing);
    if (r < 0) {
        vic_log(VIC_WARN, "image", row->ref ? row->ref : row->manifest, "left out: %s",
                err.message);
        return;
    }
    memcpy(row->image, docs.row.image, sizeof(row->image));
    if (!vic_map_get(&s->images, row->image))
        (void)vic_map_put(&s->images, row->image, TAKE_PTR(docs.image));
    pl_image_docs_release(&docs);
}

static void load_images(struct pl_storage *s)
{
    for (size_t i = 0; i < s->index.n; i++) {
        struct pl_index_row *row = &s->index.rows[i];
        for (size_t j = 0; j < i && !*row->image; j++) {
            if (strcmp(s->index.rows[j].manifest, row->manifest) == 0)
                memcpy(row->image, s->index.rows[j].image, sizeof(row->image));
        }
        if (!*row->image)
            load_image(s, row);
    }
    pl_index_drop_unknown(&s->index);
}

static int open_folders(struct pl_storage *s, struct vic_err *err)
{
    int r = vic_file_mkdir_p(s->content_dir, FOLDER_MODE, err);
    if (r == 0)
        r = vic_file_mkdir_p(s->layers_dir, FOLDER_MODE, err);
    if (r == 0)
        r = pl_content_init(s->content_dir, err);
    if (r == 0)
        r = pl_layer_remove_stale(s->layers_dir, err);
    return r;
}

int pl_storage_new(struct pl *pl, struct pl_storage **ret_storage, struct vic_err *err)
{
    struct pl_storage *s = vic_new(struct pl_storage);
    s->pl = pl;
    s->content_dir = vic_xasprintf("%s/content", pl->config.datastore);
    s->layers_dir = vic_xasprintf("%s/layers", pl->config.datastore);
    vic_list_init(&s->ops);
    vic_list_init(&s->commits);
    vic_list_init(&s->layer_wait);
    int r = open_folders(s, err);
    if (r == 0)
        r = pl_facts_load(s->layers_dir, &s->layers, err);
    if (r == 0)
        r = read_index(s, err);
    if (r < 0) {
        pl_storage_free(s);
        return vic_fail_wrap(err, r, "storage");
    }
    load_images(s);
    *ret_storage = s;
    return 0;
}

static void free_values(struct vic_map *m)
{
    map_for_each(slot, m)
        free(slot->value);
    vic_map_release(m);
}

void pl_storage_free(struct pl_storage *s)
{
    if (!s)
        return;
    map_for_each(slot, &s->images)
        pl_image_free(slot->value);
    vic_map_release(&s->images);
    free_values(&s->layers);
    free_values(&s->holders);
    vic_map_release(&s->layer_jobs);
    vic_map_release(&s->going);
    pl_index_release(&s->index);
    free(s->content_dir);
    free(s->layers_dir);
    free(s);
}

int pl_storage_image_chain(struct pl_storage *s, const char *image_id, const char **ret_chain_id,
                           struct vic_err *err)
{
    const struct pl_image *image = vic_map_get(&s->images, image_id);
    if (!image || image->is_going)
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "no such image '%.100s'", image_id);
    const char *top = NULL;
    for (char *const *c = image->chains; *c; c++) {
        top = *c;
        if (!vic_map_get(&s->layers, top))
            return vic_fail(err, VIC_ERR_UNAVAILABLE, 0,
                            "layer '%s' of image '%s' is gone from the datastore: pull it again",
                            top, image_id);
    }
    *ret_chain_id = top;
    return 0;
}

void pl_storage_hold(struct pl_storage *s, const char *container_id, const char *image_id,
                     const char *chain_id, bool is_running)
{
    struct pl_holder *h = vic_new(struct pl_holder);
    (void)snprintf(h->image, sizeof(h->image), "%s", image_id);
    (void)snprintf(h->chain, sizeof(h->chain), "%s", chain_id);
    h->is_running = is_running;
    free(vic_map_put(&s->holders, container_id, h));
}

static bool is_in_any_image(const struct pl_storage *s, const char *chain)
{
    map_for_each(slot, &s->images) {
        const struct pl_image *image = slot->value;
        if (vic_strv_contains(image->chains, chain))
            return true;
    }
    return false;
}

void pl_storage_release(struct pl_storage *s, const char *container_id)
{
    struct pl_holder *h = vic_map_remove(&s->holders, container_id);
    if (!h)
        return;
    /* The last container of an image that was removed by force takes the layers along. */
    if (!is_in_any_image(s, h->chain))
        pl_gc_start(s, NULL);
    free(h);
}

void pl_storage_keep_layers(struct pl_storage *s)
{
    s->keeps_layers = true;
}

uint64_t pl_storage_revision(const struct pl_storage *s)
{
    return s->revision;
}

size_t pl_storage_count_images(const struct pl_storage *s)
{
    return s->images.n;
}
