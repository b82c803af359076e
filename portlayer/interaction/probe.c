/*
 * Runs the probe of a container's health at its times, as an exec of the port layer's own.
 *
 *   idle -> running -> idle
 *               \-> late -> idle
 *
 * One that takes too long has failed at once and is killed; as long as it has not ended no other is started, and each
 * time for one counts as failed, so that a guest which does not answer is no healthy one.
 */
#include "portlayer/interaction/probe.h"

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/base/utf8.h"
#include "portlayer/interaction/exec.h"

#define CODE_NONE (-1)

struct pl_probe {
    struct pl_container *c; /* borrowed: it holds us */
    uv_timer_t timer;       /* idle, late: to the next; running: to its deadline */
    struct pl_exec *exec;   /* NULL when idle */
    bool is_late;
    int64_t began_ns;
    struct vic_buf output; /* at most PL_HEALTH_OUTPUT_MAX */
};

static void on_timer(uv_timer_t *t);

static void wait_for_next(struct pl_probe *p)
{
    const struct pl_record *rec = &p->c->rec;
    uint64_t ms =
        pl_health_wait_ms(&rec->health, &rec->spec.health, rec->started_ns, vic_clock_wall_ns());
    (void)uv_timer_start(&p->timer, on_timer, ms, 0);
}

/* ---- results ---- */

static void note(struct pl_probe *p, int exit_code, char *take_output)
{
    struct pl_container *c = p->c;
    struct pl_record *rec = &c->rec;
    struct pl_health_result result = {.start_ns = p->began_ns,
                                      .end_ns = vic_clock_wall_ns(),
                                      .exit_code = exit_code,
                                      .output = take_output};
    if (!pl_health_note(&rec->health, &rec->spec.health, rec->started_ns, &result))
        return;
    pl_container_save(c);
    pl_container_emit(c, "health_status", "health_status", pl_health_to_string(rec->health.status));
}

static void on_output(const void *data, size_t len, void *arg)
{
    struct pl_probe *p = arg;
    size_t room = PL_HEALTH_OUTPUT_MAX - p->output.len;
    vic_buf_add(&p->output, data, len < room ? len : room);
}

static char *take_output(struct pl_probe *p)
{
    char *text = vic_utf8_clean(vic_buf_str(&p->output), p->output.len);
    vic_buf_release(&p->output);
    return text;
}

static void on_end(int exit_code, const struct vic_err *err, void *arg)
{
    struct pl_probe *p = arg;
    bool was_late = p->is_late;
    p->is_late = false;
    pl_exec_forget(TAKE_PTR(p->exec));
    auto_free char *said = take_output(p);
    if (was_late)
        return; /* that has been told, and the next has its time */
    note(p, err ? CODE_NONE : exit_code, err ? vic_xstrdup(err->message) : TAKE_PTR(said));
    wait_for_next(p);
}

/* ---- the times ---- */

static void begin(struct pl_probe *p)
{
    static const struct pl_exec_watcher watcher = {.on_output = on_output, .on_end = on_end};
    const struct pl_health_spec *s = &p->c->rec.spec.health;
    struct pl_exec_spec spec = {
        .process = {.args = vic_strv_dup(s->args), .cwd = vic_xstrdup(""), .user = vic_xstrdup("")},
        .annotations = json_new_obj()};
    struct vic_err err = {0};
    p->began_ns = vic_clock_wall_ns();
    (void)uv_timer_start(&p->timer, on_timer, (uint64_t)s->timeout_ms, 0);
    if (pl_exec_run(p->c, &spec, &watcher, p, &p->exec, &err) < 0) {
        note(p, CODE_NONE, vic_xstrdup(err.message));
        wait_for_next(p);
    }
}

static void miss(struct pl_probe *p)
{
    if (p->is_late)
        p->began_ns = vic_clock_wall_ns();
    p->is_late = true;
    auto_free char *said = take_output(p);
    note(p, CODE_NONE, pl_health_late_text(&p->c->rec.spec.health, said));
    wait_for_next(p);
    pl_exec_kill(p->exec); /* may end it at once */
}

static void on_timer(uv_timer_t *t)
{
    struct pl_probe *p = t->data;
    if (p->exec)
        miss(p);
    else
        begin(p);
}

/* ---- its life ---- */

/* What runs is left to itself: nobody waits for its result. */
static void leave(struct pl_probe *p)
{
    struct pl_exec *e = TAKE_PTR(p->exec);
    (void)uv_timer_stop(&p->timer);
    vic_buf_release(&p->output);
    p->is_late = false;
    if (!e)
        return;
    e->watcher = (struct pl_exec_watcher){0};
    pl_exec_kill(e);
}

void pl_probe_run_begins(struct pl_container *c)
{
    if (!c->rec.spec.health.args || c->probe)
        return;
    struct pl_probe *p = vic_new(struct pl_probe);
    p->c = c;
    (void)uv_timer_init(c->x->pl->loop, &p->timer);
    p->timer.data = p;
    c->probe = p;
    if (c->rec.health.status == PL_HEALTH_NONE) /* of a record older than its probe */
        c->rec.health.status = PL_HEALTH_STARTING;
    if (c->rec.state != PL_PAUSED)
        wait_for_next(p);
}

void pl_probe_told_frozen(struct pl_container *c, bool is_frozen)
{
    if (!c->probe)
        return;
    if (is_frozen) {
        leave(c->probe);
        pl_health_suspend(&c->rec.health);
    } else if (!uv_is_active((uv_handle_t *)&c->probe->timer)) {
        wait_for_next(c->probe);
    }
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void pl_probe_run_ends(struct pl_container *c)
{
    struct pl_probe *p = TAKE_PTR(c->probe);
    if (!p)
        return;
    leave(p);
    if (!pl_state_has_vm(c->rec.state)) /* else we end, and it runs on */
        pl_health_suspend(&c->rec.health);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}
