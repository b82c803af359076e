/* POST /containers/{}/exec, and /exec/{}/start, /exec/{}/resize, /exec/{}/json */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/exec_doc.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/join.h"
#include "personality/docker/keys.h"
#include "personality/docker/size.h"
#include "personality/docker/text.h"

/* ---- create ------------------------------------------------------------------------------------------------ */

static int check_runs(const cJSON *container, struct vic_err *err)
{
    const cJSON *state = json_member(container, "state");
    const char *id = json_str(container, "id", "");
    if (strcmp(docker_text_state(state), "paused") == 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "container %s is paused, unpause the container before exec", id);
    if (strcmp(docker_text_state(state), "restarting") == 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "Container %s is restarting, wait until the container is running", id);
    if (!docker_state_is_running(state))
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is not running", id);
    return 0;
}

static void on_created(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)arg;
    if (err) {
        docker_reply_container_error(r, err);
        return;
    }
    cJSON *out = json_new_obj();
    json_add_str(out, "Id", json_str(doc, "id", ""));
    docker_reply_json(r, DOCKER_CREATED, out);
}

static void on_container(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    auto_json cJSON *request = arg;
    struct vic_err mine;
    if (!err && check_runs(doc, &mine) < 0)
        err = &mine;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    auto_free char *path =
        docker_intent_path("/v1/containers/%s/execs", json_str(doc, "id", r->name));
    docker_intent(r, "POST", path, TAKE_PTR(request), on_created, NULL);
}

void docker_exec_create(struct docker_req *r)
{
    auto_json cJSON *body = NULL;
    cJSON *request = NULL;
    struct vic_err err;
    if (!docker_need_name(r))
        return;
    if (docker_req_json(r, &body, &err) < 0 || docker_exec_convert(body, &request, &err) < 0)
        docker_reply_error(r, &err);
    else
        docker_get_container(r, r->name, on_container, request);
}

/* ---- start --------------------------------------------------------------------------------------------------- */

static void reply_exec_error(struct docker_req *r, const struct vic_err *err)
{
    auto_free char *failure = docker_exec_failure(err);
    if (failure)
        docker_reply_errorf(r, VIC_ERR_INVALID, "%s", failure);
    else
        docker_reply_error(r, err);
}

static char *failure_line(const struct vic_err *err)
{
    auto_free char *failure = docker_exec_failure(err);
    return failure ? vic_xasprintf("%s\r\n", failure) : NULL;
}

static void on_detached(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                        void *arg)
{
    (void)doc;
    (void)arg;
    if (err)
        reply_exec_error(r, err);
    else
        docker_reply_empty(r, DOCKER_OK);
}

static void start_detached(struct docker_req *r, const char *id, const struct docker_exec_start *s)
{
    cJSON *body = json_new_obj();
    if (s->width > 0) {
        cJSON *console = json_add_obj(body, "console");
        json_add_i64(console, "width", s->width);
        json_add_i64(console, "height", s->height);
    }
    auto_free char *path = docker_intent_path("/v1/execs/%s/start", id);
    docker_intent(r, "POST", path, body, on_detached, NULL);
}

static void start_attached(struct docker_req *r, const cJSON *exec,
                           const struct docker_exec_start *s)
{
    struct vic_err err;
    struct docker_keys keys;
    bool has_stdin = docker_exec_attaches(exec, "AttachStdin");
    if (docker_join_check(r, has_stdin, &err) < 0) {
        docker_reply_error(r, &err);
        return;
    }
    docker_exec_keys(exec, &keys);
    auto_free char *path = vic_xasprintf(
        "/v1/execs/%s/attach?stdin=%d&stdout=%d&stderr=%d&width=%u&height=%u&detach=%s",
        json_str(exec, "id", ""), has_stdin, docker_exec_attaches(exec, "AttachStdout"),
        docker_exec_attaches(exec, "AttachStderr"), s->width, s->height, keys.hex);
    docker_join_open(r, &(struct docker_join){
                            .path = path,
                            .is_raw = s->is_raw,
                            .has_stdin = has_stdin,
                            .reply_error = docker_reply_error,
                            .text_of_error = failure_line,
                        });
}

/* Calls done with the exec of the path, or answers that there is none. */
static void get_exec(struct docker_req *r, docker_intent_fn done, void *arg)
{
    auto_free char *path = docker_intent_path("/v1/execs/%s", r->name);
    docker_intent(r, "GET", path, NULL, done, arg);
}

static void reply_lookup_error(struct docker_req *r, const struct vic_err *err)
{
    if (err->kind == VIC_ERR_NOT_FOUND)
        docker_reply_errorf(r, VIC_ERR_NOT_FOUND, "No such exec instance: %s", r->name);
    else
        docker_reply_error(r, err);
}

static void on_exec_to_start(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                             void *arg)
{
    auto_json cJSON *body = arg;
    struct docker_exec_start start;
    struct vic_err mine;
    if (err)
        reply_lookup_error(r, err);
    else if (docker_exec_start_read(body, doc, &start, &mine) < 0)
        docker_reply_error(r, &mine);
    else if (start.is_detached)
        start_detached(r, json_str(doc, "id", ""), &start);
    else
        start_attached(r, doc, &start);
}

void docker_exec_start(struct docker_req *r)
{
    cJSON *body = NULL;
    struct vic_err err;
    if (!docker_need_name(r))
        return;
    if (r->body.len > 0 && docker_req_json(r, &body, &err) < 0)
        docker_reply_error(r, &err);
    else
        get_exec(r, on_exec_to_start, body);
}

/* ---- inspect, resize ----------------------------------------------------------------------------------------- */

static void on_exec(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)arg;
    if (err)
        reply_lookup_error(r, err);
    else
        docker_reply_json(r, DOCKER_OK, docker_exec_json(doc));
}

void docker_exec_inspect(struct docker_req *r)
{
    if (docker_need_name(r))
        get_exec(r, on_exec, NULL);
}

static void on_resized(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    (void)arg;
    if (err)
        reply_lookup_error(r, err);
    else
        docker_reply_empty(r, DOCKER_OK);
}

void docker_exec_resize(struct docker_req *r)
{
    cJSON *body = NULL;
    struct vic_err err;
    if (!docker_need_name(r))
        return;
    if (docker_size_from_query(r, &body, &err) < 0) {
        docker_reply_error(r, &err);
        return;
    }
    auto_free char *path = docker_intent_path("/v1/execs/%s/resize", r->name);
    docker_intent(r, "POST", path, body, on_resized, NULL);
}
