/* Containers of one VCH: records, life cycle, and the virtual machines behind them. */
#pragma once

#include <stdbool.h>

#include <libvirt/libvirt.h>

#include "lib/base/err.h"
#include "portlayer/pl.h"

/* Blocking; before the loop runs.  Reads every record; the VMs are matched once the loop runs. */
int pl_execution_new(struct pl *pl, virConnectPtr conn, struct pl_execution **ret_execution,
                     struct vic_err *err);
/* Stops watching; the VMs run on. */
void pl_execution_close(struct pl_execution *x);

/* The name of a container, for the network's list; NULL if there is none such. */
const char *pl_execution_container_name(const struct pl_execution *x, const char *container_id);

struct pl_execution_counts {
    unsigned total, running, paused, stopped;
};
struct pl_execution_counts pl_execution_count(const struct pl_execution *x);

/* What /v1/info tells of the VMs; pointers are borrowed, kernel is NULL as long as it is unknown. */
struct pl_execution_facts {
    bool kvm;
    unsigned long hypervisor_version, libvirt_version; /* 7002022 is 7.2.22 */
    const char *kernel;
    char *const *unreadable; /* ids of containers whose records cannot be read; may be NULL */
};
void pl_execution_facts(const struct pl_execution *x, struct pl_execution_facts *ret_facts);

/* /v1/containers */
extern const struct rpc_route pl_execution_routes[];
extern const size_t pl_execution_n_routes;
