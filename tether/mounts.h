/* The container's view of the file system, made inside its own mount namespace. */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/confine/confine.h"

/* What tether keeps on its own tmpfs and lays over the image's; NULL leaves the image's. */
struct tether_overlays {
    const char *hostname;
    const char *hosts;
    const char *resolv_conf;
};

/* Makes root the root, with Docker's mounts and devices; tether's own tree is gone from sight.  In the child only, in new mount, PID, IPC and cgroup namespaces. */
int tether_mounts_enter(const char *root, const struct tether_overlays *o, const struct confine *c,
                        struct vic_err *err);

/* Masks what is to be masked, and makes read-only what is to be: when nothing is looked up any more. */
int tether_mounts_hide(const struct confine *c, struct vic_err *err);

/* A terminal of the container's own /dev/pts. */
int tether_mounts_terminal(int *ret_master, int *ret_slave, unsigned *ret_number,
                           struct vic_err *err);
/* Binds that terminal to /dev/console. */
int tether_mounts_console(unsigned number, struct vic_err *err);
