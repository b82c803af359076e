/* Carries out what concerns all of a container's processes at once. */
#include "tether/bounds.h"

#include "tether/devices.h"

int tether_bounds_set(int cgroup_fd, const struct confine *c, struct vic_err *err)
{
    return c->is_privileged ? tether_devices_allow(cgroup_fd, err)
                            : tether_devices_restrict(cgroup_fd, err);
}
