/* Sets capabilities by the bare system calls. */
#include "tether/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

int tether_caps_bound(uint64_t mask, struct vic_err *err)
{
    for (int cap = 0; cap < 64; cap++) {
        if (mask >> cap & 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
            continue;
        if (errno == EINVAL) /* past the last one this kernel knows */
            return 0;
        return vic_fail_errno(err, errno, "drop capability %d", cap);
    }
    return 0;
}

int tether_caps_apply(uint64_t mask, struct vic_err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, data) < 0)
        return vic_fail_errno(err, errno, "capget");
    for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
        data[i].permitted &= (uint32_t)(mask >> 32 * i);
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* none were ever raised */
    if (syscall(SYS_capset, &header, data) < 0)
        return vic_fail_errno(err, errno, "capset");
    return 0;
}
