/* GET /images/json */
#include <fnmatch.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "personality/docker/filters.h"
#include "personality/docker/handlers.h"
#include "personality/docker/image_json.h"
#include "personality/docker/images.h"
#include "personality/docker/intent.h"
#include "personality/docker/moment.h"

static const char *const known_filters[] = {"before", "dangling", "label", "reference",
                                            "since",  "until",    NULL};

/* A pattern is for the name, with or without tag. */
static bool matches_pattern(const char *pattern, const char *ref)
{
    auto_free char *familiar = docker_image_familiar(ref);
    if (fnmatch(pattern, familiar, FNM_PATHNAME) == 0 || fnmatch(pattern, ref, FNM_PATHNAME) == 0)
        return true;
    char *slash = strrchr(familiar, '/');
    char *end = strpbrk(slash ? slash : familiar, ":@");
    if (end)
        *end = '\0';
    return fnmatch(pattern, familiar, FNM_PATHNAME) == 0;
}

static bool matches_any_pattern(char *const *patterns, const char *ref)
{
    for (; *patterns; patterns++)
        if (matches_pattern(*patterns, ref))
            return true;
    return false;
}

static bool matches_reference(const struct docker_filters *f, const cJSON *image)
{
    char *const *patterns = docker_filters_get(f, "reference");
    const cJSON *r;
    if (!patterns)
        return true;
    cJSON_ArrayForEach(r, json_member(image, "refs"))
    {
        if (cJSON_IsString(r) && matches_any_pattern(patterns, r->valuestring))
            return true;
    }
    return false;
}

/* As Docker does, a list by reference tells only the names that were asked for. */
static void drop_other_names(const struct docker_filters *f, cJSON *names)
{
    char *const *patterns = docker_filters_get(f, "reference");
    for (int i = patterns ? cJSON_GetArraySize(names) : 0; i-- > 0;) {
        const char *familiar = cJSON_GetArrayItem(names, i)->valuestring;
        auto_free char *full = NULL;
        if (docker_image_normalise(familiar, &full, NULL) < 0 ||
            !matches_any_pattern(patterns, full))
            cJSON_DeleteItemFromArray(names, i);
    }
}

static bool has_tag(const cJSON *image)
{
    const cJSON *r;
    cJSON_ArrayForEach(r, json_member(image, "refs"))
    {
        if (cJSON_IsString(r) && !strchr(r->valuestring, '@'))
            return true;
    }
    return false;
}

struct bounds {
    bool has_before;
    bool has_since;
    int64_t before;
    int64_t since;
    bool has_until;
    int64_t until;
};

static int find_bounds(const struct docker_filters *f, const cJSON *images, struct bounds *b,
                       struct vic_err *err)
{
    const cJSON *image;
    int r;
    for (char *const *v = docker_filters_get(f, "before"); v && *v; v++) {
        if ((r = docker_image_find(images, *v, &image, err)) < 0)
            return r;
        b->has_before = true;
        b->before = docker_image_created(image);
    }
    for (char *const *v = docker_filters_get(f, "since"); v && *v; v++) {
        if ((r = docker_image_find(images, *v, &image, err)) < 0)
            return r;
        b->has_since = true;
        b->since = docker_image_created(image);
    }
    for (char *const *v = docker_filters_get(f, "until"); v && *v; v++) {
        int64_t ns;
        if ((r = docker_moment_parse(*v, vic_clock_wall_ns(), &ns, err)) < 0)
            return r;
        b->has_until = true;
        b->until = ns / VIC_NS_PER_S;
    }
    return 0;
}

static int list(const struct docker_req *r, const cJSON *images, cJSON *out, struct vic_err *err)
{
    auto_filters struct docker_filters f = {0};
    struct bounds b = {0};
    bool is_given;
    bool is_dangling = false;
    int res = docker_filters_parse(docker_req_query(r, "filters"), known_filters, &f, err);
    if (res < 0 || (res = docker_filters_bool(&f, "dangling", &is_given, &is_dangling, err)) < 0 ||
        (res = find_bounds(&f, images, &b, err)) < 0)
        return res;
    const cJSON *i;
    cJSON_ArrayForEach(i, images)
    {
        const cJSON *labels = json_member(i, "labels");
        int64_t created = docker_image_created(i);
        if ((is_given && is_dangling == has_tag(i)) || (b.has_before && created >= b.before) ||
            (b.has_since && created <= b.since) || (b.has_until && created >= b.until) ||
            !matches_reference(&f, i) || !docker_filters_match_kv(&f, "label", labels))
            continue;
        cJSON *summary = docker_image_summary_json(i, NULL, r->api);
        drop_other_names(&f, cJSON_GetObjectItemCaseSensitive(summary, "RepoTags"));
        drop_other_names(&f, cJSON_GetObjectItemCaseSensitive(summary, "RepoDigests"));
        json_push(out, summary);
    }
    return 0;
}

static void on_images(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)arg;
    auto_json cJSON *out = json_new_arr();
    struct vic_err mine;
    if (!err && list(r, json_member(doc, "images"), out, &mine) < 0)
        err = &mine;
    if (err)
        docker_reply_error(r, err);
    else
        docker_reply_json(r, DOCKER_OK, TAKE_PTR(out));
}

void docker_image_list(struct docker_req *r)
{
    if (docker_req_bool(r, "manifests"))
        docker_reply_errorf(r, VIC_ERR_UNIMPLEMENTED,
                            "manifests is not served here: an image has one platform");
    else
        docker_intent(r, "GET",
                      docker_req_bool(r, "shared-size") ? "/v1/images?labels=1&shared=1"
                                                        : "/v1/images?labels=1",
                      NULL, on_images, NULL);
}
