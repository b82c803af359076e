/* Validation and conversion of the documents of execs. */
#include "personality/docker/exec_doc.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/convert.h"
#include "personality/docker/fields.h"
#include "personality/docker/size.h"

static const char *const streams[] = {"AttachStdin", "AttachStdout", "AttachStderr"};

static int check(cJSON *body, struct vic_err *err)
{
    static const char *const bools[] = {"AttachStdin", "AttachStdout", "AttachStderr", "Tty",
                                        "Privileged"};
    int r = docker_fields_check(body, DOCKER_FIELD_EXEC, err);
    bool flag;
    const char *text;
    struct docker_keys keys;
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(bools); i++)
        r = json_get_bool(body, "", bools[i], &flag, err);
    if (r < 0 || (r = json_get_str(body, "", "User", &text, err)) < 0 ||
        (r = docker_command_check(body, "Cmd", err)) < 0 || (r = docker_env_check(body, err)) < 0 ||
        (r = docker_size_check(body, "", err)) < 0 ||
        (r = json_get_str(body, "", "DetachKeys", &text, err)) < 0 ||
        (r = docker_keys_parse(text, "escape", &keys, err)) < 0 ||
        (r = json_get_str(body, "", "WorkingDir", &text, err)) < 0)
        return r;
    if (!vic_str_is_empty(text) && text[0] != '/')
        return vic_fail(
            err, VIC_ERR_INVALID, 0,
            "the working directory '%.200s' is invalid, it needs to be an absolute path", text);
    const cJSON *command = json_member(body, "Cmd");
    if (!command || !command->child)
        return vic_fail(err, VIC_ERR_INVALID, 0, "No exec command specified");
    return 0;
}

static void add_member(cJSON *obj, const char *member, const cJSON *value)
{
    if (value)
        json_add(obj, member, json_dup(value));
}

static cJSON *new_request(const cJSON *body)
{
    cJSON *request = json_new_obj();
    cJSON *process = json_add_obj(request, "process");
    add_member(process, "args", json_member(body, "Cmd"));
    add_member(process, "env", json_member(body, "Env"));
    json_add_str(process, "cwd", json_str(body, "WorkingDir", ""));
    json_add_str(process, "user", json_str(body, "User", ""));
    json_add_bool(process, "tty", json_bool(body, "Tty", false));
    json_add_bool(process, "stdin", json_bool(body, "AttachStdin", false));
    json_add_bool(request, "privileged", json_bool(body, "Privileged", false));
    auto_json cJSON *said = json_new_obj();
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
        json_add_bool(said, streams[i], json_bool(body, streams[i], false));
    add_member(said, "ConsoleSize", json_member(body, "ConsoleSize"));
    add_member(said, "DetachKeys", json_member(body, "DetachKeys"));
    auto_free char *text = json_print(said);
    json_add_str(json_add_obj(request, "annotations"), "docker.exec", text);
    return request;
}

int docker_exec_convert(cJSON *body, cJSON **ret_request, struct vic_err *err)
{
    int r = check(body, err);
    if (r >= 0)
        *ret_request = new_request(body);
    return r;
}

/* What the creator said; the caller's. */
static cJSON *said_of(const cJSON *exec)
{
    const char *text = json_str(json_member(exec, "annotations"), "docker.exec", "");
    cJSON *doc = NULL;
    return json_parse(text, strlen(text), &doc, NULL) < 0 ? json_new_obj() : doc;
}

bool docker_exec_attaches(const cJSON *exec, const char *member)
{
    auto_json cJSON *said = said_of(exec);
    return json_bool(said, member, false);
}

void docker_exec_keys(const cJSON *exec, struct docker_keys *ret)
{
    auto_json cJSON *said = said_of(exec);
    if (docker_keys_parse(json_str(said, "DetachKeys", NULL), "escape", ret, NULL) < 0)
        (void)docker_keys_parse(NULL, "", ret, NULL); /* a damaged note */
}

int docker_exec_start_read(cJSON *body, const cJSON *exec, struct docker_exec_start *ret,
                           struct vic_err *err)
{
    struct docker_exec_start s = {0};
    int r = docker_fields_check(body, DOCKER_FIELD_EXEC_START, err);
    if (r < 0 || (r = json_get_bool(body, "", "Detach", &s.is_detached, err)) < 0 ||
        (r = json_get_bool(body, "", "Tty", &s.is_raw, err)) < 0 ||
        (r = docker_size_check(body, "", err)) < 0)
        return r;
    auto_json cJSON *said = said_of(exec);
    if (docker_size_check(said, "", NULL) == 0 && !docker_size_get(body, &s.width, &s.height))
        (void)docker_size_get(said, &s.width, &s.height);
    *ret = s;
    return 0;
}

cJSON *docker_exec_json(const cJSON *exec)
{
    const cJSON *process = json_member(exec, "process");
    const cJSON *args = json_member(process, "args");
    const cJSON *first = cJSON_IsArray(args) ? args->child : NULL;
    const char *state = json_str(exec, "state", "");
    const char *user = json_str(process, "user", "");
    cJSON *out = json_new_obj();
    json_add_str(out, "ID", json_str(exec, "id", ""));
    json_add_bool(out, "Running", strcmp(state, "running") == 0);
    if (strcmp(state, "exited") == 0)
        json_add_i64(out, "ExitCode", json_i64(exec, "exit_code", 0));
    else
        json_add_null(out, "ExitCode");
    cJSON *config = json_add_obj(out, "ProcessConfig");
    json_add_bool(config, "tty", json_bool(process, "tty", false));
    json_add_str(config, "entrypoint", cJSON_IsString(first) ? first->valuestring : "");
    cJSON *rest = json_add_arr(config, "arguments");
    for (const cJSON *a = first ? first->next : NULL; a; a = a->next)
        if (cJSON_IsString(a))
            json_push_str(rest, a->valuestring);
    json_add_bool(config, "privileged", json_bool(exec, "privileged", false));
    if (user[0])
        json_add_str(config, "user", user);
    json_add_bool(out, "OpenStdin", docker_exec_attaches(exec, "AttachStdin"));
    json_add_bool(out, "OpenStderr", docker_exec_attaches(exec, "AttachStderr"));
    json_add_bool(out, "OpenStdout", docker_exec_attaches(exec, "AttachStdout"));
    json_add_bool(out, "CanRemove", false);
    json_add_str(out, "ContainerID", json_str(exec, "container", ""));
    json_add_str(out, "DetachKeys", "");
    json_add_i64(out, "Pid", json_i64(exec, "pid", 0));
    return out;
}

char *docker_exec_failure(const struct vic_err *err)
{
    if (err->kind != VIC_ERR_NOT_FOUND && err->kind != VIC_ERR_FORBIDDEN &&
        err->kind != VIC_ERR_INVALID)
        return NULL;
    if (vic_str_starts_with(err->message, "unable to find "))
        return vic_xstrdup(err->message); /* of users and groups, which Docker looks up itself */
    return vic_xasprintf("OCI runtime exec failed: exec failed: unable to start container process: "
                         "%s: unknown",
                         err->message);
}
