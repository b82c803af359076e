/* POST /v1/images: from blobs to an image, layer by layer, telling how far it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/oci/oci.h"
#include "portlayer/storage/content.h"
#include "portlayer/storage/facts.h"
#include "portlayer/storage/layer.h"
#include "portlayer/storage/store.h"

#define LAYER_JOBS_MAX 2 /* each is a vic-layer and a qemu-nbd at work */
#define COMMITS_MAX 64
#define REFS_MAX 64
#define PROGRESS_MS 200

static const struct rpc_stream_events no_events = {0};

/* One layer being made; any number of commits wait for it. */
struct layer_job {
    struct vic_list link; /* in layer_wait until started */
    struct pl_storage *s;
    struct pl_layer layer;
    char blob[HOST_DIGEST_MAX];
    enum oci_compression compression;
    uint64_t total;
    _Atomic uint64_t current; /* bytes of the blob read so far */
    bool is_blob_missing;
};

enum commit_state {
    COMMIT_READ,
    COMMIT_LAYERS,
    COMMIT_WAIT_OP,
    COMMIT_INDEX
};

struct pl_commit {
    struct vic_list link;
    struct pl_storage *s;
    struct rpc_stream *st; /* NULL when the peer has gone */
    bool is_held;          /* the peer reads slowly: progress is left out */
    uv_timer_t timer;
    enum commit_state state;
    char manifest[HOST_DIGEST_MAX];
    char *media_type;
    char **refs;
    struct pl_image_docs docs;       /* image NULL until read */
    struct pl_image_docs *docs_read; /* the pool's until then */
    char **missing;
    size_t next;           /* layer at hand */
    struct layer_job *job; /* awaited; owned by the storage's map */
    uint64_t told;         /* what the last progress line said */
};

/* ---- telling --------------------------------------------------------------------------------- */

static void send_line(struct pl_commit *c, cJSON *doc)
{
    auto_json cJSON *owned = doc;
    if (!c->st)
        return;
    auto_free char *text = json_print(owned);
    (void)rpc_stream_write(c->st, text, strlen(text));
    if (rpc_stream_write(c->st, "\n", 1) >= RPC_HIGH_WATER)
        c->is_held = true;
}

static void send_layer(struct pl_commit *c, const char *status, uint64_t current)
{
    cJSON *doc = json_new_obj();
    json_add_str(doc, "layer", c->docs.image->blobs[c->next]);
    json_add_str(doc, "status", status);
    json_add_i64(doc, "current", (int64_t)current);
    json_add_i64(doc, "total", (int64_t)c->docs.blob_sizes[c->next]);
    send_line(c, doc);
}

static void on_tick(uv_timer_t *t)
{
    struct pl_commit *c = t->data;
    if (c->state != COMMIT_LAYERS || !c->job || c->is_held)
        return;
    uint64_t current = atomic_load(&c->job->current);
    if (current == c->told)
        return;
    c->told = current;
    send_layer(c, "extracting", current);
}

/* ---- the end ----------------------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *h)
{
    struct pl_commit *c = h->data;
    pl_image_docs_release(&c->docs);
    vic_strv_free(c->missing);
    vic_strv_free(c->refs);
    free(c->media_type);
    free(c);
}

static cJSON *error_line(const struct pl_commit *c, const struct vic_err *err)
{
    cJSON *doc = json_new_obj();
    cJSON *e = json_add_obj(doc, "error");
    json_add_str(e, "kind", vic_err_kind_to_string(err->kind));
    json_add_str(e, "message", err->message);
    if (c->missing)
        json_add_strv(e, "missing", c->missing);
    return doc;
}

static void commit_end(struct pl_commit *c, const struct vic_err *err)
{
    bool is_abandoned = !c->st;
    if (err) {
        send_line(c, error_line(c, err));
    } else {
        cJSON *doc = json_new_obj();
        json_add_str(doc, "id", c->docs.row.image);
        send_line(c, doc);
    }
    if (c->st) {
        struct rpc_stream *st = TAKE_PTR(c->st);
        rpc_stream_set_events(st, &no_events, NULL);
        rpc_stream_end(st);
    }
    vic_list_remove(&c->link);
    /* Layers that only this commit wanted go; and its blobs too when they can never make an image, or
     * when nobody is there any more to sweep them. */
    if (err && c->docs.image) {
        char **blobs = NULL;
        if (err->kind == VIC_ERR_INVALID || is_abandoned) {
            blobs = vic_strv_dup(c->docs.image->blobs);
            blobs = vic_strv_append(blobs, c->docs.row.image);
            blobs = vic_strv_append(blobs, c->manifest);
        }
        pl_gc_start(c->s, blobs);
    }
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

static void commit_abandon(struct pl_commit *c)
{
    struct vic_err err;
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "the client has gone");
    commit_end(c, &err);
}

/* ---- layers ------------------------------------------------------------------------------------ */

static void on_layer_progress(uint64_t bytes, void *arg)
{
    struct layer_job *job = arg;
    atomic_store(&job->current, bytes);
}

static int layer_work(void *arg, struct vic_err *err)
{
    struct layer_job *job = arg;
    struct pl_storage *s = job->s;
    auto_free char *blob = pl_content_path(s->content_dir, job->blob);
    uint64_t size;
    int r = pl_content_stat(s->content_dir, job->blob, &size, err);
    job->is_blob_missing = r < 0; /* removed since it was checked */
    if (r == 0)
        r = pl_layer_create_base(&s->pl->config, err);
    if (r < 0)
        return r;
    const struct pl_layer_apply apply = {
        .parent = *job->layer.parent ? job->layer.parent : NULL,
        .chain_id = job->layer.chain,
        .diff_id = job->layer.diff_id,
        .blob_path = blob,
        .compression = job->compression,
        .on_progress = on_layer_progress,
        .arg = job,
    };
    r = pl_layer_apply(&s->pl->config, &apply, &job->layer.size, err);
    return r < 0 ? r : pl_facts_save(s->layers_dir, &job->layer, err);
}

static void commit_step(struct pl_commit *c);
static void start_layer_jobs(struct pl_storage *s);

/* What another commit's bytes did says nothing of this one's, though they claim to be the same layer. */
static bool is_of_other_bytes(const struct pl_commit *c)
{
    return strcmp(c->job->blob, c->docs.image->blobs[c->next]) != 0 ||
           (int)c->job->compression != c->docs.compressions[c->next];
}

static void layer_arrived(struct pl_commit *c, int result, const struct vic_err *err)
{
    if (result < 0 && is_of_other_bytes(c)) {
        c->job = NULL;
        commit_step(c);
        return;
    }
    if (c->job->is_blob_missing)
        c->missing = vic_strv_append(c->missing, c->job->blob);
    c->job = NULL;
    if (result < 0) {
        commit_end(c, err);
        return;
    }
    send_layer(c, "done", c->docs.blob_sizes[c->next]);
    c->next++;
    c->told = 0;
    commit_step(c);
}

static void on_layer_done(void *arg, int result, const struct vic_err *err)
{
    struct layer_job *job = arg;
    struct pl_storage *s = job->s;
    s->n_layer_jobs--;
    (void)vic_map_remove(&s->layer_jobs, job->layer.chain);
    if (result == 0) {
        struct pl_layer *layer = vic_new(struct pl_layer);
        *layer = job->layer;
        free(vic_map_put(&s->layers, layer->chain, layer));
    }
    struct pl_commit *c;
    struct pl_commit *tmp;
    list_for_each_safe(c, tmp, &s->commits, link) {
        if (c->job == job)
            layer_arrived(c, result, err);
    }
    free(job);
    start_layer_jobs(s);
}

static void start_layer_jobs(struct pl_storage *s)
{
    while (s->n_layer_jobs < LAYER_JOBS_MAX && !vic_list_is_empty(&s->layer_wait)) {
        struct layer_job *job = container_of(s->layer_wait.next, struct layer_job, link);
        vic_list_remove(&job->link);
        s->n_layer_jobs++;
        host_work(s->pl->loop, layer_work, on_layer_done, job);
    }
}

static struct layer_job *find_or_add_job(struct pl_commit *c)
{
    struct pl_storage *s = c->s;
    const char *chain = c->docs.image->chains[c->next];
    struct layer_job *job = vic_map_get(&s->layer_jobs, chain);
    if (job)
        return job;
    job = vic_new(struct layer_job);
    job->s = s;
    job->compression = (enum oci_compression)c->docs.compressions[c->next];
    job->total = c->docs.blob_sizes[c->next];
    (void)snprintf(job->blob, sizeof(job->blob), "%s", c->docs.image->blobs[c->next]);
    (void)snprintf(job->layer.chain, sizeof(job->layer.chain), "%s", chain);
    (void)snprintf(job->layer.diff_id, sizeof(job->layer.diff_id), "%s", c->docs.diff_ids[c->next]);
    if (c->next > 0)
        (void)snprintf(job->layer.parent, sizeof(job->layer.parent), "%s",
                       c->docs.image->chains[c->next - 1]);
    (void)vic_map_put(&s->layer_jobs, chain, job);
    vic_list_init(&job->link);
    vic_list_append(&s->layer_wait, &job->link);
    start_layer_jobs(s);
    return job;
}

/* ---- the index --------------------------------------------------------------------------------- */

static void prepare_index(struct pl_op *op)
{
    const struct pl_commit *c = op->arg;
    const struct pl_index_row *old = pl_index_find_image(&op->next, c->docs.row.image);
    if (old &&
        strcmp(old->manifest, c->docs.row.manifest) != 0) /* the newer stands for the image */
        op->try_blobs = vic_strv_append(op->try_blobs, old->manifest);
    pl_index_put_image(&op->next, &c->docs.row);
    for (char *const *ref = c->refs; ref && *ref; ref++)
        pl_index_set_ref(&op->next, *ref, c->docs.row.image);
}

static void emit_pulls(const struct pl_commit *c)
{
    bool any = false;
    for (char *const *ref = c->refs; ref && *ref; ref++) {
        if (!strchr(*ref, '@')) {
            pl_image_emit(c->s, "pull", c->docs.row.image, *ref);
            any = true;
        }
    }
    if (!any)
        pl_image_emit(c->s, "pull", c->docs.row.image, c->refs ? c->refs[0] : NULL);
}

static void on_indexed(struct pl_op *op, int result, const struct vic_err *err)
{
    struct pl_commit *c = op->arg;
    struct pl_storage *s = c->s;
    if (result < 0) {
        c->missing = TAKE_PTR(op->missing);
        commit_end(c, err);
        return;
    }
    struct pl_image *image = TAKE_PTR(c->docs.image);
    pl_image_free(vic_map_put(&s->images, image->id, image));
    emit_pulls(c);
    commit_end(c, NULL);
}

static void write_to_index(struct pl_commit *c)
{
    c->state = COMMIT_INDEX;
    struct pl_op *op = pl_op_new(c->s, prepare_index, on_indexed, c);
    op->writes_index = true;
    op->need_blobs = vic_strv_dup(c->docs.image->blobs);
    op->need_blobs = vic_strv_append(op->need_blobs, c->docs.row.manifest);
    op->need_blobs = vic_strv_append(op->need_blobs, c->docs.row.image);
    pl_op_start(op);
}

/* ---- one step after the other -------------------------------------------------------------------- */

static void commit_step(struct pl_commit *c)
{
    for (; c->next < c->docs.n_layers; c->next++) {
        const char *chain = c->docs.image->chains[c->next];
        if (!c->st) {
            commit_abandon(c);
            return;
        }
        /* A layer whose removal is under way must be gone before it is made again. */
        if (vic_map_get(&c->s->going, chain)) {
            c->state = COMMIT_WAIT_OP;
            return;
        }
        c->state = COMMIT_LAYERS;
        if (!vic_map_get(&c->s->layers, chain)) {
            c->job = find_or_add_job(c);
            return;
        }
        send_layer(c, "exists", c->docs.blob_sizes[c->next]);
    }
    write_to_index(c);
}

void pl_commits_wake(struct pl_storage *s)
{
    struct pl_commit *c;
    struct pl_commit *tmp;
    list_for_each_safe(c, tmp, &s->commits, link) {
        if (c->state == COMMIT_WAIT_OP)
            commit_step(c);
    }
}

void pl_commits_mark(const struct pl_storage *s, struct vic_map *blobs, struct vic_map *chains)
{
    const struct pl_commit *c;
    list_for_each(c, &s->commits, link) {
        (void)vic_map_put(blobs, c->manifest, blobs);
        if (!c->docs.image)
            continue;
        (void)vic_map_put(blobs, c->docs.row.image, blobs);
        for (char *const *b = c->docs.image->blobs; *b; b++)
            (void)vic_map_put(blobs, *b, blobs);
        for (char *const *id = c->docs.image->chains; *id; id++)
            (void)vic_map_put(chains, *id, chains);
    }
}

static int read_work(void *arg, struct vic_err *err)
{
    struct pl_commit *c = arg;
    return pl_image_read(c->s->content_dir, c->manifest, c->media_type, c->docs_read, &c->missing,
                         err);
}

static void on_read(void *arg, int result, const struct vic_err *err)
{
    struct pl_commit *c = arg;
    c->docs = *c->docs_read;
    free(c->docs_read);
    c->docs_read = NULL;
    if (result < 0)
        commit_end(c, err);
    else
        commit_step(c);
}

/* ---- the request --------------------------------------------------------------------------------- */

static void on_commit_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct pl_commit *c = arg;
    c->is_held = false;
}

static void on_commit_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct pl_commit *c = arg;
    c->st = NULL; /* the layer at hand is finished: others may wait for it */
}

static const struct rpc_stream_events commit_events = {
    .on_drain = on_commit_drain,
    .on_close = on_commit_close,
};

static int check_members(const cJSON *doc, struct vic_err *err)
{
    static const char *const known[] = {"manifest", "media_type", "refs"};
    const cJSON *v;
    cJSON_ArrayForEach(v, doc)
    {
        bool ok = false;
        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
            ok = ok || vic_str_eq(v->string, known[i]);
        if (!ok)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%.100s: unknown member", v->string);
    }
    return 0;
}

static int parse_request(const cJSON *doc, struct pl_commit *c, struct vic_err *err)
{
    const char *manifest = "";
    const char *media_type = NULL;
    if (!cJSON_IsObject(doc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "expected an object");
    int r = check_members(doc, err);
    if (r == 0)
        r = json_need_str(doc, "", "manifest", &manifest, err);
    if (r == 0)
        r = json_get_str(doc, "", "media_type", &media_type, err);
    if (r == 0)
        r = json_get_strv(doc, "", "refs", &c->refs, err);
    if (r < 0)
        return r;
    if (!host_digest_is_valid(manifest))
        return vic_fail(err, VIC_ERR_INVALID, 0, "manifest: expected 'sha256:' and 64 hex digits");
    if (vic_strv_len(c->refs) > REFS_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "refs: more than %d", REFS_MAX);
    for (char *const *ref = c->refs; r == 0 && ref && *ref; ref++)
        r = pl_ref_check(*ref, err);
    if (r < 0)
        return vic_fail_wrap(err, r, "refs");
    memcpy(c->manifest, manifest, strlen(manifest) + 1);
    c->media_type = vic_xstrdup_or_null(media_type);
    return 0;
}

static size_t count_commits(const struct pl_storage *s)
{
    size_t n = 0;
    const struct vic_list *l;
    for (l = s->commits.next; l != &s->commits; l = l->next)
        n++;
    return n;
}

void pl_commit_handle(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct pl_storage *s = pl->storage;
    struct vic_err err;
    struct pl_commit *c = vic_new(struct pl_commit);
    int r = parse_request(rpc_stream_json(st), c, &err);
    if (r == 0 && count_commits(s) >= COMMITS_MAX)
        r = vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "%d images are being made already", COMMITS_MAX);
    if (r < 0) {
        vic_strv_free(c->refs);
        free(c->media_type);
        free(c);
        rpc_reply_error(st, &err);
        return;
    }
    c->s = s;
    c->st = st;
    c->docs_read = vic_new(struct pl_image_docs);
    vic_list_append(&s->commits, &c->link);
    (void)uv_timer_init(pl->loop, &c->timer); /* cannot fail */
    c->timer.data = c;
    (void)uv_timer_start(&c->timer, on_tick, PROGRESS_MS, PROGRESS_MS);
    rpc_stream_set_events(st, &commit_events, c);
    rpc_reply_begin(st);
    host_work(pl->loop, read_work, on_read, c);
}
