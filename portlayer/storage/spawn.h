/* Starts helper programs of the layer code: descriptors placed, user changed, killed if we die. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/err.h"

#define PL_SPAWN_FDS_MAX 5

struct pl_spawn {
    const char *const *argv; /* argv[0] is looked up on PATH unless it has a slash */
    /* What becomes descriptors 0, 1, 2, …; -1 is /dev/null.  Borrowed. */
    int fds[PL_SPAWN_FDS_MAX];
    size_t n_fds;
    uid_t uid; /* (uid_t)-1: stays */
    gid_t gid;
    bool is_activated; /* descriptor 3 is a listening socket: LISTEN_FDS=1 */
};

/* Returns the pid.  The program gets SIGKILL when the calling thread ends. */
pid_t pl_spawn(const struct pl_spawn *s, struct vic_err *err);

/* Waits, and kills at the deadline.  0 if it exited with 0, otherwise INTERNAL with the tail of what is
 * waiting in the pipe stderr_fd (-1: none), named what. */
int pl_spawn_wait(pid_t pid, const char *what, int stderr_fd, unsigned timeout_ms,
                  struct vic_err *err);
void pl_spawn_kill(pid_t pid); /* and reaps; a pid of 0 is nothing */

/* Starts and waits. */
int pl_spawn_run(const char *const *argv, const char *what, unsigned timeout_ms,
                 struct vic_err *err);
