/* Whether VMs run on KVM or by software emulation. */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"

/* wish: "auto", "kvm" or "tcg".  KVM only where the CPU shows vmx or svm and /dev/kvm opens: a /dev/kvm
 * with no hardware behind it hangs guests.  UNAVAILABLE: "kvm" was demanded and is not there. */
int pl_accel_choose(const char *wish, bool *ret_kvm, struct vic_err *err);

/* The CPU-flags half of the rule, on the text of /proc/cpuinfo. */
bool pl_accel_cpuinfo_has_virt(const char *cpuinfo);
