/* Daemons of a VCH: starting them with their sockets, finding them again, ending them. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct mach_daemon {
    const char *program;     /* file name, beside vic-machine or in ../libexec/vic */
    const char *const *argv; /* NULL-terminated, argv[0] included */
    const char *log_path;    /* stdout and stderr are appended here */
    const char *pid_path;
    const char *user; /* run as this system user; NULL stays root */
    int listen_fd;    /* passed by the LISTEN_FDS protocol; -1 for none */
};

/* Starts it in a session of its own.  *ret_pid is our child: it can be waited for while we live. */
int mach_daemon_start(const struct mach_daemon *d, pid_t *ret_pid, struct vic_err *err);

/* The running daemon's pid, or 0.  A pid file names the process together with the time it started, so a
 * pid that was used again is never mistaken for it. */
pid_t mach_daemon_find(const char *pid_path);

/* SIGTERM, then SIGKILL after grace_ms.  What does not run is no error. */
int mach_daemon_stop(const char *pid_path, unsigned grace_ms, struct vic_err *err);

/* The end of a log, for an error message; the caller's. */
char *mach_daemon_log_tail(const char *log_path);

/* A folder of our own installation: where the programs are, where the ISO's files are.  The caller's. */
char *mach_program_dir(void);
