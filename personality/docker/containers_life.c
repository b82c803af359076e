/* start, stop, restart, kill, rename, resize and remove of containers. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/convert.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/keys.h"
#include "personality/docker/size.h"
#include "personality/docker/text.h"

#define START_BODY_MAX 7 /* bytes: as Docker allows; a JSON object that says something is longer */

/* ---- start ------------------------------------------------------------------------------------------ */

/* The client takes its exit code from these words: 127 "not found", 126 "permission denied". */
static void on_started(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    (void)arg;
    const char *words = "";
    if (!err) {
        docker_reply_empty(r, DOCKER_NO_CONTENT);
        return;
    }
    if (err->kind == VIC_ERR_NOT_FOUND && !strstr(err->message, "executable file not found") &&
        !strstr(err->message, "no such file or directory"))
        words = ": no such file or directory";
    if (err->kind == VIC_ERR_FORBIDDEN && !strstr(err->message, "permission denied"))
        words = ": permission denied";
    if (err->kind == VIC_ERR_NOT_FOUND || err->kind == VIC_ERR_FORBIDDEN ||
        err->kind == VIC_ERR_INVALID)
        docker_reply_errorf(r, VIC_ERR_INVALID,
                            "failed to create task for container: unable to start container "
                            "process: %s%s: unknown",
                            err->message, words);
    else
        docker_reply_error(r, err);
}

static void on_container_to_start(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                                  void *arg)
{
    (void)arg;
    const char *state = docker_text_state(json_member(doc, "state"));
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    if (strcmp(state, "paused") == 0) {
        docker_reply_errorf(r, VIC_ERR_CONFLICT,
                            "cannot start a paused container, try unpause instead");
        return;
    }
    if (strcmp(state, "removing") == 0 || strcmp(state, "dead") == 0) {
        docker_reply_errorf(r, VIC_ERR_CONFLICT,
                            "container is marked for removal and cannot be started");
        return;
    }
    cJSON *body = json_new_obj();
    auto_json cJSON *said = docker_create_document(doc);
    unsigned width;
    unsigned height;
    if (docker_size_get(json_member(said, "HostConfig"), &width, &height)) {
        cJSON *console = json_add_obj(body, "console");
        json_add_i64(console, "width", width);
        json_add_i64(console, "height", height);
    }
    auto_free char *path =
        docker_intent_path("/v1/containers/%s/start", json_str(doc, "id", r->name));
    docker_intent(r, "POST", path, body, on_started, NULL);
}

void docker_container_start(struct docker_req *r)
{
    /* A start has no stream that these could end: they only have to be keys. */
    struct docker_keys keys;
    struct vic_err err;
    if (!docker_need_name(r))
        return;
    if (docker_keys_parse(docker_req_query(r, "detachKeys"), "detach", &keys, &err) < 0)
        docker_reply_error(r, &err);
    else if (r->body.len > START_BODY_MAX)
        docker_reply_errorf(r, VIC_ERR_INVALID,
                            "starting container with non-empty request body was deprecated since "
                            "API v1.22 and removed in v1.24");
    else if (docker_req_query_or(r, "checkpoint", "")[0])
        docker_reply_errorf(r, VIC_ERR_UNIMPLEMENTED, "checkpoint is not served here");
    else
        docker_get_container(r, r->name, on_container_to_start, NULL);
}

/* ---- stop, restart, kill ------------------------------------------------------------------------------ */

/* {"timeout_s","signal"} from t and signal; NULL when they are wrong. */
static int parse_stop(const struct docker_req *r, cJSON **ret_body, struct vic_err *err)
{
    const char *t = docker_req_query_or(r, "t", "");
    const char *signal = docker_req_query_or(r, "signal", "");
    int64_t seconds = 0;
    if (t[0] && vic_str_to_i64(t, INT32_MIN, INT32_MAX, &seconds) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid value for t: \"%s\"", t);
    if (signal[0] && !docker_signal_is_valid(signal))
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid signal: %s", signal);
    *ret_body = json_new_obj();
    if (t[0])
        json_add_i64(*ret_body, "timeout_s", seconds < 0 ? -1 : seconds);
    if (signal[0])
        json_add_str(*ret_body, "signal", signal);
    return 0;
}

static void stop_or_restart(struct docker_req *r, const char *path_fmt)
{
    if (!docker_need_name(r))
        return;
    cJSON *body = NULL;
    struct vic_err err;
    if (parse_stop(r, &body, &err) < 0) {
        docker_reply_error(r, &err);
        return;
    }
    auto_free char *encoded = rpc_encode(r->name);
    auto_free char *path = vic_xasprintf("/v1/containers/%s/%s", encoded, path_fmt);
    docker_intent(r, "POST", path, body, docker_intent_reply_no_content, NULL);
}

void docker_container_stop(struct docker_req *r)
{
    stop_or_restart(r, "stop");
}

void docker_container_restart(struct docker_req *r)
{
    stop_or_restart(r, "restart");
}

static void on_killed(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    auto_free char *id = arg;
    if (!err)
        docker_reply_empty(r, DOCKER_NO_CONTENT);
    else if (err->kind == VIC_ERR_CONFLICT)
        docker_reply_errorf(r, VIC_ERR_CONFLICT,
                            "cannot kill container: %s: container %s is not running", r->name, id);
    else
        docker_reply_errorf(r, err->kind, "cannot kill container: %s: %s", r->name, err->message);
}

static void on_container_to_kill(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                                 void *arg)
{
    (void)arg;
    if (err) {
        on_killed(r, err, NULL, NULL);
        return;
    }
    const char *signal = docker_req_query_or(r, "signal", "");
    cJSON *body = json_new_obj();
    json_add_str(body, "signal", signal[0] ? signal : "SIGKILL");
    const char *id = json_str(doc, "id", r->name);
    auto_free char *path = docker_intent_path("/v1/containers/%s/signal", id);
    docker_intent(r, "POST", path, body, on_killed, vic_xstrdup(id));
}

void docker_container_kill(struct docker_req *r)
{
    if (!docker_need_name(r))
        return;
    const char *signal = docker_req_query_or(r, "signal", "");
    if (signal[0] && !docker_signal_is_valid(signal)) {
        docker_reply_errorf(r, VIC_ERR_INVALID, "cannot kill container: %s: invalid signal: %s",
                            r->name, signal);
        return;
    }
    docker_get_container(r, r->name, on_container_to_kill, NULL);
}

/* ---- rename --------------------------------------------------------------------------------------------- */

static void on_name_holder(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                           void *arg)
{
    auto_free char *message = arg;
    const char *name = docker_req_query_or(r, "name", "");
    docker_reply_name_taken(r, name + (*name == '/'), message,
                            err ? NULL : json_str(doc, "id", NULL));
}

static void on_renamed(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    const char *name = docker_req_query_or(r, "name", "");
    if (err && err->kind == VIC_ERR_CONFLICT)
        docker_get_container(r, name + (*name == '/'), on_name_holder, vic_xstrdup(err->message));
    else
        docker_intent_reply_no_content(r, err, doc, arg);
}

static void on_container_to_rename(struct docker_req *r, const struct vic_err *err,
                                   const cJSON *doc, void *arg)
{
    (void)arg;
    const char *name = docker_req_query_or(r, "name", "");
    name += *name == '/';
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    if (strcmp(json_str(doc, "name", ""), name) == 0) {
        docker_reply_errorf(r, VIC_ERR_INVALID,
                            "Renaming a container with the same name as its current name");
        return;
    }
    cJSON *body = json_new_obj();
    json_add_str(body, "name", name);
    auto_free char *path =
        docker_intent_path("/v1/containers/%s/rename", json_str(doc, "id", r->name));
    docker_intent(r, "POST", path, body, on_renamed, NULL);
}

void docker_container_rename(struct docker_req *r)
{
    const char *name = docker_req_query_or(r, "name", "");
    name += *name == '/';
    struct vic_err err;
    if (name[0] == '\0' || vic_str_is_empty(r->name))
        docker_reply_errorf(r, VIC_ERR_INVALID, "Neither old nor new names may be empty");
    else if (docker_name_check(name, &err) < 0)
        docker_reply_error(r, &err);
    else
        docker_get_container(r, r->name, on_container_to_rename, NULL);
}

/* ---- resize ----------------------------------------------------------------------------------------------- */

static void on_resized(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    (void)arg;
    if (err)
        docker_reply_container_error(r, err);
    else
        docker_reply_empty(r, DOCKER_OK);
}

void docker_container_resize(struct docker_req *r)
{
    cJSON *body = NULL;
    struct vic_err err;
    if (!docker_need_name(r))
        return;
    if (docker_size_from_query(r, &body, &err) < 0) {
        docker_reply_error(r, &err);
        return;
    }
    auto_free char *path = docker_intent_path("/v1/containers/%s/resize", r->name);
    docker_intent(r, "POST", path, body, on_resized, NULL);
}

/* ---- remove ----------------------------------------------------------------------------------------------- */

static void on_container_to_remove(struct docker_req *r, const struct vic_err *err,
                                   const cJSON *doc, void *arg)
{
    (void)arg;
    bool force = docker_req_bool(r, "force");
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    const cJSON *state = json_member(doc, "state");
    const char *word = docker_text_state(state);
    const char *name = json_str(doc, "name", "");
    if (!force && docker_state_is_running(state)) {
        const char *advice = strcmp(word, "paused") == 0
                                 ? " and must be unpaused first"
                                 : ": stop the container before removing or force remove";
        docker_reply_errorf(r, VIC_ERR_CONFLICT,
                            "cannot remove container \"/%s\": container is %s%s", name, word,
                            advice);
        return;
    }
    const char *id = json_str(doc, "id", r->name);
    auto_free char *path = vic_xasprintf("/v1/containers/%s?force=%d", id, force);
    docker_intent(r, "DELETE", path, NULL, docker_intent_reply_no_content, NULL);
}

void docker_container_delete(struct docker_req *r)
{
    if (!docker_need_name(r))
        return;
    if (docker_req_bool(r, "link")) /* v may be given: there are no volumes that could stay */
        docker_reply_errorf(r, VIC_ERR_UNIMPLEMENTED,
                            "removing links is not served here: there are none");
    else
        docker_get_container(r, r->name, on_container_to_remove, NULL);
}
