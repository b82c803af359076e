/* POST /containers/prune, and the prunes that find nothing here. */
#include "personality/docker/prune.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/moment.h"
#include "personality/docker/text.h"

/* ---- filters ---------------------------------------------------------------------------------------------- */

int docker_prune_parse(const struct docker_req *r, const char *const *known,
                       struct docker_prune_bounds *ret, struct vic_err *err)
{
    int res = docker_filters_parse(docker_req_query(r, "filters"), known, &ret->filters, err);
    char *const *until = res < 0 ? NULL : docker_filters_get(&ret->filters, "until");
    if (!until)
        return res;
    if (until[1])
        return vic_fail(err, VIC_ERR_INVALID, 0, "more than one until filter specified");
    ret->has_until = true;
    return docker_moment_parse(until[0], vic_clock_wall_ns(), &ret->until_ns, err);
}

bool docker_prune_is_within(const struct docker_prune_bounds *b, int64_t created_ns,
                            const cJSON *labels)
{
    return (!b->has_until || created_ns <= b->until_ns) &&
           docker_filters_match_kv(&b->filters, "label", labels) &&
           docker_filters_match_no_kv(&b->filters, "label!", labels);
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static void on_noted(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)err; /* it is done, whoever hears of it */
    (void)doc;
    docker_reply_json(r, DOCKER_OK, arg);
}

void docker_prune_end(struct docker_req *r, const char *type, int64_t reclaimed, cJSON *take_out)
{
    cJSON *event = json_new_obj();
    json_add_str(event, "type", type);
    json_add_str(event, "action", "prune");
    json_addf(json_add_obj(event, "attributes"), "reclaimed", "%" PRId64, reclaimed);
    docker_intent(r, "POST", "/v1/events", event, on_noted, take_out);
}

/* ---- containers ------------------------------------------------------------------------------------------- */

struct prune {
    cJSON *victims; /* owned: rows of the port layer's list */
    cJSON *next;    /* of victims */
    cJSON *deleted; /* owned */
    int64_t reclaimed;
};

static void prune_end(struct docker_req *r, struct prune *p)
{
    cJSON *out = json_new_obj();
    json_add(out, "ContainersDeleted",
             p->deleted->child ? TAKE_PTR(p->deleted) : cJSON_CreateNull());
    json_add_i64(out, "SpaceReclaimed", p->reclaimed);
    docker_prune_end(r, "container", p->reclaimed, out);
    cJSON_Delete(p->victims);
    cJSON_Delete(p->deleted);
    free(p);
}

static void remove_next(struct docker_req *r, struct prune *p);

/* What was started or removed meanwhile is no error: it is not there to be pruned. */
static void on_removed(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    struct prune *p = arg;
    if (!err) {
        json_push_str(p->deleted, json_str(p->next, "id", ""));
        p->reclaimed += json_i64(p->next, "size_bytes", 0);
    } else if (err->kind != VIC_ERR_NOT_FOUND && err->kind != VIC_ERR_CONFLICT) {
        vic_log(VIC_WARN, "container", json_str(p->next, "id", ""), "prune: %s", err->message);
    }
    p->next =
        err && err->kind == VIC_ERR_UNAVAILABLE ? NULL : p->next->next; /* nor would the rest */
    remove_next(r, p);
}

static void remove_next(struct docker_req *r, struct prune *p)
{
    if (!p->next || r->is_gone) {
        prune_end(r, p);
        return;
    }
    auto_free char *path =
        docker_intent_path("/v1/containers/%s?force=0", json_str(p->next, "id", ""));
    docker_intent(r, "DELETE", path, NULL, on_removed, p);
}

static bool is_victim(const struct docker_prune_bounds *b, const cJSON *container)
{
    int64_t created_ns = 0;
    (void)vic_clock_parse_rfc3339(json_str(container, "created_at", ""), &created_ns);
    auto_json cJSON *said = docker_create_document(container);
    return !docker_state_is_running(json_member(container, "state")) &&
           docker_prune_is_within(b, created_ns,
                                  json_member(json_member(said, "Config"), "Labels"));
}

static void on_containers(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                          void *arg)
{
    struct docker_prune_bounds *b = arg;
    if (err) {
        docker_reply_error(r, err);
    } else {
        struct prune *p = vic_new(struct prune);
        p->deleted = json_new_arr();
        p->victims = json_new_arr();
        const cJSON *c;
        cJSON_ArrayForEach(c, json_member(doc, "containers"))
        {
            if (is_victim(b, c))
                json_push(p->victims, json_dup(c));
        }
        p->next = p->victims->child;
        remove_next(r, p);
    }
    docker_filters_release(&b->filters);
    free(b);
}

static const char *const known_filters[] = {"label", "label!", "until", NULL};

void docker_container_prune(struct docker_req *r)
{
    struct docker_prune_bounds *b = vic_new(struct docker_prune_bounds);
    struct vic_err err;
    if (docker_prune_parse(r, known_filters, b, &err) == 0) {
        docker_intent(r, "GET", "/v1/containers?size=1", NULL, on_containers, b);
        return;
    }
    docker_reply_error(r, &err);
    docker_filters_release(&b->filters);
    free(b);
}

/* ---- what is never there ------------------------------------------------------------------------------------ */

static void reply_nothing(struct docker_req *r, const char *const *known, const char *type,
                          const char *member, bool with_space)
{
    struct vic_err err;
    struct docker_prune_bounds b = {0};
    if (docker_prune_parse(r, known, &b, &err) < 0) {
        docker_reply_error(r, &err);
    } else {
        cJSON *out = json_new_obj();
        json_add_null(out, member);
        if (with_space)
            json_add_i64(out, "SpaceReclaimed", 0);
        docker_prune_end(r, type, 0, out);
    }
    docker_filters_release(&b.filters);
}

/* The networks here are Docker's predefined ones, which are never pruned. */
void docker_network_prune(struct docker_req *r)
{
    reply_nothing(r, known_filters, "network", "NetworksDeleted", false);
}

void docker_volume_prune(struct docker_req *r)
{
    static const char *const known[] = {"all", "label", "label!", NULL};
    reply_nothing(r, known, "volume", "VolumesDeleted", true);
}

void docker_build_prune(struct docker_req *r)
{
    static const char *const known[] = {"description", "id",   "inuse", "parent", "private",
                                        "shared",      "type", "until", NULL};
    reply_nothing(r, known, "builder", "CachesDeleted", true);
}
