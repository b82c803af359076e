/* The event journal: two generations of a line file, and followers with a bounded backlog. */
#include "portlayer/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/json/json.h"
#include "portlayer/execution/spec.h"

#define GENERATION_MAX (2u << 20) /* bytes; there are two: some ten thousand events */
#define BACKLOG_MAX (8u << 20)    /* a follower this far behind is dropped */
#define FEED_CHUNK (64u << 10)
#define NOTE_MAX 4096 /* bytes of its attributes */

struct pl_events {
    uv_loop_t *loop;
    char *path, *old_path;
    int fd;
    size_t size; /* of the current generation */
    uint64_t last_seq;
    struct vic_list followers;
};

/* One request that still gets events. */
struct follower {
    struct vic_list link;
    struct rpc_stream *stream;
    struct vic_buf backlog;
    int64_t until_ns; /* 0: for ever */
    uv_timer_t timer;
    bool is_ending; /* nothing more comes: end behind the backlog */
};

static int64_t line_ns(const cJSON *doc)
{
    /* Kept beside time_ns as text, which a double cannot hold exactly. */
    const char *text = json_str(doc, "time", "");
    int64_t ns = 0;
    (void)vic_clock_parse_rfc3339(text, &ns);
    return ns;
}

/* Calls on_line for each whole line of one generation. */
static void each_line(const char *path, void (*on_line)(const char *, size_t, void *), void *arg)
{
    auto_free char *text = NULL;
    size_t len = 0;
    if (vic_file_read(path, 2 * GENERATION_MAX, &text, &len, NULL) < 0)
        return; /* none yet */
    for (const char *p = text; p < text + len;) {
        const char *end = memchr(p, '\n', (size_t)(text + len - p));
        if (!end)
            return; /* cut off by a crash */
        on_line(p, (size_t)(end - p), arg);
        p = end + 1;
    }
}

static void take_seq(const char *line, size_t len, void *arg)
{
    struct pl_events *e = arg;
    auto_json cJSON *doc = NULL;
    if (json_parse(line, len, &doc, NULL) < 0)
        return;
    int64_t seq = json_i64(doc, "seq", 0);
    if (seq > 0 && (uint64_t)seq > e->last_seq)
        e->last_seq = (uint64_t)seq;
}

static int open_journal(struct pl_events *e, struct vic_err *err)
{
    e->fd = open(e->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct stat st;
    if (e->fd < 0 || fstat(e->fd, &st) < 0)
        return vic_fail_errno(err, errno, "open '%s'", e->path);
    e->size = (size_t)st.st_size;
    char last = '\n';
    if (st.st_size > 0) {
        auto_close int fd = open(e->path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
            (void)vic_file_write_all(e->fd, "\n", 1); /* a crash cut the last line off */
    }
    return 0;
}

int pl_events_new(struct pl *pl, struct pl_events **ret_events, struct vic_err *err)
{
    struct pl_events *e = vic_new(struct pl_events);
    e->loop = pl->loop;
    e->path = vic_xasprintf("%s/events.log", pl->config.datastore);
    e->old_path = vic_xasprintf("%s.1", e->path);
    vic_list_init(&e->followers);
    int r = open_journal(e, err);
    if (r < 0) {
        pl_events_free(e);
        return r;
    }
    each_line(e->old_path, take_seq, e);
    each_line(e->path, take_seq, e);
    *ret_events = e;
    return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct follower *f = container_of((uv_timer_t *)(void *)h, struct follower, timer);
    vic_buf_release(&f->backlog);
    free(f);
}

static void drop(struct follower *f)
{
    vic_list_remove(&f->link);
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}

void pl_events_free(struct pl_events *e)
{
    if (!e)
        return;
    struct follower *f;
    struct follower *next;
    list_for_each_safe(f, next, &e->followers, link) {
        rpc_stream_cancel(f->stream);
        drop(f);
    }
    if (e->fd >= 0)
        (void)close(e->fd);
    free(e->path);
    free(e->old_path);
    free(e);
}

/* Sends what the peer takes now; may end the follower. */
static void feed(struct follower *f)
{
    size_t queued = 0;
    size_t at = 0;
    while (at < f->backlog.len && queued < RPC_HIGH_WATER) {
        size_t n = f->backlog.len - at < FEED_CHUNK ? f->backlog.len - at : FEED_CHUNK;
        queued = rpc_stream_write(f->stream, f->backlog.data + at, n);
        at += n;
    }
    vic_buf_consume(&f->backlog, at);
    if (f->backlog.len == 0)
        vic_buf_release(&f->backlog);
    if (f->is_ending && f->backlog.len == 0) {
        static const struct rpc_stream_events none = {0};
        rpc_stream_set_events(f->stream, &none, NULL);
        rpc_stream_end(f->stream);
        drop(f);
    }
}

static void journal(struct pl_events *e, const char *line, size_t len)
{
    if (e->size + len > GENERATION_MAX && rename(e->path, e->old_path) == 0) {
        (void)close(e->fd);
        e->fd = open(e->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        e->size = 0;
    }
    if (e->fd < 0 || vic_file_write_all(e->fd, line, len) < 0)
        vic_log(VIC_WARN, "events", NULL, "cannot write '%s'", e->path);
    e->size += len;
}

void pl_events_emit(struct pl_events *e, const char *type, const char *action, const char *id,
                    const cJSON *attributes, const cJSON *extra)
{
    auto_json cJSON *doc = json_new_obj();
    int64_t now = vic_clock_wall_ns();
    char time[VIC_CLOCK_TEXT_MAX];
    vic_clock_format_rfc3339(now, time);
    json_add_i64(doc, "seq", (int64_t)++e->last_seq);
    json_add_i64(doc, "time_ns", now);
    json_add_str(doc, "time", time);
    json_add_str(doc, "type", type);
    json_add_str(doc, "action", action);
    json_add_str(doc, "id", id);
    cJSON *attrs = cJSON_IsObject(attributes) ? json_dup(attributes) : json_new_obj();
    json_add(doc, "attributes", attrs);
    const cJSON *m;
    cJSON_ArrayForEach(m, extra)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(attrs, m->string);
        json_add_str(attrs, m->string, m->valuestring);
    }
    auto_free char *text = json_print(doc);
    auto_free char *line = vic_xasprintf("%s\n", text);
    size_t len = strlen(line);
    journal(e, line, len);
    struct follower *f;
    struct follower *next;
    list_for_each_safe(f, next, &e->followers, link) {
        if (f->is_ending)
            continue;
        if (f->backlog.len + len > BACKLOG_MAX) {
            vic_log(VIC_WARN, "events", NULL, "a follower that does not read is dropped");
            rpc_stream_cancel(f->stream);
            drop(f);
            continue;
        }
        bool was_idle = f->backlog.len == 0;
        vic_buf_add(&f->backlog, line, len);
        if (was_idle)
            feed(f);
    }
}

static void on_drain(struct rpc_stream *st, void *arg)
{
    (void)st;
    feed(arg);
}

static void on_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    drop(arg);
}

static void on_until(uv_timer_t *t)
{
    struct follower *f = container_of(t, struct follower, timer);
    f->is_ending = true;
    if (f->backlog.len == 0)
        feed(f);
}

struct replay {
    struct follower *f;
    int64_t since_ns;
};

static void replay_line(const char *line, size_t len, void *arg)
{
    struct replay *r = arg;
    auto_json cJSON *doc = NULL;
    if (json_parse(line, len, &doc, NULL) < 0)
        return;
    int64_t ns = line_ns(doc);
    if (ns < r->since_ns || (r->f->until_ns != 0 && ns > r->f->until_ns))
        return;
    vic_buf_add(&r->f->backlog, line, len);
    vic_buf_add_char(&r->f->backlog, '\n');
}

static int query_ns(struct rpc_stream *st, const char *name, int64_t *ret, bool *ret_is_given,
                    struct vic_err *err)
{
    const char *text = rpc_stream_query(st, name);
    *ret_is_given = text != NULL;
    if (text && vic_str_to_i64(text, 0, INT64_MAX, ret) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected nanoseconds since 1970", name);
    return 0;
}

static void handle_events(struct rpc_stream *st, void *arg)
{
    static const struct rpc_stream_events events = {.on_drain = on_drain, .on_close = on_close};
    struct pl *pl = arg;
    struct pl_events *e = pl->events;
    struct vic_err err = {0};
    int64_t since_ns = 0;
    int64_t until_ns = 0;
    bool has_since = false;
    bool has_until = false;
    bool follow = true;
    const char *text = rpc_stream_query(st, "follow");
    int r = query_ns(st, "since_ns", &since_ns, &has_since, &err);
    if (r == 0)
        r = query_ns(st, "until_ns", &until_ns, &has_until, &err);
    if (r == 0 && text && vic_str_to_bool(text, &follow) < 0)
        r = vic_fail(&err, VIC_ERR_INVALID, 0, "follow: expected 0 or 1");
    if (r < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    struct follower *f = vic_new(struct follower);
    f->stream = st;
    f->until_ns = has_until ? until_ns : 0;
    (void)uv_timer_init(e->loop, &f->timer);
    vic_list_append(&e->followers, &f->link);
    rpc_stream_set_events(st, &events, f);
    rpc_reply_begin(st);
    struct replay replay = {.f = f, .since_ns = since_ns};
    if (has_since || has_until) {
        each_line(e->old_path, replay_line, &replay);
        each_line(e->path, replay_line, &replay);
    }
    int64_t left_ns = has_until ? until_ns - vic_clock_wall_ns() : 1;
    f->is_ending = !follow || left_ns <= 0;
    if (has_until && !f->is_ending)
        (void)uv_timer_start(&f->timer, on_until, (uint64_t)(left_ns / 1000000) + 1, 0);
    feed(f);
}

/* What a personality has done as a whole, over objects of which each has told. */
static void handle_note(struct rpc_stream *st, void *arg)
{
    static const char *const members[] = {"type", "action", "attributes"};
    static const char *const types[] = {"container", "image", "network", "volume", "builder"};
    const cJSON *doc = rpc_stream_json(st);
    const char *type = NULL;
    const char *action = NULL;
    struct pl *pl = arg;
    struct vic_err err = {0};
    size_t i = 0;
    int r = pl_check_members(doc, NULL, members, ARRAY_SIZE(members), &err);
    if (r == 0 && (r = json_need_str(doc, "", "type", &type, &err)) == 0 &&
        (r = json_need_str(doc, "", "action", &action, &err)) == 0)
        r = pl_check_string_map(json_member(doc, "attributes"), "attributes", NOTE_MAX, &err);
    while (r == 0 && i < ARRAY_SIZE(types) && !vic_str_eq(types[i], type))
        i++;
    if (r == 0 && i == ARRAY_SIZE(types))
        r = vic_fail(&err, VIC_ERR_INVALID, 0, "type: unknown '%.40s'", type);
    if (r == 0 && !vic_str_eq(action, "prune"))
        r = vic_fail(&err, VIC_ERR_INVALID, 0, "action: only prune");
    if (r < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    pl_events_emit(pl->events, type, action, "", json_member(doc, "attributes"), NULL);
    rpc_reply_json(st, json_new_obj());
}

const struct rpc_route pl_events_routes[] = {
    {"POST", "/v1/events", RPC_BODY_NONE_OR_JSON, handle_note},
    {"GET", "/v1/events", RPC_BODY_NONE_OR_JSON, handle_events},
};
const size_t pl_events_n_routes = ARRAY_SIZE(pl_events_routes);
