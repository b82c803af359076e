/* POST /images/prune: images without a tag, or all that no container uses. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "personality/docker/handlers.h"
#include "personality/docker/image_json.h"
#include "personality/docker/images.h"
#include "personality/docker/intent.h"
#include "personality/docker/prune.h"

struct prune {
    struct docker_prune_bounds bounds;
    bool is_dangling_given, only_dangling;
    cJSON *victims;    /* owned: ids */
    const cJSON *next; /* of victims */
    cJSON *deleted;    /* owned: the answer's lines */
    int64_t bytes;     /* of all layers, before */
};

static void prune_free(struct prune *p)
{
    docker_filters_release(&p->bounds.filters);
    cJSON_Delete(p->victims);
    cJSON_Delete(p->deleted);
    free(p);
}

/* Layers go only with the last image that has them: what is gone altogether was reclaimed. */
static void on_counted(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct prune *p = arg;
    int64_t left = err ? p->bytes : json_i64(doc, "layers_size", p->bytes);
    int64_t reclaimed = left < p->bytes ? p->bytes - left : 0;
    cJSON *out = json_new_obj();
    json_add(out, "ImagesDeleted", p->deleted->child ? TAKE_PTR(p->deleted) : cJSON_CreateNull());
    json_add_i64(out, "SpaceReclaimed", reclaimed);
    docker_prune_end(r, "image", reclaimed, out);
    prune_free(p);
}

static void remove_next(struct docker_req *r, struct prune *p);

/* What a container uses, or what went meanwhile, is not there to be pruned. */
static void on_removed(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct prune *p = arg;
    if (!err)
        docker_image_add_deleted(p->deleted, doc);
    else if (err->kind != VIC_ERR_NOT_FOUND && err->kind != VIC_ERR_CONFLICT)
        vic_log(VIC_WARN, "image", p->next->valuestring, "prune: %s", err->message);
    p->next =
        err && err->kind == VIC_ERR_UNAVAILABLE ? NULL : p->next->next; /* nor would the rest */
    remove_next(r, p);
}

static void remove_next(struct docker_req *r, struct prune *p)
{
    if (!p->next || r->is_gone) {
        docker_intent(r, "GET", "/v1/images?shared=1", NULL, on_counted, p);
        return;
    }
    auto_free char *path = docker_intent_path("/v1/images/%s?force=0", p->next->valuestring);
    docker_intent(r, "DELETE", path, NULL, on_removed, p);
}

static bool has_tag(const cJSON *image)
{
    const cJSON *ref;
    cJSON_ArrayForEach(ref, json_member(image, "refs"))
    {
        if (cJSON_IsString(ref) && !strchr(ref->valuestring, '@'))
            return true;
    }
    return false;
}

static void on_images(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct prune *p = arg;
    if (err) {
        docker_reply_error(r, err);
        prune_free(p);
        return;
    }
    const cJSON *image;
    cJSON_ArrayForEach(image, json_member(doc, "images"))
    {
        int64_t created_ns = docker_image_created(image) * VIC_NS_PER_S;
        if (!(p->only_dangling && has_tag(image)) &&
            docker_prune_is_within(&p->bounds, created_ns, json_member(image, "labels")))
            json_push_str(p->victims, json_str(image, "id", ""));
    }
    p->bytes = json_i64(doc, "layers_size", 0);
    p->next = p->victims->child;
    remove_next(r, p);
}

void docker_image_prune(struct docker_req *r)
{
    static const char *const known[] = {"dangling", "label", "label!", "until", NULL};
    struct prune *p = vic_new(struct prune);
    struct vic_err err;
    p->only_dangling = true;
    p->victims = json_new_arr();
    p->deleted = json_new_arr();
    if (docker_prune_parse(r, known, &p->bounds, &err) == 0 &&
        docker_filters_bool(&p->bounds.filters, "dangling", &p->is_dangling_given,
                            &p->only_dangling, &err) == 0) {
        p->only_dangling = p->only_dangling || !p->is_dangling_given;
        docker_intent(r, "GET", "/v1/images?labels=1&shared=1", NULL, on_images, p);
        return;
    }
    docker_reply_error(r, &err);
    prune_free(p);
}
