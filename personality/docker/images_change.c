/* POST /images/{}/tag and DELETE /images/{} */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/id.h"
#include "lib/base/str.h"
#include "personality/docker/handlers.h"
#include "personality/docker/images.h"
#include "personality/docker/intent.h"
#include "personality/docker/text.h"

/* ---- tag ------------------------------------------------------------------------------------------------- */

static void on_tagged(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    (void)arg;
    if (err)
        docker_reply_error(r, err);
    else
        docker_reply_empty(r, DOCKER_CREATED);
}

static int tag_ref(const struct docker_req *r, char **ret_ref, struct vic_err *err)
{
    const char *repo = docker_req_query_or(r, "repo", "");
    const char *tag = docker_req_query_or(r, "tag", "");
    auto_free char *text = tag[0] ? vic_xasprintf("%s:%s", repo, tag) : vic_xstrdup(repo);
    if (strchr(text, '@'))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "refusing to create a tag with a digest reference");
    return docker_image_normalise(text, ret_ref, err);
}

static void on_images_to_tag(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                             void *arg)
{
    (void)arg;
    const cJSON *image;
    auto_free char *ref = NULL;
    struct vic_err mine;
    if (!err && (tag_ref(r, &ref, &mine) < 0 ||
                 docker_image_find(json_member(doc, "images"), r->name, &image, &mine) < 0))
        err = &mine;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    cJSON *body = json_new_obj();
    json_add_str(body, "ref", ref);
    auto_free char *path = docker_intent_path("/v1/images/%s/refs", json_str(image, "id", ""));
    docker_intent(r, "POST", path, body, on_tagged, NULL);
}

void docker_image_tag(struct docker_req *r)
{
    docker_intent(r, "GET", "/v1/images", NULL, on_images_to_tag, NULL);
}

/* ---- delete ------------------------------------------------------------------------------------------------ */

struct delete
{
    cJSON *image;  /* owned */
    char *ref;     /* owned; the full reference asked for; NULL when asked by id */
    char **untag;  /* owned: the references to take away when the image stays */
    size_t next;   /* of untag */
    cJSON *answer; /* owned */
};

static void delete_free(struct delete *d)
{
    cJSON_Delete(d->image);
    cJSON_Delete(d->answer);
    vic_strv_free(d->untag);
    free(d->ref);
    free(d);
}

static void add_line(cJSON *answer, const char *what, const char *value)
{
    cJSON *line = json_new_obj();
    json_add_str(line, what, value);
    json_push(answer, line);
}

static void add_untagged(cJSON *answer, const char *ref)
{
    auto_free char *familiar = docker_image_familiar(ref);
    add_line(answer, "Untagged", familiar);
}

static void untag_next(struct docker_req *r, struct delete *d);

static void on_untagged(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                        void *arg)
{
    struct delete *d = arg;
    (void)doc;
    if (err) {
        docker_reply_error(r, err);
        delete_free(d);
        return;
    }
    add_untagged(d->answer, d->untag[d->next++]);
    untag_next(r, d);
}

static void untag_next(struct docker_req *r, struct delete *d)
{
    if (!d->untag[d->next]) {
        docker_reply_json(r, DOCKER_OK, TAKE_PTR(d->answer));
        delete_free(d);
        return;
    }
    auto_free char *path = docker_intent_path("/v1/refs?ref=%s", d->untag[d->next]);
    docker_intent(r, "DELETE", path, NULL, on_untagged, d);
}

void docker_image_add_deleted(cJSON *answer, const cJSON *doc)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, json_member(doc, "untagged"))
    {
        if (cJSON_IsString(e))
            add_untagged(answer, e->valuestring);
    }
    cJSON_ArrayForEach(e, json_member(doc, "deleted"))
    {
        if (cJSON_IsString(e))
            add_line(answer, "Deleted", e->valuestring);
    }
}

static void on_deleted(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct delete *d = arg;
    if (err) {
        docker_reply_error(r, err);
    } else {
        docker_image_add_deleted(d->answer, doc);
        docker_reply_json(r, DOCKER_OK, TAKE_PTR(d->answer));
    }
    delete_free(d);
}

static const char *short_id(const char *id)
{
    return vic_str_starts_with(id, "sha256:") ? id + strlen("sha256:") : id;
}

/* A reference as the port layer lists it. */
static const char *text_of(const cJSON *ref)
{
    return cJSON_IsString(ref) ? ref->valuestring : "";
}

/* The repository of a reference: all before its tag or digest. */
static size_t repository_len(const char *ref)
{
    const char *slash = strrchr(ref, '/');
    const char *at = strchr(ref, '@');
    const char *end = at ? at : strchr(slash ? slash : ref, ':');
    return end ? (size_t)(end - ref) : strlen(ref);
}

static bool same_repository(const char *a, const char *b)
{
    size_t len = repository_len(a);
    return len == repository_len(b) && strncmp(a, b, len) == 0;
}

/* What goes with d->ref: itself and, after the repository's last tag, its digests.  *ret_others: how
 * many references remain. */
static void plan_untag(struct delete *d, size_t *ret_others)
{
    const cJSON *refs = json_member(d->image, "refs");
    const cJSON *e;
    bool has_other_tag = false;
    size_t n = 0;
    cJSON_ArrayForEach(e, refs)
    {
        n++;
        if (strcmp(text_of(e), d->ref) != 0 && !strchr(text_of(e), '@') &&
            same_repository(text_of(e), d->ref))
            has_other_tag = true;
    }
    d->untag = vic_strv_append(NULL, d->ref);
    cJSON_ArrayForEach(e, refs)
    {
        if (!has_other_tag && strcmp(text_of(e), d->ref) != 0 && strchr(text_of(e), '@') &&
            same_repository(text_of(e), d->ref))
            d->untag = vic_strv_append(d->untag, text_of(e));
    }
    *ret_others = n - vic_strv_len(d->untag);
}

static size_t count_repositories(const cJSON *refs)
{
    size_t n = 0;
    const cJSON *e;
    cJSON_ArrayForEach(e, refs)
    {
        bool is_new = true;
        for (const cJSON *before = refs->child; before != e; before = before->next)
            is_new = is_new && !same_repository(text_of(before), text_of(e));
        n += is_new;
    }
    return n;
}

static const cJSON *find_user(const cJSON *containers, const char *image_id, bool is_running)
{
    const cJSON *c;
    cJSON_ArrayForEach(c, containers)
    {
        if (strcmp(json_str(c, "image", ""), image_id) == 0 &&
            docker_state_is_running(json_member(c, "state")) == is_running)
            return c;
    }
    return NULL;
}

static int check_users(const struct docker_req *r, const struct delete *d, const cJSON *containers,
                       struct vic_err *err)
{
    const char *id = json_str(d->image, "id", "");
    bool force = docker_req_bool(r, "force");
    const cJSON *running = find_user(containers, id, true);
    const cJSON *stopped = find_user(containers, id, false);
    const char *user = json_str(running ? running : stopped, "id", "");
    if (d->ref && !force && (running || stopped))
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "conflict: unable to remove repository reference \"%s\" (must force) - "
                        "container %.12s is using its referenced image %.12s",
                        r->name, user, short_id(id));
    if (!d->ref && !force && count_repositories(json_member(d->image, "refs")) > 1)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "conflict: unable to delete %.12s (must be forced) - image is referenced "
                        "in multiple repositories",
                        short_id(id));
    if (running && !d->ref)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "conflict: unable to delete %.12s (cannot be forced) - image is being used "
                        "by running container %.12s",
                        short_id(id), user);
    if (stopped && !force)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "conflict: unable to delete %.12s (must be forced) - image is being used "
                        "by stopped container %.12s",
                        short_id(id), user);
    return 0;
}

static void on_containers(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                          void *arg)
{
    struct delete *d = arg;
    struct vic_err mine;
    if (!err && check_users(r, d, json_member(doc, "containers"), &mine) < 0)
        err = &mine;
    if (err) {
        docker_reply_error(r, err);
        delete_free(d);
        return;
    }
    const char *id = json_str(d->image, "id", "");
    if (d->ref && find_user(json_member(doc, "containers"), id, true)) {
        untag_next(r, d); /* forced, but in use: it stays without its names, as in Docker */
        return;
    }
    auto_free char *encoded = rpc_encode(id);
    auto_free char *path =
        vic_xasprintf("/v1/images/%s?force=%d", encoded, docker_req_bool(r, "force"));
    docker_intent(r, "DELETE", path, NULL, on_deleted, d);
}

static bool has_ref(const cJSON *image, const char *ref)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, json_member(image, "refs"))
    {
        if (cJSON_IsString(e) && strcmp(e->valuestring, ref) == 0)
            return true;
    }
    return false;
}

static void on_images_to_delete(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                                void *arg)
{
    (void)arg;
    const cJSON *image;
    struct vic_err mine;
    if (!err && docker_image_find(json_member(doc, "images"), r->name, &image, &mine) < 0)
        err = &mine;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    struct delete *d = vic_new(struct delete);
    d->image = json_dup(image);
    d->answer = json_new_arr();
    if (docker_image_normalise(r->name, &d->ref, NULL) < 0 || !has_ref(image, d->ref)) {
        free(d->ref);
        d->ref = NULL;
    }
    size_t others = 0;
    if (d->ref)
        plan_untag(d, &others);
    if (others > 0)
        untag_next(r, d);
    else
        docker_intent(r, "GET", "/v1/containers", NULL, on_containers, d);
}

void docker_image_delete(struct docker_req *r)
{
    if (docker_req_bool(r, "platforms"))
        docker_reply_errorf(r, VIC_ERR_UNIMPLEMENTED,
                            "platforms is not served here: an image has one platform");
    else /* noprune may be given: there are no parents that could go too */
        docker_intent(r, "GET", "/v1/images", NULL, on_images_to_delete, NULL);
}
