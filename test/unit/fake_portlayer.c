/* The port layer of the tests. */
#include "test/unit/fake_portlayer.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/host/listen.h"
#include "portlayer/api.h"

#define CONTAINERS_MAX 64
#define BLOCK 1024

enum watch_kind {
    WATCH_WAIT,
    WATCH_ATTACH,
    WATCH_OUTPUT,
    WATCH_EVENTS
};

/* A stream that a client holds open. */
struct watch {
    struct vic_list link;
    struct fake_portlayer *fake;
    struct rpc_stream *st;
    enum watch_kind kind;
    char id[VIC_ID_LEN + 1];
    bool until_removed;
    size_t flood_left; /* bytes still to write as the client reads */
};

/* A blob as it came; nothing is checked. */
struct blob {
    struct fake_portlayer *fake;
    char *digest;
    struct vic_buf data;
    bool is_complete;
};

struct fake_portlayer {
    struct vic_map blobs; /* digest -> struct blob */
    uv_loop_t *loop;
    struct host_rpc_server *server;
    struct vic_list watches;
    cJSON *containers[CONTAINERS_MAX]; /* owned; newest last */
    struct vic_buf output[CONTAINERS_MAX];
    size_t n;
    int64_t seq;
};

static struct fake_portlayer *fake_of(void *arg)
{
    return arg;
}

static char *now_text(void)
{
    char text[VIC_CLOCK_TEXT_MAX];
    vic_clock_format_rfc3339(vic_clock_wall_ns(), text);
    return vic_xstrdup(text);
}

static void set(cJSON *obj, const char *member, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(obj, member);
    json_add(obj, member, value);
}

static cJSON *state_of(cJSON *c)
{
    return cJSON_GetObjectItemCaseSensitive(c, "state");
}

static const char *id_of(const cJSON *c)
{
    return json_str(c, "id", "");
}

static const char *arg_of(const cJSON *c, int i)
{
    const cJSON *args = json_member(json_member(json_member(c, "spec"), "process"), "args");
    const cJSON *a = cJSON_GetArrayItem(args, i);
    return cJSON_IsString(a) ? a->valuestring : "";
}

static bool is_running(cJSON *c)
{
    const char *status = json_str(state_of(c), "status", "");
    return strcmp(status, "running") == 0 || strcmp(status, "paused") == 0;
}

static int find(struct fake_portlayer *f, const char *ref)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->containers[i] && (strcmp(json_str(f->containers[i], "name", ""), ref) == 0 ||
                                 strncmp(id_of(f->containers[i]), ref, strlen(ref)) == 0))
            return (int)i;
    return -1;
}

/* The container a request names, or -1 after an error was sent. */
static int need(struct rpc_stream *st, void *arg)
{
    const char *ref = rpc_stream_param(st, "ref");
    int i = find(fake_of(arg), ref);
    struct vic_err err;
    if (i < 0) {
        (void)vic_fail(&err, VIC_ERR_NOT_FOUND, 0, "no container '%s'", ref);
        rpc_reply_error(st, &err);
    }
    return i;
}

static void fail(struct rpc_stream *st, enum vic_err_kind kind, const char *message)
{
    struct vic_err err;
    (void)vic_fail(&err, kind, 0, "%s", message);
    rpc_reply_error(st, &err);
}

/* ---- watches ------------------------------------------------------------------------------------------------ */

static void watch_free(struct watch *w)
{
    vic_list_remove(&w->link);
    free(w);
}

static void on_watch_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    watch_free(arg);
}

static void add_record(struct vic_buf *b, enum vic_record_type type, const void *data, size_t len)
{
    uint8_t head[VIC_RECORD_HEADER];
    vic_record_encode(
        &(struct vic_record){.type = type, .wall_ns = vic_clock_wall_ns(), .len = (uint32_t)len},
        head);
    vic_buf_add(b, head, sizeof(head));
    vic_buf_add(b, data, len);
}

static void finish_watch(struct watch *w)
{
    rpc_stream_end(w->st);
}

static void emit_event(struct fake_portlayer *f, cJSON *c, const char *action)
{
    auto_json cJSON *e = json_new_obj();
    json_add_i64(e, "seq", ++f->seq);
    json_add_i64(e, "time_ns", vic_clock_wall_ns());
    json_add_str(e, "type", "container");
    json_add_str(e, "action", action);
    json_add_str(e, "id", id_of(c));
    cJSON *a = json_dup(json_member(c, "event_attributes"));
    a = a ? a : json_new_obj();
    json_add_str(a, "name", json_str(c, "name", ""));
    if (strcmp(action, "die") == 0)
        json_addf(a, "exit_code", "%d", (int)json_i64(state_of(c), "exit_code", 0));
    json_add(e, "attributes", a);
    auto_free char *line = json_print(e);
    struct watch *w;
    list_for_each(w, &f->watches, link) {
        if (w->kind != WATCH_EVENTS)
            continue;
        (void)rpc_stream_write(w->st, line, strlen(line));
        (void)rpc_stream_write(w->st, "\n", 1);
    }
}

static void output(struct fake_portlayer *f, int i, const void *data, size_t len)
{
    struct vic_buf b = {0};
    add_record(&b, VIC_RECORD_STDOUT, data, len);
    vic_buf_add(&f->output[i], b.data, b.len);
    struct watch *w;
    list_for_each(w, &f->watches, link) {
        if ((w->kind == WATCH_ATTACH || w->kind == WATCH_OUTPUT) &&
            strcmp(w->id, id_of(f->containers[i])) == 0)
            (void)rpc_stream_write(w->st, b.data, b.len);
    }
    vic_buf_release(&b);
}

static void tell_waiters(struct fake_portlayer *f, cJSON *c, bool is_removed)
{
    struct watch *w;
    struct watch *next;
    list_for_each_safe(w, next, &f->watches, link) {
        if (w->kind == WATCH_EVENTS || strcmp(w->id, id_of(c)) != 0)
            continue;
        if (w->kind == WATCH_WAIT && w->until_removed != is_removed)
            continue;
        if (w->kind == WATCH_WAIT) {
            char line[64];
            int n = snprintf(line, sizeof(line), "{\"exit_code\":%d}\n",
                             (int)json_i64(state_of(c), "exit_code", 0));
            (void)rpc_stream_write(w->st, line, (size_t)n);
        }
        if (w->flood_left == 0)
            finish_watch(w);
    }
}

static void remove_container(struct fake_portlayer *f, int i)
{
    tell_waiters(f, f->containers[i], true);
    emit_event(f, f->containers[i], "destroy");
    cJSON_Delete(f->containers[i]);
    f->containers[i] = NULL;
    vic_buf_release(&f->output[i]);
}

static void die(struct fake_portlayer *f, int i, int code)
{
    cJSON *state = state_of(f->containers[i]);
    auto_free char *now = now_text();
    set(state, "status", cJSON_CreateString("exited"));
    set(state, "exit_code", cJSON_CreateNumber(code));
    set(state, "finished_at", cJSON_CreateString(now));
    emit_event(f, f->containers[i], "die");
    tell_waiters(f, f->containers[i], false);
    if (json_bool(json_member(f->containers[i], "spec"), "auto_remove", false))
        remove_container(f, i);
}

/* ---- intents ------------------------------------------------------------------------------------------------ */

static void on_info(struct rpc_stream *st, void *arg)
{
    (void)arg;
    rpc_reply_json(
        st,
        cJSON_Parse(
            "{\"id\":\"vch-1\",\"name\":\"fake\",\"version\":\"1\",\"acceleration\":\"tcg\","
            "\"hypervisor\":\"QEMU 7.2.22\",\"libvirt\":\"9.0.0\",\"kernel\":\"6.1.0\",\"cpus\":2,"
            "\"memory_bytes\":1073741824,\"datastore\":\"/d\",\"containers\":{\"total\":0,\"running\":0,"
            "\"paused\":0,\"stopped\":0},\"images\":1}"));
}

static cJSON *new_image(void)
{
    return cJSON_Parse(
        "{\"id\":\"" FAKE_IMAGE_ID "\",\"manifest\":\"" FAKE_DIGEST "\",\"media_type\":\"m\","
        "\"refs\":[\"docker.io/library/busybox:latest\",\"docker.io/library/busybox@" FAKE_DIGEST
        "\"],"
        "\"size\":4096,\"created\":\"2026-01-02T03:04:05Z\",\"architecture\":\"x86_64\",\"os\":\"linux\","
        "\"config\":{\"created\":\"2026-01-02T03:04:05Z\",\"architecture\":\"amd64\",\"os\":\"linux\","
        "\"config\":{\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sh\"],\"Labels\":{\"from\":\"image\"}},"
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" FAKE_DIGEST "\"]},"
        "\"history\":[{\"created\":\"2026-01-02T03:04:05Z\",\"created_by\":\"ADD\"},{\"created_by\":\"CMD\",\"empty_layer\":true}]}}");
}

static void on_images(struct rpc_stream *st, void *arg)
{
    (void)arg;
    cJSON *doc = json_new_obj();
    cJSON *image = new_image();
    if (vic_str_eq(rpc_stream_query(st, "labels"), "1"))
        json_add(
            image, "labels",
            json_dup(json_member(json_member(json_member(image, "config"), "config"), "Labels")));
    if (vic_str_eq(rpc_stream_query(st, "shared"), "1")) {
        json_add_i64(image, "shared_size", 1024);
        json_add_i64(doc, "layers_size", 5000);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(image, "config");
    json_push(json_add_arr(doc, "images"), image);
    rpc_reply_json(st, doc);
}

static void on_image(struct rpc_stream *st, void *arg)
{
    (void)arg;
    rpc_reply_json(st, new_image());
}

/* The one image there is stays as it is. */
static void on_image_delete(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    for (size_t i = 0; i < f->n; i++)
        if (f->containers[i] && is_running(f->containers[i])) {
            fail(st, VIC_ERR_CONFLICT, "image is used by a running container");
            return;
        }
    rpc_reply_json(st, cJSON_Parse("{\"untagged\":[],\"deleted\":[\"" FAKE_IMAGE_ID "\"]}"));
}

static void on_untag(struct rpc_stream *st, void *arg)
{
    (void)arg;
    cJSON *doc = json_new_obj();
    json_add_str(doc, "untagged", rpc_stream_query(st, "ref"));
    rpc_reply_json(st, doc);
}

static void on_networks(struct rpc_stream *st, void *arg)
{
    (void)arg;
    rpc_reply_json(
        st,
        cJSON_Parse(
            "{\"networks\":[{\"id\":\"net1\",\"name\":\"bridge\",\"driver\":\"bridge\","
            "\"subnet\":\"172.17.0.0/16\",\"gateway\":\"172.17.0.1\",\"bridge\":\"vb0\",\"endpoints\":[]}]}"));
}

static void on_create(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    const cJSON *doc = rpc_stream_json(st);
    const char *name = json_str(doc, "name", "");
    for (size_t i = 0; i < f->n; i++)
        if (f->containers[i] && strcmp(json_str(f->containers[i], "name", ""), name) == 0) {
            fail(st, VIC_ERR_CONFLICT, "the name is taken");
            return;
        }
    if (f->n == CONTAINERS_MAX) {
        fail(st, VIC_ERR_UNAVAILABLE, "too many containers for a fake");
        return;
    }
    struct vic_id id;
    vic_id_new(&id);
    auto_free char *now = now_text();
    cJSON *c = json_dup(doc);
    json_add_str(c, "id", id.text);
    json_add_str(c, "created_at", now);
    json_add(
        c, "state",
        cJSON_Parse(
            "{\"status\":\"created\",\"pid\":0,\"exit_code\":0,\"error\":\"\",\"oom_killed\":false,"
            "\"started_at\":\"\",\"finished_at\":\"\"}"));
    json_add(
        c, "networks",
        cJSON_Parse(
            "[{\"name\":\"bridge\",\"id\":\"net1\",\"address\":\"172.17.0.2\",\"prefix_len\":16,"
            "\"gateway\":\"172.17.0.1\",\"mac\":\"02:42:ac:11:00:02\"}]"));
    f->containers[f->n++] = c;
    emit_event(f, c, "create");
    cJSON *answer = json_new_obj();
    json_add_str(answer, "id", id.text);
    rpc_reply_json(st, answer);
}

static void on_list(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    cJSON *doc = json_new_obj();
    cJSON *list = json_add_arr(doc, "containers");
    for (size_t i = f->n; i-- > 0;)
        if (f->containers[i]) {
            cJSON *row = json_dup(f->containers[i]);
            if (vic_str_eq(rpc_stream_query(st, "size"), "1"))
                json_add_i64(row, "size_bytes", 100);
            json_push(list, row);
        }
    rpc_reply_json(st, doc);
}

static void on_get(struct rpc_stream *st, void *arg)
{
    int i = need(st, arg);
    if (i >= 0)
        rpc_reply_json(st, json_dup(fake_of(arg)->containers[i]));
}

static void on_delete(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    int i = need(st, arg);
    if (i < 0)
        return;
    if (is_running(f->containers[i]))
        die(f, i, 137);
    if (f->containers[i])
        remove_container(f, i);
    rpc_reply_json(st, NULL);
}

static void flood(struct watch *w)
{
    char block[BLOCK];
    memset(block, 'x', sizeof(block));
    struct vic_buf b = {0};
    add_record(&b, VIC_RECORD_STDOUT, block, sizeof(block));
    while (w->flood_left > 0) {
        w->flood_left -= BLOCK;
        if (rpc_stream_write(w->st, b.data, b.len) >= RPC_HIGH_WATER)
            break;
    }
    if (w->flood_left == 0)
        finish_watch(w);
    vic_buf_release(&b);
}

static void start_flood(struct fake_portlayer *f, cJSON *c)
{
    struct watch *w;
    list_for_each(w, &f->watches, link) {
        if (w->kind == WATCH_ATTACH && strcmp(w->id, id_of(c)) == 0)
            w->flood_left = (size_t)atoi(arg_of(c, 1)) * BLOCK;
    }
    struct watch *next;
    list_for_each_safe(w, next, &f->watches, link) {
        if (w->flood_left > 0 && strcmp(w->id, id_of(c)) == 0)
            flood(w);
    }
}

static void on_start(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    int i = need(st, arg);
    if (i < 0)
        return;
    cJSON *c = f->containers[i];
    if (is_running(c)) {
        fail(st, VIC_ERR_NOT_MODIFIED, "it runs");
        return;
    }
    if (strcmp(arg_of(c, 0), "nosuch") == 0 || strcmp(arg_of(c, 0), "noexec") == 0) {
        bool is_missing = strcmp(arg_of(c, 0), "nosuch") == 0;
        set(state_of(c), "exit_code", cJSON_CreateNumber(is_missing ? 127 : 126));
        fail(st, is_missing ? VIC_ERR_NOT_FOUND : VIC_ERR_FORBIDDEN,
             is_missing ? "exec: \"nosuch\": executable file not found in $PATH"
                        : "exec: \"noexec\": permission denied");
        tell_waiters(f, c, false);
        if (json_bool(json_member(c, "spec"), "auto_remove", false))
            remove_container(f, i);
        return;
    }
    auto_free char *now = now_text();
    set(state_of(c), "status", cJSON_CreateString("running"));
    set(state_of(c), "started_at", cJSON_CreateString(now));
    emit_event(f, c, "start");
    rpc_reply_json(st, NULL);
    if (json_bool(c, "fake_eof", false)) {
        die(f, i, 0);
        return;
    }
    if (strcmp(arg_of(c, 0), "sleep") == 0 || strcmp(arg_of(c, 0), "cat") == 0)
        return;
    if (strcmp(arg_of(c, 0), "flood") == 0) {
        start_flood(f, c);
        die(f, i, 0);
        return;
    }
    if (strcmp(arg_of(c, 0), "exit") != 0) {
        struct vic_buf line = {0};
        for (int a = 0; arg_of(c, a)[0]; a++)
            vic_buf_addf(&line, "%s%s", a ? " " : "", arg_of(c, a));
        vic_buf_add_char(&line, '\n');
        output(f, i, line.data, line.len);
        vic_buf_release(&line);
    }
    die(f, i, strcmp(arg_of(c, 0), "exit") == 0 ? atoi(arg_of(c, 1)) : 0);
}

static void on_stop(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    int i = need(st, arg);
    if (i < 0)
        return;
    if (!is_running(f->containers[i])) {
        fail(st, VIC_ERR_NOT_MODIFIED, "does not run");
        return;
    }
    die(f, i, 143);
    rpc_reply_json(st, NULL);
}

static void on_signal(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    int i = need(st, arg);
    if (i < 0)
        return;
    if (!is_running(f->containers[i])) {
        fail(st, VIC_ERR_CONFLICT, "does not run");
        return;
    }
    die(f, i, 137);
    rpc_reply_json(st, NULL);
}

static void set_paused(struct rpc_stream *st, struct fake_portlayer *f, bool is_paused)
{
    int i = need(st, f);
    if (i < 0)
        return;
    cJSON *c = f->containers[i];
    bool was_paused = strcmp(json_str(state_of(c), "status", ""), "paused") == 0;
    const char *why =
        is_paused ? (is_running(c) ? "is already paused" : "is not running") : "is not paused";
    if (is_running(c) && is_paused != was_paused) {
        set(state_of(c), "status", cJSON_CreateString(is_paused ? "paused" : "running"));
        emit_event(f, c, is_paused ? "pause" : "unpause");
        rpc_reply_json(st, NULL);
        return;
    }
    auto_free char *message = vic_xasprintf("container %s %s", id_of(c), why);
    fail(st, VIC_ERR_CONFLICT, message);
}

static void on_pause(struct rpc_stream *st, void *arg)
{
    set_paused(st, arg, true);
}

static void on_unpause(struct rpc_stream *st, void *arg)
{
    set_paused(st, arg, false);
}

static void on_rename(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    int i = need(st, arg);
    const char *name = json_str(rpc_stream_json(st), "name", "");
    if (i < 0)
        return;
    int holder = find(f, name);
    if (holder >= 0 && holder != i) {
        fail(st, VIC_ERR_CONFLICT, "taken");
        return;
    }
    set(f->containers[i], "name", cJSON_CreateString(name));
    rpc_reply_json(st, NULL);
}

static void on_resize(struct rpc_stream *st, void *arg)
{
    if (need(st, arg) >= 0)
        rpc_reply_json(st, NULL);
}

/* ---- content ------------------------------------------------------------------------------------ */

static struct blob *blob_of(struct rpc_stream *st, void *arg)
{
    struct blob *b = vic_map_get(&fake_of(arg)->blobs, rpc_stream_param(st, "digest"));
    return b && b->is_complete ? b : NULL;
}

static void on_content_get(struct rpc_stream *st, void *arg)
{
    struct blob *b = blob_of(st, arg);
    if (!b) {
        fail(st, VIC_ERR_NOT_FOUND, "no such blob");
    } else if (rpc_stream_query(st, "stat")) {
        cJSON *doc = json_new_obj();
        json_add_str(doc, "digest", b->digest);
        json_add_i64(doc, "size", (int64_t)b->data.len);
        rpc_reply_json(st, doc);
    } else {
        rpc_reply_begin(st);
        (void)rpc_stream_write(st, vic_buf_str(&b->data), b->data.len);
        rpc_stream_end(st);
    }
}

static void on_blob_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct blob *b = arg;
    vic_buf_add(&b->data, data, len);
    rpc_stream_consume(st, len);
}

static void on_blob_end(struct rpc_stream *st, void *arg)
{
    struct blob *b = arg;
    b->is_complete = true;
    cJSON *doc = json_new_obj();
    json_add_str(doc, "digest", b->digest);
    rpc_reply_json(st, doc);
}

static void on_content_put(struct rpc_stream *st, void *arg)
{
    static const struct rpc_stream_events events = {.on_data = on_blob_data, .on_end = on_blob_end};
    const char *digest = rpc_stream_param(st, "digest");
    struct blob *b = vic_map_get(&fake_of(arg)->blobs, digest);
    if (!b) {
        b = vic_new(struct blob);
        b->fake = arg;
        b->digest = vic_xstrdup(digest);
        (void)vic_map_put(&fake_of(arg)->blobs, digest, b);
    }
    vic_buf_clear(&b->data);
    rpc_stream_set_events(st, &events, b);
}

/* Nothing is dropped, as a fake lives shortly; what would be is told. */
static void on_content_sweep(struct rpc_stream *st, void *arg)
{
    (void)arg;
    const cJSON *digest;
    cJSON_ArrayForEach(digest, json_member(rpc_stream_json(st), "digests"))
    {
        (void)printf("sweep %s\n", digest->valuestring);
    }
    (void)fflush(stdout);
    if (cJSON_IsArray(json_member(rpc_stream_json(st), "digests")))
        rpc_reply_json(st, NULL);
    else
        fail(st, VIC_ERR_INVALID, "digests: missing");
}

/* Says what becoming disks looks like; the images listed stay the same. */
static void on_image_create(struct rpc_stream *st, void *arg)
{
    static const char lines[] =
        "{\"layer\":\"" FAKE_DIGEST "\",\"status\":\"extracting\",\"current\":1,\"total\":2}\n"
        "{\"layer\":\"" FAKE_DIGEST "\",\"status\":\"done\"}\n{\"id\":\"" FAKE_IMAGE_ID "\"}\n";
    (void)arg;
    rpc_reply_begin(st);
    (void)rpc_stream_write(st, lines, strlen(lines));
    rpc_stream_end(st);
}

/* ---- streams -------------------------------------------------------------------------------------------------- */

static void on_input(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct watch *w = arg;
    int i = find(w->fake, w->id);
    rpc_stream_consume(st, len);
    if (i >= 0 && strcmp(arg_of(w->fake->containers[i], 0), "cat") == 0)
        output(w->fake, i, data, len);
}

static void on_input_end(struct rpc_stream *st, void *arg)
{
    struct watch *w = arg;
    (void)st;
    int i = find(w->fake, w->id);
    if (i < 0 || strcmp(arg_of(w->fake->containers[i], 0), "cat") != 0)
        return;
    if (is_running(w->fake->containers[i]))
        die(w->fake, i, 0);
    else
        set(w->fake->containers[i], "fake_eof", cJSON_CreateTrue());
}

static void on_watch_drain(struct rpc_stream *st, void *arg)
{
    struct watch *w = arg;
    (void)st;
    if (w->flood_left > 0)
        flood(w);
}

static struct watch *watch_new(struct rpc_stream *st, void *arg, enum watch_kind kind,
                               const char *id)
{
    static const struct rpc_stream_events events = {.on_data = on_input,
                                                    .on_end = on_input_end,
                                                    .on_drain = on_watch_drain,
                                                    .on_close = on_watch_close};
    static const struct rpc_stream_events deaf = {.on_drain = on_watch_drain,
                                                  .on_close = on_watch_close};
    struct watch *w = vic_new(struct watch);
    w->fake = arg;
    w->st = st;
    w->kind = kind;
    (void)snprintf(w->id, sizeof(w->id), "%s", id);
    vic_list_append(&w->fake->watches, &w->link);
    rpc_stream_set_events(st, kind == WATCH_ATTACH ? &events : &deaf, w);
    rpc_reply_begin(st);
    return w;
}

static void on_wait(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    int i = need(st, arg);
    if (i < 0)
        return;
    const char *condition = rpc_stream_query(st, "condition");
    struct watch *w = watch_new(st, arg, WATCH_WAIT, id_of(f->containers[i]));
    w->until_removed = vic_str_eq(condition, "removed");
    if (vic_str_eq(condition, "not-running") && !is_running(f->containers[i]))
        tell_waiters(f, f->containers[i], false);
}

static void on_attach(struct rpc_stream *st, void *arg)
{
    int i = need(st, arg);
    if (i >= 0)
        (void)watch_new(st, arg, WATCH_ATTACH, id_of(fake_of(arg)->containers[i]));
}

static void on_output(struct rpc_stream *st, void *arg)
{
    struct fake_portlayer *f = arg;
    int i = need(st, arg);
    if (i < 0)
        return;
    bool follow = vic_str_eq(rpc_stream_query(st, "follow"), "1");
    struct watch *w = watch_new(st, arg, WATCH_OUTPUT, id_of(f->containers[i]));
    (void)rpc_stream_write(st, vic_buf_str(&f->output[i]), f->output[i].len);
    if (!follow || !is_running(f->containers[i]))
        finish_watch(w);
}

static void on_events(struct rpc_stream *st, void *arg)
{
    (void)watch_new(st, arg, WATCH_EVENTS, "");
}

static void on_note(struct rpc_stream *st, void *arg)
{
    (void)arg;
    rpc_reply_json(st, NULL);
}

static const struct rpc_route routes[] = {
    {"POST", "/v1/events", RPC_BODY_NONE_OR_JSON, on_note},
    {"GET", "/v1/info", RPC_BODY_NONE_OR_JSON, on_info},
    {"GET", "/v1/events", RPC_BODY_NONE_OR_JSON, on_events},
    {"GET", "/v1/images", RPC_BODY_NONE_OR_JSON, on_images},
    {"POST", "/v1/content/sweep", RPC_BODY_NONE_OR_JSON, on_content_sweep},
    {"POST", "/v1/images", RPC_BODY_NONE_OR_JSON, on_image_create},
    {"GET", "/v1/content/{digest}", RPC_BODY_NONE_OR_JSON, on_content_get},
    {"PUT", "/v1/content/{digest}", RPC_BODY_STREAM, on_content_put},
    {"GET", "/v1/images/{id}", RPC_BODY_NONE_OR_JSON, on_image},
    {"DELETE", "/v1/images/{id}", RPC_BODY_NONE_OR_JSON, on_image_delete},
    {"DELETE", "/v1/refs", RPC_BODY_NONE_OR_JSON, on_untag},
    {"GET", "/v1/networks", RPC_BODY_NONE_OR_JSON, on_networks},
    {"POST", "/v1/containers", RPC_BODY_NONE_OR_JSON, on_create},
    {"GET", "/v1/containers", RPC_BODY_NONE_OR_JSON, on_list},
    {"GET", "/v1/containers/{ref}", RPC_BODY_NONE_OR_JSON, on_get},
    {"DELETE", "/v1/containers/{ref}", RPC_BODY_NONE_OR_JSON, on_delete},
    {"POST", "/v1/containers/{ref}/start", RPC_BODY_NONE_OR_JSON, on_start},
    {"POST", "/v1/containers/{ref}/stop", RPC_BODY_NONE_OR_JSON, on_stop},
    {"POST", "/v1/containers/{ref}/pause", RPC_BODY_NONE_OR_JSON, on_pause},
    {"POST", "/v1/containers/{ref}/unpause", RPC_BODY_NONE_OR_JSON, on_unpause},
    {"POST", "/v1/containers/{ref}/signal", RPC_BODY_NONE_OR_JSON, on_signal},
    {"POST", "/v1/containers/{ref}/rename", RPC_BODY_NONE_OR_JSON, on_rename},
    {"POST", "/v1/containers/{ref}/resize", RPC_BODY_NONE_OR_JSON, on_resize},
    {"GET", "/v1/containers/{ref}/wait", RPC_BODY_NONE_OR_JSON, on_wait},
    {"POST", "/v1/containers/{ref}/attach", RPC_BODY_STREAM, on_attach},
    {"GET", "/v1/containers/{ref}/output", RPC_BODY_NONE_OR_JSON, on_output},
};

/* ---- life ------------------------------------------------------------------------------------------------------- */

unsigned fake_portlayer_open_streams(const struct fake_portlayer *f)
{
    unsigned n = 0;
    for (const struct vic_list *l = f->watches.next; l != &f->watches; l = l->next)
        n++;
    return n;
}

struct fake_portlayer *fake_portlayer_new(uv_loop_t *loop, const char *path)
{
    struct fake_portlayer *f = vic_new(struct fake_portlayer);
    f->loop = loop;
    vic_list_init(&f->watches);
    int fd = -1;
    struct vic_err err;
    if (host_listen_unix(path, 0600, (uid_t)-1, (gid_t)-1, &fd, &err) < 0 ||
        host_rpc_listen(loop, fd, routes, ARRAY_SIZE(routes), f, 8, &f->server, &err) < 0) {
        (void)fprintf(stderr, "fake port layer: %s\n", err.message);
        abort();
    }
    return f;
}

void fake_portlayer_close(struct fake_portlayer *f)
{
    host_rpc_server_close(f->server);
    for (size_t i = 0; i < f->n; i++) {
        cJSON_Delete(f->containers[i]);
        vic_buf_release(&f->output[i]);
    }
    struct watch *w;
    struct watch *next;
    list_for_each_safe(w, next, &f->watches, link) {
        vic_list_remove(&w->link); /* freed by its own on_close */
    }
    free(f);
}
