/* GET .../wait: answered at once, one line when the condition is met. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "portlayer/execution/internal.h"

enum condition {
    NOT_RUNNING,
    NEXT_EXIT,
    REMOVED,
};

struct waiter {
    struct vic_list link;
    struct rpc_stream *stream;
    enum condition condition;
};

static void send_line(const struct pl_container *c, struct rpc_stream *st)
{
    static const struct rpc_stream_events none = {0};
    auto_json cJSON *doc = json_new_obj();
    json_add_i64(doc, "exit_code", c->rec.exit_code);
    json_add_str(doc, "error", c->rec.error);
    auto_free char *text = json_print(doc);
    auto_free char *line = vic_xasprintf("%s\n", text);
    rpc_stream_set_events(st, &none, NULL);
    (void)rpc_stream_write(st, line, strlen(line));
    rpc_stream_end(st);
}

static void on_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    struct waiter *w = arg;
    vic_list_remove(&w->link);
    free(w);
}

/* conditions: those that are met now, a bit each. */
static void answer(struct pl_container *c, unsigned conditions)
{
    struct waiter *w;
    struct waiter *next;
    list_for_each_safe(w, next, &c->waiters, link) {
        if (!(conditions & 1u << w->condition))
            continue;
        vic_list_remove(&w->link);
        send_line(c, w->stream);
        free(w);
    }
}

void pl_wait_exited(struct pl_container *c)
{
    answer(c, 1u << NOT_RUNNING | 1u << NEXT_EXIT);
}

void pl_wait_not_started(struct pl_container *c)
{
    answer(c, 1u << NOT_RUNNING);
}

void pl_wait_removed(struct pl_container *c)
{
    answer(c, 1u << NOT_RUNNING | 1u << NEXT_EXIT | 1u << REMOVED);
}

void pl_wait_drop(struct pl_container *c)
{
    struct waiter *w;
    struct waiter *next;
    list_for_each_safe(w, next, &c->waiters, link) {
        vic_list_remove(&w->link);
        rpc_stream_cancel(w->stream);
        free(w);
    }
}

void pl_wait_handle(struct rpc_stream *st, void *arg)
{
    static const struct rpc_stream_events events = {.on_close = on_close};
    static const char *const names[] = {
        [NOT_RUNNING] = "not-running", [NEXT_EXIT] = "next-exit", [REMOVED] = "removed"};
    struct pl *pl = arg;
    struct pl_container *c = NULL;
    struct vic_err err = {0};
    const char *text = rpc_stream_query(st, "condition");
    size_t condition = NOT_RUNNING;
    if (text)
        for (condition = 0; condition < ARRAY_SIZE(names); condition++)
            if (vic_str_eq(names[condition], text))
                break;
    if (condition == ARRAY_SIZE(names))
        (void)vic_fail(&err, VIC_ERR_INVALID, 0, "invalid condition: \"%.40s\"", text);
    else
        (void)pl_index_find(pl->execution, rpc_stream_param(st, "ref"), &c, &err);
    if (err.kind != VIC_ERR_NONE) {
        rpc_reply_error(st, &err);
        return;
    }
    rpc_reply_begin(st);
    if (condition == NOT_RUNNING && !pl_state_has_vm(c->rec.state) &&
        c->rec.state != PL_RESTARTING) {
        send_line(c, st);
        return;
    }
    struct waiter *w = vic_new(struct waiter);
    w->stream = st;
    w->condition = (enum condition)condition;
    vic_list_append(&c->waiters, &w->link);
    rpc_stream_set_events(st, &events, w);
}
