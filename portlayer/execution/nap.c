/*
 * A nap: the VM of a container that does not run, with its disk, without its process and its network, so that
 * one can copy out of it and into it.  To the world the container stays what it is.
 *
 *   waking -> awake -> going -> (gone)
 *
 * All copies share one nap.  It outlasts the last of them by some seconds: `docker cp` asks twice.  What must
 * not be done meanwhile (start, remove) waits in the container's list of requests.  A copy that is asked for while a
 * run's process has ended and its VM is still there waits for that in the container's late_copies.
 */
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "portlayer/execution/internal.h"
#include "portlayer/storage/storage.h"

#define IDLE_MS 5000
#define GOING_MS 15000 /* for the guest to sync its disk and power off */
#define RETRY_DESTROY_MS 1000

struct waiter {
    struct vic_list link;
    struct rpc_stream *st; /* without events: its bytes wait */
    char *path;
    const char *method, *action; /* literals */
};

struct pl_nap {
    enum {
        WAKING,
        AWAKE,
        GOING
    } state;
    struct vic_list waiters;
    unsigned n_users;
    bool is_destroying;
};

static void keep_image(struct pl_container *c, bool keeps)
{
    if (c->x->pl->storage)
        pl_storage_hold(c->x->pl->storage, c->rec.id, c->rec.image, c->rec.chain_id, keeps);
}

static struct waiter *take_first(struct vic_list *waiters)
{
    if (vic_list_is_empty(waiters))
        return NULL;
    struct waiter *w = container_of(waiters->next, struct waiter, link);
    vic_list_remove(&w->link);
    return w;
}

static void append(struct vic_list *waiters, struct rpc_stream *take_st, const char *method,
                   const char *path, const char *action)
{
    struct waiter *w = vic_new(struct waiter);
    *w = (struct waiter){
        .st = take_st, .path = vic_xstrdup(path), .method = method, .action = action};
    vic_list_append(waiters, &w->link);
}

static void waiter_free(struct waiter *w)
{
    free(w->path);
    free(w);
}

static void serve(struct pl_container *c, struct vic_list *waiters)
{
    struct waiter *w;
    while ((w = take_first(waiters))) {
        pl_copy_serve(c, w->st, w->method, w->path, w->action);
        waiter_free(w);
    }
}

/* Of those that are there now: one may have to wait again. */
static void serve_all(struct pl_container *c, struct vic_list *list)
{
    struct vic_list waiters;
    struct waiter *w;
    vic_list_init(&waiters);
    while ((w = take_first(list)))
        vic_list_append(&waiters, &w->link);
    serve(c, &waiters);
}

static void cancel_all(struct vic_list *waiters)
{
    struct waiter *w;
    while ((w = take_first(waiters))) {
        rpc_stream_cancel(w->st);
        waiter_free(w);
    }
}

/* ---- the end ---- */

/* The container's own requests first: a copy that waits is served by what they make of it. */
static void over(struct pl_container *c, const struct vic_err *err)
{
    struct pl_nap *nap = TAKE_PTR(c->nap);
    struct waiter *w;
    while (err && (w = take_first(&nap->waiters))) {
        rpc_reply_error(w->st, err);
        waiter_free(w);
    }
    keep_image(c, false);
    pl_container_wake(c);
    serve(c, &nap->waiters);
    free(nap);
    pl_container_unref(c);
}

struct destroy {
    struct pl_container *c; /* a reference */
    virConnectPtr conn;
    char *socket_path, *output_path;
    char uuid[37];
};

static int destroy_work(void *arg, struct vic_err *err)
{
    struct destroy *d = arg;
    (void)unlink(d->socket_path);
    (void)unlink(d->output_path);
    return pl_virt_destroy(d->conn, d->uuid, err);
}

static void destroy(struct pl_container *c);

static void on_destroyed(void *arg, int result, const struct vic_err *err)
{
    struct destroy *d = arg;
    struct pl_container *c = d->c;
    (void)virConnectClose(d->conn);
    if (c->nap && result < 0) {
        vic_log(VIC_WARN, "container", c->rec.id, "%s; trying again", err->message);
        pl_container_deadline(c, RETRY_DESTROY_MS, destroy);
    } else if (c->nap) {
        over(c, NULL);
    }
    pl_container_unref(c);
    free(d->socket_path);
    free(d->output_path);
    free(d);
}

/* Whatever is left of the VM. */
static void destroy(struct pl_container *c)
{
    c->nap->state = GOING;
    c->nap->is_destroying = true;
    pl_container_no_deadline(c);
    pl_run_release(c);
    if (!c->x->conn) {
        pl_container_deadline(c, RETRY_DESTROY_MS, destroy);
        return;
    }
    struct destroy *d = vic_new(struct destroy);
    pl_container_ref(c);
    (void)virConnectRef(c->x->conn);
    *d = (struct destroy){.c = c, .conn = c->x->conn};
    d->socket_path = pl_container_socket_path(c);
    d->output_path = pl_container_path(c, "nap.log");
    memcpy(d->uuid, c->rec.vm_uuid, sizeof(d->uuid));
    host_queue_add(c->queue, destroy_work, on_destroyed, d);
}

static void give_up(struct pl_container *c)
{
    if (!c->nap->is_destroying)
        destroy(c);
}

static void on_shut_down(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    struct pl_container *c = arg;
    if (err && c->nap)
        give_up(c);
    pl_container_unref(c);
}

/* The guest syncs its disk and powers off; libvirt tells when it has. */
static void go(struct pl_container *c)
{
    c->nap->state = GOING;
    pl_container_deadline(c, GOING_MS, give_up);
    pl_container_ref(c);
    if (pl_channel_call(c->channel, "POST", "/v1/shutdown", NULL, on_shut_down, c, NULL) < 0) {
        pl_container_unref(c);
        give_up(c);
    }
}

void pl_nap_vm_gone(struct pl_container *c)
{
    if (!c->start) /* that has its own ways to learn of it */
        give_up(c);
}

void pl_nap_failed(struct pl_container *c, const struct vic_err *err)
{
    if (c->nap)
        over(c, err);
}

void pl_nap_drop(struct pl_container *c)
{
    struct pl_nap *nap = TAKE_PTR(c->nap);
    cancel_all(&c->late_copies);
    if (!nap)
        return;
    cancel_all(&nap->waiters);
    free(nap);
    pl_container_unref(c);
}

/* ---- while it lasts ---- */

static void rest(struct pl_container *c)
{
    if (c->nap->state != AWAKE || c->nap->n_users > 0)
        return;
    if (vic_list_is_empty(&c->requests))
        pl_container_deadline(c, IDLE_MS, go);
    else
        go(c);
}

void pl_nap_use(struct pl_container *c)
{
    if (!c->nap)
        return;
    c->nap->n_users++;
    pl_container_no_deadline(c);
}

void pl_nap_leave(struct pl_container *c)
{
    if (!c->nap || c->nap->n_users == 0)
        return;
    c->nap->n_users--;
    rest(c);
}

bool pl_nap_is_awake(const struct pl_container *c)
{
    return c->nap && c->nap->state == AWAKE;
}

bool pl_nap_holds_up(struct pl_container *c, enum pl_event event)
{
    static const bool waits[PL_EVENTS] = {
        [PL_EV_START] = true, [PL_EV_REMOVE] = true, [PL_EV_REMOVE_FORCE] = true};
    if (!c->nap || !waits[event])
        return false;
    if (c->start && event == PL_EV_REMOVE_FORCE)
        pl_start_abort(c, "it is being removed");
    else if (c->nap->state == AWAKE && event == PL_EV_REMOVE_FORCE)
        give_up(c);
    else if (c->nap->state == AWAKE && c->nap->n_users == 0)
        go(c);
    return true;
}

void pl_nap_awake(struct pl_container *c)
{
    c->nap->state = AWAKE;
    serve_all(c, &c->nap->waiters);
    if (c->nap)
        rest(c);
}

void pl_nap_wait(struct pl_container *c, struct rpc_stream *take_st, const char *method,
                 const char *path, const char *action)
{
    bool is_new = !c->nap;
    if (is_new) {
        c->nap = vic_new(struct pl_nap);
        vic_list_init(&c->nap->waiters);
        pl_container_ref(c);
        keep_image(c, true);
    }
    append(&c->nap->waiters, take_st, method, path, action);
    if (is_new)
        pl_start_nap(c);
}

void pl_nap_wait_for_end(struct pl_container *c, struct rpc_stream *take_st, const char *method,
                         const char *path, const char *action)
{
    append(&c->late_copies, take_st, method, path, action);
}

void pl_nap_run_over(struct pl_container *c)
{
    serve_all(c, &c->late_copies);
}
