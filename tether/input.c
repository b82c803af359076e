/* Queues chunks of stdin streams and writes them as the process reads. */
#include "tether/input.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"

#define CHUNK_GROWS_MAX 4096u

struct input_stream {
    struct vic_list link;
    struct tether_input *in;
    struct rpc_stream *st; /* NULL once the peer is gone: its bytes still go in */
    size_t n_chunks;
    bool has_ended;
    bool with_close;
};

struct input_chunk {
    struct vic_list link;
    struct input_stream *from;
    size_t len;
    size_t done;
    uint8_t data[];
};

static const struct rpc_stream_events no_events;

static void free_stream(struct input_stream *s)
{
    vic_list_remove(&s->link);
    s->in->n_streams--;
    free(s);
}

/* Answers a stream whose bytes are all written. */
static void finish_if_done(struct input_stream *s)
{
    if (s->n_chunks > 0 || (s->st && !s->has_ended))
        return;
    if (s->st) {
        struct rpc_stream *st = TAKE_PTR(s->st);
        rpc_stream_set_events(st, &no_events, NULL);
        rpc_reply_json(st, json_new_obj());
        if (s->with_close)
            s->in->is_closing = true;
    }
    free_stream(s);
}

static void drop_chunk(struct input_chunk *c)
{
    struct input_stream *s = c->from;
    if (s->st)
        rpc_stream_consume(s->st, c->len);
    vic_list_remove(&c->link);
    free(c);
    s->n_chunks--;
    finish_if_done(s);
}

/* 0 while it may go on, -errno when nobody reads. */
static int write_chunks(struct tether_input *in)
{
    struct input_chunk *c;
    struct input_chunk *next;
    list_for_each_safe(c, next, &in->chunks, link) {
        while (c->done < c->len) {
            ssize_t n = write(in->fd, c->data + c->done, c->len - c->done);
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
            c->done += (size_t)n;
        }
        drop_chunk(c);
    }
    return 0;
}

/* A terminal's hang-up would be told all the time, and means nothing here: another process may open it. */
static void watch(struct tether_input *in, uint32_t events)
{
    if (events == 0 && in->is_terminal)
        tether_loop_remove(in->loop, &in->watch);
    else if (in->watch.fd < 0)
        (void)tether_loop_add(in->loop, &in->watch, in->fd, events);
    else
        (void)tether_loop_change(in->loop, &in->watch, events);
}

static void pump(struct tether_input *in)
{
    if (in->fd < 0)
        return;
    int r = write_chunks(in);
    if (r == -EIO && in->is_terminal) {
        watch(in, 0);
        return;
    }
    bool is_empty = vic_list_is_empty(&in->chunks);
    if (r < 0 || (is_empty && in->is_closing && !in->is_terminal)) {
        tether_input_close(in);
        return;
    }
    if (is_empty)
        in->is_closing = false;
    watch(in, is_empty ? 0 : EPOLLOUT);
}

void tether_input_retry(struct tether_input *in)
{
    if (!vic_list_is_empty(&in->chunks))
        pump(in);
}

static void on_input_ready(struct tether_watch *w, uint32_t events)
{
    struct tether_input *in = container_of(w, struct tether_input, watch);
    if (!vic_list_is_empty(&in->chunks))
        pump(in);
    else if (events & (EPOLLERR | EPOLLHUP)) /* the last reader of the pipe is gone */
        tether_input_close(in);
}

void tether_input_init(struct tether_input *in, struct tether_loop *loop)
{
    *in = (struct tether_input){
        .loop = loop, .watch = {.fd = -1, .on_ready = on_input_ready}, .fd = -1};
    vic_list_init(&in->streams);
    vic_list_init(&in->chunks);
}

int tether_input_open(struct tether_input *in, int fd, bool is_terminal, struct vic_err *err)
{
    in->fd = fd;
    in->is_terminal = is_terminal;
    int r = is_terminal ? 0 : tether_loop_add(in->loop, &in->watch, fd, 0);
    return r < 0 ? vic_fail_errno(err, -r, "watch stdin") : 0;
}

void tether_input_finish(struct tether_input *in)
{
    in->is_closing = true;
    pump(in);
}

static void refuse(struct rpc_stream *st)
{
    struct vic_err err = {0};
    (void)vic_fail(&err, VIC_ERR_CONFLICT, EPIPE, "the process's stdin is closed");
    rpc_reply_error(st, &err);
}

void tether_input_close(struct tether_input *in)
{
    tether_loop_remove(in->loop, &in->watch);
    vic_close_p(&in->fd);
    in->fd = -1;
    struct input_chunk *c;
    struct input_chunk *next_chunk;
    list_for_each_safe(c, next_chunk, &in->chunks, link) {
        vic_list_remove(&c->link);
        free(c);
    }
    struct input_stream *s;
    struct input_stream *next;
    list_for_each_safe(s, next, &in->streams, link) {
        if (s->st) {
            struct rpc_stream *st = TAKE_PTR(s->st);
            rpc_stream_set_events(st, &no_events, NULL);
            refuse(st);
        }
        free_stream(s);
    }
}

/* The last chunk, when it is this stream's and small, grows: single bytes must not cost a chunk each. */
static struct input_chunk *chunk_for(struct input_stream *s, size_t len)
{
    struct vic_list *chunks = &s->in->chunks;
    struct input_chunk *last =
        vic_list_is_empty(chunks) ? NULL : container_of(chunks->prev, struct input_chunk, link);
    if (!last || last->from != s || last->len + len > CHUNK_GROWS_MAX) {
        struct input_chunk *c = vic_xalloc(sizeof(*c) + len);
        c->from = s;
        s->n_chunks++;
        vic_list_append(chunks, &c->link);
        return c;
    }
    vic_list_remove(&last->link);
    last = vic_xrealloc_array(last, 1, sizeof(*last) + last->len + len);
    vic_list_append(chunks, &last->link);
    return last;
}

static void on_input_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct input_stream *s = arg;
    (void)st;
    struct input_chunk *c = chunk_for(s, len);
    memcpy(c->data + c->len, data, len);
    c->len += len;
    pump(s->in);
}

static void on_input_end(struct rpc_stream *st, void *arg)
{
    struct input_stream *s = arg;
    struct tether_input *in = s->in;
    (void)st;
    s->has_ended = true;
    finish_if_done(s);
    pump(in);
}

/* The peer went away before the end, which closes nothing; what it sent is still written. */
static void on_input_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct input_stream *s = arg;
    (void)st;
    (void)err;
    s->st = NULL;
    finish_if_done(s);
}

static const struct rpc_stream_events input_events = {
    .on_data = on_input_data,
    .on_end = on_input_end,
    .on_close = on_input_close,
};

void tether_input_serve(struct tether_input *in, struct rpc_stream *st, bool with_close)
{
    if (in->fd < 0 || in->is_closing) {
        refuse(st);
        return;
    }
    if (in->n_streams == TETHER_INPUT_STREAMS_MAX) {
        struct vic_err err = {0};
        (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "more than %d stdin streams",
                       TETHER_INPUT_STREAMS_MAX);
        rpc_reply_error(st, &err);
        return;
    }
    struct input_stream *s = vic_new(struct input_stream);
    s->in = in;
    s->st = st;
    s->with_close = with_close;
    vic_list_append(&in->streams, &s->link);
    in->n_streams++;
    rpc_stream_set_events(st, &input_events, s);
}
