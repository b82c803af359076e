/* Which devices a container's processes may open. */
#pragma once

#include "lib/base/err.h"

/* Lets the cgroup open Docker's default devices and no other: its root user may make any node, but not
 * reach the VM's disk or virtio ports by one. */
int tether_devices_restrict(int cgroup_fd, struct vic_err *err);
/* Takes that program off again: all devices of the VM. */
int tether_devices_allow(int cgroup_fd, struct vic_err *err);
