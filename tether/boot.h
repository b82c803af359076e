/* What PID 1 of a VM does before it can serve. */
#pragma once

#include "lib/base/err.h"

/* Mounts the kernel's file systems, sends stderr to the kernel log, and puts a mount on top of the
 * initramfs, which pivot_root cannot leave otherwise. */
int tether_boot_mounts(struct vic_err *err);

/* Loads /lib/modules/load-order; what fails is logged, for it may be built in. */
void tether_boot_modules(void);

/* Cannot be killed for memory, and says so in the kernel log before a fault of its own ends the VM. */
void tether_boot_protect(void);
