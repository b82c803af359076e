/* libvirt's log of each QEMU, which libvirt leaves behind when the virtual machine is gone. */
#pragma once

#define PL_QEMU_LOGS "/var/log/libvirt/qemu"

/* Removes the files of the folder whose names begin so; for work functions.  What cannot be removed stays. */
void pl_qemu_log_remove(const char *folder, const char *prefix);
