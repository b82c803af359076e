/* Docker's documents of execs, from and to the port layer's.  Pure. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"
#include "personality/docker/keys.h"

/* The body of ContainerExec becomes the port layer's request.  body is changed (spelling of members). */
int docker_exec_convert(cJSON *body, cJSON **ret_request, struct vic_err *err);

struct docker_exec_start {
    bool is_detached;
    bool is_raw; /* how the client wants the output; the process's terminal is create's affair */
    unsigned width, height; /* 0: not said */
};

/* The body of ExecStart, which may be NULL; changed like the other.  exec: the port layer's EXEC. */
int docker_exec_start_read(cJSON *body, const cJSON *exec, struct docker_exec_start *ret,
                           struct vic_err *err);

/* What the creator said of a stream: "AttachStdin", "AttachStdout", "AttachStderr". */
bool docker_exec_attaches(const cJSON *exec, const char *member);
/* What detaches a client that types. */
void docker_exec_keys(const cJSON *exec, struct docker_keys *ret);
cJSON *docker_exec_json(const cJSON *exec);
/* Docker's words for a process that could not be started; NULL: err is of another kind.  The caller's. */
char *docker_exec_failure(const struct vic_err *err);
