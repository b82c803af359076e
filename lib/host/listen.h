/* Listening sockets: made by whoever starts a daemon, inherited by the daemon (LISTEN_FDS protocol). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "lib/base/err.h"

/* A listening unix socket; replaces a stale one.  gid -1 leaves the group. */
int host_listen_unix(const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret_fd,
                     struct vic_err *err);
/* A listening TCP socket on a numeric address; port 0 takes a free one. */
int host_listen_tcp(const char *address, unsigned port, int *ret_fd, struct vic_err *err);

/* The sockets passed to this process (LISTEN_PID, LISTEN_FDS), close-on-exec from here on.  Returns
 * how many (0 if none); *ret_first is the first of consecutive descriptors.  Forgets the variables. */
int host_listen_fds(int *ret_first);
