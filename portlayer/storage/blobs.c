/* /v1/content: blobs streamed in and out, with the disk on the pool and memory bounded by the window. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "portlayer/api.h"
#include "portlayer/storage/content.h"
#include "portlayer/storage/room.h"
#include "portlayer/storage/store.h"

#define READ_CHUNK (128u << 10)

static const struct rpc_stream_events no_events = {0};

static int get_digest(struct rpc_stream *st, char ret_digest[HOST_DIGEST_MAX], struct vic_err *err)
{
    const char *text = rpc_stream_param(st, "digest");
    if (!host_digest_is_valid(text))
        return vic_fail(err, VIC_ERR_INVALID, 0, "digest: expected 'sha256:' and 64 hex digits");
    (void)snprintf(ret_digest, HOST_DIGEST_MAX, "%s", text);
    return 0;
}

static cJSON *describe(const char *digest, uint64_t size)
{
    cJSON *doc = json_new_obj();
    json_add_str(doc, "digest", digest);
    json_add_i64(doc, "size", (int64_t)size);
    return doc;
}

/* ---- in ------------------------------------------------------------------------------------ */

enum upload_step {
    UPLOAD_OPEN,
    UPLOAD_WRITE,
    UPLOAD_FINISH
};

struct upload {
    struct pl_storage *s;
    struct rpc_stream *st; /* NULL when the peer has gone or was answered */
    char digest[HOST_DIGEST_MAX];
    uint64_t size;
    enum upload_step step; /* what the pool does now, or did last */
    bool is_busy;
    bool has_ended; /* the peer has sent all */
    bool is_there;  /* found by the open step: nothing to write */
    struct pl_ingest *ingest;
    struct vic_buf incoming; /* at most RPC_STREAM_WINDOW */
    struct vic_buf writing;  /* the pool's while busy */
};

static int upload_open(struct upload *u, struct vic_err *err)
{
    uint64_t size;
    const char *dir = u->s->content_dir;
    struct vic_err missing;
    int r = pl_content_stat(dir, u->digest, &size, &missing);
    if (r < 0 && missing.kind != VIC_ERR_NOT_FOUND) {
        *err = missing;
        return r;
    }
    if (r < 0) {
        r = pl_room_check(dir, u->size, err);
        return r < 0 ? r : pl_ingest_open(dir, u->digest, u->size, &u->ingest, err);
    }
    if (size != u->size)
        return vic_fail(err, VIC_ERR_INVALID, 0, "content '%s' has %llu bytes, not %llu", u->digest,
                        (unsigned long long)size, (unsigned long long)u->size);
    u->is_there = true;
    return 0;
}

static int upload_work(void *arg, struct vic_err *err)
{
    struct upload *u = arg;
    int r;
    switch (u->step) {
    case UPLOAD_OPEN:
        return upload_open(u, err);
    case UPLOAD_WRITE:
        r = pl_room_check(u->s->content_dir, u->writing.len, err);
        return r < 0 ? r : pl_ingest_write(u->ingest, u->writing.data, u->writing.len, err);
    case UPLOAD_FINISH:
        return pl_ingest_finish(u->ingest, err);
    }
    return -EINVAL;
}

static int upload_drop(void *arg, struct vic_err *err)
{
    struct upload *u = arg;
    (void)err; /* nothing that could be told to anyone */
    pl_ingest_free(u->ingest);
    return 0;
}

static void on_upload_dropped(void *arg, int result, const struct vic_err *err)
{
    struct upload *u = arg;
    (void)result;
    (void)err;
    vic_buf_release(&u->incoming);
    vic_buf_release(&u->writing);
    free(u);
}

/* Closing and unlinking a large half-written file takes time, so that is the pool's too. */
static void upload_end(struct upload *u)
{
    host_work(u->s->pl->loop, upload_drop, on_upload_dropped, u);
}

static void upload_answer(struct upload *u, int result, const struct vic_err *err)
{
    struct rpc_stream *st = TAKE_PTR(u->st);
    if (!st)
        return;
    rpc_stream_set_events(st, &no_events, NULL);
    if (result < 0)
        rpc_reply_error(st, err);
    else
        rpc_reply_json(st, describe(u->digest, u->size));
}

static void on_upload_worked(void *arg, int result, const struct vic_err *err);

static void upload_next(struct upload *u)
{
    if (u->incoming.len > 0) {
        u->step = UPLOAD_WRITE;
        struct vic_buf empty = u->writing;
        u->writing = u->incoming;
        u->incoming = empty;
    } else if (u->has_ended) {
        u->step = UPLOAD_FINISH;
    } else {
        return;
    }
    u->is_busy = true;
    host_work(u->s->pl->loop, upload_work, on_upload_worked, u);
}

static void on_upload_worked(void *arg, int result, const struct vic_err *err)
{
    struct upload *u = arg;
    u->is_busy = false;
    bool is_over = result < 0 || u->is_there || u->step == UPLOAD_FINISH || !u->st;
    if (is_over) {
        upload_answer(u, result, err);
        upload_end(u);
        return;
    }
    size_t written = u->writing.len;
    vic_buf_clear(&u->writing);
    if (written > 0)
        rpc_stream_consume(u->st, written);
    if (!u->is_busy) /* consume may have called on_upload_data */
        upload_next(u);
}

static void on_upload_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    (void)st;
    struct upload *u = arg;
    vic_buf_add(&u->incoming, data, len);
    if (!u->is_busy)
        upload_next(u);
}

static void on_upload_end(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct upload *u = arg;
    u->has_ended = true;
    if (!u->is_busy)
        upload_next(u);
}

static void on_upload_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct upload *u = arg;
    u->st = NULL;
    if (!u->is_busy)
        upload_end(u);
}

static const struct rpc_stream_events upload_events = {
    .on_data = on_upload_data,
    .on_end = on_upload_end,
    .on_close = on_upload_close,
};

void pl_blob_put(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err;
    char digest[HOST_DIGEST_MAX];
    uint64_t size = 0;
    const char *text = rpc_stream_query(st, "size");
    int r = get_digest(st, digest, &err);
    if (r == 0 && vic_str_to_u64(text ? text : "", 0, PL_CONTENT_MAX, &size) < 0)
        r = vic_fail(&err, VIC_ERR_INVALID, 0, "size: expected a number of bytes up to %llu",
                     PL_CONTENT_MAX);
    if (r < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    struct upload *u = vic_new(struct upload);
    *u = (struct upload){
        .s = pl->storage, .st = st, .size = size, .step = UPLOAD_OPEN, .is_busy = true};
    memcpy(u->digest, digest, sizeof(digest));
    rpc_stream_set_events(st, &upload_events, u);
    host_work(pl->loop, upload_work, on_upload_worked, u);
}

/* ---- out ----------------------------------------------------------------------------------- */

struct download {
    struct pl_storage *s;
    struct rpc_stream *st; /* NULL when the peer has gone */
    char digest[HOST_DIGEST_MAX];
    uint64_t size;
    bool only_stat;
    bool has_begun;
    bool is_busy;
    bool is_held; /* the peer reads slowly: wait for on_drain */
    int fd;
    char *chunk; /* READ_CHUNK bytes; owned */
    size_t n;    /* bytes in chunk; 0 at the end of the blob */
};

static int download_work(void *arg, struct vic_err *err)
{
    struct download *d = arg;
    if (d->fd < 0) {
        int r = pl_content_open(d->s->content_dir, d->digest, &d->fd, &d->size, err);
        if (r < 0 || d->only_stat)
            return r;
        d->chunk = vic_xalloc(READ_CHUNK);
    }
    ssize_t n;
    do {
        n = read(d->fd, d->chunk, READ_CHUNK);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return vic_fail_errno(err, errno, "read content '%s'", d->digest);
    d->n = (size_t)n;
    return 0;
}

static void download_free(struct download *d)
{
    if (d->fd >= 0)
        (void)close(d->fd);
    free(d->chunk);
    free(d);
}

static void on_download_worked(void *arg, int result, const struct vic_err *err);

static void download_next(struct download *d)
{
    d->is_busy = true;
    host_work(d->s->pl->loop, download_work, on_download_worked, d);
}

/* Ends the request in whichever way is still open. */
static void download_end(struct download *d, int result, const struct vic_err *err)
{
    struct rpc_stream *st = TAKE_PTR(d->st);
    if (st) {
        rpc_stream_set_events(st, &no_events, NULL);
        if (result < 0 && !d->has_begun)
            rpc_reply_error(st, err);
        else if (result < 0)
            rpc_stream_cancel(st); /* a clean end would pass a part for the whole */
        else if (d->only_stat)
            rpc_reply_json(st, describe(d->digest, d->size));
        else
            rpc_stream_end(st);
    }
    download_free(d);
}

static void on_download_worked(void *arg, int result, const struct vic_err *err)
{
    struct download *d = arg;
    d->is_busy = false;
    if (result < 0 || !d->st || d->only_stat) {
        download_end(d, result, err);
        return;
    }
    if (!d->has_begun)
        rpc_reply_begin(d->st);
    d->has_begun = true;
    if (d->n == 0) {
        download_end(d, 0, NULL);
        return;
    }
    if (rpc_stream_write(d->st, d->chunk, d->n) >= RPC_HIGH_WATER)
        d->is_held = true;
    else
        download_next(d);
}

static void on_download_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct download *d = arg;
    if (d->is_held && !d->is_busy) {
        d->is_held = false;
        download_next(d);
    }
}

static void on_download_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct download *d = arg;
    d->st = NULL;
    if (!d->is_busy)
        download_free(d);
}

static const struct rpc_stream_events download_events = {
    .on_drain = on_download_drain,
    .on_close = on_download_close,
};

void pl_blob_get(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err;
    char digest[HOST_DIGEST_MAX];
    bool only_stat = false;
    const char *stat = rpc_stream_query(st, "stat");
    int r = get_digest(st, digest, &err);
    if (r == 0 && stat && vic_str_to_bool(stat, &only_stat) < 0)
        r = vic_fail(&err, VIC_ERR_INVALID, 0, "stat: expected 0 or 1");
    if (r < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    struct download *d = vic_new(struct download);
    *d = (struct download){.s = pl->storage, .st = st, .only_stat = only_stat, .fd = -1};
    memcpy(d->digest, digest, sizeof(digest));
    rpc_stream_set_events(st, &download_events, d);
    download_next(d);
}

/* ---- away ---------------------------------------------------------------------------------- */

struct sweep {
    struct rpc_stream *st; /* NULL when the peer has gone */
};

static void on_sweep_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct sweep *w = arg;
    w->st = NULL;
}

static void on_swept(struct pl_op *op, int result, const struct vic_err *err)
{
    struct sweep *w = op->arg;
    struct rpc_stream *st = w->st;
    free(w);
    if (!st)
        return;
    rpc_stream_set_events(st, &no_events, NULL);
    if (result < 0)
        rpc_reply_error(st, err);
    else
        rpc_reply_json(st, NULL);
}

static int parse_sweep(const cJSON *doc, char ***ret_digests, struct vic_err *err)
{
    auto_strv char **digests = NULL;
    if (!cJSON_IsObject(doc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "expected an object");
    int r = json_get_strv(doc, "", "digests", &digests, err);
    if (r < 0)
        return r;
    if (cJSON_GetArraySize(doc) != 1 || !digests)
        return vic_fail(err, VIC_ERR_INVALID, 0, "expected the member 'digests' alone");
    if (vic_strv_len(digests) > PL_SWEEP_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "digests: more than %d", PL_SWEEP_MAX);
    for (char *const *d = digests; *d; d++)
        if (!host_digest_is_valid(*d))
            return vic_fail(err, VIC_ERR_INVALID, 0,
                            "digests: expected 'sha256:' and 64 hex digits");
    *ret_digests = TAKE_PTR(digests);
    return 0;
}

void pl_blob_sweep(struct rpc_stream *st, void *arg)
{
    static const struct rpc_stream_events events = {.on_close = on_sweep_close};
    struct pl *pl = arg;
    char **digests;
    struct vic_err err;
    if (parse_sweep(rpc_stream_json(st), &digests, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    struct sweep *w = vic_new(struct sweep);
    w->st = st;
    rpc_stream_set_events(st, &events, w);
    struct pl_op *op = pl_op_new(pl->storage, NULL, on_swept, w);
    op->try_blobs = digests;
    pl_op_start(op);
}
