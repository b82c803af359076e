/* Makes sure that libvirt answers on this host. */
#pragma once

#include "lib/base/err.h"

/* Starts libvirtd if nothing answers: through systemd where there is systemd, else by hand.  Several
 * callers at the same moment start it once. */
int mach_libvirtd_ensure(struct vic_err *err);
