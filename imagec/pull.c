/*
 * One pull: reference to manifest, manifest to configuration and layers, all into the sink.
 *
 * In this order: the manifest of our platform, the configuration (so that a broken image costs no layer),
 * the layers, three at a time, and last what makes them an image: configuration and manifest.
 */
#include <string.h>

#include "imagec/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

/* gcc's analyzer does not count references: it believes that the first of two held may free. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-use-after-free"
#endif

#define AT_ONCE 3
#define INDEX_DEPTH_MAX 4

enum layer_state {
    LAYER_NEW, /* not asked for in the sink */
    LAYER_MISSING,
    LAYER_COMING,
    LAYER_HERE,
};

struct layer {
    struct img_pull *pull;
    const struct oci_descriptor *blob; /* borrowed from pull->manifest */
    enum layer_state state;
    struct img_want *want; /* while COMING */
};

struct img_pull {
    struct vic_list link;
    struct img_client *client;
    struct img_reference ref;
    char *name; /* owned; familiar */
    struct oci_platform platform;
    bool has_platform; /* asked for by name */
    struct img_sink sink;
    const struct img_pull_events *events;
    void *arg;
    unsigned n_refs; /* one of its own, one per answer of the sink that is due, one per callback */
    bool is_over;    /* cancelled or done: nothing may happen any more */

    struct img_endpoint *endpoints; /* owned */
    size_t n_endpoints;
    size_t at; /* the endpoint in use */
    struct img_source source;
    struct vic_err first_err; /* of an endpoint that was given up */

    struct img_document_get *doc; /* NULL when none is under way */
    struct img_put *put;
    unsigned depth; /* indexes passed */
    char top[HOST_DIGEST_MAX];
    char manifest_digest[HOST_DIGEST_MAX];
    struct vic_buf manifest_text;
    struct oci_manifest manifest;
    struct vic_buf config_text;
    bool has_config;      /* the sink has it */
    struct layer *layers; /* owned; each digest once */
    size_t n_layers;
    size_t n_coming;
};

struct img_pull *img_pull_of(struct vic_list *link)
{
    return container_of(link, struct img_pull, link);
}

/* ---- life ---- */

static void unref(struct img_pull *p)
{
    if (--p->n_refs > 0)
        return;
    img_endpoints_free(p->endpoints, p->n_endpoints);
    img_reference_release(&p->ref);
    oci_platform_release(&p->platform);
    oci_manifest_release(&p->manifest);
    vic_buf_release(&p->manifest_text);
    vic_buf_release(&p->config_text);
    free(p->layers);
    free(p->name);
    free(p);
}

/* Stops everything; the memory goes with the last answer that is due. */
static void stop(struct img_pull *p)
{
    p->is_over = true;
    vic_list_remove(&p->link);
    img_document_cancel(TAKE_PTR(p->doc));
    img_put_cancel(TAKE_PTR(p->put));
    for (size_t i = 0; i < p->n_layers; i++)
        img_want_cancel(TAKE_PTR(p->layers[i].want));
}

void img_pull_cancel(struct img_pull *p)
{
    if (!p || p->is_over)
        return;
    stop(p);
    unref(p);
}

static void fail(struct img_pull *p, const struct vic_err *err)
{
    struct vic_err copy = *err;
    stop(p);
    p->events->on_done(&copy, NULL, p->arg);
    unref(p);
}

/* What a registry sent is wrong: that is nothing the one who asked could mend. */
static void fail_document(struct img_pull *p, struct vic_err *err)
{
    if (err->kind == VIC_ERR_INVALID)
        err->kind = VIC_ERR_INTERNAL;
    (void)vic_fail_wrap(err, -1, "%.150s", p->name);
    fail(p, err);
}

/* False: the pull was cancelled by who was told. */
static bool tell(struct img_pull *p, const char *digest, enum img_status status, uint64_t current,
                 uint64_t total)
{
    const struct img_progress progress = {
        .digest = digest, .status = status, .current = current, .total = total};
    if (!p->events->on_progress)
        return true;
    p->n_refs++;
    p->events->on_progress(&progress, p->arg);
    bool is_alive = !p->is_over;
    unref(p);
    return is_alive;
}

/* ---- the last step: configuration and manifest ---- */

static void succeed(struct img_pull *p)
{
    const struct img_pulled pulled = {.manifest = p->manifest_digest,
                                      .media_type = p->manifest.media_type,
                                      .top = p->top,
                                      .config = p->manifest.config.digest};
    stop(p);
    p->events->on_done(NULL, &pulled, p->arg);
    unref(p);
}

static void on_manifest_put(const struct vic_err *err, void *arg)
{
    struct img_pull *p = arg;
    p->put = NULL;
    if (err)
        fail(p, err);
    else
        succeed(p);
}

static void on_manifest_stat(const struct vic_err *err, bool is_there, void *arg)
{
    struct img_pull *p = arg;
    struct vic_err why;
    if (p->is_over) {
        unref(p);
        return;
    }
    unref(p);
    if (err)
        fail(p, err);
    else if (is_there)
        succeed(p);
    else if (img_put_start(&p->sink, p->manifest_digest, p->manifest_text.data,
                           p->manifest_text.len, on_manifest_put, p, &p->put, &why) < 0)
        fail(p, &why);
}

static void stat_blob(struct img_pull *p, const char *digest, img_stat_fn done, void *arg)
{
    struct vic_err err;
    p->n_refs++;
    if (p->sink.stat(p->sink.arg, digest, done, arg, &err) < 0) {
        unref(p);
        fail(p, &err);
    }
}

static void on_config_put(const struct vic_err *err, void *arg)
{
    struct img_pull *p = arg;
    p->put = NULL;
    if (err)
        fail(p, err);
    else
        stat_blob(p, p->manifest_digest, on_manifest_stat, p);
}

static void write_documents(struct img_pull *p)
{
    struct vic_err err;
    if (p->has_config)
        stat_blob(p, p->manifest_digest, on_manifest_stat, p);
    else if (img_put_start(&p->sink, p->manifest.config.digest, p->config_text.data,
                           p->config_text.len, on_config_put, p, &p->put, &err) < 0)
        fail(p, &err);
}

/* ---- layers ---- */

static void pump(struct img_pull *p);

static void on_layer_progress(enum img_status status, uint64_t current, uint64_t total, void *arg)
{
    struct layer *l = arg;
    (void)tell(l->pull, l->blob->digest, status, current, total);
}

static void on_layer_done(const struct vic_err *err, bool is_others, void *arg)
{
    struct layer *l = arg;
    struct img_pull *p = l->pull;
    l->want = NULL;
    p->n_coming--;
    if (err && !is_others) {
        fail(p, err);
        return;
    }
    l->state = err ? LAYER_MISSING : LAYER_HERE;
    pump(p);
}

static int fetch_layer(struct layer *l, struct vic_err *err)
{
    static const struct img_want_events events = {.on_progress = on_layer_progress,
                                                  .on_done = on_layer_done};
    struct img_pull *p = l->pull;
    int r = img_want_new(p->client, &p->source, l->blob->digest, l->blob->size, &p->sink, &events,
                         l, &l->want, err);
    if (r < 0)
        return r;
    l->state = LAYER_COMING;
    p->n_coming++;
    return 0;
}

static void pump(struct img_pull *p)
{
    size_t n_left = 0;
    for (size_t i = 0; i < p->n_layers; i++) {
        struct layer *l = &p->layers[i];
        struct vic_err err;
        n_left += l->state != LAYER_HERE;
        if (l->state != LAYER_MISSING || p->n_coming >= AT_ONCE)
            continue;
        if (fetch_layer(l, &err) < 0) {
            fail(p, &err);
            return;
        }
    }
    if (n_left == 0)
        write_documents(p);
}

static void begin_layers(struct img_pull *p)
{
    size_t n_missing = 0;
    p->n_refs++; /* whoever is told may cancel */
    for (size_t i = 0; i < p->n_layers && !p->is_over; i++) {
        bool waits = p->layers[i].state == LAYER_MISSING && ++n_missing > AT_ONCE;
        if (waits)
            (void)tell(p, p->layers[i].blob->digest, IMG_WAITING, 0, 0);
    }
    bool is_alive = !p->is_over;
    unref(p);
    if (is_alive)
        pump(p);
}

static void on_layer_stat(const struct vic_err *err, bool is_there, void *arg);

static void stat_next(struct img_pull *p, size_t i)
{
    if (i < p->n_layers)
        stat_blob(p, p->layers[i].blob->digest, on_layer_stat, &p->layers[i]);
    else
        begin_layers(p);
}

static void on_layer_stat(const struct vic_err *err, bool is_there, void *arg)
{
    struct layer *l = arg;
    struct img_pull *p = l->pull;
    if (p->is_over) {
        unref(p);
        return;
    }
    unref(p);
    if (err) {
        fail(p, err);
        return;
    }
    l->state = is_there ? LAYER_HERE : LAYER_MISSING;
    if (tell(p, l->blob->digest, is_there ? IMG_EXISTS : IMG_PULLING, 0, l->blob->size))
        stat_next(p, (size_t)(l - p->layers) + 1);
}

/* Each digest once; two sizes for one digest cannot both be true. */
static int collect_layers(struct img_pull *p, struct vic_err *err)
{
    p->layers = vic_xalloc(p->manifest.n_layers * sizeof(*p->layers));
    for (size_t i = 0; i < p->manifest.n_layers; i++) {
        const struct oci_descriptor *blob = &p->manifest.layers[i].blob;
        size_t k = 0;
        while (k < p->n_layers && strcmp(p->layers[k].blob->digest, blob->digest) != 0)
            k++;
        if (k < p->n_layers && p->layers[k].blob->size != blob->size)
            return vic_fail(err, VIC_ERR_INTERNAL, 0,
                            "layers[%zu].size: another one for the same digest", i);
        if (k == p->n_layers)
            p->layers[p->n_layers++] = (struct layer){.pull = p, .blob = blob};
    }
    return 0;
}

/* ---- configuration ---- */

static int check_platform(struct img_pull *p, const struct oci_config *c, struct vic_err *err)
{
    const struct oci_platform *have = &c->platform;
    if (!vic_str_eq(have->os, "linux"))
        return vic_fail(err, VIC_ERR_INTERNAL, 0,
                        "image operating system \"%s\" cannot be used on this platform", have->os);
    bool fits = vic_str_eq(have->os, p->platform.os) &&
                vic_str_eq(have->architecture, p->platform.architecture);
    bool is_silent = have->architecture[0] == '\0';
    if (fits || (is_silent && !p->has_platform))
        return 0;
    auto_free char *wanted = oci_platform_to_string(&p->platform);
    auto_free char *actual = oci_platform_to_string(have);
    if (!p->has_platform)
        return vic_fail(err, VIC_ERR_INTERNAL, 0,
                        "the image's platform (%s) does not match this host's (%s)", actual,
                        wanted);
    return vic_fail(
        err, VIC_ERR_NOT_FOUND, 0,
        "image was found but does not match the specified platform: wanted %s, actual: %s", wanted,
        actual);
}

static void take_config(struct img_pull *p, const char *text, size_t len)
{
    struct oci_config c;
    struct vic_err err;
    int r = oci_config_parse(text, len, &c, &err);
    if (r == 0) {
        r = oci_check_pair(&p->manifest, &c, &err);
        if (r == 0)
            r = check_platform(p, &c, &err);
        oci_config_release(&c);
    }
    if (r == 0)
        r = collect_layers(p, &err);
    if (r < 0) {
        fail_document(p, &err);
        return;
    }
    if (!p->has_config)
        vic_buf_add(&p->config_text, text, len);
    stat_next(p, 0);
}

static void on_config(const struct img_failure *failure, const struct img_document *doc, void *arg)
{
    struct img_pull *p = arg;
    p->doc = NULL;
    if (failure)
        fail(p, &failure->err);
    else
        take_config(p, doc->data, doc->len);
}

static void on_config_read(const struct vic_err *err, const void *data, size_t len, void *arg)
{
    struct img_pull *p = arg;
    if (p->is_over) {
        unref(p);
        return;
    }
    unref(p);
    if (err)
        fail(p, err);
    else
        take_config(p, data, len);
}

static void on_config_stat(const struct vic_err *stat_err, bool is_there, void *arg)
{
    struct img_pull *p = arg;
    const struct oci_descriptor *config = &p->manifest.config;
    struct vic_err err;
    if (p->is_over) {
        unref(p);
        return;
    }
    unref(p);
    p->has_config = is_there;
    int r = 0;
    if (stat_err) {
        fail(p, stat_err);
        return;
    }
    if (is_there) {
        r = p->sink.read(p->sink.arg, config->digest, OCI_CONFIG_MAX, on_config_read, p, &err);
        p->n_refs += r == 0;
    } else {
        r = img_document_start(p->client, &p->source, "blobs", config->digest, config->digest,
                               config->size, on_config, p, &p->doc, &err);
    }
    if (r < 0)
        fail(p, &err);
}

/* ---- manifest ---- */

static void on_manifest(const struct img_failure *failure, const struct img_document *doc,
                        void *arg);

static int ask_manifest(struct img_pull *p, const char *ref, const char *digest, uint64_t size,
                        struct vic_err *err)
{
    p->source.endpoint = &p->endpoints[p->at];
    return img_document_start(p->client, &p->source, "manifests", ref, digest, size, on_manifest, p,
                              &p->doc, err);
}

static int ask_first(struct img_pull *p, struct vic_err *err)
{
    return ask_manifest(p, p->ref.digest ? p->ref.digest : p->ref.tag, p->ref.digest, UINT64_MAX,
                        err);
}

static bool may_ask_next(const struct img_pull *p, const struct img_failure *failure)
{
    if (p->depth > 0 || p->at + 1 >= p->n_endpoints)
        return false;
    switch (p->endpoints[p->at].fallback) {
    case IMG_FALLBACK_ANY:
        return true;
    case IMG_FALLBACK_CONNECTION:
        return failure->is_connection;
    case IMG_FALLBACK_TLS:
        return failure->speaks_tls;
    }
    return false;
}

/* Of several endpoints' failures, the one that says most. */
static void endpoint_failed(struct img_pull *p, const struct img_failure *failure)
{
    struct vic_err err;
    bool had_one = p->first_err.kind != VIC_ERR_NONE;
    bool is_weak = failure->err.kind == VIC_ERR_UNAVAILABLE;
    bool keeps_first =
        had_one && is_weak &&
        (p->first_err.kind != VIC_ERR_UNAVAILABLE || p->endpoints[0].fallback != IMG_FALLBACK_ANY);
    const struct vic_err *best = keeps_first ? &p->first_err : &failure->err;
    if (!may_ask_next(p, failure)) {
        fail(p, best);
        return;
    }
    struct vic_err kept = *best;
    p->first_err = kept;
    p->at++;
    if (ask_first(p, &err) < 0)
        fail(p, &err);
}

static int take_index(struct img_pull *p, const struct img_document *doc, struct vic_err *err)
{
    struct oci_index x;
    const struct oci_entry *entry;
    if (p->depth++ >= INDEX_DEPTH_MAX)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "indexes nested deeper than %d", INDEX_DEPTH_MAX);
    int r = oci_index_parse(doc->data, doc->len, doc->media_type, &x, err);
    if (r < 0)
        return r;
    r = oci_index_select(&x, &p->platform, &entry, err);
    if (r == 0)
        r = ask_manifest(p, entry->manifest.digest, entry->manifest.digest, entry->manifest.size,
                         err);
    oci_index_release(&x);
    return r;
}

static int take_manifest(struct img_pull *p, const struct img_document *doc, struct vic_err *err)
{
    int r = oci_manifest_parse(doc->data, doc->len, doc->media_type, &p->manifest, err);
    if (r < 0)
        return r;
    memcpy(p->manifest_digest, doc->digest, sizeof(p->manifest_digest));
    vic_buf_add(&p->manifest_text, doc->data, doc->len);
    stat_blob(p, p->manifest.config.digest, on_config_stat, p);
    return 0;
}

static void on_manifest(const struct img_failure *failure, const struct img_document *doc,
                        void *arg)
{
    struct img_pull *p = arg;
    struct vic_err err;
    enum oci_kind kind;
    const char *type;
    p->doc = NULL;
    if (failure) {
        endpoint_failed(p, failure);
        return;
    }
    int r = oci_detect(doc->data, doc->len, doc->media_type, &kind, &type, &err);
    if (r < 0) {
        fail_document(p, &err);
        return;
    }
    if (p->depth == 0) {
        memcpy(p->top, doc->digest, sizeof(p->top));
        p->n_refs++;
        if (p->events->on_resolved)
            p->events->on_resolved(p->top, p->arg);
        bool is_alive = !p->is_over;
        unref(p);
        if (!is_alive)
            return;
    }
    r = kind == OCI_INDEX ? take_index(p, doc, &err) : take_manifest(p, doc, &err);
    if (r < 0)
        fail_document(p, &err);
}

/* ---- begin ---- */

static void copy_reference(struct img_reference *to, const struct img_reference *from)
{
    *to = (struct img_reference){.domain = vic_xstrdup(from->domain),
                                 .path = vic_xstrdup(from->path),
                                 .tag = vic_xstrdup_or_null(from->tag),
                                 .digest = vic_xstrdup_or_null(from->digest)};
    img_reference_default_tag(to);
}

int img_pull_start(struct img_client *c, const struct img_reference *ref, const char *platform,
                   const struct img_sink *sink, const struct img_pull_events *events, void *arg,
                   struct img_pull **ret_pull, struct vic_err *err)
{
    struct oci_platform wanted;
    int r = 0;
    if (platform)
        r = oci_platform_parse(platform, &wanted, err);
    else
        oci_platform_host(&wanted);
    if (r < 0)
        return r;
    struct img_pull *p = vic_new(struct img_pull);
    *p = (struct img_pull){
        .client = c,
        .name = img_reference_familiar_name(ref),
        .platform = wanted,
        .has_platform = platform != NULL,
        .sink = *sink,
        .events = events,
        .arg = arg,
        .n_refs = 1,
    };
    copy_reference(&p->ref, ref);
    vic_list_append(&c->pulls, &p->link);
    p->endpoints = img_endpoints_for(c, p->ref.domain, &p->n_endpoints);
    p->source = (struct img_source){.domain = p->ref.domain, .path = p->ref.path, .name = p->name};
    r = ask_first(p, err);
    if (r < 0) {
        img_pull_cancel(p);
        return r;
    }
    *ret_pull = p;
    return 0;
}
