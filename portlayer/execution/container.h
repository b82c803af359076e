/*
 * The life cycle of a container as one table: state x event -> next state, action.
 *
 * Pure: no I/O, no clock, no memory.  Whoever asks applies the next state and performs the action.
 */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"

enum pl_state {
    PL_CREATED,
    PL_STARTING,
    PL_RUNNING,
    PL_PAUSED,
    PL_STOPPING,
    PL_EXITED,
    PL_RESTARTING, /* exited, and starts again by itself after a while */
    PL_REMOVING,
    PL_DEAD,
    PL_STATES,
};

enum pl_event {
    PL_EV_START,        /* asked for */
    PL_EV_STARTED,      /* the process runs */
    PL_EV_FAILED,       /* a start failed; the container had run before */
    PL_EV_FAILED_FIRST, /* a start failed; it never ran */
    PL_EV_STOP,         /* asked for: signal, wait, kill */
    PL_EV_SIGNAL,       /* any signal but SIGKILL */
    PL_EV_KILL,         /* SIGKILL: guaranteed to end it */
    PL_EV_REMOVE,
    PL_EV_REMOVE_FORCE,
    PL_EV_REMOVE_FAILED,
    PL_EV_PAUSE, /* asked for */
    PL_EV_UNPAUSE,
    PL_EV_FROZEN, /* the guest says so */
    PL_EV_THAWED,
    PL_EV_ENDED,         /* the VM is gone */
    PL_EV_RESTART_LATER, /* the restart policy wants another run */
    PL_EVENTS,
};

enum pl_action {
    PL_DO_NOTHING,
    PL_DO_START,
    PL_DO_STOP,
    PL_DO_SIGNAL,
    PL_DO_FREEZE, /* ask the guest for it; its answer moves the state */
    PL_DO_THAW,
    PL_DO_KILL,   /* make it end, whatever it takes; the request waits for the end */
    PL_DO_ABORT,  /* give up the start in progress; the request is dispatched again afterwards */
    PL_DO_WAIT,   /* dispatch the request again when the state has changed */
    PL_DO_CANCEL, /* wait no longer for a restart */
    PL_DO_REMOVE, /* begin to remove */
    PL_DO_FINISH, /* book the end of the run */
    PL_DO_REFUSE, /* answer with kind and reason */
};

struct pl_transition {
    enum pl_state next;
    enum pl_action action;
    enum vic_err_kind kind; /* of a refusal */
    const char *reason;     /* "is not running": completes "container 'x' ..." */
};

struct pl_transition pl_state_apply(enum pl_state state, enum pl_event event);

const char *pl_state_to_string(enum pl_state state);
int pl_state_from_string(const char *name, enum pl_state *ret_state); /* -EINVAL */

/* Its process runs, or is paused. */
bool pl_state_is_up(enum pl_state state);
/* There is, or may be, a VM. */
bool pl_state_has_vm(enum pl_state state);
