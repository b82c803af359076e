/*
 * One container in one VM: its state, its process, its streams.
 *
 *   idle -> configured -> starting -> running -> draining -> exited -> (done)
 *
 * A start that fails leads back to configured.  The container's own end leads to draining: its last
 * output is read, the exit record written; done once the port layer has acknowledged the record, or
 * is not there and padding was taken behind it.
 */
#pragma once

#include <stdbool.h>

#include "tether/input.h"
#include "tether/output.h"
#include "tether/port.h"
#include "tether/process.h"
#include "tether/spec.h"

/* What differs between a VM and a test. */
struct tether_machine {
    const char *root;       /* where the container's root is once prepared */
    const char *state_dir;  /* where files are kept that overlay the image's */
    rlim_t nofile;          /* limit of open files of the container's processes */
    const char *copier;     /* the program tether-copy */
    int cgroup_fd;          /* where the container is born; -1 for none */
    unsigned exec_grace_ms; /* how long children of an exec that ended may go on writing */
    /* Gets disk and interfaces ready. */
    int (*prepare)(const struct tether_config *c, struct vic_err *err);
    /* Sets the bounds of the container as a whole; before its first process. */
    int (*confine)(int cgroup_fd, const struct confine *c, struct vic_err *err);
    /* Changes them while it runs. */
    int (*reconfine)(int cgroup_fd, const struct confine *c, struct vic_err *err);
    bool (*was_oom_killed)(void);
    /* No process of the container gets on until it is thawed; SIGKILL still ends it.  0 or -errno. */
    int (*freeze)(bool is_frozen);
    /* Kills what is left of the container and makes its disk clean: nothing can be lost from here on,
     * however the VM ends. */
    void (*settle)(void);
};

enum tether_state {
    TETHER_IDLE,
    TETHER_CONFIGURED,
    TETHER_STARTING,
    TETHER_RUNNING,
    TETHER_DRAINING,
    TETHER_EXITED,
};

struct tether;

/* One of the process's outputs on its way to the output port. */
struct tether_source {
    struct tether_watch watch;
    struct tether *tether;
    int fd; /* borrowed from process; -1 at its end */
    enum vic_record_type type;
    bool is_paused; /* no room in the output queue */
    bool is_hung;   /* a terminal that no process has open for now */
};

struct tether {
    const struct tether_machine *machine; /* borrowed */
    struct tether_loop loop;
    struct tether_port port;
    struct tether_output output;
    struct tether_input input;
    enum tether_state state;
    struct tether_config config;
    struct tether_spec spec;
    struct tether_process process;
    struct tether_startup startup;
    struct tether_watch startup_watch;
    struct rpc_stream *starter; /* who asked for start and waits; NULL when gone */
    struct tether_source sources[2];
    struct tether_watch child_watch;
    int child_fd; /* owned; signalfd */
    int wait_status;
    bool has_died;         /* reaped: its pid means nothing any more */
    bool is_frozen;        /* the process, and all beside it */
    struct vic_list execs; /* processes beside it; see exec.h */
    size_t n_execs;
    struct vic_list copies; /* see copies.h */
    size_t n_copies;
    cJSON *exit;           /* owned; the exit record's payload */
    bool is_shutting_down; /* asked to: kill, then end */
    bool is_settled;       /* the disk was taken off */
    bool is_ending;        /* nothing left but to flush the port */
    bool is_done;
    uint64_t deadline_ms; /* for an end that hangs */
};

/* Blocks every signal of the process and takes over its children.  The descriptors are borrowed and
 * non-blocking.  Heap: it is too large for a stack. */
int tether_new(const struct tether_machine *machine, int rpc_fd, int output_fd, struct tether **ret,
               struct vic_err *err);
void tether_free(struct tether *t);

/* Serves until done; 0, or -errno when the loop broke. */
int tether_run(struct tether *t);

/* The container's process runs: it can be signalled and joined. */
bool tether_has_disk(const struct tether *t);
bool tether_is_alive(const struct tether *t);

/* ---- for service.c ---- */

int tether_configure(struct tether *t, const cJSON *doc, struct vic_err *err);
/* On success st is held and answered when the process runs or failed. */
int tether_start(struct tether *t, struct rpc_stream *st, struct vic_err *err);
int tether_signal(struct tether *t, int signal, struct vic_err *err);
int tether_resize(struct tether *t, uint16_t width, uint16_t height, struct vic_err *err);
int tether_freeze(struct tether *t, bool is_frozen, struct vic_err *err);
int tether_ack(struct tether *t, struct vic_err *err);
void tether_shutdown(struct tether *t);
const char *tether_state_to_string(enum tether_state state);
