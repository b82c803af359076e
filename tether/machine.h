/* The VM around the container: its disk, its cgroup, its power switch. */
#pragma once

#include "tether/tether.h"

/* Borrowed and static.  Makes the container's cgroup, which holds its devices and its processes in bounds. */
int tether_machine_open(const struct tether_machine **ret, struct vic_err *err);

/* Kills what is left of the container, makes its disk clean, and switches off. */
_Noreturn void tether_machine_power_off(void);
