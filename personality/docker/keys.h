/* The keys by which a client leaves a terminal: "ctrl-p,ctrl-q".  Pure. */
#pragma once

#include "lib/base/err.h"
#include "portlayer/api.h"

struct docker_keys {
    char hex[2 * PL_DETACH_KEYS_MAX + 1]; /* as the port layer wants them */
};

/* text "" or NULL: Docker's default.  INVALID: no keys; what names them in Docker's message. */
int docker_keys_parse(const char *text, const char *what, struct docker_keys *ret,
                      struct vic_err *err);
