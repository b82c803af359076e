/*
 * VMs that QEMU has stopped because the datastore has no room for what their disk wants to write.  QEMU
 * keeps the write; told to go on, it tries it again, and stops again when there is still no room.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "portlayer/execution/internal.h"

#define RETRY_MS 5000

struct unstall {
    struct pl_container *c; /* a reference */
    virConnectPtr conn;     /* a reference */
    unsigned run;
    char uuid[37];
};

static void arm(struct pl_execution *x)
{
    if (!uv_is_active((uv_handle_t *)&x->stall_timer))
        (void)uv_timer_start(&x->stall_timer, pl_stall_on_timer, RETRY_MS, 0);
}

void pl_stall_begins(struct pl_container *c)
{
    if (!pl_state_has_vm(c->rec.state))
        return;
    if (!c->is_stalled && !c->is_tried)
        vic_log(VIC_ERROR, "container", c->rec.id,
                "there is no room in '%s' for its disk to grow: it waits until there is",
                c->x->pl->config.datastore);
    c->is_stalled = true;
    arm(c->x);
}

static int unstall_work(void *arg, struct vic_err *err)
{
    struct unstall *u = arg;
    return pl_virt_unstall(u->conn, u->uuid, err);
}

static void on_unstalled(void *arg, int result, const struct vic_err *err)
{
    struct unstall *u = arg;
    struct pl_container *c = u->c;
    (void)virConnectClose(u->conn);
    if (result < 0 && u->run == c->rec.run && pl_state_has_vm(c->rec.state) && !c->x->is_closed) {
        vic_log(VIC_DEBUG, "container", c->rec.id, "%s; trying again", err->message);
        c->is_stalled = true;
        arm(c->x);
    }
    pl_container_unref(c);
    free(u);
}

static void unstall(struct pl_container *c)
{
    struct unstall *u = vic_new(struct unstall);
    pl_container_ref(c);
    (void)virConnectRef(c->x->conn);
    *u = (struct unstall){.c = c, .conn = c->x->conn, .run = c->rec.run};
    memcpy(u->uuid, c->rec.vm_uuid, sizeof(u->uuid));
    c->is_stalled = false;
    c->is_tried = true;
    host_queue_add(c->queue, unstall_work, on_unstalled, u);
}

/* What was tried and has not stalled again by the next tick goes on. */
void pl_stall_on_timer(uv_timer_t *t)
{
    struct pl_execution *x = t->data;
    struct pl_container *c;
    bool is_needed = false;
    list_for_each(c, &x->containers, link) {
        if (!pl_state_has_vm(c->rec.state)) {
            c->is_stalled = c->is_tried = false;
        } else if (c->is_stalled && x->conn) {
            unstall(c);
        } else if (c->is_tried && !c->is_stalled) {
            vic_log(VIC_INFO, "container", c->rec.id, "its disk has room again");
            c->is_tried = false;
        }
        is_needed = is_needed || c->is_stalled || c->is_tried;
    }
    if (is_needed)
        arm(x);
}
