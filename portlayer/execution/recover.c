/* After a restart of ours, of libvirt or of the host: records and VMs are made to agree again. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/execution/internal.h"
#include "portlayer/execution/restart.h"
#include "portlayer/storage/storage.h"

#define RETRY_STRAY_MS 1000

static int by_creation(const void *a, const void *b)
{
    const struct pl_container *const *x = a;
    const struct pl_container *const *y = b;
    return ((*x)->rec.created_ns > (*y)->rec.created_ns) -
           ((*x)->rec.created_ns < (*y)->rec.created_ns);
}

/* Nothing of such a container may be taken for nobody's: not its VM, not its address, not its disk, not a
 * layer below it. */
static void keep_unreadable(struct pl_execution *x, const char *id, const struct vic_err *why)
{
    x->unreadable = vic_strv_append(x->unreadable, id);
    pl_storage_keep_layers(x->pl->storage);
    vic_log(
        VIC_ERROR, "container", id,
        "its record cannot be read: %s.  Its folder and its VM are left alone, and no layer is "
        "removed; repair container.json in '%s/containers/%s', or destroy the VM and remove the "
        "folder, then restart the port layer",
        why->message, x->pl->config.datastore, id);
}

static bool is_of_unreadable(const struct pl_execution *x, const char *domain)
{
    for (char *const *id = x->unreadable; id && *id; id++) {
        char name[64];
        pl_domain_name(x->pl->config.id, *id, name);
        if (vic_str_eq(name, domain))
            return true;
    }
    return false;
}

/* A container from its folder; NULL when it was half-made and is undone, or cannot be read. */
static struct pl_container *read_one(struct pl_execution *x, const char *id)
{
    auto_free char *dir = vic_xasprintf("%s/containers/%s", x->pl->config.datastore, id);
    auto_free char *path = vic_xasprintf("%s/container.json", dir);
    auto_free char *text = NULL;
    size_t len = 0;
    struct vic_err err = {0};
    struct pl_record rec = {0};
    if (vic_file_exists(path) == 0) {
        vic_log(VIC_WARN, "container", id, "half-made, removed");
        if (vic_file_remove_tree(dir, &err) < 0)
            vic_log(VIC_WARN, "container", id, "%s", err.message);
        return NULL;
    }
    int r = vic_file_read(path, PL_RECORD_MAX, &text, &len, &err);
    if (r == 0)
        r = pl_record_from_text(text, len, &rec, &err);
    if (r == 0 && strcmp(rec.id, id) != 0)
        r = vic_fail(&err, VIC_ERR_INVALID, 0, "the record is another container's");
    if (r < 0) {
        pl_record_release(&rec);
        keep_unreadable(x, id, &err);
        return NULL;
    }
    /* Whoever waited for the stop has gone with our last process, and must ask again. */
    if (rec.state == PL_STOPPING)
        rec.state = PL_RUNNING;
    pl_restart_at_startup(&rec);
    struct pl_container *c = pl_container_new(x, &rec);
    c->is_visible = true;
    c->is_frozen = c->rec.state == PL_PAUSED;
    return c;
}

static void restore(struct pl_execution *x, struct pl_container *c)
{
    struct vic_err err = {0};
    if (pl_index_add(x, c, &err) < 0) {
        /* Only a rename that a crash cut short can do this. */
        vic_log(VIC_WARN, "container", c->rec.id, "%s: renamed to its id", err.message);
        free(c->rec.name);
        c->rec.name = vic_xstrndup(c->rec.id, VIC_ID_SHORT_LEN);
        (void)pl_index_add(x, c, NULL);
    }
    pl_storage_hold(x->pl->storage, c->rec.id, c->rec.image, c->rec.chain_id,
                    pl_state_has_vm(c->rec.state));
    for (size_t i = 0; i < c->rec.n_endpoints; i++)
        if (pl_network_restore(x->pl->network, c->rec.id, &c->rec.endpoints[i], &err) < 0)
            vic_log(VIC_WARN, "container", c->rec.id, "%s", err.message);
}

int pl_recover_read(struct pl_execution *x, struct vic_err *err)
{
    auto_free char *dir = vic_xasprintf("%s/containers", x->pl->config.datastore);
    DIR *d = opendir(dir);
    if (!d)
        return vic_fail_errno(err, errno, "open folder '%s'", dir);
    struct pl_container **all = NULL;
    size_t n = 0;
    int failed = 0;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        failed = e ? 0 : errno;
        if (!e)
            break;
        struct pl_container *c = vic_id_is_valid(e->d_name) ? read_one(x, e->d_name) : NULL;
        if (!c)
            continue;
        all = vic_xrealloc_array(all, n + 1, sizeof(*all));
        all[n++] = c;
    }
    (void)closedir(d);
    if (n > 0)
        qsort(all, n, sizeof(*all), by_creation);
    for (size_t i = 0; i < n; i++)
        restore(x, all[i]);
    if (x->unreadable)
        pl_network_keep_running(x->pl->network);
    free(all);
    return failed ? vic_fail_errno(err, failed, "read folder '%s'", dir) : 0;
}

static void found_without_vm(struct pl_container *c)
{
    auto_free char *path = pl_container_output_path(c, c->rec.run);
    if (!c->has_exit)
        c->has_exit = pl_output_find_exit(path, &c->exit) == 1;
    c->is_recovering = true;
    vic_log(VIC_INFO, "container", c->rec.id, "its VM ended while nobody looked");
    pl_run_over(c, pl_record_code_of_loss(&c->rec, c->x->boot_id));
}

/* ---- VMs that are nobody's ---- */

struct stray {
    struct vic_list link;   /* in x->strays while it waits for another try */
    struct pl_execution *x; /* a reference */
    virConnectPtr conn;     /* a reference, of the try at hand */
    char *name;
    char *uuid; /* NULL: whatever has the name */
};

static int stray_work(void *arg, struct vic_err *err)
{
    struct stray *s = arg;
    return s->uuid ? pl_virt_destroy(s->conn, s->uuid, err)
                   : pl_virt_destroy_name(s->conn, s->name, err);
}

static void stray_free(struct stray *s)
{
    vic_list_remove(&s->link);
    pl_execution_unref(s->x);
    free(s->name);
    free(s->uuid);
    free(s);
}

static void on_stray_destroyed(void *arg, int result, const struct vic_err *err);

static void try_stray(struct stray *s)
{
    (void)virConnectRef(s->x->conn);
    s->conn = s->x->conn;
    host_work(s->x->pl->loop, stray_work, on_stray_destroyed, s);
}

static void on_stray_timer(uv_timer_t *t)
{
    struct pl_execution *x = t->data;
    struct stray *s;
    struct stray *next;
    if (!x->conn) {
        pl_recover_drop_strays(x); /* what is left of them is listed when libvirt is back */
        return;
    }
    list_for_each_safe(s, next, &x->strays, link) {
        vic_list_remove(&s->link);
        try_stray(s);
    }
}

static void on_stray_destroyed(void *arg, int result, const struct vic_err *err)
{
    struct stray *s = arg;
    struct pl_execution *x = s->x;
    (void)virConnectClose(TAKE_PTR(s->conn));
    if (result == 0 || x->is_closed) {
        stray_free(s);
        return;
    }
    vic_log(VIC_WARN, "domain", s->name, "%s; trying again", err->message);
    vic_list_append(&x->strays, &s->link);
    if (!uv_is_active((uv_handle_t *)&x->stray_timer))
        (void)uv_timer_start(&x->stray_timer, on_stray_timer, RETRY_STRAY_MS, 0);
}

void pl_recover_drop_strays(struct pl_execution *x)
{
    struct stray *s;
    struct stray *next;
    list_for_each_safe(s, next, &x->strays, link) {
        stray_free(s);
    }
}

/* libvirt finishes a start whose caller was killed: we may hear of it long after we came back. */
void pl_recover_stray(struct pl_execution *x, const char *name, const char *uuid)
{
    auto_free char *prefix = vic_xasprintf("vic-%s-", x->pl->config.id);
    if (!x->conn || !vic_str_starts_with(name, prefix) || is_of_unreadable(x, name))
        return;
    vic_log(VIC_WARN, "domain", name, "is ours, but no container has it: destroying it");
    struct stray *s = vic_new(struct stray);
    vic_list_init(&s->link);
    x->refs++;
    s->x = x;
    s->name = vic_xstrdup(name);
    s->uuid = vic_xstrdup_or_null(uuid);
    try_stray(s);
}

/* ---- matching ---- */

static const struct pl_virt_domain *domain_of(const struct pl_container *c,
                                              const struct pl_virt_domain *domains, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (vic_str_eq(domains[i].uuid, c->rec.vm_uuid))
            return &domains[i];
    return NULL;
}

static void match_one(struct pl_container *c, const struct pl_virt_domain *domains, size_t n)
{
    const struct pl_virt_domain *d = domain_of(c, domains, n);
    bool is_new = strcmp(c->expected_vm, c->rec.vm_uuid) != 0; /* since the list was asked for */
    if (c->start)
        return; /* its own flow learns what happened */
    if (c->nap) {
        if (!d && !is_new)
            pl_nap_vm_gone(c);
        return;
    }
    if (pl_state_has_vm(c->rec.state)) {
        if (d)
            pl_run_adopt(c, d);
        else if (is_new)
            return;
        else if (c->watch)
            pl_run_vm_gone(c);
        else
            found_without_vm(c);
    } else if (c->rec.state == PL_REMOVING && c->is_recovering == false && c->refs == 1) {
        pl_remove_begin(c, NULL); /* begun before our restart */
    } else if (c->rec.state == PL_RESTARTING) {
        pl_restart_wait(c);
    } else if (c->rec.state == PL_EXITED && c->rec.spec.auto_remove && !c->keeps_on_end &&
               pl_container_apply(c, PL_EV_REMOVE) == PL_DO_REMOVE) {
        pl_remove_begin(c, NULL);
    }
}

void pl_recover_expect(struct pl_execution *x)
{
    struct pl_container *c;
    list_for_each(c, &x->containers, link) {
        bool has_vm = (c->nap || pl_state_has_vm(c->rec.state)) && !c->start;
        (void)snprintf(c->expected_vm, sizeof(c->expected_vm), "%s", has_vm ? c->rec.vm_uuid : "");
    }
}

void pl_recover_match(struct pl_execution *x, const struct pl_virt_domain *domains, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        /* By its uuid first: its metadata may not have been readable. */
        const struct pl_container *c = pl_index_find_vm(x, domains[i].uuid);
        if (!(c && (c->nap || pl_state_has_vm(c->rec.state))))
            c = vic_map_get(&x->by_id, domains[i].container_id);
        if (!c || (!c->start && !((c->nap || pl_state_has_vm(c->rec.state)) &&
                                  vic_str_eq(c->rec.vm_uuid, domains[i].uuid))))
            pl_recover_stray(x, domains[i].name, domains[i].uuid);
    }
    struct pl_container *c;
    struct pl_container *next;
    list_for_each_safe(c, next, &x->containers, link) {
        match_one(c, domains, n);
    }
}
