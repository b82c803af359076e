/* POST /containers/{}/update: the restart policy, and the bounds of memory, processors and processes. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/confine.h"
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

static int add_restart(cJSON *intent, const cJSON *body, const cJSON *container,
                       struct vic_err *err)
{
    cJSON *restart = docker_restart_convert(body);
    if (!restart)
        return 0;
    json_add(intent, "restart", restart);
    if (json_bool(json_member(container, "spec"), "auto_remove", false) &&
        strcmp(json_str(restart, "name", ""), "no") != 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "Restart policy cannot be updated because AutoRemove is enabled for the "
                        "container");
    return 0;
}

/* What the creator said, with what is asked for now: inspect shows it, and the bounds follow from it. */
static int add_bounds(cJSON *intent, const cJSON *body, const cJSON *container, struct vic_err *err)
{
    auto_json cJSON *said = docker_create_document(container);
    cJSON *host = cJSON_GetObjectItemCaseSensitive(said, "HostConfig");
    bool is_changed = false;
    int r = host ? docker_confine_update(host, body, &is_changed, err) : 0;
    if (r < 0 || !is_changed)
        return r;
    auto_free char *text = json_print(said);
    json_add(intent, "bounds", docker_confine_bounds(host));
    json_add_str(json_add_obj(intent, "annotations"), "docker.create", text);
    return 0;
}

static void on_container(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    auto_json cJSON *body = arg;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    struct vic_err mine;
    auto_json cJSON *intent = json_new_obj();
    if (add_restart(intent, body, doc, &mine) < 0 || add_bounds(intent, body, doc, &mine) < 0) {
        on_updated(r, &mine, NULL, NULL);
        return;
    }
    if (!intent->child) { /* nothing is asked for */
        on_updated(r, NULL, NULL, NULL);
        return;
    }
    auto_free char *path =
        docker_intent_path("/v1/containers/%s/update", json_str(doc, "id", r->name));
    docker_intent(r, "POST", path, TAKE_PTR(intent), on_updated, NULL);
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
        docker_get_container(r, r->name, on_container, TAKE_PTR(body));
}
