/* The documents of execs: what is asked for, what the guest is told.  Pure. */
#pragma once

#include "portlayer/execution/spec.h"

struct pl_exec_spec {
    struct pl_spec process; /* args, env, cwd, user, tty, has_stdin; the rest is empty */
    bool is_privileged;
    cJSON *annotations; /* owned; an object */
};

int pl_exec_spec_from_json(const cJSON *doc, struct pl_exec_spec *ret, struct vic_err *err);
void pl_exec_spec_release(struct pl_exec_spec *s);

/* The process as EXEC shows it. */
cJSON *pl_exec_process_json(const struct pl_exec_spec *s);
/* The body of the tether's exec; what s leaves open is the container's.  Without width, no console. */
cJSON *pl_exec_guest_json(const struct pl_exec_spec *s, const char *id,
                          const struct pl_spec *container, bool with_stdin, unsigned width,
                          unsigned height);
/* The command as events tell it: its words, with blanks between; the caller's. */
char *pl_exec_command(const struct pl_exec_spec *s);
