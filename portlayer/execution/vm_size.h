/* How large a container's VM is. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/confine/confine.h"
#include "portlayer/pl.h"

struct pl_vm_size {
    uint64_t memory_bytes;
    unsigned cpus;
};

/* Of this host; cpus at least 1. */
void pl_vm_size_of_host(struct pl_vm_size *ret);

/* For a VM whose container says nothing.  QEMU's emulation of several processors (7.2) crashes now and then, and hangs,
 * and is no faster than that of one. */
unsigned pl_vm_default_cpus(bool kvm, const struct pl_vm_size *host);

/* Memory: the container's limit and what the guest needs around it, or the VCH's default.  Processors: the quota
 * rounded up, or the default; more if the list of processors names more.  INVALID, in Docker's words: the host has not that many. */
int pl_vm_size_for(const struct confine *c, const struct pl_config *config,
                   const struct pl_vm_size *host, struct pl_vm_size *ret, struct vic_err *err);
