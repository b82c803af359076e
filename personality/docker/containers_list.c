/* GET /containers/json, with every filter that can match something here. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "personality/docker/containers.h"
#include "personality/docker/filters.h"
#include "personality/docker/handlers.h"
#include "personality/docker/health.h"
#include "personality/docker/images.h"
#include "personality/docker/intent.h"
#include "personality/docker/list_cache.h"
#include "personality/docker/text.h"

static const char *const known_filters[] = {
    "ancestor", "before", "exited",  "expose",  "health", "id",     "isolation", "is-task",
    "label",    "name",   "network", "publish", "since",  "status", "volume",    NULL};

/* One listing; freed when it is answered. */
struct list {
    struct docker_filters filters;
    bool is_all;
    bool with_size;
    bool is_plain; /* nothing is asked for but all of them, or those that run */
    int64_t limit;
    cJSON *ancestors; /* owned: ids of the images named by the filter; NULL when not asked */
    cJSON *images;    /* owned: for sizes; NULL when not asked */
    bool is_task_given;
    bool is_task;
};

static void list_free(struct list *l)
{
    docker_filters_release(&l->filters);
    cJSON_Delete(l->ancestors);
    cJSON_Delete(l->images);
    free(l);
}

static bool matches_exited(const struct list *l, const cJSON *state)
{
    char *const *codes = docker_filters_get(&l->filters, "exited");
    if (!codes)
        return true;
    if (docker_state_is_running(state) || json_str(state, "started_at", "")[0] == '\0')
        return false;
    for (; *codes; codes++) {
        int64_t code;
        if (vic_str_to_i64(*codes, INT32_MIN, INT32_MAX, &code) == 0 &&
            code == json_i64(state, "exit_code", 0))
            return true;
    }
    return false;
}

static bool matches_ports(const struct list *l, const cJSON *config)
{
    char *const *ports = docker_filters_get(&l->filters, "expose");
    if (docker_filters_get(&l->filters, "publish"))
        return false; /* no port is published */
    if (!ports)
        return true;
    for (; *ports; ports++) {
        auto_free char *tcp = vic_xasprintf("%s/tcp", *ports);
        const char *key = strchr(*ports, '/') ? *ports : tcp;
        if (cJSON_GetObjectItemCaseSensitive(json_member(config, "ExposedPorts"), key))
            return true;
    }
    return false;
}

static bool matches_network(const struct list *l, const cJSON *container)
{
    char *const *wanted = docker_filters_get(&l->filters, "network");
    if (!wanted)
        return true;
    const cJSON *n;
    cJSON_ArrayForEach(n, json_member(container, "networks"))
    {
        for (char *const *w = wanted; *w; w++)
            if (strcmp(*w, json_str(n, "name", "")) == 0 ||
                (**w && vic_str_starts_with(json_str(n, "id", ""), *w)))
                return true;
    }
    return !json_member(container, "networks")->child && vic_strv_contains(wanted, "none");
}

static bool matches_ancestor(const struct list *l, const cJSON *container)
{
    return !l->ancestors ||
           cJSON_GetObjectItemCaseSensitive(l->ancestors, json_str(container, "image", ""));
}

static bool matches_name(const struct list *l, const cJSON *container)
{
    auto_free char *slashed = vic_xasprintf("/%s", json_str(container, "name", ""));
    return docker_filters_match_regex(&l->filters, "name", slashed + 1) ||
           docker_filters_match_regex(&l->filters, "name", slashed);
}

static bool is_wanted(const struct list *l, const cJSON *container)
{
    const struct docker_filters *f = &l->filters;
    const cJSON *state = json_member(container, "state");
    if (!l->is_all && l->limit <= 0 && !docker_state_is_running(state))
        return false;
    if (l->is_task_given && l->is_task)
        return false; /* tasks need a swarm */
    if (docker_filters_get(f, "volume") ||
        !docker_filters_match_exact(f, "health", docker_health_status(state)) ||
        !docker_filters_match_exact(f, "isolation", "default") ||
        !docker_filters_match_exact(f, "status", docker_text_state(state)) ||
        !docker_filters_match_regex(f, "id", json_str(container, "id", "")) ||
        !matches_name(l, container) || !matches_ancestor(l, container) ||
        !matches_network(l, container) || !matches_exited(l, state))
        return false;
    if (!docker_filters_get(f, "label") && !docker_filters_get(f, "expose") &&
        !docker_filters_get(f, "publish"))
        return true;
    auto_json cJSON *said = docker_create_document(container);
    const cJSON *config = json_member(said, "Config");
    return docker_filters_match_kv(f, "label", json_member(config, "Labels")) &&
           matches_ports(l, config);
}

static const cJSON *find_container(const cJSON *containers, const char *ref)
{
    const cJSON *prefixed = NULL;
    const cJSON *c;
    cJSON_ArrayForEach(c, containers)
    {
        if (strcmp(json_str(c, "id", ""), ref) == 0 || strcmp(json_str(c, "name", ""), ref) == 0)
            return c;
        if (!prefixed && ref[0] && vic_str_starts_with(json_str(c, "id", ""), ref))
            prefixed = c;
    }
    return prefixed;
}

/* before and since name a container; the list is newest first. */
static int find_bound(const struct list *l, const cJSON *containers, const char *filter,
                      const cJSON **ret, struct vic_err *err)
{
    *ret = NULL;
    char *const *values = docker_filters_get(&l->filters, filter);
    for (; values && *values; values++) {
        const char *name = **values == '/' ? *values + 1 : *values;
        *ret = find_container(containers, name);
        if (!*ret)
            return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "No such container: %s", name);
    }
    return 0;
}

static int summarise(const struct list *l, const cJSON *containers, cJSON *out, struct vic_err *err)
{
    const cJSON *before;
    const cJSON *since;
    int r = find_bound(l, containers, "before", &before, err);
    if (r < 0 || (r = find_bound(l, containers, "since", &since, err)) < 0)
        return r;
    const cJSON *images = json_member(l->images, "images");
    int64_t now_ns = vic_clock_wall_ns();
    int64_t n = 0;
    const cJSON *c;
    cJSON_ArrayForEach(c, containers)
    {
        if (c == since)
            break;
        if (before) {
            before = c == before ? NULL : before;
            continue;
        }
        if (!is_wanted(l, c))
            continue;
        json_push(out, docker_summary_json(c, images, now_ns, l->with_size));
        if (l->limit > 0 && ++n >= l->limit)
            break;
    }
    return 0;
}

static void on_containers(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                          void *arg)
{
    struct list *l = arg;
    if (err) {
        docker_reply_error(r, err);
    } else if (!r->is_gone) {
        struct vic_err mine;
        auto_json cJSON *out = json_new_arr();
        /* The document is ours until this returns; sizes are noted in it. */
        cJSON *containers = cJSON_GetObjectItemCaseSensitive(doc, "containers");
        if (l->with_size)
            docker_note_image_sizes(containers, json_member(l->images, "images"));
        if (summarise(l, containers, out, &mine) < 0)
            docker_reply_error(r, &mine);
        else
            docker_reply_json(r, DOCKER_OK, TAKE_PTR(out));
    }
    list_free(l);
}

/* Names that are no image match nothing, as in Docker. */
static void on_images(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct list *l = arg;
    if (err) {
        docker_reply_error(r, err);
        list_free(l);
        return;
    }
    char *const *names = docker_filters_get(&l->filters, "ancestor");
    if (names)
        l->ancestors = json_new_obj();
    for (; names && *names; names++) {
        const cJSON *image;
        if (docker_image_find(json_member(doc, "images"), *names, &image, NULL) == 0)
            json_add_bool(l->ancestors, json_str(image, "id", ""), true);
    }
    l->images = json_dup(doc);
    docker_intent(r, "GET", l->with_size ? "/v1/containers?size=1" : "/v1/containers", NULL,
                  on_containers, l);
}

static bool is_one_of(const char *value, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], value) == 0)
            return true;
    return false;
}

static int check_values(struct list *l, struct vic_err *err)
{
    static const char *const healths[] = {"none", "starting", "healthy", "unhealthy"};
    static const char *const states[] = {"created",  "running", "paused", "restarting",
                                         "removing", "exited",  "dead"};
    char *const *v = docker_filters_get(&l->filters, "status");
    l->is_all = l->is_all || v;
    for (; v && *v; v++) {
        if (!is_one_of(*v, states, ARRAY_SIZE(states)))
            return vic_fail(err, VIC_ERR_INVALID, 0,
                            "invalid value for state (%s): must be one of created, running, "
                            "paused, restarting, removing, exited, dead",
                            *v);
    }
    for (v = docker_filters_get(&l->filters, "health"); v && *v; v++)
        if (!is_one_of(*v, healths, ARRAY_SIZE(healths)))
            return vic_fail(err, VIC_ERR_INVALID, 0,
                            "invalid value for health (%s): must be one of none, starting, "
                            "healthy, unhealthy",
                            *v);
    int64_t code;
    for (v = docker_filters_get(&l->filters, "exited"); v && *v; v++)
        if (vic_str_to_i64(*v, INT32_MIN, INT32_MAX, &code) < 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid filter 'exited=[%s]'", *v);
    int r = docker_filters_compile(&l->filters, "name", err);
    if (r < 0 || (r = docker_filters_compile(&l->filters, "id", err)) < 0)
        return r;
    return docker_filters_bool(&l->filters, "is-task", &l->is_task_given, &l->is_task, err);
}

static int parse(const struct docker_req *r, struct list *l, struct vic_err *err)
{
    l->is_all = docker_req_bool(r, "all");
    l->with_size = docker_req_bool(r, "size");
    const char *limit = docker_req_query_or(r, "limit", "");
    if (limit[0] && vic_str_to_i64(limit, INT32_MIN, INT32_MAX, &l->limit) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid value for limit: \"%s\"", limit);
    int res = docker_filters_parse(docker_req_query(r, "filters"), known_filters, &l->filters, err);
    l->is_plain = !l->with_size && l->limit <= 0 && l->filters.n == 0;
    return res < 0 ? res : check_values(l, err);
}

void docker_container_list(struct docker_req *r)
{
    struct list *l = vic_new(struct list);
    struct vic_err err;
    if (parse(r, l, &err) < 0) {
        docker_reply_error(r, &err);
        list_free(l);
    } else if (l->is_plain) {
        docker_list_cache_reply(r, l->is_all);
        list_free(l);
    } else {
        docker_intent(r, "GET", "/v1/images", NULL, on_images, l);
    }
}
