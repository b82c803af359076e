/* GET /containers/{}/export: all of a container's files as a tar. */
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/relay.h"

static void on_begin(struct docker_relay *l, void *arg)
{
    (void)arg;
    docker_stream_begin(docker_relay_req(l), "application/octet-stream");
}

static int on_data(struct docker_relay *l, const void *data, size_t len, void *arg,
                   struct vic_err *err)
{
    (void)arg;
    (void)err;
    return docker_stream_write(docker_relay_req(l), data, len);
}

static void on_end(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg)
{
    struct docker_req *r = docker_relay_req(l);
    (void)arg;
    if (!has_begun && err)
        docker_reply_container_error(r, err);
    else if (!has_begun)
        docker_reply_errorf(r, VIC_ERR_INTERNAL, "the guest did not answer");
    else if (err)
        docker_stream_break(r);
    else
        docker_stream_end(r);
}

static void on_free(void *arg)
{
    (void)arg; /* there is none */
}

void docker_container_export(struct docker_req *r)
{
    static const struct docker_relay_ops ops = {
        .on_begin = on_begin, .on_data = on_data, .on_end = on_end, .on_free = on_free};
    if (!docker_need_name(r))
        return;
    auto_free char *path = docker_intent_path("/v1/containers/%s/export", r->name);
    docker_relay_open(r, "GET", path, false, &ops, NULL);
}
