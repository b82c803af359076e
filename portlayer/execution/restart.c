/* When a container runs again by itself. */
#include "portlayer/execution/restart.h"

#include "lib/base/log.h"

bool pl_restart_is_wanted(const struct pl_record *rec, bool is_startup)
{
    const struct pl_restart *policy = &rec->spec.restart;
    switch (policy->name) {
    case PL_RESTART_NO:
        return false;
    case PL_RESTART_ALWAYS: /* as with Docker it forgets a stop when the daemon comes back */
        return is_startup || !rec->is_stopped;
    case PL_RESTART_UNLESS_STOPPED:
        return !rec->is_stopped;
    case PL_RESTART_ON_FAILURE:
        return !rec->is_stopped && rec->exit_code != 0 &&
               (policy->max_retries == 0 || rec->restarts < policy->max_retries);
    }
    return false;
}

uint64_t pl_restart_delay_ms(uint64_t last_ms, int64_t ran_ns)
{
    if (last_ms == 0 || ran_ns >= PL_RESTART_RAN_LONG_NS)
        return PL_RESTART_FIRST_MS;
    return last_ms < PL_RESTART_LAST_MS / 2 ? 2 * last_ms : PL_RESTART_LAST_MS;
}

static void on_due(struct pl_container *c)
{
    if (c->rec.state != PL_RESTARTING)
        return;
    struct pl_request *req = pl_request_new(c, NULL, PL_EV_START);
    req->is_by_policy = true;
    pl_request_dispatch(req);
}

void pl_restart_wait(struct pl_container *c)
{
    if (uv_is_active((uv_handle_t *)&c->timer))
        return;
    if (c->restart_delay_ms == 0)
        c->restart_delay_ms = PL_RESTART_FIRST_MS;
    vic_log(VIC_DEBUG, "container", c->rec.id, "runs again in %u ms",
            (unsigned)c->restart_delay_ms);
    pl_container_deadline(c, c->restart_delay_ms, on_due);
}

void pl_restart_after(struct pl_container *c, int64_t ran_ns)
{
    if (c->rec.state != PL_EXITED || c->keeps_on_end || !pl_restart_is_wanted(&c->rec, false))
        return;
    (void)pl_container_apply(c, PL_EV_RESTART_LATER);
    c->rec.restarts++;
    c->restart_delay_ms = pl_restart_delay_ms(c->restart_delay_ms, ran_ns);
    pl_restart_wait(c);
}

void pl_restart_at_startup(struct pl_record *rec)
{
    if (rec->state != PL_EXITED || !pl_restart_is_wanted(rec, true))
        return;
    rec->state = PL_RESTARTING;
    rec->restarts = 0;
    rec->is_stopped = false;
}

void pl_restart_asked_to_run(struct pl_container *c)
{
    c->restart_delay_ms = 0;
    c->rec.restarts = 0;
    c->rec.is_stopped = false;
}

void pl_restart_asked_to_stop(struct pl_container *c)
{
    if (c->rec.is_stopped)
        return;
    c->rec.is_stopped = true;
    if (c->rec.spec.restart.name != PL_RESTART_NO)
        pl_container_save(c);
}
