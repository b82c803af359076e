/* Computes sizes. */
#include "portlayer/execution/vm_size.h"

#include <unistd.h>

#include "lib/confine/cpuset.h"

/* Measured: the kernel keeps 38 MiB and 1.6 % for itself, 34 MiB are in use before the container is.  The rest is for
 * what the kernel keeps free, and so that the smallest VM has room for a few hundred processes. */
#define OVERHEAD_BYTES (UINT64_C(128) << 20)
#define OVERHEAD_SHARE 32

#define PAGE_BYTES 4096
#define DEFAULT_CPUS_MAX 2

void pl_vm_size_of_host(struct pl_vm_size *ret)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    long pages = sysconf(_SC_PHYS_PAGES);
    ret->cpus = cpus > 0 ? (unsigned)cpus : 1;
    ret->memory_bytes = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

unsigned pl_vm_default_cpus(bool kvm, const struct pl_vm_size *host)
{
    return kvm && host->cpus >= DEFAULT_CPUS_MAX ? DEFAULT_CPUS_MAX : 1;
}

static int memory_for(const struct confine *c, const struct pl_config *config,
                      const struct pl_vm_size *host, uint64_t *ret, struct vic_err *err)
{
    uint64_t limit = (uint64_t)c->memory_bytes;
    if (limit > host->memory_bytes)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "the memory limit of %llu MiB is more than this host's %llu MiB",
                        (unsigned long long)limit >> 20,
                        (unsigned long long)host->memory_bytes >> 20);
    uint64_t whole = limit + OVERHEAD_BYTES + limit / OVERHEAD_SHARE;
    *ret = limit == 0 ? config->default_memory_bytes : whole / PAGE_BYTES * PAGE_BYTES;
    return 0;
}

/* As many as the quota fills, and as a list names, which is of the VM's own. */
static int cpus_for(const struct confine *c, const struct pl_config *config,
                    const struct pl_vm_size *host, unsigned *ret, struct vic_err *err)
{
    int64_t period = c->cpu_period_us ? c->cpu_period_us : CONFINE_CPU_PERIOD_US;
    int64_t filled = (c->cpu_quota_us + period - 1) / period;
    unsigned cpus = c->cpu_quota_us ? (unsigned)filled : config->default_cpus;
    unsigned highest = 0;
    int r = c->cpuset ? confine_cpuset_highest(c->cpuset, &highest, err) : 0;
    if (r < 0)
        return r;
    if (c->cpu_quota_us && cpus > host->cpus)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "range of CPUs is from 0.01 to %u.00, as there are only %u CPUs available",
                        host->cpus, host->cpus);
    if (highest >= host->cpus)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "Requested CPUs are not available - requested %.80s, available: 0-%u",
                        c->cpuset, host->cpus - 1);
    *ret = highest < cpus ? cpus : highest + 1;
    return 0;
}

int pl_vm_size_for(const struct confine *c, const struct pl_config *config,
                   const struct pl_vm_size *host, struct pl_vm_size *ret, struct vic_err *err)
{
    struct pl_vm_size room;
    int r = memory_for(c, config, host, &room.memory_bytes, err);
    if (r < 0 || (r = cpus_for(c, config, host, &room.cpus, err)) < 0)
        return r;
    *ret = room;
    return 0;
}
