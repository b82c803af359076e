/*
 * What happens between clone and execve, in the container's own namespaces: made by its first process,
 * joined by every other one.
 *
 * The child tells its parent over a SOCK_SEQPACKET socket that closes on execve: the terminal's
 * descriptor, then READY just before execve, or the error.
 */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

#include "lib/base/err.h"
#include "tether/mounts.h"
#include "tether/spec.h"

enum tether_child_word {
    TETHER_CHILD_CONSOLE = 1, /* with the terminal's descriptor */
    TETHER_CHILD_READY,
    TETHER_CHILD_ERROR,
};

struct tether_child_message {
    enum tether_child_word word;
    struct vic_err err;
};

struct tether_child {
    const struct tether_spec *spec;
    const struct confine *confine;
    const char *hostname;
    const char *domainname;
    const char *root;
    struct tether_overlays overlays;
    rlim_t nofile; /* both limits of open files */
    int stdio[3];  /* -1 with a terminal; stdin -1 also without stdin: /dev/null */
    int channel;
    int join_fd; /* of the first process, whose namespaces are joined; -1: this is the first */
    bool is_privileged; /* keeps every capability */
};

/* Never returns. */
_Noreturn void tether_child_run(const struct tether_child *c);
