/* Device nodes for a privileged container. */
#pragma once

#include "lib/base/err.h"

/* Makes those of all the VM's devices in /dev, which is the container's own, out of its /sys.  Nodes that are there
 * stay. */
int tether_nodes_make(struct vic_err *err);
