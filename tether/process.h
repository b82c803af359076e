/* A process of the container: started in its namespaces, heard until it runs or fails. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/rpc/rpc.h"
#include "tether/child.h"
#include "tether/input.h"

struct tether_process {
    pid_t pid;
    int channel;   /* owned; see child.h */
    int input;     /* owned; -1 without stdin */
    int output[2]; /* owned; standard output and error; with a terminal see console */
    int console;   /* owned; the terminal's master once the child has sent it */
};

/* child->stdio and ->channel are filled in here.  cgroup_fd: where it is born, -1 for here.  All
 * descriptors of *ret are non-blocking. */
int tether_process_start(struct tether_child *child, int cgroup_fd, struct tether_process *ret,
                         struct vic_err *err);
/* Closes what is open; a process that still runs is the caller's. */
void tether_process_release(struct tether_process *p);

enum tether_progress {
    TETHER_PROGRESS_WAIT,
    TETHER_PROGRESS_RUNS,
    TETHER_PROGRESS_FAILED, /* *ret_err says why; it is about to exit */
};

struct tether_startup {
    bool is_ready; /* READY came: what follows is the end of the channel, or why execve failed */
};

/* Reads what the child said so far. */
enum tether_progress tether_process_listen(struct tether_process *p, struct tether_startup *s,
                                           struct vic_err *ret_err);
/* Once it runs: opens in, if spec wants standard input.  A terminal stays open for its output. */
int tether_process_open_input(struct tether_process *p, const struct tether_spec *spec,
                              struct tether_input *in, struct vic_err *err);
/* Answers *st, which asked for the start and is NULL afterwards, if it has not gone; err NULL: it runs. */
void tether_process_answer(const struct tether_process *p, struct rpc_stream **st,
                           const struct vic_err *err);
