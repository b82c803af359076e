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

#define UPDATES_MAX 64 /* of all containers, those that wait among them */

/* What is said now becomes part of what was said before, which is read first: so a container's updates stand in line,
 * or one would undo another.  The first of an id is under way, with one intent at a time. */
struct update {
    struct vic_list link;
    struct docker_req *r; /* a reference */
    cJSON *body;          /* owned */
    char *id;             /* owned; the container's */
};

static void on_current(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                       void *arg);

/* NULL: there is none. */
static struct update *first_of(const struct docker *d, const char *id)
{
    struct update *u;
    list_for_each(u, &d->updates, link)
        if (strcmp(u->id, id) == 0)
            return u;
    return NULL;
}

static void finish(struct update *take_u)
{
    struct docker *d = take_u->r->docker;
    auto_free char *id = TAKE_PTR(take_u->id);
    vic_list_remove(&take_u->link);
    d->n_updates--;
    docker_req_unref(take_u->r);
    cJSON_Delete(take_u->body);
    free(take_u);
    struct update *next = first_of(d, id);
    if (next)
        docker_get_container(next->r, id, on_current, next);
}

static void reply(struct docker_req *r, const struct vic_err *err)
{
    if (err) {
        docker_reply_errorf(r, err->kind, "Cannot update container %s: %s", r->name, err->message);
        return;
    }
    cJSON *out = json_new_obj();
    (void)json_add_arr(out, "Warnings");
    docker_reply_json(r, DOCKER_OK, out);
}

static void on_updated(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    reply(r, err);
    finish(arg);
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

/* doc is what the last update has left. */
static void on_current(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct update *u = arg;
    struct vic_err mine;
    auto_json cJSON *intent = json_new_obj();
    if (err) {
        docker_reply_error(r, err);
        finish(u);
    } else if (add_restart(intent, u->body, doc, &mine) < 0 ||
               add_bounds(intent, u->body, doc, &mine) < 0) {
        on_updated(r, &mine, NULL, u);
    } else if (!intent->child) { /* nothing is asked for */
        on_updated(r, NULL, NULL, u);
    } else {
        auto_free char *path = docker_intent_path("/v1/containers/%s/update", u->id);
        docker_intent(r, "POST", path, TAKE_PTR(intent), on_updated, u);
    }
}

/* Which container it is: where it stands in line. */
static void on_container(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    auto_json cJSON *body = arg;
    struct docker *d = r->docker;
    if (err || d->n_updates >= UPDATES_MAX) {
        if (err)
            docker_reply_error(r, err);
        else
            docker_reply_errorf(r, VIC_ERR_UNAVAILABLE, "more than %d updates at once",
                                UPDATES_MAX);
        return;
    }
    struct update *u = vic_new(struct update);
    *u = (struct update){
        .r = docker_req_ref(r), .body = TAKE_PTR(body), .id = vic_xstrdup(json_str(doc, "id", ""))};
    vic_list_append(&d->updates, &u->link);
    d->n_updates++;
    if (first_of(d, u->id) == u)
        docker_get_container(r, u->id, on_current, u);
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
