/* POST /containers/{}/attach */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/join.h"
#include "personality/docker/keys.h"
#include "personality/docker/text.h"

static int check(const struct docker_req *r, const cJSON *container, struct vic_err *err)
{
    const char *state = docker_text_state(json_member(container, "state"));
    if (strcmp(state, "paused") == 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "container %s is paused, unpause the container before attach",
                        json_str(container, "id", ""));
    if (strcmp(state, "restarting") == 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "container %s is restarting, wait until the container is running",
                        json_str(container, "id", ""));
    return docker_join_check(r, docker_req_bool(r, "stdin"), err);
}

static void on_container(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    (void)arg;
    struct vic_err mine;
    if (!err && check(r, doc, &mine) < 0)
        err = &mine;
    struct docker_keys keys;
    if (!err && docker_keys_parse(docker_req_query(r, "detachKeys"), "detach", &keys, &mine) < 0)
        err = &mine;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    const cJSON *process = json_member(json_member(doc, "spec"), "process");
    bool has_stdin = docker_req_bool(r, "stdin") && json_bool(process, "stdin", false);
    auto_free char *path = vic_xasprintf(
        "/v1/containers/%s/attach?stdin=%d&stdout=%d&stderr=%d&logs=%d&stream=%d&detach=%s",
        json_str(doc, "id", ""), has_stdin, docker_req_bool(r, "stdout"),
        docker_req_bool(r, "stderr"), docker_req_bool(r, "logs"), docker_req_bool(r, "stream"),
        keys.hex);
    docker_join_open(r, &(struct docker_join){
                            .path = path,
                            .is_raw = json_bool(process, "tty", false),
                            .has_stdin = has_stdin,
                            .reply_error = docker_reply_container_error,
                        });
}

void docker_container_attach(struct docker_req *r)
{
    if (docker_need_name(r))
        docker_get_container(r, r->name, on_container, NULL);
}
