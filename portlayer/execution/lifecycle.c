/* Requests meet the life-cycle table: what it says is done, refused, or waited for. */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "portlayer/execution/internal.h"
#include "portlayer/execution/restart.h"
#include "portlayer/execution/signals.h"

static void on_client_gone(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    ((struct pl_request *)arg)->stream = NULL; /* what was asked for is still done */
}

struct pl_request *pl_request_new(struct pl_container *c, struct rpc_stream *st,
                                  enum pl_event event)
{
    static const struct rpc_stream_events events = {.on_close = on_client_gone};
    struct pl_request *req = vic_new(struct pl_request);
    pl_container_ref(c);
    req->c = c;
    req->stream = st;
    req->event = event;
    vic_list_init(&req->link);
    if (st)
        rpc_stream_set_events(st, &events, req);
    return req;
}

bool pl_container_is_ending(const struct pl_container *c)
{
    return c->has_exit && pl_state_has_vm(c->rec.state);
}

bool pl_container_is_over(const struct pl_container *c)
{
    return c->has_exit || !pl_state_has_vm(c->rec.state);
}

/* A guest on its way out answers no more: what it was asked is as if it had been asked afterwards. */
static bool came_too_late(const struct pl_request *req, const struct vic_err *err)
{
    static const bool is_of_process[PL_EVENTS] = {
        [PL_EV_SIGNAL] = true, [PL_EV_PAUSE] = true, [PL_EV_UNPAUSE] = true};
    return err && err->kind == VIC_ERR_UNAVAILABLE && is_of_process[req->event] &&
           pl_container_is_over(req->c);
}

void pl_request_reply(struct pl_request *req, const struct vic_err *err)
{
    static const struct rpc_stream_events none = {0};
    struct vic_err late;
    if (came_too_late(req, err)) {
        (void)vic_fail(&late, VIC_ERR_CONFLICT, 0, "container %s is not running", req->c->rec.id);
        err = &late;
    }
    vic_list_remove(&req->link);
    if (req->is_restart)
        req->c->keeps_on_end = false;
    if (req->stream) {
        rpc_stream_set_events(req->stream, &none, NULL);
        if (err)
            rpc_reply_error(req->stream, err);
        else
            rpc_reply_json(req->stream, json_new_obj());
    }
    if (req->is_restart && !err)
        pl_container_emit(req->c, "restart", NULL, NULL);
    pl_container_unref(req->c);
    free(req);
}

static void park(struct pl_request *req)
{
    vic_list_append(&req->c->requests, &req->link);
}

static void refuse(struct pl_request *req, const struct pl_transition *t)
{
    struct vic_err err = {0};
    const char *id = req->c->rec.id;
    /* Docker's words, which its clients look for. */
    if (t->next == PL_REMOVING && (req->event == PL_EV_REMOVE || req->event == PL_EV_REMOVE_FORCE))
        (void)vic_fail(&err, t->kind, 0, "removal of container %s is already in progress", id);
    else
        (void)vic_fail(&err, t->kind, 0, "container %s %s", id, t->reason);
    pl_request_reply(req, &err);
}

/* Nothing runs: the wish is fulfilled at once. */
static void cancel_restart(struct pl_request *req)
{
    struct pl_container *c = req->c;
    pl_container_no_deadline(c);
    c->rec.is_stopped = true;
    pl_container_save(c);
    if (req->event == PL_EV_STOP)
        pl_container_emit(c, "stop", NULL, NULL);
    pl_wait_not_started(c);
    pl_attach_run_ends(c);
    pl_request_reply(req, NULL);
}

/* A restart stops what runs and starts it afterwards. */
static void choose_restart_step(struct pl_request *req)
{
    enum pl_state s = req->c->rec.state;
    req->event = s == PL_RUNNING || s == PL_PAUSED || s == PL_STOPPING || s == PL_STARTING
                     ? PL_EV_STOP
                     : PL_EV_START;
}

void pl_request_dispatch(struct pl_request *req)
{
    struct pl_container *c = req->c;
    if (req->is_restart)
        choose_restart_step(req);
    if (c->is_gone) {
        struct vic_err err = {0};
        (void)vic_fail(&err, VIC_ERR_NOT_FOUND, 0, "No such container: %s", c->rec.id);
        pl_request_reply(req, &err);
        return;
    }
    /* A start of what is ending is meant for what comes after. */
    bool is_for_next_run = req->event == PL_EV_START && pl_container_is_ending(c);
    if (is_for_next_run || pl_nap_holds_up(c, req->event)) {
        park(req);
        return;
    }
    struct pl_transition t = pl_state_apply(c->rec.state, req->event);
    c->rec.state = t.next;
    switch (t.action) {
    case PL_DO_REFUSE:
        refuse(req, &t);
        break;
    case PL_DO_WAIT:
        park(req);
        break;
    case PL_DO_ABORT:
        park(req);
        pl_start_abort(c, "it is being removed");
        break;
    case PL_DO_START:
        c->is_by_policy = req->is_by_policy;
        if (!c->is_by_policy)
            pl_restart_asked_to_run(c);
        pl_start_begin(c, req);
        break;
    case PL_DO_STOP:
        req->ends_with_run = true;
        c->is_stop_asked = true;
        if (!req->is_restart)
            pl_restart_asked_to_stop(c);
        c->keeps_on_end = c->keeps_on_end || req->is_restart;
        park(req);
        pl_run_stop(c, req);
        break;
    case PL_DO_KILL:
        req->ends_with_run = req->event != PL_EV_REMOVE_FORCE;
        c->is_stop_asked = c->is_stop_asked || req->event == PL_EV_STOP;
        if (!req->is_restart)
            pl_restart_asked_to_stop(c);
        c->keeps_on_end = c->keeps_on_end || req->is_restart;
        park(req);
        pl_run_kill(c);
        break;
    case PL_DO_SIGNAL:
        if (req->signal == pl_signal_from_string(c->rec.spec.stop_signal))
            pl_restart_asked_to_stop(c);
        pl_run_signal(c, req);
        break;
    case PL_DO_FREEZE:
    case PL_DO_THAW:
        pl_pause_ask(c, t.action == PL_DO_FREEZE, req);
        break;
    case PL_DO_CANCEL:
        cancel_restart(req);
        break;
    case PL_DO_REMOVE:
        pl_remove_begin(c, req);
        break;
    case PL_DO_NOTHING:
    case PL_DO_FINISH:
        pl_request_reply(req, NULL);
        break;
    }
}

/* Takes the waiting requests off and looks at each again in the new state. */
void pl_container_wake(struct pl_container *c)
{
    struct vic_list waiting;
    vic_list_init(&waiting);
    while (!vic_list_is_empty(&c->requests)) {
        struct vic_list *l = c->requests.next;
        vic_list_remove(l);
        vic_list_append(&waiting, l);
    }
    pl_container_ref(c);
    /* The run they wait for: a restart among them begins another. */
    bool is_over = !pl_state_has_vm(c->rec.state);
    while (!vic_list_is_empty(&waiting)) {
        struct pl_request *req = container_of(waiting.next, struct pl_request, link);
        vic_list_remove(&req->link);
        if (req->ends_with_run && !is_over) {
            park(req);
        } else if (req->ends_with_run && !req->is_restart) {
            pl_request_reply(req, NULL);
        } else {
            req->ends_with_run = false;
            pl_request_dispatch(req);
        }
    }
    pl_container_unref(c);
}

enum pl_action pl_container_apply(struct pl_container *c, enum pl_event event)
{
    struct pl_transition t = pl_state_apply(c->rec.state, event);
    if (c->rec.state != t.next)
        vic_log(VIC_DEBUG, "container", c->rec.id, "%s -> %s", pl_state_to_string(c->rec.state),
                pl_state_to_string(t.next));
    c->rec.state = t.next;
    return t.action;
}
