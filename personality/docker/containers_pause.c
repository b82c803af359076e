/* POST /containers/{}/pause and /unpause */
#include "lib/base/alloc.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"

/* To unpause what is not paused is a server's error, in Docker's eyes. */
static void on_unpaused(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                        void *arg)
{
    if (err && err->kind == VIC_ERR_CONFLICT)
        docker_reply_errorf(r, VIC_ERR_INTERNAL, "%s", err->message);
    else
        docker_intent_reply_no_content(r, err, doc, arg);
}

static void ask(struct docker_req *r, const char *path_fmt, docker_intent_fn done)
{
    if (!docker_need_name(r))
        return;
    auto_free char *path = docker_intent_path(path_fmt, r->name);
    docker_intent(r, "POST", path, NULL, done, NULL);
}

void docker_container_pause(struct docker_req *r)
{
    ask(r, "/v1/containers/%s/pause", docker_intent_reply_no_content);
}

void docker_container_unpause(struct docker_req *r)
{
    ask(r, "/v1/containers/%s/unpause", on_unpaused);
}
