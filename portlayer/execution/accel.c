/* The acceleration rule. */
#include "portlayer/execution/accel.h"

#include <fcntl.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define CPUINFO_MAX (16u << 20) /* some KiB a core */

static bool has_word(const char *line, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = line; (p = memmem(p, len - (size_t)(p - line), word, n)); p++) {
        const char *end = p + n;
        if (p > line && (p[-1] == ' ' || p[-1] == '\t') && (end == line + len || *end == ' '))
            return true;
    }
    return false;
}

bool pl_accel_cpuinfo_has_virt(const char *cpuinfo)
{
    for (const char *line = cpuinfo; *line;) {
        size_t len = strcspn(line, "\n");
        if (vic_str_starts_with(line, "flags") &&
            (has_word(line, len, "vmx") || has_word(line, len, "svm")))
            return true;
        line += len + (line[len] == '\n');
    }
    return false;
}

static bool kvm_is_there(void)
{
    auto_free char *cpuinfo = NULL;
    if (vic_file_read("/proc/cpuinfo", CPUINFO_MAX, &cpuinfo, NULL, NULL) < 0 ||
        !pl_accel_cpuinfo_has_virt(cpuinfo))
        return false;
    auto_close int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    return fd >= 0;
}

int pl_accel_choose(const char *wish, bool *ret_kvm, struct vic_err *err)
{
    bool kvm = !vic_str_eq(wish, "tcg") && kvm_is_there();
    if (vic_str_eq(wish, "kvm") && !kvm)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0,
                        "acceleration is 'kvm', but this host has no usable one (CPU flags vmx or "
                        "svm, and /dev/kvm)");
    *ret_kvm = kvm;
    return 0;
}
