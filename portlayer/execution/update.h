/*
 * POST .../update: what can be changed of a container that exists.
 *
 * All of it or nothing.  Of one that runs the guest carries out its new bounds before they are on record; its VM stays
 * as large as it was at the start, so that what does not fit into it is refused until the container is stopped.
 */
#pragma once

#include "portlayer/execution/internal.h"
#include "portlayer/execution/vm_size.h"

void pl_update_handle(struct rpc_stream *st, void *arg);

/* CONFLICT: bounds that a VM of this size has no room for.  Pure. */
int pl_update_fits(const struct confine *bounds, const struct pl_vm_size *wanted,
                   const struct pl_vm_size *vm, struct vic_err *err);
