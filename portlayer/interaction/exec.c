/* The table of execs and their intents. */
#include "portlayer/interaction/exec.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define CODE_KILLED 137

static const char *const states[] = {
    [PL_EXEC_CREATED] = "created",
    [PL_EXEC_STARTING] = "starting",
    [PL_EXEC_RUNNING] = "running",
    [PL_EXEC_EXITED] = "exited",
};

/* ---- the table ---- */

static bool has_streams(const struct pl_exec *e)
{
    return e->state == PL_EXEC_STARTING || e->state == PL_EXEC_RUNNING;
}

static void free_exec(struct pl_exec *e)
{
    vic_list_remove(&e->link);
    e->c->n_execs--;
    (void)vic_map_remove(&e->c->x->execs, e->id);
    pl_exec_spec_release(&e->spec);
    free(e);
}

/* Frees the oldest one in that state. */
static bool evict(struct pl_container *c, enum pl_exec_state state)
{
    struct pl_exec *e;
    list_for_each(e, &c->execs, link) {
        if (e->state == state) {
            free_exec(e);
            return true;
        }
    }
    return false;
}

static int make_room(struct pl_container *c, struct vic_err *err)
{
    if (c->n_execs < PL_EXECS_MAX || evict(c, PL_EXEC_EXITED) || evict(c, PL_EXEC_CREATED))
        return 0;
    return vic_fail(err, VIC_ERR_UNAVAILABLE, 0,
                    "container %s runs %d processes beside its own: wait for one to end", c->rec.id,
                    PL_EXECS_MAX);
}

void pl_execs_tether_up(struct pl_container *c)
{
    struct pl_exec *e;
    struct pl_exec *next;
    list_for_each_safe(e, next, &c->execs, link) {
        pl_exec_launch(e); /* a probe's that fails is forgotten */
    }
}

void pl_execs_run_ends(struct pl_container *c)
{
    struct pl_exec *e;
    struct pl_exec *next;
    list_for_each_safe(e, next, &c->execs, link) {
        if (has_streams(e))
            pl_exec_end(e, CODE_KILLED);
        else if (e->state == PL_EXEC_CREATED)
            free_exec(e);
    }
}

void pl_execs_drop(struct pl_container *c)
{
    struct pl_exec *e;
    struct pl_exec *next;
    list_for_each_safe(e, next, &c->execs, link) {
        if (has_streams(e))
            pl_exec_let_go(e);
        free_exec(e);
    }
}

cJSON *pl_execs_ids(const struct pl_container *c)
{
    cJSON *arr = json_new_arr();
    const struct pl_exec *e;
    list_for_each(e, &c->execs, link) {
        if (e->state != PL_EXEC_EXITED)
            json_push_str(arr, e->id);
    }
    return arr;
}

/* ---- the intents ---- */

static int check_runs(const struct pl_container *c, struct vic_err *err)
{
    if (c->rec.state == PL_PAUSED)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is paused: unpause it first",
                        c->rec.id);
    if (c->rec.state != PL_RUNNING && c->rec.state != PL_STOPPING)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is not running", c->rec.id);
    return 0;
}

void pl_exec_forget(struct pl_exec *e)
{
    free_exec(e);
}

static struct pl_exec *new_exec(struct pl_container *c, struct pl_exec_spec *take_spec)
{
    struct pl_exec *e = vic_new(struct pl_exec);
    struct vic_id id;
    vic_id_new(&id);
    memcpy(e->id, id.text, sizeof(e->id));
    e->c = c;
    e->spec = *take_spec;
    vic_list_append(&c->execs, &e->link);
    c->n_execs++;
    (void)vic_map_put(&c->x->execs, e->id, e);
    cJSON *attributes = json_new_obj();
    auto_free char *command = pl_exec_command(&e->spec);
    json_add_str(attributes, "exec_id", e->id);
    json_add_str(attributes, "exec_command", command);
    pl_container_emit_with(c, "exec_create", attributes);
    return e;
}

int pl_exec_run(struct pl_container *c, struct pl_exec_spec *take_spec,
                const struct pl_exec_watcher *watcher, void *arg, struct pl_exec **ret_e,
                struct vic_err *err)
{
    int r = make_room(c, err);
    if (r < 0) {
        pl_exec_spec_release(take_spec);
        return r;
    }
    struct pl_exec *e = new_exec(c, take_spec);
    e->watcher = *watcher;
    e->watcher_arg = arg;
    *ret_e = e;
    pl_exec_begin(e, NULL);
    return 0;
}

void pl_exec_create_handle(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err = {0};
    struct pl_container *c = NULL;
    struct pl_exec_spec spec = {0};
    if (pl_index_find(pl->execution, rpc_stream_param(st, "ref"), &c, &err) < 0 ||
        check_runs(c, &err) < 0 || pl_exec_spec_from_json(rpc_stream_json(st), &spec, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    if (make_room(c, &err) < 0) {
        pl_exec_spec_release(&spec);
        rpc_reply_error(st, &err);
        return;
    }
    const struct pl_exec *e = new_exec(c, &spec);
    cJSON *answer = json_new_obj();
    json_add_str(answer, "id", e->id);
    rpc_reply_json(st, answer);
}

/* The exec of {id}, or NULL after an error was answered. */
static struct pl_exec *find(struct rpc_stream *st, const struct pl *pl)
{
    const char *id = rpc_stream_param(st, "id");
    struct pl_exec *e = vic_map_get(&pl->execution->execs, id);
    struct vic_err err = {0};
    if (!e) {
        (void)vic_fail(&err, VIC_ERR_NOT_FOUND, 0, "No such exec instance: %.128s", id);
        rpc_reply_error(st, &err);
    }
    return e;
}

void pl_exec_get_handle(struct rpc_stream *st, void *arg)
{
    const struct pl_exec *e = find(st, arg);
    if (!e)
        return;
    cJSON *doc = json_new_obj();
    json_add_str(doc, "id", e->id);
    json_add_str(doc, "container", e->c->rec.id);
    json_add_str(doc, "state", states[e->state]);
    json_add_i64(doc, "exit_code", e->exit_code);
    json_add_i64(doc, "pid", e->state == PL_EXEC_RUNNING ? e->pid : 0);
    json_add(doc, "process", pl_exec_process_json(&e->spec));
    json_add_bool(doc, "privileged", e->spec.is_privileged);
    json_add(doc, "annotations", json_dup(e->spec.annotations));
    rpc_reply_json(st, doc);
}

static int check_start(const struct pl_exec *e, struct vic_err *err)
{
    if (e->state != PL_EXEC_CREATED)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "exec %s %s", e->id,
                        e->state == PL_EXEC_EXITED ? "has already run" : "is already running");
    return check_runs(e->c, err);
}

/* A size that was set by resize is newer than the one asked for at the start. */
static void take_size(struct pl_exec *e, unsigned width, unsigned height)
{
    if (e->has_new_size)
        return;
    e->width = width;
    e->height = height;
}

void pl_exec_start_handle(struct rpc_stream *st, void *arg)
{
    static const char *const members[] = {"console"};
    const cJSON *doc = rpc_stream_json(st);
    const cJSON *console = json_member(doc, "console");
    struct vic_err err = {0};
    unsigned width = 0;
    unsigned height = 0;
    struct pl_exec *e = find(st, arg);
    if (!e)
        return;
    if ((doc && pl_check_members(doc, NULL, members, ARRAY_SIZE(members), &err) < 0) ||
        (console && pl_size_from_json(console, "console", &width, &height, &err) < 0) ||
        check_start(e, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    take_size(e, width, height);
    pl_exec_begin(e, st);
}

static int read_query(struct rpc_stream *st, struct pl_exec *flags, struct vic_err *err)
{
    const struct {
        const char *name;
        bool *flag;
    } bools[] = {
        {"stdin", &flags->wants_stdin},
        {"stdout", &flags->wants_stdout},
        {"stderr", &flags->wants_stderr},
    };
    const struct {
        const char *name;
        unsigned *value;
    } sides[] = {{"width", &flags->width}, {"height", &flags->height}};
    for (size_t i = 0; i < ARRAY_SIZE(bools); i++) {
        const char *text = rpc_stream_query(st, bools[i].name);
        if (text && vic_str_to_bool(text, bools[i].flag) < 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected 0 or 1", bools[i].name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        const char *text = rpc_stream_query(st, sides[i].name);
        uint64_t n = 0;
        if (text && vic_str_to_u64(text, 0, UINT16_MAX, &n) < 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected 0 to %d", sides[i].name,
                            UINT16_MAX);
        *sides[i].value = (unsigned)n;
    }
    return pl_keys_from_hex(rpc_stream_query(st, "detach"), &flags->keys, err);
}

void pl_exec_attach_handle(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    struct pl_exec flags = {0};
    struct pl_exec *e = find(st, arg);
    if (!e)
        return;
    int r = read_query(st, &flags, &err);
    if (r >= 0)
        r = check_start(e, &err);
    if (r >= 0 && flags.wants_stdin && !e->spec.process.has_stdin)
        r = vic_fail(&err, VIC_ERR_CONFLICT, 0, "exec %s has no stdin", e->id);
    if (r < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    take_size(e, flags.width, flags.height);
    e->is_attached = true;
    e->wants_stdin = flags.wants_stdin;
    e->wants_stdout = flags.wants_stdout;
    e->wants_stderr = flags.wants_stderr;
    e->keys = e->spec.process.tty ? flags.keys : (struct pl_keys){0};
    pl_exec_begin(e, st);
}

static void on_resized(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    pl_request_reply(arg, err);
}

static int set_size(struct pl_exec *e, const cJSON *doc, struct vic_err *err)
{
    if (!doc)
        return vic_fail(err, VIC_ERR_INVALID, 0, "expected width and height");
    if (e->state == PL_EXEC_EXITED)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "exec %s has ended", e->id);
    return pl_size_from_json(doc, NULL, &e->width, &e->height, err);
}

void pl_exec_resize_handle(struct rpc_stream *st, void *arg)
{
    struct vic_err err = {0};
    const cJSON *doc = rpc_stream_json(st);
    struct pl_exec *e = find(st, arg);
    if (!e)
        return;
    if (set_size(e, doc, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    /* Without a terminal it means nothing. */
    if (e->state != PL_EXEC_RUNNING || !e->spec.process.tty) {
        e->has_new_size = e->spec.process.tty;
        rpc_reply_json(st, json_new_obj());
        return;
    }
    auto_free char *path = vic_xasprintf("/v1/exec/%s/resize", e->id);
    struct pl_request *req = pl_request_new(e->c, st, PL_EV_SIGNAL);
    if (pl_channel_call(e->c->channel, "POST", path, doc, on_resized, req, &err) < 0)
        pl_request_reply(req, &err);
}
