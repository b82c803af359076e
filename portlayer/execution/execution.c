/* The containers of one VCH, and the connection to libvirt they depend on. */
#include "portlayer/execution/execution.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/execution/accel.h"
#include "portlayer/execution/internal.h"
#include "portlayer/execution/vm_size.h"

#define RECONNECT_MS 1000
#define KEEPALIVE_S 5
#define KEEPALIVE_COUNT 6
#define CMDLINE_MAX 2048
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* ---- what libvirt tells ---- */

/* Whoever suspended it has to resume it: that is no pause, and the container's state knows nothing of it. */
static void on_suspended(struct pl_container *c, int detail)
{
    if (c->nap)
        pl_nap_vm_gone(c); /* it can only be given up: whoever copies is told */
    else if (detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)
        pl_stall_begins(c);
    else if (pl_state_has_vm(c->rec.state))
        vic_log(VIC_WARN, "container", c->rec.id,
                "its VM was suspended from outside: the container hangs until 'virsh resume %s'",
                c->rec.vm_uuid);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
    (void)conn;
    struct pl_execution *x = opaque;
    char uuid[VIR_UUID_STRING_BUFLEN];
    if (x->is_closed || virDomainGetUUIDString(dom, uuid) < 0)
        return 0;
    struct pl_container *c = pl_index_find_vm(x, uuid);
    if (event == VIR_DOMAIN_EVENT_STARTED && !(c && (c->nap || pl_state_has_vm(c->rec.state))))
        pl_recover_stray(x, virDomainGetName(dom), uuid);
    else if (!c)
        return 0;
    else if (event == VIR_DOMAIN_EVENT_STOPPED)
        pl_run_vm_gone(c);
    else if (event == VIR_DOMAIN_EVENT_SUSPENDED)
        on_suspended(c, detail);
    else if (event == VIR_DOMAIN_EVENT_RESUMED)
        c->is_stalled = false;
    return 0;
}

static void on_retry(uv_timer_t *t);

static void on_disconnected(virConnectPtr conn, int reason, void *opaque)
{
    struct pl_execution *x = opaque;
    if (x->is_closed || conn != x->conn)
        return;
    vic_log(VIC_WARN, "libvirt", NULL, "connection lost (reason %d), connecting again", reason);
    (void)uv_timer_start(&x->reconnect_timer, on_retry, RECONNECT_MS, 0);
}

/* Takes a reference of its own to conn. */
static int use_connection(struct pl_execution *x, virConnectPtr conn, struct vic_err *err)
{
    x->lifecycle_callback =
        virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), x, NULL);
    if (x->lifecycle_callback < 0)
        return pl_virt_fail(err, "listen to the virtual machines");
    if (virConnectRegisterCloseCallback(conn, on_disconnected, x, NULL) < 0)
        return pl_virt_fail(err, "listen to the connection");
    (void)virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVE_COUNT); /* a remote one only */
    (void)virConnectGetVersion(conn, &x->hypervisor_version);
    (void)virConnectGetLibVersion(conn, &x->libvirt_version);
    (void)virConnectRef(conn);
    x->conn = conn;
    return 0;
}

static void drop_connection(struct pl_execution *x)
{
    if (!x->conn)
        return;
    (void)virConnectUnregisterCloseCallback(x->conn, on_disconnected);
    (void)virConnectDomainEventDeregisterAny(x->conn, x->lifecycle_callback);
    (void)virConnectClose(x->conn);
    x->conn = NULL;
}

/* Connect, listen, list: in this order, so that what ends meanwhile is told by an event or missing from
 * the list.  Only the listening is done on the loop, where the events come in. */
struct reconnect {
    struct pl_execution *x; /* a reference */
    char *uri, *vch_id;
    struct pl_network *network;
    virConnectPtr conn;
    struct pl_virt_domain *domains;
    size_t n_domains;
};

static int reconnect_work(void *arg, struct vic_err *err)
{
    struct reconnect *w = arg;
    w->conn = virConnectOpen(w->uri);
    if (!w->conn)
        return pl_virt_fail(err, "connect");
    pl_network_set_connection(w->network, w->conn);
    return pl_network_repair(w->network, err);
}

static int list_work(void *arg, struct vic_err *err)
{
    struct reconnect *w = arg;
    return pl_virt_list(w->conn, w->vch_id, &w->domains, &w->n_domains, err);
}

/* err: it is tried again. */
static void reconnect_over(struct reconnect *w, const struct vic_err *err)
{
    struct pl_execution *x = w->x;
    x->is_reconnecting = false;
    if (err && !x->is_closed) {
        vic_log(VIC_DEBUG, "libvirt", NULL, "%s", err->message);
        (void)uv_timer_start(&x->reconnect_timer, on_retry, RECONNECT_MS, 0);
    }
    if (w->conn)
        (void)virConnectClose(w->conn);
    free(w->domains);
    free(w->uri);
    free(w->vch_id);
    free(w);
    pl_execution_unref(x);
}

static void on_listed(void *arg, int result, const struct vic_err *err)
{
    struct reconnect *w = arg;
    if (!w->x->is_closed && result == 0) {
        vic_log(VIC_INFO, "libvirt", NULL, "connected again");
        pl_recover_match(w->x, w->domains, w->n_domains);
    }
    reconnect_over(w, result < 0 ? err : NULL);
}

static void on_reconnected(void *arg, int result, const struct vic_err *err)
{
    struct reconnect *w = arg;
    struct pl_execution *x = w->x;
    struct vic_err why = {0};
    if (!x->is_closed && result == 0) {
        drop_connection(x);
        result = use_connection(x, w->conn, &why);
        err = &why;
    }
    if (x->is_closed || result < 0) {
        reconnect_over(w, err);
        return;
    }
    pl_recover_expect(x);
    host_work(x->pl->loop, list_work, on_listed, w);
}

static void on_retry(uv_timer_t *t)
{
    struct pl_execution *x = t->data;
    if (x->is_reconnecting) { /* and lost again, maybe */
        (void)uv_timer_start(t, on_retry, RECONNECT_MS, 0);
        return;
    }
    struct reconnect *w = vic_new(struct reconnect);
    x->is_reconnecting = true;
    x->refs++;
    w->x = x;
    w->uri = vic_xstrdup(x->pl->config.libvirt_uri);
    w->vch_id = vic_xstrdup(x->pl->config.id);
    w->network = x->pl->network;
    host_work(x->pl->loop, reconnect_work, on_reconnected, w);
}

/* ---- making and closing ---- */

static char *read_line(const char *path)
{
    char *text = NULL;
    if (vic_file_read(path, CMDLINE_MAX, &text, NULL, NULL) < 0)
        return NULL;
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static int make_folders(const struct pl_config *config, struct vic_err *err)
{
    auto_free char *containers = vic_xasprintf("%s/containers", config->datastore);
    auto_free char *sockets = vic_xasprintf("%s/c", config->run_dir);
    int r = vic_file_mkdir_p(containers, 0711, err);
    if (r == 0)
        r = vic_file_mkdir_p(sockets, 0711, err);
    if (r == 0 && chown(sockets, config->qemu_uid, config->qemu_gid) < 0)
        r = vic_fail_errno(err, errno, "chown '%s'", sockets);
    return r;
}

static int prepare(struct pl_execution *x, virConnectPtr conn, struct vic_err *err)
{
    const struct pl_config *config = &x->pl->config;
    int r = pl_accel_choose(config->acceleration, &x->kvm, err);
    if (r == 0)
        r = make_folders(config, err);
    if (r < 0)
        return r;
    struct pl_vm_size host;
    pl_vm_size_of_host(&host);
    if (config->default_cpus == 0)
        x->pl->config.default_cpus = pl_vm_default_cpus(x->kvm, &host);
    auto_free char *cmdline_path = vic_xasprintf("%s/cmdline", config->iso_dir);
    auto_free char *kernel_path = vic_xasprintf("%s/kernel-version", config->iso_dir);
    x->cmdline = read_line(cmdline_path);
    x->kernel_version = read_line(kernel_path);
    if (!x->cmdline)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, ENOENT, "no guest kernel: '%s' cannot be read",
                        cmdline_path);
    auto_free char *boot_id = read_line(BOOT_ID);
    (void)snprintf(x->boot_id, sizeof(x->boot_id), "%s", boot_id ? boot_id : "");
    r = use_connection(x, conn, err);
    return r < 0 ? r : pl_recover_read(x, err);
}

int pl_execution_new(struct pl *pl, virConnectPtr conn, struct pl_execution **ret_execution,
                     struct vic_err *err)
{
    struct pl_execution *x = vic_new(struct pl_execution);
    x->pl = pl;
    x->refs = 1;
    vic_id_new(&x->life);
    vic_list_init(&x->containers);
    vic_list_init(&x->creations);
    vic_list_init(&x->strays);
    uv_timer_t *const timers[] = {&x->reconnect_timer, &x->stray_timer, &x->stall_timer};
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
        (void)uv_timer_init(pl->loop, timers[i]);
        timers[i]->data = x;
    }
    pl->execution = x; /* recovery reaches it through pl */
    struct pl_virt_domain *domains = NULL;
    size_t n = 0;
    int r = prepare(x, conn, err);
    if (r == 0)
        r = pl_virt_list(conn, pl->config.id, &domains, &n, err);
    if (r < 0) {
        pl->execution = NULL;
        pl_execution_close(x);
        return r;
    }
    pl_recover_expect(x);
    pl_recover_match(x, domains, n);
    free(domains);
    *ret_execution = x;
    return 0;
}

void pl_execution_unref(struct pl_execution *x)
{
    if (--x->refs > 0)
        return;
    vic_map_release(&x->by_id);
    vic_map_release(&x->by_name);
    vic_strv_free(x->unreadable);
    vic_map_release(&x->execs);
    free(x->kernel_version);
    free(x->cmdline);
    free(x);
}

static void on_closed(uv_handle_t *h)
{
    pl_execution_unref(h->data);
}

void pl_execution_close(struct pl_execution *x)
{
    if (!x)
        return;
    x->is_closed = true;
    drop_connection(x);
    struct pl_container *c;
    struct pl_container *next;
    list_for_each_safe(c, next, &x->containers, link) {
        pl_container_no_deadline(c);
        pl_probe_run_ends(c);
        pl_execs_drop(c);
        pl_nap_drop(c);
        pl_run_release(c);
        pl_wait_drop(c);
        pl_index_remove(c);
        pl_container_unref(c);
    }
    pl_recover_drop_strays(x);
    uv_close((uv_handle_t *)&x->reconnect_timer, on_closed);
    x->refs += 2; /* each of the three holds one until it is closed */
    uv_close((uv_handle_t *)&x->stray_timer, on_closed);
    uv_close((uv_handle_t *)&x->stall_timer, on_closed);
}

const char *pl_execution_container_name(const struct pl_execution *x, const char *container_id)
{
    const struct pl_container *c = x ? vic_map_get(&x->by_id, container_id) : NULL;
    return c ? c->rec.name : NULL;
}

struct pl_execution_counts pl_execution_count(const struct pl_execution *x)
{
    struct pl_execution_counts n = {0};
    const struct pl_container *c;
    list_for_each(c, &x->containers, link) {
        if (!c->is_visible)
            continue;
        n.total++;
        if (c->rec.state == PL_PAUSED)
            n.paused++;
        else if (c->rec.state == PL_RESTARTING ||
                 (pl_state_has_vm(c->rec.state) && c->rec.state != PL_STARTING))
            n.running++; /* what waits for its next run is as good as running */
        else
            n.stopped++;
    }
    return n;
}

void pl_execution_facts(const struct pl_execution *x, struct pl_execution_facts *ret_facts)
{
    *ret_facts = (struct pl_execution_facts){
        .kvm = x->kvm,
        .hypervisor_version = x->hypervisor_version,
        .libvirt_version = x->libvirt_version,
        .kernel = x->kernel_version,
        .unreadable = x->unreadable,
    };
}
