/* libvirt's blocking calls, for work functions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <libvirt/libvirt.h>

#include "lib/base/err.h"

/* Starts a transient domain; *ret_pid is its hypervisor's process (0 if that cannot be told). */
int pl_virt_create(virConnectPtr conn, const char *xml, long *ret_pid, struct vic_err *err);
/* Ends it at once; one that is not there is no error. */
int pl_virt_destroy(virConnectPtr conn, const char *uuid, struct vic_err *err);

/* The same of the domain that has this name, whichever run it is of. */
int pl_virt_destroy_name(virConnectPtr conn, const char *name, struct vic_err *err);

/* Lets one go on that was suspended because its disk could not be written; any other is left as it is. */
int pl_virt_unstall(virConnectPtr conn, const char *uuid, struct vic_err *err);

struct pl_virt_domain {
    char name[64];
    char uuid[VIR_UUID_STRING_BUFLEN];
    char container_id[65]; /* "" when its metadata is not ours */
    unsigned run;
    bool is_stalled; /* suspended because its disk could not be written */
    long pid;
};

/* The running domains of one VCH; the array is the caller's to free. */
int pl_virt_list(virConnectPtr conn, const char *vch_id, struct pl_virt_domain **ret_domains,
                 size_t *ret_n, struct vic_err *err);

/* Fills err from libvirt's last error of this thread. */
int pl_virt_fail(struct vic_err *err, const char *what);
