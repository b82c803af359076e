/* A run from its start to its end: signals, stop, kill, and how the end is learnt and booked. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/execution/internal.h"
#include "portlayer/execution/restart.h"
#include "portlayer/execution/signals.h"
#include "portlayer/storage/storage.h"

#define SIGNAL_KILL 9
#define CODE_KILLED 137
#define KILL_KVM_S 5 /* for the guest to kill the process and write its exit record */
#define KILL_TCG_S 15
#define END_MS 10000 /* for a guest that was not told to power off: it does so by itself */
#define RETRY_DESTROY_MS 1000

/* ---- watching ---- */

static void on_growth(void *arg)
{
    struct pl_container *c = arg;
    pl_attach_growth(c);
    pl_logs_growth(c);
    pl_log_trim(c);
}

static void on_exit_record(const struct pl_exit *e, void *arg)
{
    struct pl_container *c = arg;
    c->exit = *e;
    c->has_exit = true;
    pl_run_check_exit(c);
}

int pl_run_watch(struct pl_container *c, struct vic_err *err)
{
    static const struct pl_watch_events events = {.on_growth = on_growth,
                                                  .on_exit = on_exit_record};
    auto_free char *path = pl_container_output_path(c, c->rec.run);
    c->log_eighths = 0;
    return pl_watch_new(c->x->pl->loop, path, c->rec.spec.log_max_bytes, &events, c, &c->watch,
                        err);
}

void pl_run_release(struct pl_container *c)
{
    pl_channel_close(TAKE_PTR(c->channel));
    pl_watch_close(TAKE_PTR(c->watch));
}

/* ---- destroying the VM ---- */

struct destroy {
    struct pl_container *c;
    virConnectPtr conn;
    unsigned run;
    char uuid[37];
};

static int destroy_work(void *arg, struct vic_err *err)
{
    struct destroy *d = arg;
    return pl_virt_destroy(d->conn, d->uuid, err);
}

static void on_destroyed(void *arg, int result, const struct vic_err *err)
{
    struct destroy *d = arg;
    struct pl_container *c = d->c;
    (void)virConnectClose(d->conn);
    if (d->run == c->rec.run && pl_state_has_vm(c->rec.state)) {
        if (result < 0) {
            vic_log(VIC_WARN, "container", c->rec.id, "%s; trying again", err->message);
            pl_container_deadline(c, RETRY_DESTROY_MS, pl_run_destroy);
        } else {
            pl_run_vm_gone(c);
        }
    }
    pl_container_unref(c);
    free(d);
}

void pl_run_destroy(struct pl_container *c)
{
    if (!c->x->conn) {
        pl_container_deadline(c, RETRY_DESTROY_MS, pl_run_destroy);
        return;
    }
    struct destroy *d = vic_new(struct destroy);
    pl_container_ref(c);
    d->c = c;
    d->run = c->rec.run;
    memcpy(d->uuid, c->rec.vm_uuid, sizeof(d->uuid));
    (void)virConnectRef(c->x->conn);
    d->conn = c->x->conn;
    host_queue_add(c->queue, destroy_work, on_destroyed, d);
}

/* ---- the end ---- */

static void on_acked(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    struct pl_container *c = arg;
    /* The guest has synced its disk: nothing is lost by not waiting for its power-off. */
    if (!err && c->is_ending && pl_state_has_vm(c->rec.state)) {
        pl_container_no_deadline(c);
        pl_run_destroy(c);
    }
    pl_container_unref(c);
}

void pl_run_check_exit(struct pl_container *c)
{
    if (!c->has_exit || c->is_ending || c->start || !pl_state_has_vm(c->rec.state))
        return;
    c->is_ending = true;
    pl_container_deadline(c, END_MS, pl_run_destroy);
    auto_json cJSON *doc = json_new_obj();
    json_add_bool(doc, "exit", true);
    pl_container_ref(c);
    if (pl_channel_call(c->channel, "POST", "/v1/ack", doc, on_acked, c, NULL) < 0)
        pl_container_unref(c);
}

/* What a change of a container's endpoints needs, copied from its record. */
struct net_change {
    struct pl_container *c;
    struct pl_network *network;
    char id[VIC_ID_LEN + 1];
    struct pl_endpoint endpoints[PL_NETWORKS_MAX];
    size_t n_endpoints;
    char **names;
    char *socket_path;
};

static int up_work(void *arg, struct vic_err *err)
{
    struct net_change *n = arg;
    int r = 0;
    for (size_t i = 0; i < n->n_endpoints; i++) {
        char tap[PL_TAP_MAX];
        pl_domain_tap(n->id, i, tap);
        int one = pl_network_up(n->network, &n->endpoints[i], n->id, n->names, tap, err);
        r = r < 0 ? r : one;
    }
    return r;
}

static int down_work(void *arg, struct vic_err *err)
{
    struct net_change *n = arg;
    int r = 0;
    (void)unlink(n->socket_path);
    for (size_t i = 0; i < n->n_endpoints; i++) {
        int one = pl_network_down(n->network, &n->endpoints[i], n->id, err);
        r = r < 0 ? r : one;
    }
    return r;
}

static void on_network_changed(void *arg, int result, const struct vic_err *err)
{
    struct net_change *n = arg;
    if (result < 0)
        vic_log(VIC_WARN, "container", n->id, "%s", err->message);
    pl_container_unref(n->c);
    vic_strv_free(n->names);
    free(n->socket_path);
    free(n);
}

char **pl_container_names(const struct pl_container *c)
{
    auto_free char *short_id = vic_xstrndup(c->rec.id, VIC_ID_SHORT_LEN);
    return vic_strv_append(vic_strv_append(NULL, c->rec.name), short_id);
}

static void change_network(struct pl_container *c, host_work_fn work)
{
    struct net_change *n = vic_new(struct net_change);
    pl_container_ref(c);
    n->c = c;
    n->network = c->x->pl->network;
    memcpy(n->id, c->rec.id, sizeof(n->id));
    memcpy(n->endpoints, c->rec.endpoints, sizeof(n->endpoints));
    n->n_endpoints = c->rec.n_endpoints;
    n->names = pl_container_names(c);
    n->socket_path = pl_container_socket_path(c);
    host_queue_add(c->queue, work, on_network_changed, n);
}

void pl_run_network_up(struct pl_container *c)
{
    change_network(c, up_work);
}

void pl_run_network_down(struct pl_container *c)
{
    change_network(c, down_work);
}

static void book(struct pl_container *c, int code_without_record)
{
    struct pl_record *rec = &c->rec;
    int64_t now = vic_clock_wall_ns();
    rec->exit_code = c->has_exit ? c->exit.exit_code : code_without_record;
    rec->oom_killed = c->has_exit && c->exit.oom_killed;
    (void)snprintf(rec->error, sizeof(rec->error), "%s", c->has_exit ? c->exit.error : "");
    rec->finished_ns = now;
    /* Found later, after our own absence: the guest's clock knows better, within reason. */
    if (c->is_recovering && c->has_exit && c->exit.wall_ns >= rec->started_ns &&
        c->exit.wall_ns < now)
        rec->finished_ns = c->exit.wall_ns;
}

static void tell_end(struct pl_container *c)
{
    const struct pl_record *rec = &c->rec;
    int64_t ns = rec->finished_ns - rec->started_ns;
    cJSON *attributes = json_new_obj();
    json_addf(attributes, "exit_code", "%d", rec->exit_code);
    json_addf(attributes, "duration_s", "%" PRId64, ns > 0 ? ns / VIC_NS_PER_S : 0);
    if (rec->oom_killed)
        pl_container_emit(c, "oom", NULL, NULL);
    pl_container_emit_with(c, "die", attributes);
    pl_container_emit_networks(c, "disconnect");
}

/* A restart that was counted and never ran is not one: the last run's code stands, and the policy tries again. */
static void book_interrupted(struct pl_container *c)
{
    if (c->rec.restarts > 0)
        c->rec.restarts--;
    else
        c->rec.exit_code = PL_CODE_NOT_STARTED;
    (void)snprintf(c->rec.error, sizeof(c->rec.error), "the start was interrupted");
}

void pl_run_over(struct pl_container *c, int exit_code)
{
    if (c->rec.state == PL_STARTING && (c->has_exit || c->rec.started_ns == 0)) {
        /* Our own restart fell into a start. */
        if (c->has_exit) {
            c->rec.started_ns = c->rec.started_ns ? c->rec.started_ns : vic_clock_wall_ns();
            (void)pl_container_apply(c, PL_EV_STARTED);
        }
    }
    bool was_starting = c->rec.state == PL_STARTING;
    if (was_starting)
        (void)pl_container_apply(c, c->rec.started_ns ? PL_EV_FAILED : PL_EV_FAILED_FIRST);
    else if (pl_container_apply(c, PL_EV_ENDED) != PL_DO_FINISH)
        return;
    if (was_starting)
        book_interrupted(c);
    else
        book(c, exit_code);
    pl_container_no_deadline(c);
    c->pid = c->due_signal = 0;
    c->is_killed = false;
    c->is_recovering = false;
    pl_probe_run_ends(c);
    pl_restart_after(c, was_starting ? 0 : c->rec.finished_ns - c->rec.started_ns);
    /* The network first: an end that is on record is one that needs no repair at the next start. */
    pl_run_network_down(c);
    pl_container_save(c);
    pl_storage_hold(c->x->pl->storage, c->rec.id, c->rec.image, c->rec.chain_id, false);
    if (!was_starting)
        tell_end(c);
    if (c->is_stop_asked)
        pl_container_emit(c, "stop", NULL, NULL);
    pl_attach_run_ends(c);
    pl_logs_run_ends(c);
    pl_log_trim(c);
    pl_execs_run_ends(c);
    pl_run_release(c);
    if (was_starting)
        pl_wait_not_started(c);
    else
        pl_wait_exited(c);
    pl_container_ref(c);
    if (c->rec.spec.auto_remove && !c->keeps_on_end &&
        pl_container_apply(c, PL_EV_REMOVE) == PL_DO_REMOVE)
        pl_remove_begin(c, NULL);
    pl_nap_run_over(c); /* first: a start that waits would have them refused */
    pl_container_wake(c);
    pl_container_unref(c);
}

void pl_run_vm_gone(struct pl_container *c)
{
    if (c->start) {
        pl_start_vm_gone(c);
        return;
    }
    if (c->nap) {
        pl_nap_vm_gone(c);
        return;
    }
    if (!pl_state_has_vm(c->rec.state))
        return;
    c->is_ending = true; /* no acknowledgement any more */
    if (!c->has_exit && c->watch)
        pl_watch_scan_all(c->watch);
    pl_run_over(c, CODE_KILLED);
}

/* ---- signals ---- */

/*
 * A signal that somebody asked for by itself is answered; it succeeds or not.  One of a stop or kill has no
 * request of its own: when the guest cannot be reached it is due, and sent once the channel is back.  The
 * deadline of the stop or kill runs on meanwhile.
 */
struct signal_call {
    struct pl_container *c;
    struct pl_request *req; /* NULL: it belongs to a stop or kill */
    int signal;
    unsigned run;
};

static void fall_due(struct pl_container *c, int signal)
{
    if (c->due_signal != SIGNAL_KILL)
        c->due_signal = signal;
}

static void not_killed(struct pl_container *c, const struct vic_err *err)
{
    vic_log(VIC_WARN, "container", c->rec.id, "not killed: %s; destroying its VM", err->message);
    pl_container_no_deadline(c);
    pl_run_destroy(c);
}

static void on_signalled(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    struct signal_call *s = arg;
    struct pl_container *c = s->c;
    bool is_same_run = s->run == c->rec.run && pl_state_has_vm(c->rec.state);
    if (s->req)
        pl_request_reply(s->req, err);
    else if (err && err->kind == VIC_ERR_UNAVAILABLE && is_same_run)
        fall_due(c, s->signal);
    /* "Nothing runs" is as good as done: the exit record is on its way. */
    else if (err && err->kind != VIC_ERR_CONFLICT && s->signal == SIGNAL_KILL && is_same_run)
        not_killed(c, err);
    pl_container_unref(c);
    free(s);
}

static void deliver(struct pl_container *c, int signal, struct pl_request *take_req)
{
    struct signal_call *s = vic_new(struct signal_call);
    struct vic_err err = {0};
    auto_json cJSON *doc = json_new_obj();
    json_add_i64(doc, "signal", signal);
    pl_container_ref(c);
    *s = (struct signal_call){c, take_req, signal, c->rec.run};
    if (pl_channel_call(c->channel, "POST", "/v1/signal", doc, on_signalled, s, &err) < 0)
        on_signalled(&err, NULL, s);
}

static void send_signal(struct pl_container *c, int signal, struct pl_request *take_req)
{
    char number[16];
    (void)snprintf(number, sizeof(number), "%d", signal);
    pl_container_emit(c, "kill", "signal", number);
    deliver(c, signal, take_req);
}

static void deliver_due(struct pl_container *c)
{
    int signal = c->due_signal;
    c->due_signal = 0;
    if (signal && c->rec.state == PL_STOPPING)
        deliver(c, signal, NULL);
}

void pl_run_signal(struct pl_container *c, struct pl_request *take_req)
{
    int signal = take_req->signal;
    send_signal(c, signal, take_req);
    if (c->is_frozen && signal == pl_signal_from_string(c->rec.spec.stop_signal))
        pl_pause_ask(c, false, NULL);
}

static void on_kill_late(struct pl_container *c)
{
    vic_log(VIC_WARN, "container", c->rec.id, "did not end after SIGKILL, destroying its VM");
    pl_run_destroy(c);
}

void pl_run_kill(struct pl_container *c)
{
    if (c->is_ending)
        return;
    if (!c->is_killed)
        pl_container_deadline(c, pl_guest_timeout_s(c->x, KILL_KVM_S, KILL_TCG_S) * 1000ull,
                              on_kill_late);
    c->is_killed = true;
    send_signal(c, SIGNAL_KILL, NULL);
}

void pl_run_stop(struct pl_container *c, struct pl_request *req)
{
    int signal = req->signal ? req->signal : pl_signal_from_string(c->rec.spec.stop_signal);
    int timeout_s = req->has_timeout ? req->timeout_s : c->rec.spec.stop_timeout_s;
    if (c->is_ending || c->is_killed)
        return;
    if (signal == SIGNAL_KILL) {
        pl_run_kill(c);
        return;
    }
    if (timeout_s >= 0)
        pl_container_deadline_by(c, (uint64_t)timeout_s * 1000, pl_run_kill);
    send_signal(c, signal, NULL);
    if (c->is_frozen) /* the signal first, so that it is the first thing to be seen */
        pl_pause_ask(c, false, NULL);
}

/* ---- the tether of a running VM ---- */

static void on_hello(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct pl_container *c = arg;
    const char *state = err ? "" : json_str(doc, "state", "");
    if (!err && !c->start && pl_state_has_vm(c->rec.state)) {
        if (!c->x->kernel_version)
            c->x->kernel_version = vic_xstrdup_or_null(json_str(doc, "kernel", NULL));
        if (vic_str_eq(state, "running") || vic_str_eq(state, "exited")) {
            if (c->rec.state == PL_STARTING) {
                c->rec.started_ns = vic_clock_wall_ns();
                c->rec.exit_code = 0;
                (void)pl_container_apply(c, PL_EV_STARTED);
                pl_container_no_deadline(c);
                pl_container_emit_networks(c, "connect");
                pl_container_emit(c, "start", NULL, NULL);
                pl_container_save(c);
            }
            c->is_ending = false; /* an acknowledgement that was lost is sent again */
            deliver_due(c);
            if (vic_str_eq(state, "running"))
                pl_pause_told(c, json_bool(doc, "frozen", false));
            pl_attach_tether_up(c);
            pl_probe_run_begins(c);
            pl_execs_tether_up(c);
            pl_container_wake(c);
            pl_run_check_exit(c);
        } else {
            vic_log(VIC_WARN, "container", c->rec.id, "its VM holds no process: destroying it");
            pl_run_destroy(c);
        }
    }
    pl_container_unref(c);
}

static void on_tether_up(struct rpc_session *session, void *arg)
{
    (void)session;
    struct pl_container *c = arg;
    if (c->start) {
        pl_start_tether_up(c);
        return;
    }
    if (c->nap) {
        pl_nap_vm_gone(c); /* its copies broke off with the connection */
        return;
    }
    pl_container_ref(c);
    if (pl_channel_call(c->channel, "GET", "/v1/hello", NULL, on_hello, c, NULL) < 0)
        pl_container_unref(c);
}

void pl_run_connect(struct pl_container *c)
{
    static const struct pl_channel_events events = {.on_up = on_tether_up};
    auto_free char *path = pl_container_socket_path(c);
    c->channel = pl_channel_new(c->x->pl->loop, path, &events, c);
}

void pl_run_adopt(struct pl_container *c, const struct pl_virt_domain *d)
{
    struct vic_err err = {0};
    c->pid = d->pid;
    if (d->is_stalled)
        pl_stall_begins(c);
    if (c->start || (c->watch && c->channel))
        return; /* known already: only the connection to libvirt was new */
    if (!c->watch && pl_run_watch(c, &err) < 0)
        vic_log(VIC_WARN, "container", c->rec.id, "%s", err.message);
    if (c->channel)
        return;
    c->is_recovering = true;
    if (c->rec.state == PL_STARTING)
        pl_container_deadline(c, pl_guest_timeout_s(c->x, KILL_KVM_S, KILL_TCG_S) * 1000ull,
                              pl_run_destroy);
    pl_run_network_up(c); /* whatever happened to names and filter meanwhile */
    pl_run_connect(c);
}
