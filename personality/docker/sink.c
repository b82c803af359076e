/*
 * imagec's sink onto the port layer: stat, small reads, and writes as streams.
 *
 * A writer follows the stream's flow control, so a slow disk slows the download and costs no memory.
 */
#include "personality/docker/sink.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/buf.h"
#include "personality/docker/sweep.h"

/* ---- stat ------------------------------------------------------------------------------------------------ */

struct stat_op {
    img_stat_fn done;
    void *arg;
};

static void on_stat(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct stat_op *op = arg;
    (void)doc; /* its size is what the manifest says, or it would not be there */
    bool is_absent = err && err->kind == VIC_ERR_NOT_FOUND;
    op->done(is_absent ? NULL : err, !err, op->arg);
    free(op);
}

static int sink_stat(void *arg, const char *digest, img_stat_fn done, void *done_arg,
                     struct vic_err *err)
{
    struct docker *d = arg;
    struct stat_op *op = vic_new(struct stat_op);
    *op = (struct stat_op){.done = done, .arg = done_arg};
    auto_free char *encoded = rpc_encode(digest);
    auto_free char *path = vic_xasprintf("/v1/content/%s?stat=1", encoded);
    int r = host_rpc_call(d->pl, "GET", path, NULL, on_stat, op, err);
    if (r < 0)
        free(op);
    return r;
}

/* ---- read ------------------------------------------------------------------------------------------------- */

struct read_op {
    img_read_fn done;
    void *arg;
    size_t max_bytes;
    struct vic_buf data;
};

static void read_finish(struct read_op *op, const struct vic_err *err)
{
    op->done(err, err ? NULL : vic_buf_str(&op->data), err ? 0 : op->data.len, op->arg);
    vic_buf_release(&op->data);
    free(op);
}

static void on_read_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct read_op *op = arg;
    if (len > op->max_bytes - op->data.len) {
        struct vic_err err;
        (void)vic_fail(&err, VIC_ERR_INVALID, 0, "the document is larger than %zu bytes",
                       op->max_bytes);
        rpc_stream_cancel(st);
        read_finish(op, &err);
        return;
    }
    vic_buf_add(&op->data, data, len);
    rpc_stream_consume(st, len);
}

static void on_read_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    read_finish(arg, err);
}

static int sink_read(void *arg, const char *digest, size_t max_bytes, img_read_fn done,
                     void *done_arg, struct vic_err *err)
{
    static const struct rpc_stream_events events = {.on_data = on_read_data,
                                                    .on_close = on_read_close};
    struct docker *d = arg;
    struct read_op *op = vic_new(struct read_op);
    *op = (struct read_op){.done = done, .arg = done_arg, .max_bytes = max_bytes};
    auto_free char *encoded = rpc_encode(digest);
    auto_free char *path = vic_xasprintf("/v1/content/%s", encoded);
    struct rpc_stream *st;
    int r = host_rpc_open(d->pl, "GET", path, &events, op, &st, err);
    if (r < 0)
        free(op);
    else
        rpc_stream_end(st);
    return r;
}

/* ---- write ------------------------------------------------------------------------------------------------ */

struct img_writer {
    struct rpc_stream *st; /* NULL once closed */
    uv_timer_t later;      /* on_done never runs inside finish() */
    const struct img_writer_events *events;
    void *arg;
    bool is_finished;
};

static void on_later_closed(uv_handle_t *h)
{
    free(h->data);
}

static void writer_free(struct img_writer *w)
{
    uv_close((uv_handle_t *)&w->later, on_later_closed);
}

static void on_write_answer(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    (void)data; /* digest and size, which we gave */
    (void)arg;
    rpc_stream_consume(st, len);
}

static void on_write_drain(struct rpc_stream *st, void *arg)
{
    struct img_writer *w = arg;
    (void)st;
    w->events->on_drain(w->arg);
}

/* A blob that is there already is answered early: it is done when the writer says so, which may be
 * waiting to write the rest. */
static void on_write_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct img_writer *w = arg;
    (void)st;
    w->st = NULL;
    if (!err && !w->is_finished) {
        w->events->on_drain(w->arg);
        return;
    }
    w->events->on_done(err, w->arg);
    writer_free(w);
}

static int sink_open(void *arg, const char *digest, uint64_t size,
                     const struct img_writer_events *writer_events, void *events_arg,
                     struct img_writer **ret_writer, struct vic_err *err)
{
    static const struct rpc_stream_events events = {
        .on_data = on_write_answer, .on_drain = on_write_drain, .on_close = on_write_close};
    struct docker *d = arg;
    struct img_writer *w = vic_new(struct img_writer);
    w->events = writer_events;
    w->arg = events_arg;
    w->later.data = w;
    (void)uv_timer_init(d->loop, &w->later);
    auto_free char *encoded = rpc_encode(digest);
    auto_free char *path = vic_xasprintf("/v1/content/%s?size=%" PRIu64, encoded, size);
    int r = host_rpc_open(d->pl, "PUT", path, &events, w, &w->st, err);
    if (r < 0) {
        writer_free(w);
        return r;
    }
    docker_sweep_brought(d, digest);
    *ret_writer = w;
    return 0;
}

static bool sink_write(struct img_writer *w, const void *data, size_t len)
{
    return !w->st || rpc_stream_write(w->st, data, len) < RPC_HIGH_WATER;
}

static void on_later(uv_timer_t *t)
{
    struct img_writer *w = t->data;
    w->events->on_done(NULL, w->arg);
    writer_free(w);
}

static void sink_finish(struct img_writer *w)
{
    w->is_finished = true;
    if (w->st)
        rpc_stream_end(w->st);
    else
        (void)uv_timer_start(&w->later, on_later, 0, 0);
}

static void sink_abort(struct img_writer *w)
{
    if (w->st)
        rpc_stream_cancel(w->st);
    w->st = NULL;
    writer_free(w);
}

void docker_sink_init(struct docker *d)
{
    d->sink = (struct img_sink){
        .arg = d,
        .stat = sink_stat,
        .read = sink_read,
        .open = sink_open,
        .write = sink_write,
        .finish = sink_finish,
        .abort = sink_abort,
    };
}
