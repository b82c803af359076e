/* A manifest or configuration as a whole: capped, hashed, and tried again where that may help. */
#include <inttypes.h>
#include <string.h>

#include "imagec/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

#define TIMEOUT_MS 60000
#define ACCEPT_MANIFESTS                                                                           \
    OCI_TYPE_INDEX ", " OCI_TYPE_MANIFEST ", " OCI_TYPE_DOCKER_LIST ", " OCI_TYPE_DOCKER_MANIFEST

struct img_document_get {
    struct img_client *client;
    const struct img_source *source; /* borrowed */
    char *kind;                      /* owned */
    char *ref;                       /* owned */
    char *digest;                    /* owned; NULL */
    uint64_t size;
    img_document_fn done;
    void *arg;
    struct img_get *get; /* NULL between tries */
    uv_timer_t timer;    /* to the next try */
    struct vic_buf body;
    char *media_type; /* owned */
    char *claimed;    /* owned; Docker-Content-Digest; NULL */
    unsigned n_tries;
    unsigned n_stalls;
};

static void on_closed(uv_handle_t *h)
{
    struct img_document_get *d = h->data;
    vic_buf_release(&d->body);
    free(d->kind);
    free(d->ref);
    free(d->digest);
    free(d->media_type);
    free(d->claimed);
    free(d);
}

void img_document_cancel(struct img_document_get *d)
{
    if (!d)
        return;
    img_get_cancel(d->get);
    d->get = NULL;
    uv_close((uv_handle_t *)&d->timer, on_closed);
}

static void document_done(struct img_document_get *d, const struct img_failure *failure,
                          const struct img_document *doc)
{
    uv_close((uv_handle_t *)&d->timer, on_closed); /* runs later: doc stays valid for the call */
    d->done(failure, doc, d->arg);
}

static void fail_now(struct img_document_get *d, enum vic_err_kind kind, const char *text)
{
    struct img_failure f = {0};
    (void)vic_fail(&f.err, kind, 0, "%s", text);
    document_done(d, &f, NULL);
}

static void on_head(struct host_http_request *r, unsigned status, void *arg)
{
    struct img_document_get *d = arg;
    (void)status;
    const char *type = host_http_header(r, "Content-Type", 0);
    free(d->media_type);
    free(d->claimed);
    d->media_type = vic_xstrdup(type ? type : "");
    d->claimed = vic_xstrdup_or_null(host_http_header(r, "Docker-Content-Digest", 0));
}

static bool on_data(const void *data, size_t len, void *arg)
{
    struct img_document_get *d = arg;
    if (len <= OCI_DOCUMENT_MAX - d->body.len) {
        vic_buf_add(&d->body, data, len);
        return true;
    }
    img_get_cancel(TAKE_PTR(d->get));
    auto_free char *text =
        vic_xasprintf("registry '%s': %s of %s is larger than %u bytes", d->source->endpoint->host,
                      d->kind, d->source->name, OCI_DOCUMENT_MAX);
    fail_now(d, VIC_ERR_INTERNAL, text);
    return true;
}

static bool is_verified(const struct img_document_get *d, const char *digest)
{
    if (d->size != UINT64_MAX && d->body.len != d->size)
        return false;
    if (d->digest && strcmp(d->digest, digest) != 0)
        return false;
    return !d->claimed || !vic_str_starts_with(d->claimed, "sha256:") ||
           strcmp(d->claimed, digest) == 0;
}

static int send_get(struct img_document_get *d, struct vic_err *err);

static void on_timer(uv_timer_t *t)
{
    struct img_document_get *d = t->data;
    struct img_failure f = {0};
    if (send_get(d, &f.err) < 0)
        document_done(d, &f, NULL);
}

static void on_done(const struct img_failure *failure, void *arg)
{
    struct img_document_get *d = arg;
    d->get = NULL;
    if (failure) {
        d->n_stalls += failure->is_stall;
        bool is_over = !failure->is_transient || failure->is_connection ||
                       d->n_tries >= IMG_TRIES_MAX || d->n_stalls >= IMG_STALLS_MAX;
        if (is_over)
            document_done(d, failure, NULL);
        else
            (void)uv_timer_start(&d->timer, on_timer, img_backoff_ms(d->n_tries, failure->wait_ms),
                                 0);
        return;
    }
    struct img_document doc = {
        .data = vic_buf_str(&d->body), .len = d->body.len, .media_type = d->media_type};
    host_digest_of(doc.data, doc.len, doc.digest);
    if (is_verified(d, doc.digest)) {
        document_done(d, NULL, &doc);
        return;
    }
    bool is_manifest = strcmp(d->kind, "manifests") == 0;
    auto_free char *text =
        vic_xasprintf("%s verification failed for digest %.80s: registry '%s' sent something else",
                      is_manifest ? "manifest" : "image configuration",
                      d->digest    ? d->digest
                      : d->claimed ? d->claimed
                                   : doc.digest,
                      d->source->endpoint->host);
    fail_now(d, VIC_ERR_INTERNAL, text);
}

static int send_get(struct img_document_get *d, struct vic_err *err)
{
    static const struct img_get_events events = {
        .on_head = on_head, .on_data = on_data, .on_done = on_done};
    bool is_manifest = strcmp(d->kind, "manifests") == 0;
    vic_buf_clear(&d->body);
    d->n_tries++;
    return img_get_start(d->client, d->source, d->kind, d->ref,
                         is_manifest ? ACCEPT_MANIFESTS : NULL, 0, TIMEOUT_MS, &events, d, &d->get,
                         err);
}

int img_document_start(struct img_client *c, const struct img_source *source, const char *kind,
                       const char *ref, const char *digest, uint64_t size, img_document_fn done,
                       void *arg, struct img_document_get **ret_doc, struct vic_err *err)
{
    struct img_document_get *d = vic_new(struct img_document_get);
    *d = (struct img_document_get){
        .client = c,
        .source = source,
        .kind = vic_xstrdup(kind),
        .ref = vic_xstrdup(ref),
        .digest = vic_xstrdup_or_null(digest),
        .size = size,
        .done = done,
        .arg = arg,
    };
    d->timer.data = d;
    (void)uv_timer_init(c->loop, &d->timer);
    int r = send_get(d, err);
    if (r < 0)
        img_document_cancel(d);
    else
        *ret_doc = d;
    return r;
}
