/* The life-cycle table. */
#include "portlayer/execution/container.h"

#include <errno.h>
#include <string.h>

#include "lib/base/cleanup.h"

/* clang-format off: a table is read by its columns */
#define GO(next_, action_)                                                                         \
    {                                                                                              \
        .next = PL_##next_, .action = PL_DO_##action_                                              \
    }
#define STAY(state_)                                                                               \
    {                                                                                              \
        .next = PL_##state_, .action = PL_DO_NOTHING                                               \
    }
#define NO(state_, kind_, reason_)                                                                 \
    {                                                                                              \
        .next = PL_##state_, .action = PL_DO_REFUSE, .kind = VIC_ERR_##kind_, .reason = (reason_)  \
    }

static const char not_running[] = "is not running";
static const char is_running[] = "is running: stop it before removing it, or force the removal";
static const char is_restarting[] =
    "is restarting: stop it before removing it, or force the removal";
static const char is_paused[] = "is paused: unpause it first";
static const char not_paused[] = "is not paused";
static const char being_removed[] = "is being removed";
static const char is_dead[] = "could not be removed and is dead: remove it again";

static const struct pl_transition table[PL_STATES][PL_EVENTS] =
    {
        [PL_CREATED] =
            {
                [PL_EV_START] = GO(STARTING, START),
                [PL_EV_STARTED] = STAY(CREATED),
                [PL_EV_FAILED] = STAY(CREATED),
                [PL_EV_FAILED_FIRST] = STAY(CREATED),
                [PL_EV_STOP] = NO(CREATED, NOT_MODIFIED, not_running),
                [PL_EV_SIGNAL] = NO(CREATED, CONFLICT, not_running),
                [PL_EV_KILL] = NO(CREATED, CONFLICT, not_running),
                [PL_EV_REMOVE] = GO(REMOVING, REMOVE),
                [PL_EV_REMOVE_FORCE] = GO(REMOVING, REMOVE),
                [PL_EV_REMOVE_FAILED] = STAY(CREATED),
                [PL_EV_PAUSE] = NO(CREATED, CONFLICT, not_running),
                [PL_EV_UNPAUSE] = NO(CREATED, CONFLICT, not_paused),
                [PL_EV_FROZEN] = STAY(CREATED),
                [PL_EV_THAWED] = STAY(CREATED),
                [PL_EV_ENDED] = STAY(CREATED),
                [PL_EV_RESTART_LATER] = STAY(CREATED),
            },
        [PL_STARTING] =
            {
                [PL_EV_START] = GO(STARTING, WAIT),
                [PL_EV_STARTED] = GO(RUNNING, NOTHING),
                [PL_EV_FAILED] = GO(EXITED, NOTHING),
                [PL_EV_FAILED_FIRST] = GO(CREATED, NOTHING),
                [PL_EV_STOP] = GO(STARTING, WAIT),
                [PL_EV_SIGNAL] = GO(STARTING, WAIT),
                [PL_EV_KILL] = GO(STARTING, WAIT),
                [PL_EV_REMOVE] = NO(STARTING, CONFLICT, is_running),
                [PL_EV_REMOVE_FORCE] = GO(STARTING, ABORT),
                [PL_EV_REMOVE_FAILED] = STAY(STARTING),
                [PL_EV_PAUSE] = GO(STARTING, WAIT),
                [PL_EV_UNPAUSE] = GO(STARTING, WAIT),
                [PL_EV_FROZEN] = STAY(STARTING),
                [PL_EV_THAWED] = STAY(STARTING),
                [PL_EV_ENDED] = GO(STARTING, ABORT),
                [PL_EV_RESTART_LATER] = STAY(STARTING),
            },
        [PL_RUNNING] =
            {
                [PL_EV_START] = NO(RUNNING, NOT_MODIFIED, "is already running"),
                [PL_EV_STARTED] = STAY(RUNNING),
                [PL_EV_FAILED] = STAY(RUNNING),
                [PL_EV_FAILED_FIRST] = STAY(RUNNING),
                [PL_EV_STOP] = GO(STOPPING, STOP),
                [PL_EV_SIGNAL] = GO(RUNNING, SIGNAL),
                [PL_EV_KILL] = GO(STOPPING, KILL),
                [PL_EV_REMOVE] = NO(RUNNING, CONFLICT, is_running),
                [PL_EV_REMOVE_FORCE] = GO(STOPPING, KILL),
                [PL_EV_REMOVE_FAILED] = STAY(RUNNING),
                [PL_EV_PAUSE] = GO(RUNNING, FREEZE),
                [PL_EV_UNPAUSE] = NO(RUNNING, CONFLICT, not_paused),
                [PL_EV_FROZEN] = GO(PAUSED, NOTHING),
                [PL_EV_THAWED] = STAY(RUNNING),
                [PL_EV_ENDED] = GO(EXITED, FINISH),
                [PL_EV_RESTART_LATER] = STAY(RUNNING),
            },
        [PL_PAUSED] =
            {
                [PL_EV_START] = NO(PAUSED, CONFLICT, is_paused),
                [PL_EV_STARTED] = STAY(PAUSED),
                [PL_EV_FAILED] = STAY(PAUSED),
                [PL_EV_FAILED_FIRST] = STAY(PAUSED),
                [PL_EV_STOP] = GO(STOPPING, STOP),
                [PL_EV_SIGNAL] = GO(PAUSED, SIGNAL),
                [PL_EV_KILL] = GO(STOPPING, KILL),
                [PL_EV_REMOVE] = NO(PAUSED, CONFLICT, is_paused),
                [PL_EV_REMOVE_FORCE] = GO(STOPPING, KILL),
                [PL_EV_REMOVE_FAILED] = STAY(PAUSED),
                [PL_EV_PAUSE] = NO(PAUSED, CONFLICT, "is already paused"),
                [PL_EV_UNPAUSE] = GO(PAUSED, THAW),
                [PL_EV_FROZEN] = STAY(PAUSED),
                [PL_EV_THAWED] = GO(RUNNING, NOTHING),
                [PL_EV_ENDED] = GO(EXITED, FINISH),
                [PL_EV_RESTART_LATER] = STAY(PAUSED),
            },
        [PL_STOPPING] =
            {
                [PL_EV_START] = GO(STOPPING, WAIT),
                [PL_EV_STARTED] = STAY(STOPPING),
                [PL_EV_FAILED] = STAY(STOPPING),
                [PL_EV_FAILED_FIRST] = STAY(STOPPING),
                [PL_EV_STOP] = GO(STOPPING, STOP),
                [PL_EV_SIGNAL] = GO(STOPPING, SIGNAL),
                [PL_EV_KILL] = GO(STOPPING, KILL),
                [PL_EV_REMOVE] = NO(STOPPING, CONFLICT, is_running),
                [PL_EV_REMOVE_FORCE] = GO(STOPPING, KILL),
                [PL_EV_REMOVE_FAILED] = STAY(STOPPING),
                [PL_EV_PAUSE] = NO(STOPPING, CONFLICT, "is being stopped"),
                [PL_EV_UNPAUSE] = NO(STOPPING, CONFLICT, not_paused),
                [PL_EV_FROZEN] = GO(STOPPING, THAW),
                [PL_EV_THAWED] = STAY(STOPPING),
                [PL_EV_ENDED] = GO(EXITED, FINISH),
                [PL_EV_RESTART_LATER] = STAY(STOPPING),
            },
        [PL_EXITED] =
            {
                [PL_EV_START] = GO(STARTING, START),
                [PL_EV_STARTED] = STAY(EXITED),
                [PL_EV_FAILED] = STAY(EXITED),
                [PL_EV_FAILED_FIRST] = STAY(EXITED),
                [PL_EV_STOP] = NO(EXITED, NOT_MODIFIED, not_running),
                [PL_EV_SIGNAL] = NO(EXITED, CONFLICT, not_running),
                [PL_EV_KILL] = NO(EXITED, CONFLICT, not_running),
                [PL_EV_REMOVE] = GO(REMOVING, REMOVE),
                [PL_EV_REMOVE_FORCE] = GO(REMOVING, REMOVE),
                [PL_EV_REMOVE_FAILED] = STAY(EXITED),
                [PL_EV_PAUSE] = NO(EXITED, CONFLICT, not_running),
                [PL_EV_UNPAUSE] = NO(EXITED, CONFLICT, not_paused),
                [PL_EV_FROZEN] = STAY(EXITED),
                [PL_EV_THAWED] = STAY(EXITED),
                [PL_EV_ENDED] = STAY(EXITED),
                [PL_EV_RESTART_LATER] = GO(RESTARTING, NOTHING),
            },
        [PL_RESTARTING] =
            {
                [PL_EV_START] = GO(STARTING, START),
                [PL_EV_STARTED] = STAY(RESTARTING),
                [PL_EV_FAILED] = STAY(RESTARTING),
                [PL_EV_FAILED_FIRST] = STAY(RESTARTING),
                [PL_EV_STOP] = GO(EXITED, CANCEL),
                [PL_EV_SIGNAL] = GO(EXITED, CANCEL),
                [PL_EV_KILL] = GO(EXITED, CANCEL),
                [PL_EV_REMOVE] = NO(RESTARTING, CONFLICT, is_restarting),
                [PL_EV_REMOVE_FORCE] = GO(REMOVING, REMOVE),
                [PL_EV_REMOVE_FAILED] = STAY(RESTARTING),
                [PL_EV_PAUSE] = NO(RESTARTING, CONFLICT, not_running),
                [PL_EV_UNPAUSE] = NO(RESTARTING, CONFLICT, not_paused),
                [PL_EV_FROZEN] = STAY(RESTARTING),
                [PL_EV_THAWED] = STAY(RESTARTING),
                [PL_EV_ENDED] = STAY(RESTARTING),
                [PL_EV_RESTART_LATER] = STAY(RESTARTING),
            },
        [PL_REMOVING] =
            {
                [PL_EV_START] = NO(REMOVING, CONFLICT, being_removed),
                [PL_EV_STARTED] = STAY(REMOVING),
                [PL_EV_FAILED] = STAY(REMOVING),
                [PL_EV_FAILED_FIRST] = STAY(REMOVING),
                [PL_EV_STOP] = NO(REMOVING, NOT_MODIFIED, not_running),
                [PL_EV_SIGNAL] = NO(REMOVING, CONFLICT, not_running),
                [PL_EV_KILL] = NO(REMOVING, CONFLICT, not_running),
                [PL_EV_REMOVE] = NO(REMOVING, CONFLICT, being_removed),
                [PL_EV_REMOVE_FORCE] = NO(REMOVING, CONFLICT, being_removed),
                [PL_EV_REMOVE_FAILED] = GO(DEAD, NOTHING),
                [PL_EV_PAUSE] = NO(REMOVING, CONFLICT, not_running),
                [PL_EV_UNPAUSE] = NO(REMOVING, CONFLICT, not_paused),
                [PL_EV_FROZEN] = STAY(REMOVING),
                [PL_EV_THAWED] = STAY(REMOVING),
                [PL_EV_ENDED] = STAY(REMOVING),
                [PL_EV_RESTART_LATER] = STAY(REMOVING),
            },
        [PL_DEAD] =
            {
                [PL_EV_START] = NO(DEAD, CONFLICT, is_dead),
                [PL_EV_STARTED] = STAY(DEAD),
                [PL_EV_FAILED] = STAY(DEAD),
                [PL_EV_FAILED_FIRST] = STAY(DEAD),
                [PL_EV_STOP] = NO(DEAD, NOT_MODIFIED, not_running),
                [PL_EV_SIGNAL] = NO(DEAD, CONFLICT, not_running),
                [PL_EV_KILL] = NO(DEAD, CONFLICT, not_running),
                [PL_EV_REMOVE] = GO(REMOVING, REMOVE),
                [PL_EV_REMOVE_FORCE] = GO(REMOVING, REMOVE),
                [PL_EV_REMOVE_FAILED] = STAY(DEAD),
                [PL_EV_PAUSE] = NO(DEAD, CONFLICT, not_running),
                [PL_EV_UNPAUSE] = NO(DEAD, CONFLICT, not_paused),
                [PL_EV_FROZEN] = STAY(DEAD),
                [PL_EV_THAWED] = STAY(DEAD),
                [PL_EV_ENDED] = STAY(DEAD),
                [PL_EV_RESTART_LATER] = STAY(DEAD),
            },
};
/* clang-format on */

static const char *const names[] = {
    [PL_CREATED] = "created",   [PL_STARTING] = "starting", [PL_RUNNING] = "running",
    [PL_PAUSED] = "paused",     [PL_STOPPING] = "stopping", [PL_EXITED] = "exited",
    [PL_REMOVING] = "removing", [PL_DEAD] = "dead",         [PL_RESTARTING] = "restarting",
};

struct pl_transition pl_state_apply(enum pl_state state, enum pl_event event)
{
    return table[state][event];
}

const char *pl_state_to_string(enum pl_state state)
{
    return names[state];
}

int pl_state_from_string(const char *name, enum pl_state *ret_state)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i], name) == 0) {
            *ret_state = (enum pl_state)i;
            return 0;
        }
    return -EINVAL;
}

bool pl_state_is_up(enum pl_state state)
{
    return state == PL_RUNNING || state == PL_PAUSED || state == PL_STOPPING;
}

bool pl_state_has_vm(enum pl_state state)
{
    return state == PL_STARTING || state == PL_RUNNING || state == PL_PAUSED ||
           state == PL_STOPPING;
}
