/*
 * A request of a client passed on to the tether: bytes both ways, each as fast as the other side takes
 * them, and the end or the error of one side told to the other.
 */
#pragma once

#include "lib/rpc/rpc.h"
#include "portlayer/execution/internal.h"

/* Takes st.  c is held meanwhile.  method is a literal, path the tether's.  action: the event to emit when the tether
 * has accepted; a literal, or NULL.  A GET that the end of the container's process cuts off before its answer is served
 * by pl_copy_serve() afterwards. */
void pl_relay(struct rpc_stream *st, struct pl_container *c, const char *method, const char *path,
              const char *action);
