/* Pause: the guest stops the container's processes.  What it says they are is the container's state. */
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "portlayer/execution/internal.h"

struct freeze_call {
    struct pl_container *c;
    struct pl_request *req; /* NULL: it belongs to a stop or a signal */
    bool is_frozen;
    unsigned run;
};

static void reply(struct freeze_call *f, bool is_same_run, const struct vic_err *err)
{
    struct vic_err ended;
    if (err && (err->kind == VIC_ERR_CONFLICT || !is_same_run)) {
        (void)vic_fail(&ended, VIC_ERR_CONFLICT, 0, "container %s is not running", f->c->rec.id);
        err = &ended;
    }
    pl_request_reply(f->req, err);
}

/* A thaw that was lost with the connection is asked for again: hello tells that it is due. */
static void on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    struct freeze_call *f = arg;
    struct pl_container *c = f->c;
    bool is_same_run = f->run == c->rec.run && pl_state_has_vm(c->rec.state);
    if (!err && is_same_run)
        pl_pause_told(c, f->is_frozen);
    if (f->req)
        reply(f, is_same_run, err);
    else if (err && err->kind == VIC_ERR_INTERNAL && is_same_run)
        vic_log(VIC_WARN, "container", c->rec.id, "not unpaused: %s", err->message);
    pl_container_unref(c);
    free(f);
}

void pl_pause_ask(struct pl_container *c, bool is_frozen, struct pl_request *take_req)
{
    struct freeze_call *f = vic_new(struct freeze_call);
    struct vic_err err = {0};
    auto_json cJSON *doc = json_new_obj();
    json_add_bool(doc, "frozen", is_frozen);
    pl_container_ref(c);
    *f = (struct freeze_call){c, take_req, is_frozen, c->rec.run};
    if (pl_channel_call(c->channel, "POST", "/v1/freeze", doc, on_answer, f, &err) < 0)
        on_answer(&err, NULL, f);
}

void pl_pause_told(struct pl_container *c, bool is_frozen)
{
    enum pl_state before = c->rec.state;
    enum pl_action action = pl_container_apply(c, is_frozen ? PL_EV_FROZEN : PL_EV_THAWED);
    if (c->is_frozen != is_frozen)
        pl_container_emit(c, is_frozen ? "pause" : "unpause", NULL, NULL);
    c->is_frozen = is_frozen;
    pl_probe_told_frozen(c, is_frozen);
    if (c->rec.state != before)
        pl_container_save(c);
    if (action == PL_DO_THAW) /* a stop came between: frozen, it would not hear the signal */
        pl_pause_ask(c, false, NULL);
}
