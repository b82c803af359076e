/* Domains through libvirt. */
#include "portlayer/execution/virt.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/id.h"
#include "lib/base/str.h"
#include "portlayer/execution/domain_xml.h"

#define ENDING_POLL_MS 50 /* libvirt has no event for it */
#define ENDING_MAX_MS 5000
#define PID_FILE "/run/libvirt/qemu/%s.pid"

VIC_DEFINE_CLEANUP(domain_free_p, virDomainPtr, virDomainFree)

int pl_virt_fail(struct vic_err *err, const char *what)
{
    virErrorPtr e = virGetLastError();
    bool is_away = e && (e->domain == VIR_FROM_RPC || e->code == VIR_ERR_NO_CONNECT ||
                         e->code == VIR_ERR_INVALID_CONN);
    return vic_fail(err, is_away ? VIC_ERR_UNAVAILABLE : VIC_ERR_INTERNAL, 0, "%s: libvirt: %s",
                    what, e && e->message ? e->message : "unknown error");
}

static long domain_pid(const char *name)
{
    auto_free char *path = vic_xasprintf(PID_FILE, name);
    auto_free char *text = NULL;
    uint64_t pid = 0;
    if (vic_file_read(path, 64, &text, NULL, NULL) < 0)
        return 0;
    text[strcspn(text, "\n")] = '\0';
    return vic_str_to_u64(text, 1, INT32_MAX, &pid) < 0 ? 0 : (long)pid;
}

int pl_virt_create(virConnectPtr conn, const char *xml, long *ret_pid, struct vic_err *err)
{
    auto_(domain_free_p) virDomainPtr dom = virDomainCreateXML(conn, xml, 0);
    if (!dom)
        return pl_virt_fail(err, "start the virtual machine");
    *ret_pid = domain_pid(virDomainGetName(dom));
    return 0;
}

/* One that ends by itself just now is inactive, and still has its name and its process for a moment. */
static int destroy(virConnectPtr conn, const char *key,
                   virDomainPtr (*find)(virConnectPtr conn, const char *key), struct vic_err *err)
{
    for (unsigned waited_ms = 0;; waited_ms += ENDING_POLL_MS) {
        auto_(domain_free_p) virDomainPtr dom = find(conn, key);
        if (dom && virDomainDestroy(dom) == 0)
            return 0;
        virErrorPtr e = virGetLastError();
        if (e && e->code == VIR_ERR_NO_DOMAIN)
            return 0;
        if (!e || e->code != VIR_ERR_OPERATION_INVALID || waited_ms >= ENDING_MAX_MS)
            return pl_virt_fail(err, "destroy the virtual machine");
        (void)poll(NULL, 0, ENDING_POLL_MS);
    }
}

int pl_virt_destroy(virConnectPtr conn, const char *uuid, struct vic_err *err)
{
    return destroy(conn, uuid, virDomainLookupByUUIDString, err);
}

int pl_virt_destroy_name(virConnectPtr conn, const char *name, struct vic_err *err)
{
    return destroy(conn, name, virDomainLookupByName, err);
}

static bool is_stalled(virDomainPtr dom)
{
    int state = 0;
    int reason = 0;
    return virDomainGetState(dom, &state, &reason, 0) == 0 && state == VIR_DOMAIN_PAUSED &&
           reason == VIR_DOMAIN_PAUSED_IOERROR;
}

int pl_virt_unstall(virConnectPtr conn, const char *uuid, struct vic_err *err)
{
    auto_(domain_free_p) virDomainPtr dom = virDomainLookupByUUIDString(conn, uuid);
    if (!dom || (is_stalled(dom) && virDomainResume(dom) < 0))
        return pl_virt_fail(err, "resume the virtual machine");
    return 0;
}

/* The value of attribute name in libvirt's rendering of our one metadata element. */
static void attribute(const char *xml, const char *name, char *ret, size_t size)
{
    for (int i = 0; i < 2; i++) {
        char quote = i ? '"' : '\'';
        auto_free char *start = vic_xasprintf(" %s=%c", name, quote);
        const char *p = strstr(xml, start);
        const char *end = p ? strchr(p + strlen(start), quote) : NULL;
        if (!end)
            continue;
        p += strlen(start);
        (void)snprintf(ret, size, "%.*s", (int)(end - p), p);
        return;
    }
    ret[0] = '\0';
}

static void describe(virDomainPtr dom, struct pl_virt_domain *d)
{
    char run[16] = "";
    (void)snprintf(d->name, sizeof(d->name), "%s", virDomainGetName(dom));
    (void)virDomainGetUUIDString(dom, d->uuid);
    auto_free char *xml =
        virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, PL_METADATA_URI, 0);
    if (xml) {
        uint64_t n = 0;
        attribute(xml, "id", d->container_id, sizeof(d->container_id));
        attribute(xml, "run", run, sizeof(run));
        if (vic_str_to_u64(run, 1, INT32_MAX, &n) == 0)
            d->run = (unsigned)n;
        if (!vic_id_is_valid(d->container_id))
            d->container_id[0] = '\0';
    }
    d->is_stalled = is_stalled(dom);
    d->pid = domain_pid(d->name);
}

int pl_virt_list(virConnectPtr conn, const char *vch_id, struct pl_virt_domain **ret_domains,
                 size_t *ret_n, struct vic_err *err)
{
    virDomainPtr *doms = NULL;
    int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0)
        return pl_virt_fail(err, "list the virtual machines");
    auto_free char *prefix = vic_xasprintf("vic-%s-", vch_id);
    struct pl_virt_domain *list = vic_xalloc(((size_t)n + 1) * sizeof(*list));
    size_t n_ours = 0;
    for (int i = 0; i < n; i++) {
        if (vic_str_starts_with(virDomainGetName(doms[i]), prefix))
            describe(doms[i], &list[n_ours++]);
        (void)virDomainFree(doms[i]);
    }
    free(doms);
    *ret_domains = list;
    *ret_n = n_ours;
    return 0;
}
