/* POST /containers/{}/wait: headers at once, the exit code when it is there. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/relay.h"
#include "portlayer/api.h"

struct wait {
    struct docker_req *req;
    struct pl_lines *lines;
    bool is_answered;
    bool for_removal;
};

static void on_begin(struct docker_relay *l, void *arg)
{
    (void)arg;
    docker_stream_begin(docker_relay_req(l), "application/json");
}

static void on_doc(const cJSON *doc, void *arg)
{
    struct wait *w = arg;
    if (w->is_answered)
        return;
    w->is_answered = true;
    auto_json cJSON *out = json_new_obj();
    json_add_i64(out, "StatusCode", json_i64(doc, "exit_code", 0));
    /* Who waits for the removal was told by the start what went wrong. */
    const char *error = json_str(doc, "error", "");
    if (error[0] && !w->for_removal)
        json_add_str(json_add_obj(out, "Error"), "Message", error);
    (void)docker_stream_json(w->req, out);
}

static int on_data(struct docker_relay *l, const void *data, size_t len, void *arg,
                   struct vic_err *err)
{
    struct wait *w = arg;
    (void)l;
    int r = pl_lines_feed(w->lines, data, len, err);
    return r < 0 ? r : 1;
}

static void on_end(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg)
{
    struct wait *w = arg;
    struct docker_req *r = docker_relay_req(l);
    static const struct vic_err none = {.kind = VIC_ERR_UNAVAILABLE,
                                        .message = "the wait ended without an answer"};
    if (!has_begun)
        docker_reply_container_error(r, err ? err : &none);
    else if (w->is_answered)
        docker_stream_end(r);
    else
        docker_stream_break(r);
}

static void on_free(void *arg)
{
    struct wait *w = arg;
    pl_lines_free(w->lines);
    free(w);
}

void docker_container_wait(struct docker_req *r)
{
    static const char *const conditions[] = {"not-running", "next-exit", "removed"};
    static const struct docker_relay_ops ops = {
        .on_begin = on_begin, .on_data = on_data, .on_end = on_end, .on_free = on_free};
    const char *condition = docker_req_query_or(r, "condition", "");
    bool is_known = condition[0] == '\0';
    for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
        is_known = is_known || strcmp(conditions[i], condition) == 0;
    if (!docker_need_name(r))
        return;
    if (!is_known) {
        docker_reply_errorf(r, VIC_ERR_INVALID, "invalid condition: \"%s\"", condition);
        return;
    }
    struct wait *w = vic_new(struct wait);
    w->req = r;
    w->for_removal = strcmp(condition, "removed") == 0;
    w->lines = pl_lines_new(on_doc, w);
    auto_free char *encoded = rpc_encode(r->name);
    auto_free char *path = vic_xasprintf("/v1/containers/%s/wait?condition=%s", encoded,
                                         condition[0] ? condition : "not-running");
    docker_relay_open(r, "GET", path, false, &ops, w);
}
