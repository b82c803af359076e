/*
 * POST .../attach: a reader of the run's output file, and a stream of stdin bytes to the tether.
 *
 * Each client has its own place in the file: one that stalls stops reading at the high-water mark of
 * its stream and slows nobody.  stdin is taken from the client only as fast as the process reads it.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/execution/internal.h"
#include "portlayer/interaction/keys.h"
#include "portlayer/interaction/output.h"
#include "portlayer/interaction/send.h"

#define BYTES_PER_TURN (1u << 20)

struct attach {
    struct vic_list link;
    struct pl_container *c; /* a reference */
    struct rpc_stream *stream;
    bool wants_stdin, wants_stdout, wants_stderr, wants_logs, wants_stream;
    bool is_run_over;   /* the run that is waited for is: end behind it */
    unsigned past;      /* output is of this run, which was over before; 0: is not */
    unsigned last_past; /* the last such run that is wanted */
    unsigned next;      /* ... and this one has begun by now; 0: none */
    bool is_closed;
    struct pl_output *output; /* NULL until a run begins */
    uv_timer_t timer;         /* goes on reading in the loop's next turn */
    /* stdin */
    struct rpc_stream *to_tether; /* NULL until the process runs, and after it ended */
    struct vic_buf early;         /* came before; at most one window */
    bool has_ended;               /* the client sent all */
    bool is_stdin_over;           /* the process takes no more */
    struct pl_keys keys;          /* that detach; none without a terminal */
    size_t unconsumed;            /* the client's window that was not given back yet */
};

static void on_timer_closed(uv_handle_t *h)
{
    struct attach *a = h->data;
    vic_buf_release(&a->early);
    pl_container_unref(a->c);
    free(a);
}

static void release(struct attach *a)
{
    if (a->is_closed)
        return;
    a->is_closed = true;
    vic_list_remove(&a->link);
    pl_output_close(TAKE_PTR(a->output));
    uv_close((uv_handle_t *)&a->timer, on_timer_closed);
}

/* ---- output ---- */

static void finish(struct attach *a)
{
    static const struct rpc_stream_events none = {0};
    if (a->to_tether)
        rpc_stream_end(a->to_tether);
    if (a->to_tether)
        rpc_stream_set_events(TAKE_PTR(a->to_tether), &none, NULL);
    rpc_stream_set_events(a->stream, &none, NULL);
    rpc_stream_consume(a->stream,
                       a->unconsumed); /* a peer with more to send could not end its side */
    rpc_stream_end(a->stream);
    release(a);
}

static void pump(struct attach *a);

static void on_turn(uv_timer_t *t)
{
    pump(t->data);
}

static bool wants(const struct attach *a, enum vic_record_type type)
{
    return (type == VIC_RECORD_STDOUT && a->wants_stdout) ||
           (type == VIC_RECORD_STDERR && a->wants_stderr);
}

static void open_output(struct attach *a, unsigned run, uint64_t offset)
{
    struct vic_err err = {0};
    auto_free char *path = pl_container_output_path(a->c, run);
    if (pl_output_open(path, offset, &a->output, &err) < 0) {
        vic_log(VIC_WARN, "attach", a->c->rec.id, "%s", err.message);
        finish(a);
    }
}

/* Of the runs from this one on that were over before, the first that has a file: a start that failed early has
 * none, and what is over the log's limit has gone. */
static bool open_past(struct attach *a, unsigned run)
{
    for (; run <= a->last_past && !a->output; run++) {
        auto_free char *path = pl_container_output_path(a->c, run);
        if (pl_output_open(path, 0, &a->output, NULL) == 0)
            a->past = run;
    }
    return a->output != NULL;
}

/* From what was said in one run to what is said in the next. */
static void turn_to_next(struct attach *a)
{
    pl_output_close(TAKE_PTR(a->output));
    if (!open_past(a, a->past + 1)) {
        a->past = 0;
        if (a->next > 0)
            open_output(a, a->next, 0);
    }
    if (a->output)
        (void)uv_timer_start(&a->timer, on_turn, 0, 0);
    else if ((a->is_run_over || !a->wants_stream) && !a->is_closed)
        finish(a);
}

static void pump(struct attach *a)
{
    struct vic_err err = {0};
    int r = 0;
    if (!a->output || a->is_closed)
        return;
    uint64_t from = pl_output_offset(a->output);
    for (;;) {
        struct vic_record head;
        const uint8_t *payload = NULL;
        if (pl_stream_queued(a->stream) >= RPC_HIGH_WATER)
            return; /* on_drain goes on */
        if (pl_output_offset(a->output) - from > BYTES_PER_TURN) {
            (void)uv_timer_start(&a->timer, on_turn, 0, 0);
            return;
        }
        r = pl_output_next(a->output, &head, &payload, &err);
        if (r <= 0)
            break;
        if (wants(a, head.type))
            (void)pl_send_record(a->stream, &head, payload);
        if (head.type == VIC_RECORD_EXIT)
            break;
    }
    if (r < 0)
        vic_log(VIC_WARN, "attach", a->c->rec.id, "%s", err.message);
    pl_output_rest(a->output);
    if (a->past > 0)
        turn_to_next(a);
    else if (a->is_run_over || (!a->wants_stream && r <= 0))
        finish(a);
}

void pl_attach_run_begins(struct pl_container *c)
{
    struct attach *a;
    struct attach *next;
    list_for_each_safe(a, next, &c->attaches, link) {
        bool waits_for_it = a->wants_stream && !a->is_run_over && a->next == 0;
        if (a->past > 0)
            a->next = waits_for_it ? c->rec.run : a->next;
        else if (!a->output)
            open_output(a, c->rec.run, 0);
    }
}

void pl_attach_growth(struct pl_container *c)
{
    struct attach *a;
    struct attach *next;
    list_for_each_safe(a, next, &c->attaches, link) {
        pump(a);
    }
}

uint64_t pl_attach_held(const struct pl_container *c)
{
    uint64_t held = UINT64_MAX;
    const struct attach *a;
    list_for_each(a, &c->attaches, link) {
        uint64_t offset = UINT64_MAX;
        if (a->past > 0)
            offset = a->next == c->rec.run ? 0 : UINT64_MAX;
        else if (a->output)
            offset = pl_output_offset(a->output);
        held = offset < held ? offset : held;
    }
    return held;
}

void pl_attach_run_ends(struct pl_container *c)
{
    struct attach *a;
    struct attach *next;
    list_for_each_safe(a, next, &c->attaches, link) {
        a->is_run_over = true;
        a->is_stdin_over = true;
        if (a->output)
            pump(a);
        else
            finish(a);
    }
}

static void on_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    pump(arg);
}

/* ---- stdin ---- */

static void give_back(struct attach *a)
{
    if (a->unconsumed > 0 && !a->is_closed)
        rpc_stream_consume(a->stream, a->unconsumed);
    a->unconsumed = 0;
}

static void on_tether_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    give_back(arg);
}

static void on_tether_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    struct attach *a = arg;
    if (err)
        vic_log(VIC_DEBUG, "attach", a->c->rec.id, "stdin: %s", err->message);
    a->to_tether = NULL;
    a->is_stdin_over = true;
    give_back(a); /* what still comes is dropped, as into a closed pipe */
}

static void open_stdin(struct attach *a)
{
    static const struct rpc_stream_events events = {.on_drain = on_tether_drain,
                                                    .on_close = on_tether_close};
    struct rpc_session *session = pl_channel_session(a->c->channel);
    const struct pl_spec *spec = &a->c->rec.spec;
    /* A terminal stays usable when one of its clients detaches. */
    bool closes = spec->stdin_once && !spec->tty;
    if (!a->wants_stdin || a->to_tether || a->is_stdin_over || !session)
        return;
    if (rpc_open(session, "POST", closes ? "/v1/stdin?close=1" : "/v1/stdin?close=0", &events, a,
                 &a->to_tether, NULL) < 0) {
        a->to_tether = NULL;
        return;
    }
    size_t queued = 0;
    if (a->early.len > 0)
        queued = rpc_stream_write(a->to_tether, a->early.data, a->early.len);
    vic_buf_release(&a->early);
    if (queued < RPC_HIGH_WATER)
        give_back(a);
    if (a->has_ended)
        rpc_stream_end(a->to_tether);
}

void pl_attach_tether_up(struct pl_container *c)
{
    struct attach *a;
    struct attach *next;
    list_for_each_safe(a, next, &c->attaches, link) {
        open_stdin(a);
    }
}

static void pass_on(struct attach *a, const struct vic_buf *typed)
{
    if (!a->to_tether)
        vic_buf_add(&a->early, vic_buf_str(typed),
                    typed->len); /* bounded: its window is not given back */
    else if (rpc_stream_write(a->to_tether, vic_buf_str(typed), typed->len) < RPC_HIGH_WATER)
        give_back(a);
}

static void on_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct attach *a = arg;
    auto_buf struct vic_buf typed = {0};
    if (!a->wants_stdin) {
        rpc_stream_consume(st, len);
        return;
    }
    bool detaches = pl_keys_feed(&a->keys, data, len, &typed);
    a->unconsumed += len;
    if (a->is_stdin_over)
        give_back(a);
    else
        pass_on(a, &typed);
    if (!detaches)
        return;
    pl_container_emit(a->c, "detach", NULL, NULL);
    finish(a);
}

static void on_end(struct rpc_stream *st, void *arg)
{
    (void)st;
    struct attach *a = arg;
    auto_buf struct vic_buf typed = {0};
    pl_keys_end(&a->keys, &typed);
    if (!a->is_stdin_over)
        pass_on(a, &typed);
    a->has_ended = true;
    if (a->to_tether)
        rpc_stream_end(a->to_tether);
}

static void on_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    static const struct rpc_stream_events none = {0};
    (void)st;
    (void)err;
    struct attach *a = arg;
    if (a->to_tether) {
        struct rpc_stream *t = TAKE_PTR(a->to_tether);
        rpc_stream_set_events(t, &none, NULL);
        if (!a->has_ended)
            rpc_stream_end(t);
    }
    release(a);
}

/* ---- the request ---- */

static int read_flags(struct rpc_stream *st, struct attach *a, struct vic_err *err)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"stdin", &a->wants_stdin}, {"stdout", &a->wants_stdout}, {"stderr", &a->wants_stderr},
        {"logs", &a->wants_logs},   {"stream", &a->wants_stream},
    };
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        const char *text = rpc_stream_query(st, flags[i].name);
        if (text && vic_str_to_bool(text, flags[i].flag) < 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected 0 or 1", flags[i].name);
    }
    return pl_keys_from_hex(rpc_stream_query(st, "detach"), &a->keys, err);
}

static int check(const struct pl_container *c, const struct attach *a, struct vic_err *err)
{
    if (c->rec.state == PL_PAUSED)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is paused: unpause it first",
                        c->rec.id);
    if (c->rec.state == PL_REMOVING || c->rec.state == PL_DEAD)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is being removed", c->rec.id);
    if (a->wants_stdin && !c->rec.spec.has_stdin)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s has no stdin", c->rec.id);
    return 0;
}

static void begin(struct attach *a)
{
    struct pl_container *c = a->c;
    bool has_vm = pl_state_has_vm(c->rec.state);
    bool runs = has_vm && c->watch;
    a->last_past = has_vm ? c->rec.run - 1 : c->rec.run;
    if (a->wants_logs && open_past(a, c->first_run ? c->first_run : 1)) {
        a->next = runs ? c->rec.run : 0;
    } else if (runs) {
        /* "From now on": the first record not seen yet. */
        open_output(a, c->rec.run, a->wants_logs ? 0 : pl_watch_offset(c->watch));
    } else if (!a->wants_stream) {
        finish(a);
    }
    if (a->is_closed)
        return;
    if (has_vm && !c->start)
        open_stdin(a);
    pump(a);
}

void pl_attach_handle(struct rpc_stream *st, void *arg)
{
    static const struct rpc_stream_events events = {
        .on_data = on_data, .on_end = on_end, .on_drain = on_drain, .on_close = on_close};
    struct pl *pl = arg;
    struct vic_err err = {0};
    struct attach flags = {0};
    struct pl_container *c = NULL;
    if (pl_index_find(pl->execution, rpc_stream_param(st, "ref"), &c, &err) < 0 ||
        read_flags(st, &flags, &err) < 0 || check(c, &flags, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    struct attach *a = vic_new(struct attach);
    *a = flags;
    if (!c->rec.spec.tty)
        a->keys.n = 0;
    a->c = c;
    a->stream = st;
    pl_container_ref(c);
    (void)uv_timer_init(pl->loop, &a->timer);
    a->timer.data = a;
    vic_list_append(&c->attaches, &a->link);
    rpc_stream_set_events(st, &events, a);
    rpc_reply_begin(st);
    pl_container_emit(c, "attach", NULL, NULL);
    begin(a);
}
