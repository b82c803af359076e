/* /v1/images and /v1/refs: what there is, what it is called, and its removal. */
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "portlayer/events.h"
#include "portlayer/storage/store.h"

void pl_image_emit(struct pl_storage *s, const char *action, const char *id, const char *ref)
{
    auto_json cJSON *attributes = json_new_obj();
    json_add_str(attributes, "name", ref);
    pl_events_emit(s->pl->events, "image", action, id, attributes, NULL);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static uint64_t image_size(const struct pl_storage *s, const struct pl_image *image)
{
    uint64_t size = 0;
    for (char *const *c = image->chains; *c; c++) {
        const struct pl_layer *l = vic_map_get(&s->layers, *c);
        size += l ? l->size : 0;
    }
    return size;
}

/* How many images have each layer; chain -> that number, as a pointer. */
static void count_layer_users(const struct pl_storage *s, struct vic_map *users)
{
    map_for_each(slot, &s->images) {
        const struct pl_image *image = slot->value;
        for (char *const *c = image->chains; *c; c++) {
            uintptr_t n = (uintptr_t)vic_map_get(users, *c);
            (void)vic_map_put(users, *c, (void *)(n + 1));
        }
    }
}

static uint64_t shared_size(const struct pl_storage *s, const struct pl_image *image,
                            const struct vic_map *users)
{
    uint64_t size = 0;
    for (char *const *c = image->chains; *c; c++) {
        const struct pl_layer *l = vic_map_get(&s->layers, *c);
        size += l && (uintptr_t)vic_map_get(users, *c) > 1 ? l->size : 0;
    }
    return size;
}

static uint64_t layers_size(const struct pl_storage *s)
{
    uint64_t size = 0;
    map_for_each(slot, &s->layers) {
        const struct pl_layer *l = slot->value;
        size += l->size;
    }
    return size;
}

static int read_flag(struct rpc_stream *st, const char *name, bool *ret, struct vic_err *err)
{
    const char *text = rpc_stream_query(st, name);
    if (text && vic_str_to_bool(text, ret) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected 0 or 1", name);
    return 0;
}

/* What a list tells of an image.  Not its configuration: a list has to stay small. */
static cJSON *describe(const struct pl_storage *s, const struct pl_image *image, bool with_labels)
{
    const struct pl_index_row *row = pl_index_find_image(&s->index, image->id);
    auto_strv char **refs = pl_index_refs(&s->index, image->id);
    cJSON *doc = json_new_obj();
    json_add_str(doc, "id", image->id);
    json_add_str(doc, "manifest", row->manifest);
    json_add_str(doc, "media_type", row->media_type);
    json_add_strv(doc, "refs", refs);
    json_add_i64(doc, "size", (int64_t)image_size(s, image));
    static const char *const told[] = {"created", "os", "architecture"};
    for (size_t i = 0; i < ARRAY_SIZE(told); i++)
        json_add_str(doc, told[i], json_str(image->config, told[i], NULL));
    const cJSON *labels = json_member(json_member(image->config, "config"), "Labels");
    if (with_labels && labels)
        json_add(doc, "labels", json_dup(labels));
    return doc;
}

static int newest_first(const void *a, const void *b)
{
    const struct pl_image *x = *(const struct pl_image *const *)a;
    const struct pl_image *y = *(const struct pl_image *const *)b;
    if (x->created_ns != y->created_ns)
        return x->created_ns > y->created_ns ? -1 : 1;
    return strcmp(x->id, y->id);
}

static void list_images(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    const struct pl_storage *s = pl->storage;
    bool with_labels = false;
    bool with_shared = false;
    struct vic_err err;
    if (read_flag(st, "labels", &with_labels, &err) < 0 ||
        read_flag(st, "shared", &with_shared, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    const struct pl_image **all = vic_xalloc((s->images.n + 1) * sizeof(struct pl_image *));
    size_t n = 0;
    map_for_each(slot, &s->images)
        all[n++] = slot->value;
    qsort(all, n, sizeof(struct pl_image *), newest_first);
    cJSON *doc = json_new_obj();
    cJSON *arr = json_add_arr(doc, "images");
    struct vic_map users = {0};
    if (with_shared) {
        count_layer_users(s, &users);
        json_add_i64(doc, "layers_size", (int64_t)layers_size(s));
    }
    for (size_t i = 0; i < n; i++) {
        cJSON *row = describe(s, all[i], with_labels);
        if (with_shared)
            json_add_i64(row, "shared_size", (int64_t)shared_size(s, all[i], &users));
        json_push(arr, row);
    }
    vic_map_release(&users);
    free(all);
    rpc_reply_json(st, doc);
}

static struct pl_image *find_image(const struct pl_storage *s, const char *id, struct vic_err *err)
{
    struct pl_image *image = id ? vic_map_get(&s->images, id) : NULL;
    if (!image || image->is_going) {
        (void)vic_fail(err, VIC_ERR_NOT_FOUND, 0, "no such image '%.100s'", id ? id : "");
        return NULL;
    }
    return image;
}

static void get_image(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err;
    const struct pl_image *image = find_image(pl->storage, rpc_stream_param(st, "id"), &err);
    if (!image) {
        rpc_reply_error(st, &err);
        return;
    }
    cJSON *doc = describe(pl->storage, image, false);
    json_add(doc, "config", json_dup(image->config));
    rpc_reply_json(st, doc);
}

/* ---- changing ---------------------------------------------------------------------------------- */

static const struct rpc_stream_events no_events = {0};

/* A request that waits for its op. */
struct change {
    struct pl_storage *s;
    struct rpc_stream *st; /* NULL when the peer has gone: the change is made all the same */
    char *ref;             /* NULL for the removal of an image */
    char image[HOST_DIGEST_MAX];
    char **untagged;
};

static void on_change_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct change *c = arg;
    c->st = NULL;
}

static const struct rpc_stream_events change_events = {.on_close = on_change_close};

static void change_end(struct change *c, cJSON *answer, const struct vic_err *err)
{
    struct rpc_stream *st = TAKE_PTR(c->st);
    if (st)
        rpc_stream_set_events(st, &no_events, NULL);
    if (st && err)
        rpc_reply_error(st, err);
    else if (st)
        rpc_reply_json(st, answer);
    else
        cJSON_Delete(answer);
    vic_strv_free(c->untagged);
    free(c->ref);
    free(c);
}

static void change_start(struct rpc_stream *st, struct pl_storage *s, const char *ref,
                         const char *image, void (*prepare)(struct pl_op *),
                         void (*done)(struct pl_op *, int, const struct vic_err *))
{
    struct change *c = vic_new(struct change);
    c->s = s;
    c->st = st;
    c->ref = vic_xstrdup_or_null(ref);
    (void)snprintf(c->image, sizeof(c->image), "%s", image);
    rpc_stream_set_events(st, &change_events, c);
    struct pl_op *op = pl_op_new(s, prepare, done, c);
    op->writes_index = true;
    if (!ref) {
        const struct pl_image *i = vic_map_get(&s->images, image);
        op->try_blobs = vic_strv_dup(i->blobs);
        op->try_blobs = vic_strv_append(op->try_blobs, image);
        op->try_blobs =
            vic_strv_append(op->try_blobs, pl_index_find_image(&s->index, image)->manifest);
    }
    pl_op_start(op);
}

static void prepare_tag(struct pl_op *op)
{
    const struct change *c = op->arg;
    pl_index_set_ref(&op->next, c->ref, c->image);
}

static void on_tagged(struct pl_op *op, int result, const struct vic_err *err)
{
    struct change *c = op->arg;
    struct vic_err gone;
    if (result == 0 && !pl_index_find_image(&c->s->index, c->image)) { /* removed meanwhile */
        result = vic_fail(&gone, VIC_ERR_NOT_FOUND, 0, "no such image '%s'", c->image);
        err = &gone;
    }
    if (result == 0)
        pl_image_emit(c->s, "tag", c->image, c->ref);
    change_end(c, NULL, result < 0 ? err : NULL);
}

static void tag_image(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err;
    const cJSON *doc = rpc_stream_json(st);
    const char *ref = NULL;
    const struct pl_image *image = find_image(pl->storage, rpc_stream_param(st, "id"), &err);
    int r = image ? json_need_str(doc, "", "ref", &ref, &err) : -1;
    if (r == 0)
        r = pl_ref_check(ref, &err);
    if (r == 0 && cJSON_GetArraySize(doc) != 1)
        r = vic_fail(&err, VIC_ERR_INVALID, 0, "expected the member 'ref' alone");
    if (r < 0)
        rpc_reply_error(st, &err);
    else
        change_start(st, pl->storage, ref, image->id, prepare_tag, on_tagged);
}

static void prepare_untag(struct pl_op *op)
{
    const struct change *c = op->arg;
    pl_index_remove_ref(&op->next, c->ref);
}

static void on_untagged(struct pl_op *op, int result, const struct vic_err *err)
{
    struct change *c = op->arg;
    cJSON *answer = NULL;
    if (result == 0) {
        pl_image_emit(c->s, "untag", c->image, c->ref);
        answer = json_new_obj();
        json_add_str(answer, "untagged", c->ref);
    }
    change_end(c, answer, result < 0 ? err : NULL);
}

static void untag_image(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct pl_storage *s = pl->storage;
    struct vic_err err;
    const char *ref = rpc_stream_query(st, "ref");
    const struct pl_index_row *row = ref ? pl_index_find_ref(&s->index, ref) : NULL;
    if (row) {
        change_start(st, s, ref, row->image, prepare_untag, on_untagged);
        return;
    }
    (void)vic_fail(&err, ref ? VIC_ERR_NOT_FOUND : VIC_ERR_INVALID, 0,
                   ref ? "no such ref '%.200s'" : "ref: missing%s", ref ? ref : "");
    rpc_reply_error(st, &err);
}

static void prepare_removal(struct pl_op *op)
{
    struct change *c = op->arg;
    c->untagged = pl_index_refs(&op->next, c->image);
    pl_index_remove_image(&op->next, c->image);
}

static void on_removed(struct pl_op *op, int result, const struct vic_err *err)
{
    struct change *c = op->arg;
    if (result < 0) {
        struct pl_image *image = vic_map_get(&c->s->images, c->image);
        if (image)
            image->is_going = false;
        change_end(c, NULL, err);
        return;
    }
    for (char *const *ref = c->untagged; ref && *ref; ref++)
        pl_image_emit(c->s, "untag", c->image, *ref);
    pl_image_emit(c->s, "delete", c->image, NULL);
    cJSON *answer = json_new_obj();
    json_add_strv(answer, "untagged", c->untagged);
    cJSON *deleted = json_add_arr(answer, "deleted");
    json_push_str(deleted, c->image);
    for (char *const *chain = op->gone_layers; chain && *chain; chain++)
        json_push_str(deleted, *chain);
    change_end(c, answer, NULL);
}

static int check_unused(const struct pl_storage *s, const char *image, bool force,
                        struct vic_err *err)
{
    map_for_each(slot, &s->holders) {
        const struct pl_holder *h = slot->value;
        if (strcmp(h->image, image) != 0 || (force && !h->is_running))
            continue;
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "image is used by %s container %.12s",
                        h->is_running ? "running" : "stopped", slot->key);
    }
    return 0;
}

static void remove_image(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct pl_storage *s = pl->storage;
    struct vic_err err;
    bool force = false;
    struct pl_image *image = find_image(s, rpc_stream_param(st, "id"), &err);
    int r = image ? 0 : -1;
    if (r == 0)
        r = read_flag(st, "force", &force, &err);
    if (r == 0)
        r = check_unused(s, image->id, force, &err);
    if (r < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    image->is_going = true;
    change_start(st, s, NULL, image->id, prepare_removal, on_removed);
}

const struct rpc_route pl_storage_routes[] = {
    {"GET", "/v1/content/{digest}", RPC_BODY_NONE_OR_JSON, pl_blob_get},
    {"PUT", "/v1/content/{digest}", RPC_BODY_STREAM, pl_blob_put},
    {"POST", "/v1/content/sweep", RPC_BODY_NONE_OR_JSON, pl_blob_sweep},
    {"POST", "/v1/images", RPC_BODY_NONE_OR_JSON, pl_commit_handle},
    {"GET", "/v1/images", RPC_BODY_NONE_OR_JSON, list_images},
    {"GET", "/v1/images/{id}", RPC_BODY_NONE_OR_JSON, get_image},
    {"POST", "/v1/images/{id}/refs", RPC_BODY_NONE_OR_JSON, tag_image},
    {"DELETE", "/v1/images/{id}", RPC_BODY_NONE_OR_JSON, remove_image},
    {"DELETE", "/v1/refs", RPC_BODY_NONE_OR_JSON, untag_image},
};
const size_t pl_storage_n_routes = ARRAY_SIZE(pl_storage_routes);
