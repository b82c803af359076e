/* Tables of limits and parameters. */
#include "lib/confine/limit.h"

#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

static const struct {
    const char *name;
    int resource;
} limits[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

int confine_rlimit_from_name(const char *name, int *ret_resource, struct vic_err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        if (strcmp(limits[i].name, name) == 0) {
            *ret_resource = limits[i].resource;
            return 0;
        }
    return vic_fail(err, VIC_ERR_INVALID, 0, "invalid ulimit type: %.80s", name);
}

const char *confine_rlimit_to_name(int resource)
{
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        if (limits[i].resource == resource)
            return limits[i].name;
    return NULL;
}

int confine_rlimit_check(const struct confine_rlimit *l, struct vic_err *err)
{
    if (l->hard != CONFINE_UNLIMITED && (l->soft == CONFINE_UNLIMITED || l->soft > l->hard))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "ulimit soft limit must be less than or equal to hard limit: %s=%lld:%lld",
                        confine_rlimit_to_name(l->resource), (long long)l->soft,
                        (long long)l->hard);
    return 0;
}

int confine_sysctl_check(const char *name, const char *value, struct vic_err *err)
{
    static const char *const names[] = {
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
        "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
    };
    static const char *const prefixes[] = {"net.", "fs.mqueue."};
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    bool is_ok = false;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        is_ok = is_ok || strcmp(names[i], name) == 0;
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        is_ok = is_ok || vic_str_starts_with(name, prefixes[i]);
    if (!is_ok || name[strspn(name, allowed)] || strlen(name) > CONFINE_SYSCTL_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "sysctl \"%.80s\" is not in a separate kernel namespace", name);
    if (strlen(value) > CONFINE_SYSCTL_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "sysctl \"%.80s\": a value of more than %d bytes",
                        name, CONFINE_SYSCTL_MAX);
    return 0;
}
