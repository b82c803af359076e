/* Writes bytes at hand, a manifest or a configuration, into a sink at the pace it takes them. */
#include <string.h>

#include "imagec/internal.h"
#include "lib/base/alloc.h"

#define PIECE (64u << 10)

struct img_put {
    const struct img_sink *sink; /* borrowed */
    struct img_writer *writer;   /* NULL once it is done */
    char *data;                  /* owned */
    size_t len;
    size_t at;
    bool is_finished;
    img_put_fn done;
    void *arg;
};

static void put_free(struct img_put *p)
{
    free(p->data);
    free(p);
}

void img_put_cancel(struct img_put *p)
{
    if (!p)
        return;
    if (p->writer)
        p->sink->abort(p->writer);
    put_free(p);
}

static void push(struct img_put *p)
{
    bool may_go_on = true;
    while (may_go_on && p->at < p->len) {
        size_t n = p->len - p->at < PIECE ? p->len - p->at : PIECE;
        p->at += n;
        may_go_on = p->sink->write(p->writer, p->data + p->at - n, n);
    }
    if (p->at == p->len && !p->is_finished) {
        p->is_finished = true;
        p->sink->finish(p->writer);
    }
}

static void on_drain(void *arg)
{
    struct img_put *p = arg;
    if (!p->is_finished)
        push(p);
}

static void on_done(const struct vic_err *err, void *arg)
{
    struct img_put *p = arg;
    img_put_fn done = p->done;
    void *done_arg = p->arg;
    put_free(p);
    done(err, done_arg);
}

int img_put_start(const struct img_sink *sink, const char *digest, const void *data, size_t len,
                  img_put_fn done, void *arg, struct img_put **ret_put, struct vic_err *err)
{
    static const struct img_writer_events events = {.on_drain = on_drain, .on_done = on_done};
    struct img_put *p = vic_new(struct img_put);
    *p = (struct img_put){
        .sink = sink, .data = vic_xstrndup("", 0), .len = len, .done = done, .arg = arg};
    p->data = vic_xrealloc_array(p->data, len + 1, 1);
    memcpy(p->data, data, len);
    int r = sink->open(sink->arg, digest, len, &events, p, &p->writer, err);
    if (r < 0) {
        put_free(p);
        return r;
    }
    *ret_put = p;
    push(p);
    return 0;
}
