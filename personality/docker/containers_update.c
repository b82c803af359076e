/* POST /containers/{}/update: its restart policy. */
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/convert.h"
#include "personality/docker/fields.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"

static void on_updated(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    (void)arg;
    if (err) {
        docker_reply_errorf(r, err->kind, "Cannot update container %s: %s", r->name, err->message);
        return;
    }
    cJSON *out = json_new_obj();
    (void)json_add_arr(out, "Warnings");
    docker_reply_json(r, DOCKER_OK, out);
}

static void on_container(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    auto_json cJSON *restart = arg;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    if (!restart) { /* nothing is asked for */
        on_updated(r, NULL, NULL, NULL);
        return;
    }
    if (json_bool(json_member(doc, "spec"), "auto_remove", false) &&
        !vic_str_eq(json_str(restart, "name", ""), "no")) {
        docker_reply_errorf(r, VIC_ERR_CONFLICT,
                            "Cannot update container %s: Restart policy cannot be updated because "
                            "AutoRemove is enabled for the container",
                            r->name);
        return;
    }
    auto_free char *path =
        docker_intent_path("/v1/containers/%s/restart-policy", json_str(doc, "id", r->name));
    docker_intent(r, "POST", path, TAKE_PTR(restart), on_updated, NULL);
}

void docker_container_update(struct docker_req *r)
{
    auto_json cJSON *body = NULL;
    struct vic_err err;
    if (!docker_need_name(r))
        return;
    if (docker_req_json(r, &body, &err) < 0 ||
        docker_fields_check(body, DOCKER_FIELD_UPDATE, &err) < 0 ||
        docker_restart_check(body, &err) < 0)
        docker_reply_error(r, &err);
    else
        docker_get_container(r, r->name, on_container, docker_restart_convert(body));
}
