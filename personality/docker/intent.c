/* The way from a request to the port layer and back. */
#include "personality/docker/intent.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/images.h"

struct intent {
    struct docker_req *req; /* a reference */
    docker_intent_fn done;
    void *arg;
};

static void on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct intent *i = arg;
    struct vic_err empty;
    if (!err && !doc) { /* an intent that answers with nothing is served with an empty document */
        auto_json cJSON *none = json_new_obj();
        i->done(i->req, NULL, none, i->arg);
    } else if (err) {
        empty = *err;
        i->done(i->req, &empty, NULL, i->arg);
    } else {
        i->done(i->req, NULL, doc, i->arg);
    }
    docker_req_unref(i->req);
    free(i);
}

void docker_intent(struct docker_req *r, const char *method, const char *path, cJSON *body,
                   docker_intent_fn done, void *arg)
{
    auto_json cJSON *owned = body;
    struct intent *i = vic_new(struct intent);
    *i = (struct intent){.req = docker_req_ref(r), .done = done, .arg = arg};
    struct vic_err err;
    if (host_rpc_call(r->docker->pl, method, path, owned, on_answer, i, &err) < 0)
        on_answer(&err, NULL, i);
}

char *docker_intent_path(const char *fmt, const char *ref)
{
    auto_free char *encoded = rpc_encode(ref);
    const char *hole = strstr(fmt, "%s");
    return vic_xasprintf("%.*s%s%s", (int)(hole - fmt), fmt, encoded, hole + 2);
}

void docker_reply_container_error(struct docker_req *r, const struct vic_err *err)
{
    if (err->kind == VIC_ERR_NOT_FOUND)
        docker_reply_errorf(r, VIC_ERR_NOT_FOUND, "No such container: %s", r->name);
    else
        docker_reply_error(r, err);
}

void docker_intent_reply_no_content(struct docker_req *r, const struct vic_err *err,
                                    const cJSON *doc, void *arg)
{
    (void)doc; /* says nothing Docker tells */
    (void)arg;
    if (err)
        docker_reply_container_error(r, err);
    else
        docker_reply_empty(r, DOCKER_NO_CONTENT);
}

bool docker_need_name(struct docker_req *r)
{
    if (!vic_str_is_empty(r->name))
        return true;
    docker_reply_errorf(r, VIC_ERR_INVALID, "invalid name or ID supplied: \"\"");
    return false;
}

struct get {
    docker_intent_fn done;
    void *arg;
    char *ref;
};

static void get_done(struct docker_req *r, struct get *g, const struct vic_err *err,
                     const cJSON *doc)
{
    g->done(r, err, doc, g->arg);
    free(g->ref);
    free(g);
}

static void on_container(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    struct get *g = arg;
    struct vic_err mine;
    if (err && err->kind == VIC_ERR_NOT_FOUND) {
        (void)vic_fail(&mine, VIC_ERR_NOT_FOUND, 0, "No such container: %s", g->ref);
        err = &mine;
    }
    get_done(r, g, err, doc);
}

void docker_reply_name_taken(struct docker_req *r, const char *name, const char *message,
                             const char *holder)
{
    if (holder)
        docker_reply_errorf(r, VIC_ERR_CONFLICT,
                            "Conflict. The container name \"/%s\" is already in use by container "
                            "\"%s\". You have to remove (or rename) that container to be able to "
                            "reuse that name.",
                            name, holder);
    else
        docker_reply_errorf(r, VIC_ERR_CONFLICT, "Conflict. %s", message);
}

void docker_get_container(struct docker_req *r, const char *ref, docker_intent_fn done, void *arg)
{
    struct get *g = vic_new(struct get);
    *g = (struct get){.done = done, .arg = arg, .ref = vic_xstrdup(ref)};
    auto_free char *path = docker_intent_path("/v1/containers/%s", ref);
    docker_intent(r, "GET", path, NULL, on_container, g);
}

static void on_image(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct get *g = arg;
    struct vic_err mine;
    if (err && err->kind == VIC_ERR_NOT_FOUND) { /* removed since it was listed */
        (void)vic_fail(&mine, VIC_ERR_NOT_FOUND, 0, "No such image: %s", g->ref);
        err = &mine;
    }
    get_done(r, g, err, doc);
}

static void on_images(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct get *g = arg;
    const cJSON *image;
    struct vic_err mine;
    if (!err && docker_image_find(json_member(doc, "images"), g->ref, &image, &mine) < 0)
        err = &mine;
    if (err) {
        get_done(r, g, err, NULL);
        return;
    }
    auto_free char *path = docker_intent_path("/v1/images/%s", json_str(image, "id", ""));
    docker_intent(r, "GET", path, NULL, on_image, g);
}

void docker_get_image(struct docker_req *r, const char *ref, docker_intent_fn done, void *arg)
{
    struct get *g = vic_new(struct get);
    *g = (struct get){.done = done, .arg = arg, .ref = vic_xstrdup(ref)};
    docker_intent(r, "GET", "/v1/images", NULL, on_images, g);
}

cJSON *docker_create_document(const cJSON *container)
{
    const char *text = json_str(json_member(container, "annotations"), "docker.create", "");
    cJSON *doc = NULL;
    if (json_parse(text, strlen(text), &doc, NULL) < 0)
        return json_new_obj();
    return doc;
}
