/* Lists that need no filter: most of them, asked again and again.  A change of what images are called is one too. */
#include "personality/docker/list_cache.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "personality/docker/containers.h"
#include "personality/docker/intent.h"
#include "personality/docker/text.h"

#define FINGERPRINT_MAX 64

struct body {
    char *text; /* owned; NULL: not made */
    size_t len;
    int64_t from_ns, until_ns; /* on the wall clock: when its texts are right */
};

struct docker_list_cache {
    char fingerprint[FINGERPRINT_MAX]; /* of doc, as the port layer has it; "" is none */
    cJSON *doc;                        /* owned */
    cJSON *images;       /* owned: the port layer's list, no older than doc; NULL: not asked for */
    unsigned generation; /* of doc */
    struct body bodies[2]; /* of those that run, of all */
};

struct docker_list_cache *docker_list_cache_new(void)
{
    return vic_new(struct docker_list_cache);
}

static void forget(struct docker_list_cache *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(c->bodies); i++)
        free(c->bodies[i].text);
    cJSON_Delete(c->doc);
    cJSON_Delete(c->images);
    *c = (struct docker_list_cache){.generation = c->generation + 1};
}

void docker_list_cache_free(struct docker_list_cache *c)
{
    if (!c)
        return;
    forget(c);
    free(c);
}

static void render(struct docker_list_cache *c, bool is_all, int64_t now_ns)
{
    struct body *b = &c->bodies[is_all];
    auto_json cJSON *rows = json_new_arr();
    const cJSON *images = json_member(c->images, "images");
    int64_t until_ns = INT64_MAX;
    const cJSON *row;
    cJSON_ArrayForEach(row, json_member(c->doc, "containers"))
    {
        const cJSON *state = json_member(row, "state");
        if (!is_all && !docker_state_is_running(state))
            continue;
        json_push(rows, docker_summary_json(row, images, now_ns, false));
        int64_t changes_ns = docker_text_status_until(state, now_ns);
        until_ns = changes_ns < until_ns ? changes_ns : until_ns;
    }
    auto_free char *text = json_print(rows);
    free(b->text);
    *b = (struct body){.text = vic_xasprintf("%s\n", text),
                       .len = strlen(text) + 1,
                       .from_ns = now_ns,
                       .until_ns = until_ns};
}

struct naming {
    unsigned generation; /* for which images are asked */
    bool is_all;
};

static void reply(struct docker_req *r, struct docker_list_cache *c, bool is_all);

static void on_images(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    auto_free struct naming *n = arg;
    struct docker_list_cache *c = r->docker->list;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    if (!c->images && c->generation == n->generation)
        c->images = json_dup(doc);
    reply(r, c, n->is_all);
}

static void ask_images(struct docker_req *r, const struct docker_list_cache *c, bool is_all)
{
    struct naming *n = vic_new(struct naming);
    *n = (struct naming){c->generation, is_all};
    docker_intent(r, "GET", "/v1/images", NULL, on_images, n);
}

static void reply(struct docker_req *r, struct docker_list_cache *c, bool is_all)
{
    if (!c->images) {
        ask_images(r, c, is_all);
        return;
    }
    const struct body *b = &c->bodies[is_all];
    int64_t now_ns = vic_clock_wall_ns();
    if (!b->text || now_ns < b->from_ns || now_ns >= b->until_ns)
        render(c, is_all, now_ns);
    docker_reply_copy(r, DOCKER_OK, b->text, b->len);
}

/* arg tells whether all are wanted. */
static void on_containers(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                          void *arg)
{
    struct docker_list_cache *c = r->docker->list;
    const char *fingerprint = json_str(doc, "fingerprint", "");
    if (err) {
        docker_reply_error(r, err);
    } else if (json_member(doc, "containers")) {
        forget(c);
        c->doc = json_dup(doc);
        if (strlen(fingerprint) < sizeof(c->fingerprint))
            memcpy(c->fingerprint, fingerprint, strlen(fingerprint) + 1);
        reply(r, c, arg != NULL);
    } else if (strcmp(fingerprint, c->fingerprint) == 0) {
        reply(r, c, arg != NULL);
    } else { /* another answer came between: what was asked about is forgotten */
        docker_intent(r, "GET", "/v1/containers", NULL, on_containers, arg);
    }
}

void docker_list_cache_reply(struct docker_req *r, bool is_all)
{
    struct docker_list_cache *c = r->docker->list;
    auto_free char *path =
        vic_xasprintf("/v1/containers%s%s", c->fingerprint[0] ? "?unless=" : "", c->fingerprint);
    docker_intent(r, "GET", path, NULL, on_containers, is_all ? c : NULL);
}
