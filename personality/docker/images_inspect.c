/* GET /images/{}/json and /images/{}/history */
#include "personality/docker/handlers.h"
#include "personality/docker/image_json.h"
#include "personality/docker/intent.h"

static void reply(struct docker_req *r, const struct vic_err *err, const cJSON *image,
                  cJSON *(*to_json)(const cJSON *image, unsigned api))
{
    if (err)
        docker_reply_error(r, err);
    else
        docker_reply_json(r, DOCKER_OK, to_json(image, r->api));
}

static void on_inspect(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)arg;
    reply(r, err, doc, docker_image_inspect_json);
}

static void on_history(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)arg;
    reply(r, err, doc, docker_image_history_json);
}

/* An image has one platform here, so asking for another's document cannot be served. */
static bool refuse_manifests(struct docker_req *r)
{
    if (!docker_req_bool(r, "manifests") && !docker_req_bool(r, "platform"))
        return false;
    docker_reply_errorf(r, VIC_ERR_UNIMPLEMENTED,
                        "manifests and platform are not served here: an image has one platform");
    return true;
}

void docker_image_inspect(struct docker_req *r)
{
    if (!refuse_manifests(r))
        docker_get_image(r, r->name, on_inspect, NULL);
}

void docker_image_history(struct docker_req *r)
{
    if (!refuse_manifests(r))
        docker_get_image(r, r->name, on_history, NULL);
}
