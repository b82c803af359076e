/* GET /containers/{}/json */
#include "personality/docker/containers.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"

static void on_container(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    (void)arg;
    if (err)
        docker_reply_container_error(r, err);
    else
        docker_reply_json(r, DOCKER_OK, docker_inspect_json(doc, docker_req_bool(r, "size")));
}

/* The size of what is below the container's disk is the image's. */
static void on_sized(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    cJSON *container = arg;
    json_add_i64(container, "image_size_bytes", err ? 0 : json_i64(doc, "size", 0));
    on_container(r, NULL, container, NULL);
    cJSON_Delete(container);
}

static void on_container_to_size(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                                 void *arg)
{
    if (err) {
        on_container(r, err, doc, arg);
        return;
    }
    auto_free char *path = docker_intent_path("/v1/images/%s", json_str(doc, "image", ""));
    docker_intent(r, "GET", path, NULL, on_sized, json_dup(doc));
}

void docker_container_inspect(struct docker_req *r)
{
    if (!docker_need_name(r))
        return;
    bool with_size = docker_req_bool(r, "size");
    auto_free char *path =
        docker_intent_path(with_size ? "/v1/containers/%s?size=1" : "/v1/containers/%s", r->name);
    docker_intent(r, "GET", path, NULL, with_size ? on_container_to_size : on_container, NULL);
}
