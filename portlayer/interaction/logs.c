/* GET .../output: the records of all runs, with since, until, tail and follow. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/execution/internal.h"
#include "portlayer/interaction/output.h"
#include "portlayer/interaction/send.h"
#include "portlayer/interaction/tail.h"

#define BYTES_PER_TURN (1u << 20)

struct logs {
    struct vic_list link;
    struct pl_container *c;    /* a reference */
    struct rpc_stream *stream; /* NULL once the client left */
    bool wants_stdout, wants_stderr, follow, has_tail;
    int64_t since_ns, until_ns;
    uint64_t n_lines;
    struct pl_tail tail;
    bool is_ready;    /* the tail was found */
    bool is_run_over; /* no more will come */
    bool is_closed;
    unsigned last_run; /* follow ends with this one */
    unsigned run;      /* being read */
    struct pl_output *output;
    uv_timer_t timer;
    char **paths; /* for the search of the tail */
};

static void on_timer_closed(uv_handle_t *h)
{
    struct logs *l = h->data;
    vic_strv_free(l->paths);
    pl_container_unref(l->c);
    free(l);
}

static void release(struct logs *l)
{
    if (l->is_closed)
        return;
    l->is_closed = true;
    vic_list_remove(&l->link);
    pl_output_close(TAKE_PTR(l->output));
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

static void finish(struct logs *l)
{
    static const struct rpc_stream_events none = {0};
    rpc_stream_set_events(l->stream, &none, NULL);
    rpc_stream_end(l->stream);
    release(l);
}

static void pump(struct logs *l);

static void on_turn(uv_timer_t *t)
{
    pump(t->data);
}

static bool wants(const struct logs *l, const struct vic_record *head)
{
    return ((head->type == VIC_RECORD_STDOUT && l->wants_stdout) ||
            (head->type == VIC_RECORD_STDERR && l->wants_stderr)) &&
           head->wall_ns >= l->since_ns;
}

/* The next file; false when there is none. */
static bool next_run(struct logs *l)
{
    while (!l->output && l->run <= l->last_run) {
        auto_free char *path = pl_container_output_path(l->c, l->run);
        uint64_t offset = l->run == l->tail.first_run ? l->tail.first_offset : 0;
        if (pl_output_open(path, offset, &l->output, NULL) < 0)
            l->run++; /* a start that failed early */
    }
    return l->output != NULL;
}

/* 1: sent or passed over; 0: nothing there now; 2: that was the last one wanted. */
static int one_record(struct logs *l)
{
    struct vic_record head;
    const uint8_t *payload = NULL;
    struct vic_err err = {0};
    int r = pl_output_next(l->output, &head, &payload, &err);
    if (r < 0)
        vic_log(VIC_WARN, "logs", l->c->rec.id, "%s", err.message);
    if (r <= 0)
        return 0;
    if (head.type == VIC_RECORD_EXIT)
        return 0;
    if (l->until_ns != 0 && head.wall_ns > l->until_ns)
        return 2;
    if (!wants(l, &head))
        return 1;
    uint64_t offset = pl_output_start(l->output, &head);
    uint32_t skip = l->has_tail ? pl_tail_skip(&l->tail, l->run, offset, &head) : 0;
    if (skip < head.len || head.len == 0) {
        head.len -= skip;
        (void)pl_send_record(l->stream, &head, payload + skip);
    }
    return 1;
}

static void on_until(uv_timer_t *t)
{
    struct logs *l = t->data;
    if (l->stream && l->is_ready)
        finish(l);
}

/* Its timer is that of turns too: each wait for growth arms it anew. */
static void await_until(struct logs *l)
{
    int64_t left_ns = l->until_ns - vic_clock_wall_ns();
    if (l->until_ns != 0)
        (void)uv_timer_start(&l->timer, on_until, left_ns > 0 ? (uint64_t)left_ns / 1000000 + 1 : 0,
                             0);
}

static void pump(struct logs *l)
{
    uint64_t seen = 0;
    if (!l->is_ready || l->is_closed || !l->stream)
        return;
    while (next_run(l)) {
        if (pl_stream_queued(l->stream) >= RPC_HIGH_WATER)
            return; /* on_drain goes on */
        if (seen > BYTES_PER_TURN) {
            (void)uv_timer_start(&l->timer, on_turn, 0, 0);
            return;
        }
        uint64_t before = pl_output_offset(l->output);
        int r = one_record(l);
        seen += pl_output_offset(l->output) - before;
        if (r == 2)
            break;
        if (r == 1)
            continue;
        if (l->run == l->last_run && l->follow && !l->is_run_over) {
            pl_output_rest(l->output);
            await_until(l);
            return; /* growth goes on */
        }
        pl_output_close(TAKE_PTR(l->output));
        l->run++;
    }
    finish(l);
}

void pl_logs_growth(struct pl_container *c)
{
    struct logs *l;
    struct logs *next;
    list_for_each_safe(l, next, &c->followers, link) {
        pump(l);
    }
}

uint64_t pl_logs_held(const struct pl_container *c)
{
    uint64_t held = UINT64_MAX;
    const struct logs *l;
    list_for_each(l, &c->followers, link) {
        if (l->output && l->run == c->rec.run && pl_output_offset(l->output) < held)
            held = pl_output_offset(l->output);
    }
    return held;
}

void pl_logs_run_ends(struct pl_container *c)
{
    struct logs *l;
    struct logs *next;
    list_for_each_safe(l, next, &c->followers, link) {
        l->is_run_over = true;
        pump(l);
    }
}

static void on_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    pump(arg);
}

static void on_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct logs *l = arg;
    l->stream = NULL;
    if (l->is_ready)
        release(l); /* else when the search is back */
}

static void begin(struct logs *l)
{
    l->is_ready = true;
    l->run = l->has_tail ? l->tail.first_run : l->c->first_run ? l->c->first_run : 1;
    if (l->until_ns != 0 && l->until_ns <= vic_clock_wall_ns())
        l->follow = false; /* nothing later is wanted, so nothing later need be waited for */
    pump(l);
}

static int tail_work(void *arg, struct vic_err *err)
{
    (void)err;
    struct logs *l = arg;
    pl_tail_find(l->paths, (unsigned)vic_strv_len(l->paths), l->n_lines, &l->tail);
    return 0;
}

static void on_tail(void *arg, int result, const struct vic_err *err)
{
    (void)result;
    (void)err;
    struct logs *l = arg;
    if (l->stream) {
        begin(l);
    } else {
        l->is_ready = true;
        release(l);
    }
}

static int read_query(struct rpc_stream *st, struct logs *l, struct vic_err *err)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"stdout", &l->wants_stdout}, {"stderr", &l->wants_stderr}, {"follow", &l->follow}};
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        const char *text = rpc_stream_query(st, flags[i].name);
        if (text && vic_str_to_bool(text, flags[i].flag) < 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected 0 or 1", flags[i].name);
    }
    const char *since = rpc_stream_query(st, "since_ns");
    const char *until = rpc_stream_query(st, "until_ns");
    const char *tail = rpc_stream_query(st, "tail");
    if ((since && vic_str_to_i64(since, 0, INT64_MAX, &l->since_ns) < 0) ||
        (until && vic_str_to_i64(until, 0, INT64_MAX, &l->until_ns) < 0))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "since_ns, until_ns: expected nanoseconds since 1970");
    if (tail && vic_str_to_u64(tail, 0, UINT64_MAX, &l->n_lines) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "tail: expected a number of lines");
    l->has_tail = tail != NULL;
    return 0;
}

void pl_logs_handle(struct rpc_stream *st, void *arg)
{
    static const struct rpc_stream_events events = {.on_drain = on_drain, .on_close = on_close};
    struct pl *pl = arg;
    struct vic_err err = {0};
    struct logs query = {0};
    struct pl_container *c = NULL;
    if (pl_index_find(pl->execution, rpc_stream_param(st, "ref"), &c, &err) < 0 ||
        read_query(st, &query, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    struct logs *l = vic_new(struct logs);
    *l = query;
    l->c = c;
    l->stream = st;
    pl_container_ref(c);
    l->last_run = c->rec.run;
    l->is_run_over = !pl_state_has_vm(c->rec.state);
    (void)uv_timer_init(pl->loop, &l->timer);
    l->timer.data = l;
    vic_list_append(&c->followers, &l->link);
    rpc_stream_set_events(st, &events, l);
    rpc_reply_begin(st);
    if (!l->has_tail) {
        begin(l);
        return;
    }
    for (unsigned run = 1; run <= l->last_run; run++) {
        auto_free char *path = pl_container_output_path(c, run);
        l->paths = vic_strv_append(l->paths, path);
    }
    host_work(pl->loop, tail_work, on_tail, l);
}
