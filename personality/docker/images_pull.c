/* POST /images/create: pulls an image, telling its progress as Docker does. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "personality/docker/authheader.h"
#include "personality/docker/handlers.h"
#include "personality/docker/images.h"
#include "personality/docker/intent.h"
#include "personality/docker/sweep.h"
#include "portlayer/api.h"

#define PROGRESS_EVERY_MS 100 /* between two numbers of one layer */

struct pull {
    struct docker_req *req; /* a reference */
    struct img_reference ref;
    struct img_pull *img;      /* while blobs come */
    struct rpc_stream *commit; /* while layers become disks */
    struct pl_lines *lines;    /* of the commit */
    struct vic_map told;       /* digest -> struct told */
    char *old_id;              /* what the reference named before; NULL */
    char *top;                 /* digest that the registry gave for the reference */
    char *new_id;
    struct vic_err error; /* of the commit; kind NONE while there is none */
    bool has_begun;
    bool has_failed;
    bool is_missing;  /* the commit misses blobs that were there */
    bool is_repeated; /* for that reason, once */
};

struct told {
    uint64_t when_ms;
};

static void pull_free(struct pull *p)
{
    if (p->img)
        img_pull_cancel(p->img);
    if (p->commit)
        rpc_stream_cancel(p->commit);
    docker_sweep_pull_ends(p->req->docker, p->has_failed); /* what is under way cannot be swept */
    map_for_each(slot, &p->told)
        free(slot->value);
    vic_map_release(&p->told);
    pl_lines_free(p->lines);
    img_reference_release(&p->ref);
    docker_req_watch(p->req, NULL, NULL);
    docker_req_unref(p->req);
    free(p->old_id);
    free(p->new_id);
    free(p->top);
    free(p);
}

/* ---- what the client reads --------------------------------------------------------------------------------- */

static void say(struct pull *p, const char *id, const char *status)
{
    auto_json cJSON *line = json_new_obj();
    json_add_str(line, "status", status);
    if (id)
        json_add_str(line, "id", id);
    (void)docker_stream_json(p->req, line);
}

static void say_layer(struct pull *p, const char *digest, const char *status, uint64_t current,
                      uint64_t total)
{
    auto_json cJSON *line = json_new_obj();
    const char *hex = strchr(digest, ':');
    json_add_str(line, "status", status);
    cJSON *detail = json_add_obj(line, "progressDetail");
    if (total > 0) {
        json_add_i64(detail, "current", (int64_t)current);
        json_add_i64(detail, "total", (int64_t)total);
    }
    json_addf(line, "id", "%.12s", hex ? hex + 1 : digest);
    (void)docker_stream_json(p->req, line);
}

/* Numbers are told now and then, and to a client that reads. */
static bool may_tell(struct pull *p, const char *digest)
{
    struct told *t = vic_map_get(&p->told, digest);
    uint64_t now = vic_clock_monotonic_ms();
    if (!t) {
        t = vic_new(struct told);
        (void)vic_map_put(&p->told, digest, t);
    } else if (now - t->when_ms < PROGRESS_EVERY_MS || p->req->is_throttled) {
        return false;
    }
    t->when_ms = now;
    return true;
}

static void begin(struct pull *p)
{
    if (p->has_begun)
        return;
    p->has_begun = true;
    docker_stream_begin(p->req, "application/json");
    auto_free char *from = vic_xasprintf("Pulling from %s", p->ref.path);
    say(p, p->ref.tag ? p->ref.tag : p->ref.digest, from);
}

/* Before the first byte a failure is a status; afterwards it is a line. */
static void fail(struct pull *p, const struct vic_err *err)
{
    struct vic_err told = *err;
    p->has_failed = true;
    if (err->kind == VIC_ERR_UNAVAILABLE) {
        told.kind = VIC_ERR_INTERNAL; /* as Docker answers when a registry is away */
        if (strcmp(p->ref.domain, "docker.io") == 0 && !strstr(err->message, "--registry-mirror"))
            (void)vic_fail(&told, VIC_ERR_INTERNAL, 0,
                           "%.380s (docker.io does not answer: name a mirror of it by vic-machine "
                           "create --registry-mirror)",
                           err->message);
    }
    if (!p->has_begun) {
        docker_reply_error(p->req, &told);
    } else {
        auto_json cJSON *line = json_new_obj();
        json_add_str(json_add_obj(line, "errorDetail"), "message", told.message);
        json_add_str(line, "error", told.message);
        (void)docker_stream_json(p->req, line);
        docker_stream_end(p->req);
    }
    pull_free(p);
}

static void succeed(struct pull *p)
{
    begin(p);
    auto_free char *digest = vic_xasprintf("Digest: %s", p->top);
    say(p, NULL, digest);
    auto_free char *familiar = img_reference_to_familiar(&p->ref);
    bool is_same = p->old_id && p->new_id && strcmp(p->old_id, p->new_id) == 0;
    auto_free char *status = vic_xasprintf(is_same ? "Status: Image is up to date for %s"
                                                   : "Status: Downloaded newer image for %s",
                                           familiar);
    say(p, NULL, status);
    docker_stream_end(p->req);
    pull_free(p);
}

/* ---- the layers become disks ---------------------------------------------------------------------------------- */

static void on_commit_doc(const cJSON *doc, void *arg)
{
    static const struct {
        const char *ours;
        const char *docker;
    } words[] = {{"extracting", "Extracting"}, {"done", "Pull complete"}};
    struct pull *p = arg;
    const char *layer = json_str(doc, "layer", "");
    const char *status = json_str(doc, "status", "");
    const cJSON *error = json_member(doc, "error");
    const char *id = json_str(doc, "id", "");
    if (id[0] && !p->new_id)
        p->new_id = vic_xstrdup(id);
    if (error) {
        p->is_missing = json_member(error, "missing") != NULL;
        (void)vic_fail(&p->error, vic_err_kind_from_string(json_str(error, "kind", "internal")), 0,
                       "failed to register layer: %s", json_str(error, "message", ""));
    }
    if (layer[0] == '\0')
        return;
    begin(p);
    bool was_pulled = vic_map_get(&p->told, layer) != NULL;
    if (strcmp(status, "exists") == 0)
        say_layer(p, layer, was_pulled ? "Pull complete" : "Already exists", 0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(words[i].ours, status) == 0 && (i > 0 || may_tell(p, layer)))
            say_layer(p, layer, words[i].docker, (uint64_t)json_i64(doc, "current", 0),
                      i > 0 ? 0 : (uint64_t)json_i64(doc, "total", 0));
}

static void on_commit_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct pull *p = arg;
    struct vic_err err;
    if (pl_lines_feed(p->lines, data, len, &err) < 0) {
        fail(p, &err); /* cancels the stream */
        return;
    }
    rpc_stream_consume(st, len);
}

static void pull_again(struct pull *p);

static void on_commit_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct pull *p = arg;
    (void)st;
    p->commit = NULL;
    if (!err && p->error.kind != VIC_ERR_NONE)
        err = &p->error;
    static const struct vic_err none = {.kind = VIC_ERR_INTERNAL,
                                        .message = "the port layer did not say how it went"};
    if (!err && !p->new_id)
        err = &none;
    bool is_again = err == &p->error && p->is_missing && !p->is_repeated;
    if (is_again)
        pull_again(p);
    else if (err)
        fail(p, err);
    else
        succeed(p);
}

/* The names the image gets: the tag asked for, and the digest it was found under. */
static cJSON *commit_request(const struct pull *p, const struct img_pulled *pulled)
{
    cJSON *body = json_new_obj();
    json_add_str(body, "manifest", pulled->manifest);
    json_add_str(body, "media_type", pulled->media_type);
    cJSON *refs = json_add_arr(body, "refs");
    if (!p->ref.digest) {
        auto_free char *full = img_reference_to_string(&p->ref);
        json_push_str(refs, full);
    }
    auto_free char *by_digest = vic_xasprintf("%s/%s@%s", p->ref.domain, p->ref.path, pulled->top);
    json_push_str(refs, by_digest);
    return body;
}

static void commit(struct pull *p, const struct img_pulled *pulled)
{
    static const struct rpc_stream_events events = {.on_data = on_commit_data,
                                                    .on_close = on_commit_close};
    auto_json cJSON *body = commit_request(p, pulled);
    auto_free char *text = json_print(body);
    struct vic_err err;
    p->lines = pl_lines_new(on_commit_doc, p);
    if (host_rpc_open(p->req->docker->pl, "POST", "/v1/images", &events, p, &p->commit, &err) < 0) {
        p->commit = NULL;
        fail(p, &err);
        return;
    }
    (void)rpc_stream_write(p->commit, text, strlen(text)); /* far below any mark */
    rpc_stream_end(p->commit);
}

/* ---- blobs come ------------------------------------------------------------------------------------------------ */

static void on_resolved(const char *top_digest, void *arg)
{
    struct pull *p = arg;
    free(p->top);
    p->top = vic_xstrdup(top_digest);
    begin(p);
}

static void on_progress(const struct img_progress *progress, void *arg)
{
    struct pull *p = arg;
    begin(p);
    switch (progress->status) {
    case IMG_PULLING:
        (void)may_tell(p, progress->digest);
        say_layer(p, progress->digest, "Pulling fs layer", 0, 0);
        break;
    case IMG_EXISTS: /* whether its disk exists too, the commit tells */
        break;
    case IMG_WAITING:
        say_layer(p, progress->digest, "Waiting", 0, 0);
        break;
    case IMG_DOWNLOADING:
        if (may_tell(p, progress->digest))
            say_layer(p, progress->digest, "Downloading", progress->current, progress->total);
        break;
    case IMG_DOWNLOADED:
        say_layer(p, progress->digest, "Download complete", 0, 0);
        break;
    case IMG_RETRYING: {
        auto_free char *text = vic_xasprintf("Retrying in %u second%s", (unsigned)progress->current,
                                             progress->current == 1 ? "" : "s");
        say_layer(p, progress->digest, text, 0, 0);
        break;
    }
    }
}

static void on_pulled(const struct vic_err *err, const struct img_pulled *pulled, void *arg)
{
    struct pull *p = arg;
    p->img = NULL;
    if (err) {
        fail(p, err);
        return;
    }
    free(p->top);
    p->top = vic_xstrdup(pulled->top);
    commit(p, pulled);
}

static void fetch(struct pull *p)
{
    static const struct img_pull_events events = {
        .on_resolved = on_resolved, .on_progress = on_progress, .on_done = on_pulled};
    struct docker *d = p->req->docker;
    const char *platform = docker_req_query_or(p->req, "platform", "");
    struct vic_err err;
    if (img_pull_start(d->registry, &p->ref, platform[0] ? platform : NULL, &d->sink, &events, p,
                       &p->img, &err) < 0) {
        p->img = NULL;
        fail(p, &err);
    }
}

/* Blobs were there when the pull looked, and were swept before the commit: fetch them. */
static void pull_again(struct pull *p)
{
    p->is_repeated = true;
    p->is_missing = false;
    p->error = (struct vic_err){0};
    pl_lines_free(TAKE_PTR(p->lines));
    fetch(p);
}

static void on_gone(void *arg)
{
    struct pull *p = arg;
    p->has_failed = true;
    pull_free(p);
}

static void on_images(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    static const struct docker_req_events watch = {.on_gone = on_gone};
    struct pull *p = arg;
    if (err || r->is_gone) {
        docker_reply_error(r, err ? err : &(struct vic_err){.kind = VIC_ERR_UNAVAILABLE});
        pull_free(p);
        return;
    }
    const cJSON *image;
    auto_free char *full = img_reference_to_string(&p->ref);
    if (docker_image_find(json_member(doc, "images"), full, &image, NULL) == 0)
        p->old_id = vic_xstrdup(json_str(image, "id", ""));
    docker_req_watch(r, &watch, p);
    fetch(p);
}

/* ---- the request ---------------------------------------------------------------------------------------------- */

static int parse_reference(const struct docker_req *r, struct img_reference *ret,
                           struct vic_err *err)
{
    const char *image = docker_req_query_or(r, "fromImage", "");
    const char *tag = docker_req_query_or(r, "tag", "");
    bool is_digest = strchr(tag, ':') != NULL;
    auto_free char *text =
        tag[0] ? vic_xasprintf("%s%c%s", image, is_digest ? '@' : ':', tag) : vic_xstrdup(image);
    int res = img_reference_parse(text, ret, err);
    if (res < 0)
        return res;
    if (!ret->tag && !ret->digest) {
        img_reference_release(ret);
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                        "pulling all tags is not served here: name one with the parameter tag");
    }
    if (ret->digest) { /* says all; a tag beside it would be a second name */
        free(ret->tag);
        ret->tag = NULL;
    }
    return 0;
}

static int check_parameters(const struct docker_req *r, struct vic_err *err)
{
    if (docker_req_query_or(r, "fromSrc", "")[0])
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                        "fromSrc (importing an image) is not served here: push it to a registry, "
                        "and pull");
    if (docker_req_query(r, "changes"))
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                        "changes is not served here: it concerns importing only");
    if (docker_authheader_has_credentials(docker_req_header(r, "X-Registry-Auth")))
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                        "credentials (X-Registry-Auth) are not served here: registries are used "
                        "anonymously; docker logout %.100s",
                        docker_req_query_or(r, "fromImage", ""));
    return 0;
}

void docker_image_create(struct docker_req *r)
{
    struct img_reference ref = {0};
    struct vic_err err;
    if (check_parameters(r, &err) < 0 || parse_reference(r, &ref, &err) < 0) {
        docker_reply_error(r, &err);
        return;
    }
    struct pull *p = vic_new(struct pull);
    *p = (struct pull){.req = docker_req_ref(r), .ref = ref};
    docker_sweep_pull_begins(r->docker);
    docker_intent(r, "GET", "/v1/images", NULL, on_images, p);
}
