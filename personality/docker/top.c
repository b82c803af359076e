/* GET /containers/{}/top */
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/ps.h"

static void on_processes(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    auto_free struct docker_ps *ps = arg;
    if (err)
        docker_reply_container_error(r, err);
    else
        docker_reply_json(r, DOCKER_OK,
                          docker_ps_json(ps, doc, vic_clock_wall_ns() / VIC_NS_PER_S));
}

void docker_container_top(struct docker_req *r)
{
    const char *args = docker_req_query_or(r, "ps_args", "");
    struct docker_ps *ps = vic_new(struct docker_ps);
    struct vic_err err;
    if (!docker_need_name(r)) {
        free(ps);
        return;
    }
    if (docker_ps_parse(args[0] ? args : "-ef", ps, &err) < 0) {
        docker_reply_error(r, &err);
        free(ps);
        return;
    }
    auto_free char *path = docker_intent_path("/v1/containers/%s/processes", r->name);
    docker_intent(r, "GET", path, NULL, on_processes, ps);
}
