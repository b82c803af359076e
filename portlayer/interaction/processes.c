/* /v1/containers/{ref}/processes: what runs in a container, told by its tether. */
#include "lib/base/alloc.h"
#include "portlayer/execution/internal.h"

#define PROCESSES_MAX 4096 /* of one container: the guest tells no more */

static void on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    static const struct rpc_stream_events none;
    struct pl_request *req = arg;
    struct vic_err mine;
    const cJSON *list = json_member(doc, "processes");
    if (!err && (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > PROCESSES_MAX)) {
        (void)vic_fail(&mine, VIC_ERR_INTERNAL, 0, "the guest's list of processes is none");
        err = &mine;
    }
    if (!err)
        pl_container_emit(req->c, "top", NULL, NULL);
    if (!err && req->stream) {
        struct rpc_stream *st = TAKE_PTR(req->stream);
        rpc_stream_set_events(st, &none, NULL);
        rpc_reply_json(st, json_dup(doc));
    }
    pl_request_reply(req, err);
}

void pl_processes_handle(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err;
    struct pl_container *c = NULL;
    int r = pl_index_find(pl->execution, rpc_stream_param(st, "ref"), &c, &err);
    if (r == 0 && !pl_state_is_up(c->rec.state))
        r = vic_fail(&err, VIC_ERR_CONFLICT, 0, "container %s is not running", c->rec.id);
    if (r < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    struct pl_request *req = pl_request_new(c, st, PL_EV_SIGNAL);
    if (pl_channel_call(c->channel, "GET", "/v1/processes", NULL, on_answer, req, &err) < 0)
        pl_request_reply(req, &err);
}
