/* GET /containers/{}/changes: what a container's disk has and its image has not. */
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/relay.h"
#include "portlayer/api.h"

struct changes {
    struct docker_req *req;
    struct pl_lines *lines;
    bool has_one; /* was sent */
    bool is_all;  /* the guest has said so */
    bool may_go_on;
};

static void on_begin(struct docker_relay *l, void *arg)
{
    (void)arg;
    docker_stream_begin(docker_relay_req(l), "application/json");
    (void)docker_stream_write(docker_relay_req(l), "[", 1);
}

static void on_doc(const cJSON *doc, void *arg)
{
    struct changes *c = arg;
    const char *path = json_str(doc, "path", NULL);
    if (!path) {
        c->is_all = true;
        return;
    }
    auto_json cJSON *change = json_new_obj();
    json_add_str(change, "Path", path);
    json_add_i64(change, "Kind", json_i64(doc, "kind", 0));
    if (c->has_one)
        (void)docker_stream_write(c->req, ",", 1);
    c->may_go_on = docker_stream_json(c->req, change) && c->may_go_on;
    c->has_one = true;
}

static int on_data(struct docker_relay *l, const void *data, size_t len, void *arg,
                   struct vic_err *err)
{
    struct changes *c = arg;
    (void)l;
    c->may_go_on = true;
    int r = pl_lines_feed(c->lines, data, len, err);
    return r < 0 ? r : c->may_go_on;
}

static void on_end(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg)
{
    const struct changes *c = arg;
    struct docker_req *r = docker_relay_req(l);
    if (!has_begun && err) {
        docker_reply_container_error(r, err);
    } else if (!has_begun) {
        docker_reply_errorf(r, VIC_ERR_INTERNAL, "the guest did not answer");
    } else if (err || !c->is_all) {
        docker_stream_break(r);
    } else {
        (void)docker_stream_write(r, "]\n", 2);
        docker_stream_end(r);
    }
}

static void on_free(void *arg)
{
    struct changes *c = arg;
    pl_lines_free(c->lines);
    free(c);
}

void docker_container_changes(struct docker_req *r)
{
    static const struct docker_relay_ops ops = {
        .on_begin = on_begin, .on_data = on_data, .on_end = on_end, .on_free = on_free};
    if (!docker_need_name(r))
        return;
    struct changes *c = vic_new(struct changes);
    c->req = r;
    c->lines = pl_lines_new(on_doc, c);
    auto_free char *path = docker_intent_path("/v1/containers/%s/changes", r->name);
    docker_relay_open(r, "GET", path, false, &ops, c);
}
