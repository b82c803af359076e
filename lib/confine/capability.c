/* The table of capabilities. */
#include "lib/confine/capability.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/base/cleanup.h"

#define PREFIX "CAP_"

/* In the kernel's order. */
static const char *const names[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

int confine_capability_from_name(const char *name)
{
    if (strncasecmp(name, PREFIX, strlen(PREFIX)) == 0)
        name += strlen(PREFIX);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(names[i] + strlen(PREFIX), name) == 0)
            return (int)i;
    return -ENOENT;
}

const char *confine_capability_to_name(unsigned number)
{
    return number < ARRAY_SIZE(names) ? names[number] : NULL;
}
