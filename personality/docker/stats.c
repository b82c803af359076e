/* GET /containers/{}/stats: one sample, the second of two, or one each second. */
#include <uv.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/stats_doc.h"
#include "personality/docker/version.h"

#define PERIOD_MS 1000

struct watch {
    struct docker_req *r; /* a reference */
    uv_timer_t timer;
    bool is_stream;
    bool is_one_shot;
    bool has_begun; /* the stream */
    bool is_asking; /* on_sample will come */
    bool is_over;   /* nothing more is answered ... */
    bool is_closed; /* ... and the timer is closed too */
    char *id;       /* of the container, once known; a name may come to mean another */
    cJSON *before;  /* the sample before; NULL: none */
};

static void free_if_done(struct watch *w)
{
    if (!w->is_closed || w->is_asking)
        return;
    docker_req_unref(w->r);
    cJSON_Delete(w->before);
    free(w->id);
    free(w);
}

static void on_closed(uv_handle_t *h)
{
    struct watch *w = h->data;
    w->is_closed = true;
    free_if_done(w);
}

static void finish(struct watch *w)
{
    if (w->is_over)
        return;
    w->is_over = true;
    docker_req_watch(w->r, NULL, NULL);
    uv_close((uv_handle_t *)&w->timer, on_closed);
}

static void on_sample(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg);

static void ask(struct watch *w)
{
    auto_free char *path =
        docker_intent_path("/v1/containers/%s/stats", w->id ? w->id : w->r->name);
    w->is_asking = true;
    docker_intent(w->r, "GET", path, NULL, on_sample, w);
}

static void on_timer(uv_timer_t *t)
{
    ask(t->data);
}

static void wait_a_period(struct watch *w)
{
    (void)uv_timer_start(&w->timer, on_timer, PERIOD_MS, 0);
}

static void stop_on_error(struct watch *w, const struct vic_err *err)
{
    if (!w->has_begun) {
        docker_reply_container_error(w->r, err);
        finish(w);
    } else if (err->kind == VIC_ERR_NOT_FOUND) { /* removed */
        docker_stream_end(w->r);
        finish(w);
    } else { /* the guest did not answer this once */
        wait_a_period(w);
    }
}

static void stream(struct watch *w, const cJSON *stats)
{
    if (!w->has_begun)
        docker_stream_begin(w->r, "application/json");
    w->has_begun = true;
    if (docker_stream_json(w->r, stats))
        wait_a_period(w); /* else on_drain goes on */
}

static void take_sample(struct watch *w, const cJSON *sample)
{
    bool is_running = json_member(sample, "guest") != NULL;
    if (!w->id)
        w->id = vic_xstrdup(json_str(sample, "id", ""));
    cJSON *stats = docker_stats_json(sample, w->before);
    if (w->is_stream) {
        stream(w, stats);
        cJSON_Delete(stats);
    } else if (is_running && !w->is_one_shot && !w->before) {
        cJSON_Delete(stats);
        wait_a_period(w); /* for the second */
    } else {
        docker_reply_json(w->r, DOCKER_OK, stats);
        finish(w);
    }
    cJSON_Delete(w->before);
    w->before = is_running ? json_dup(sample) : NULL;
}

static void on_sample(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)r;
    struct watch *w = arg;
    w->is_asking = false;
    if (w->is_over)
        free_if_done(w);
    else if (err)
        stop_on_error(w, err);
    else
        take_sample(w, doc);
}

static void on_drain(void *arg)
{
    struct watch *w = arg;
    if (!w->is_asking)
        wait_a_period(w);
}

static void on_gone(void *arg)
{
    finish(arg);
}

void docker_container_stats(struct docker_req *r)
{
    static const struct docker_req_events events = {.on_drain = on_drain, .on_gone = on_gone};
    bool is_stream = docker_req_bool_or(r, "stream", true);
    bool is_one_shot = r->api >= DOCKER_API(1, 41) && docker_req_bool(r, "one-shot");
    if (!docker_need_name(r))
        return;
    if (is_stream && is_one_shot) {
        docker_reply_errorf(r, VIC_ERR_INVALID, "cannot have stream=true and one-shot=true");
        return;
    }
    struct watch *w = vic_new(struct watch);
    *w = (struct watch){.r = docker_req_ref(r), .is_stream = is_stream, .is_one_shot = is_one_shot};
    (void)uv_timer_init(r->docker->loop, &w->timer);
    w->timer.data = w;
    docker_req_watch(r, &events, w);
    ask(w);
}
