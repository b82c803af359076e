/*
 * AppArmor and QEMU's own files.
 *
 * libvirt writes an AppArmor profile for each VM from the files that its XML names.  The output file of a
 * container is not among them (QEMU opens it by a plain -chardev), so a host that has AppArmor on needs one
 * more rule for libvirt's QEMUs.  It is the operator's file: we look, and say what to add.
 */
#pragma once

#include <stdbool.h>

#define MACH_APPARMOR_ENABLED "/sys/module/apparmor/parameters/enabled"
#define MACH_APPARMOR_FILE "/etc/apparmor.d/local/abstractions/libvirt-qemu"
#define MACH_APPARMOR_RULE "/**/containers/*/output.*.log rw,"

/* Whether AppArmor is on (as the first file says) and the rule is not in the second. */
bool mach_apparmor_lacks_rule(const char *enabled_path, const char *rules_path);
