/*
 * Removes a container: a VM it may still have, its folder, its addresses, its hold on storage.
 *
 * It should have no VM any more.  But libvirt finishes a start whose caller was killed, and may do so
 * after the domains were listed for the recovery.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "portlayer/execution/domain_xml.h"
#include "portlayer/execution/internal.h"
#include "portlayer/execution/qemu_log.h"
#include "portlayer/storage/storage.h"

struct removal {
    struct pl_container *c;
    struct pl_request *req; /* NULL: nobody asked (auto-remove) */
    virConnectPtr conn;     /* a reference; NULL while libvirt is away */
    char domain[64];
    bool leaves_vm;
    char *dir, *record_path, *record_text, *parent, *log;
};

/* While libvirt is away nothing is known: what it lists when it is back and is nobody's is destroyed. */
static int destroy_vm(const struct removal *r, struct vic_err *err)
{
    struct vic_err why = {0};
    int n = r->conn ? pl_virt_destroy_name(r->conn, r->domain, &why) : 0;
    if (n >= 0 || why.kind == VIC_ERR_UNAVAILABLE)
        return 0;
    *err = why;
    return n;
}

/* A crash from here on is finished at the next start, as a folder without a record is a container half made.  That
 * way is for a datastore without room: a removal is what makes some. */
static int note_intention(const struct removal *r, struct vic_err *err)
{
    int n = vic_file_replace(r->record_path, r->record_text, strlen(r->record_text), 0600, err);
    return n < 0 && (unlink(r->record_path) == 0 || errno == ENOENT) ? 0 : n;
}

static int remove_work(void *arg, struct vic_err *err)
{
    struct removal *r = arg;
    int n = note_intention(r, err);
    if (n == 0)
        n = destroy_vm(r, err);
    if (n == 0)
        pl_qemu_log_remove(PL_QEMU_LOGS, r->log);
    if (n == 0)
        n = vic_file_remove_tree(r->dir, err);
    if (n == 0)
        n = vic_file_sync_dir(r->parent, err);
    r->leaves_vm = n == 0 && destroy_vm(r, &(struct vic_err){0}) < 0; /* it came meanwhile */
    return n;
}

static void on_removed(void *arg, int result, const struct vic_err *err)
{
    struct removal *r = arg;
    struct pl_container *c = r->c;
    if (result < 0) {
        vic_log(VIC_ERROR, "container", c->rec.id, "not removed: %s", err->message);
        (void)pl_container_apply(c, PL_EV_REMOVE_FAILED);
        pl_container_wake(c);
    } else {
        if (r->leaves_vm)
            pl_recover_stray(c->x, r->domain, NULL);
        pl_network_release(c->x->pl->network, c->rec.id);
        pl_storage_release(c->x->pl->storage, c->rec.id);
        pl_container_emit(c, "destroy", NULL, NULL);
        pl_index_remove(c);
        pl_wait_removed(c);
        pl_execs_drop(c);
        pl_attach_run_ends(c);
        pl_container_wake(c);
    }
    if (r->req)
        pl_request_reply(r->req, result < 0 ? err : NULL);
    if (result == 0)
        pl_container_unref(c); /* the index's */
    pl_container_unref(c);
    if (r->conn)
        (void)virConnectClose(r->conn);
    free(r->dir);
    free(r->record_path);
    free(r->record_text);
    free(r->parent);
    free(r->log);
    free(r);
}

void pl_remove_begin(struct pl_container *c, struct pl_request *take_req)
{
    struct removal *r = vic_new(struct removal);
    pl_container_ref(c);
    r->c = c;
    r->req = take_req;
    if (c->x->conn)
        (void)virConnectRef(c->x->conn);
    r->conn = c->x->conn;
    pl_domain_name(c->x->pl->config.id, c->rec.id, r->domain);
    r->dir = pl_container_path(c, NULL);
    r->record_path = pl_container_path(c, "container.json");
    r->record_text = pl_record_to_text(&c->rec);
    r->parent = vic_xasprintf("%s/containers", c->x->pl->config.datastore);
    r->log = vic_xasprintf("%s.", r->domain); /* .log, and .log.0 and so on */
    host_queue_add(c->queue, remove_work, on_removed, r);
}
