/* Removes a VCH's VMs, networks and packet filter. */
#include "portlayer/wipe.h"

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "portlayer/execution/qemu_log.h"
#include "portlayer/execution/virt.h"
#include "portlayer/network/network.h"

static int destroy_domains(const struct pl_config *config, virConnectPtr conn, struct vic_err *err)
{
    auto_free struct pl_virt_domain *domains = NULL;
    size_t n = 0;
    int first = pl_virt_list(conn, config->id, &domains, &n, err);
    if (first < 0)
        return first;
    for (size_t i = 0; i < n; i++) {
        struct vic_err why;
        int r = pl_virt_destroy(conn, domains[i].uuid, &why);
        vic_log(r < 0 ? VIC_WARN : VIC_INFO, "vm", domains[i].name, "%s",
                r < 0 ? why.message : "destroyed");
        if (r < 0 && first == 0) {
            first = r;
            if (err)
                *err = why;
        }
    }
    auto_free char *prefix = vic_xasprintf("vic-%s-", config->id);
    pl_qemu_log_remove(PL_QEMU_LOGS, prefix);
    return first;
}

int pl_wipe(const struct pl_config *config, virConnectPtr conn, struct vic_err *err)
{
    int first = destroy_domains(config, conn, err);
    int r = pl_network_destroy(config, conn, first < 0 ? NULL : err);
    return first < 0 ? first : r;
}
