/*
 * Blobs on their way into a sink: each fetched once however many pulls want it of one repository, hashed
 * as it passes, and taken up where a broken transfer left off.
 */
#include <inttypes.h>
#include <string.h>

#include "imagec/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

struct fetch {
    struct vic_list link; /* in client->fetches until it is over */
    struct img_client *client;
    struct img_endpoint endpoint; /* owned copies: the pull that began this may go first */
    struct img_source source;
    struct img_sink sink; /* a copy, for the same reason */
    char digest[HOST_DIGEST_MAX];
    uint64_t size;
    struct vic_list wants;
    struct img_get *get;       /* NULL between tries */
    struct img_writer *writer; /* NULL before the first byte, and once it is done */
    struct host_digest *hash;  /* of what the writer has; owned */
    uint64_t n_got;            /* bytes the writer has */
    uint64_t n_at_try;         /* at the beginning of this try */
    uint64_t n_skip;           /* bytes of this answer that the writer has already */
    unsigned n_tries;
    unsigned n_stalls; /* since the last progress */
    uv_timer_t timer;
    enum img_status status;
    uint64_t current;
    bool has_drained;
    bool is_telling;
};

struct img_want {
    struct vic_list link;
    struct fetch *fetch;
    const struct img_want_events *events;
    void *arg;
    bool is_first; /* the one the fetch was begun for */
    bool is_gone;  /* cancelled while being told */
};

/* ---- end ---- */

static void on_closed(uv_handle_t *h)
{
    struct fetch *f = h->data;
    free(f->endpoint.base);
    free(f->endpoint.host);
    free((char *)f->source.domain);
    free((char *)f->source.path);
    free((char *)f->source.name);
    free(f);
}

static void drop_writer(struct fetch *f)
{
    if (f->writer)
        f->sink.abort(TAKE_PTR(f->writer));
    host_digest_free(TAKE_PTR(f->hash));
    f->n_got = 0;
}

static void fetch_free(struct fetch *f)
{
    vic_list_remove(&f->link);
    img_get_cancel(TAKE_PTR(f->get));
    drop_writer(f);
    uv_close((uv_handle_t *)&f->timer, on_closed);
}

static void want_free(struct img_want *w)
{
    vic_list_remove(&w->link);
    free(w);
}

void img_want_cancel(struct img_want *w)
{
    if (!w)
        return;
    struct fetch *f = w->fetch;
    if (f->is_telling) {
        w->is_gone = true;
        return;
    }
    want_free(w);
    if (vic_list_is_empty(&f->wants))
        fetch_free(f);
}

/* False: nobody was left, and f is gone. */
static bool tell(struct fetch *f, enum img_status status, uint64_t current)
{
    struct img_want *w;
    struct img_want *tmp;
    f->status = status;
    f->current = current;
    f->is_telling = true;
    list_for_each(w, &f->wants, link)
        if (!w->is_gone)
            w->events->on_progress(status, current, f->size, w->arg);
    f->is_telling = false;
    list_for_each_safe(w, tmp, &f->wants, link)
        if (w->is_gone)
            want_free(w);
    if (!vic_list_is_empty(&f->wants))
        return true;
    fetch_free(f);
    return false;
}

static void fetch_done(struct fetch *f, const struct vic_err *err)
{
    struct vic_err copy = {0};
    if (err)
        copy = *err;
    else if (!tell(f, IMG_DOWNLOADED, f->size))
        return;
    vic_list_remove(&f->link); /* who asks from here on begins anew */
    while (!vic_list_is_empty(&f->wants)) {
        struct img_want *w = container_of(f->wants.next, struct img_want, link);
        const struct img_want_events *events = w->events;
        void *arg = w->arg;
        bool is_others = !w->is_first;
        f->is_telling = true; /* a want cancelled by another's end is only marked */
        bool is_gone = w->is_gone;
        want_free(w);
        if (!is_gone)
            events->on_done(err ? &copy : NULL, is_others, arg);
    }
    fetch_free(f);
}

static void fail(struct fetch *f, enum vic_err_kind kind, const char *text)
{
    struct vic_err err;
    (void)vic_fail(&err, kind, 0, "%s", text);
    fetch_done(f, &err);
}

/* ---- one try ---- */

static int send_get(struct fetch *f, struct vic_err *err);

static void on_drain(void *arg)
{
    struct fetch *f = arg;
    f->has_drained = true;
    if (f->get)
        img_get_resume(f->get);
}

static void on_written(const struct vic_err *err, void *arg)
{
    struct fetch *f = arg;
    f->writer = NULL;
    fetch_done(f, err);
}

static int open_writer(struct fetch *f, struct vic_err *err)
{
    static const struct img_writer_events events = {.on_drain = on_drain, .on_done = on_written};
    int r = f->sink.open(f->sink.arg, f->digest, f->size, &events, f, &f->writer, err);
    if (r == 0)
        f->hash = host_digest_new();
    return r;
}

static void on_timer(uv_timer_t *t)
{
    struct fetch *f = t->data;
    struct vic_err err;
    if (send_get(f, &err) < 0)
        fetch_done(f, &err);
}

static void try_again(struct fetch *f, unsigned asked_ms)
{
    unsigned ms = img_backoff_ms(f->n_tries, asked_ms);
    (void)uv_timer_start(&f->timer, on_timer, ms, 0);
    (void)tell(f, IMG_RETRYING, (ms + 999) / 1000);
}

/* All bytes are with the writer: are they the right ones? */
static void verify(struct fetch *f)
{
    char digest[HOST_DIGEST_MAX];
    host_digest_finish(TAKE_PTR(f->hash), digest);
    if (strcmp(digest, f->digest) == 0) {
        f->sink.finish(f->writer);
        return;
    }
    bool was_resumed = f->n_at_try > 0;
    drop_writer(f);
    if (was_resumed && f->n_tries < IMG_TRIES_MAX) { /* the halves may not belong together */
        try_again(f, 0);
        return;
    }
    auto_free char *text =
        vic_xasprintf("filesystem layer verification failed for digest %s", f->digest);
    fail(f, VIC_ERR_INTERNAL, text);
}

/* "bytes 100-199/200" starts where we asked. */
static bool range_fits(struct host_http_request *r, uint64_t from)
{
    const char *range = host_http_header(r, "Content-Range", 0);
    auto_free char *expected = vic_xasprintf("bytes %" PRIu64 "-", from);
    return range && vic_str_starts_with(range, expected);
}

static void on_head(struct host_http_request *r, unsigned status, void *arg)
{
    struct fetch *f = arg;
    const char *length = host_http_header(r, "Content-Length", 0);
    uint64_t n = 0;
    bool is_partial = status == 206;
    uint64_t expected = is_partial ? f->size - f->n_got : f->size;
    f->n_skip = is_partial ? 0 : f->n_got;
    bool is_odd = is_partial && !range_fits(r, f->n_got);
    bool is_lying = length && (vic_str_to_u64(length, 0, UINT64_MAX, &n) < 0 || n != expected);
    if (!is_odd && !is_lying)
        return;
    img_get_cancel(TAKE_PTR(f->get));
    auto_free char *text =
        is_odd ? vic_xasprintf("registry '%s' sends another part of %s than was asked for",
                               f->endpoint.host, f->digest)
               : vic_xasprintf(
                     "registry '%s' says that %s has %.20s bytes, the manifest says %" PRIu64,
                     f->endpoint.host, f->digest, length, expected);
    fail(f, VIC_ERR_INTERNAL, text);
}

static bool on_data(const void *data, size_t len, void *arg)
{
    struct fetch *f = arg;
    if (len <= f->n_skip) {
        f->n_skip -= len;
        return true;
    }
    data = (const char *)data + f->n_skip;
    len -= f->n_skip;
    f->n_skip = 0;
    if (len > f->size - f->n_got) {
        img_get_cancel(TAKE_PTR(f->get));
        auto_free char *text = vic_xasprintf("registry '%s' sends more than the %" PRIu64
                                             " bytes that the manifest gives %s",
                                             f->endpoint.host, f->size, f->digest);
        fail(f, VIC_ERR_INTERNAL, text);
        return true;
    }
    host_digest_update(f->hash, data, len);
    f->n_got += len;
    f->n_stalls = 0;
    f->has_drained = false;
    bool may_go_on = f->sink.write(f->writer, data, len) || f->has_drained;
    return tell(f, IMG_DOWNLOADING, f->n_got) ? may_go_on : true;
}

static void on_done(const struct img_failure *failure, void *arg)
{
    struct fetch *f = arg;
    f->get = NULL;
    if (f->n_got == f->size) {
        if (!failure || f->size > 0) {
            verify(f);
            return;
        }
    }
    struct img_failure short_of = {.is_transient = true};
    if (!failure) {
        (void)vic_fail(&short_of.err, VIC_ERR_UNAVAILABLE, 0,
                       "registry '%s' sent %" PRIu64 " of the %" PRIu64 " bytes of %s",
                       f->endpoint.host, f->n_got, f->size, f->digest);
        failure = &short_of;
    }
    f->n_stalls += failure->is_stall;
    bool is_over =
        !failure->is_transient || f->n_tries >= IMG_TRIES_MAX || f->n_stalls >= IMG_STALLS_MAX;
    if (is_over)
        fetch_done(f, &failure->err);
    else
        try_again(f, failure->wait_ms);
}

static int send_get(struct fetch *f, struct vic_err *err)
{
    static const struct img_get_events events = {
        .on_head = on_head, .on_data = on_data, .on_done = on_done};
    int r = f->writer ? 0 : open_writer(f, err);
    if (r < 0)
        return r;
    f->n_tries++;
    f->n_at_try = f->n_got;
    return img_get_start(f->client, &f->source, "blobs", f->digest, NULL, f->n_got, 0, &events, f,
                         &f->get, err);
}

/* ---- begin ---- */

static struct fetch *fetch_new(struct img_client *c, const struct img_source *s, const char *digest,
                               uint64_t size, const struct img_sink *sink)
{
    struct fetch *f = vic_new(struct fetch);
    *f = (struct fetch){
        .client = c,
        .endpoint = {.base = vic_xstrdup(s->endpoint->base),
                     .host = vic_xstrdup(s->endpoint->host),
                     .is_insecure = s->endpoint->is_insecure},
        .source = {.domain = vic_xstrdup(s->domain),
                   .path = vic_xstrdup(s->path),
                   .name = vic_xstrdup(s->name)},
        .sink = *sink,
        .size = size,
        .status = IMG_DOWNLOADING,
    };
    f->source.endpoint = &f->endpoint;
    memcpy(f->digest, digest, strlen(digest) + 1);
    vic_list_init(&f->wants);
    vic_list_append(&c->fetches, &f->link);
    f->timer.data = f;
    (void)uv_timer_init(c->loop, &f->timer);
    return f;
}

/* Only what the same registry would send for the same claims: a pull does not wait for a registry that
 * it did not ask, nor fail by another's manifest. */
static struct fetch *find(struct img_client *c, const struct img_source *source, const char *digest,
                          uint64_t size, const struct img_sink *sink)
{
    struct fetch *f;
    list_for_each(f, &c->fetches, link)
        if (f->sink.arg == sink->arg && f->size == size && strcmp(f->digest, digest) == 0 &&
            strcmp(f->endpoint.base, source->endpoint->base) == 0 &&
            strcmp(f->source.path, source->path) == 0)
            return f;
    return NULL;
}

int img_want_new(struct img_client *c, const struct img_source *source, const char *digest,
                 uint64_t size, const struct img_sink *sink, const struct img_want_events *events,
                 void *arg, struct img_want **ret_want, struct vic_err *err)
{
    struct fetch *f = find(c, source, digest, size, sink);
    bool is_first = !f;
    if (is_first) {
        f = fetch_new(c, source, digest, size, sink);
        int r = send_get(f, err);
        if (r < 0) {
            fetch_free(f);
            return r;
        }
    }
    struct img_want *w = vic_new(struct img_want);
    *w = (struct img_want){.fetch = f, .events = events, .arg = arg, .is_first = is_first};
    vic_list_append(&f->wants, &w->link);
    *ret_want = w;
    return 0;
}
