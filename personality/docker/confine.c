/* Capabilities, privileges, what is hidden and mounted, limits, sizes. */
#include "personality/docker/confine.h"

#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "lib/confine/capability.h"
#include "lib/confine/confine.h"
#include "lib/confine/cpuset.h"

#define PATH "HostConfig"

static int check_list(const cJSON *host, const char *member, const cJSON **ret, struct vic_err *err)
{
    int r = json_get_arr(host, PATH, member, ret, err);
    if (r >= 0 && cJSON_GetArraySize(*ret) > CONFINE_LIST_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, PATH ".%s: more than %d entries", member,
                        CONFINE_LIST_MAX);
    if (r < 0)
        return r;
    const cJSON *e;
    cJSON_ArrayForEach(e, *ret)
    {
        if (!cJSON_IsString(e))
            return vic_fail(err, VIC_ERR_INVALID, 0, PATH ".%s: expected an array of strings",
                            member);
    }
    return r;
}

/* ---- capabilities ------------------------------------------------------------------------------------ */

static int check_capabilities(const cJSON *host, const char *member, struct vic_err *err)
{
    const cJSON *list;
    int r = check_list(host, member, &list, err);
    if (r < 0)
        return r;
    const cJSON *e;
    cJSON_ArrayForEach(e, list)
    {
        const char *name = e->valuestring;
        if (strcasecmp(name, "ALL") != 0 && confine_capability_from_name(name) < 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid %s: unknown capability: \"%s%.80s\"",
                            member, strncasecmp(name, "CAP_", 4) == 0 ? "" : "CAP_", name);
    }
    return r;
}

static uint64_t mask_of(const cJSON *list, bool *ret_all)
{
    uint64_t mask = 0;
    const cJSON *e;
    *ret_all = false;
    cJSON_ArrayForEach(e, list)
    {
        int number = confine_capability_from_name(e->valuestring);
        if (number >= 0)
            mask |= UINT64_C(1) << number;
        else
            *ret_all = true;
    }
    return mask;
}

/* Docker's order: ALL of one list goes before names of the other, and added wins over dropped. */
static uint64_t capabilities(const cJSON *host)
{
    bool adds_all;
    bool drops_all;
    uint64_t add = mask_of(json_member(host, "CapAdd"), &adds_all);
    uint64_t drop = mask_of(json_member(host, "CapDrop"), &drops_all);
    if (adds_all)
        return CONFINE_CAPABILITIES_ALL & ~drop;
    return drops_all ? add : (CONFINE_CAPABILITIES_DEFAULT & ~drop) | add;
}

/* ---- security options -------------------------------------------------------------------------------- */

#define NO_NEW_PRIVILEGES "no-new-privileges"

/* "key=value", or with a colon as older clients have it; the value is NULL when there is none. */
static bool option_is(const char *option, const char *key, const char **ret_value)
{
    size_t len = strlen(key);
    if (strncmp(option, key, len) != 0)
        return false;
    *ret_value = option[len] ? option + len + 1 : NULL;
    return option[len] == '\0' || option[len] == '=' || option[len] == ':';
}

static int check_option(const char *option, struct vic_err *err)
{
    /* What is so in a VM: there is nothing of the kind around the process. */
    static const struct {
        const char *key, *value;
    } granted[] = {{"seccomp", "unconfined"}, {"apparmor", "unconfined"}, {"label", "disable"}};
    const char *value;
    bool flag;
    if (option_is(option, NO_NEW_PRIVILEGES, &value))
        return !value || vic_str_to_bool(value, &flag) >= 0
                   ? 0
                   : vic_fail(err, VIC_ERR_INVALID, 0, "invalid --security-opt 2: \"%.100s\"",
                              option);
    if (strcmp(option, "disable") == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(granted); i++) {
        if (!option_is(option, granted[i].key, &value) || !value)
            continue;
        if (strcmp(value, granted[i].value) == 0)
            return 0;
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                        PATH ".SecurityOpt %s=%.60s is not served here: every container has a "
                             "kernel of its own; use %s=%s, or leave it out",
                        granted[i].key, value, granted[i].key, granted[i].value);
    }
    return vic_fail(err, VIC_ERR_INVALID, 0, "invalid --security-opt %d: \"%.100s\"",
                    strpbrk(option, "=:") ? 2 : 1, option);
}

static int check_options(const cJSON *host, struct vic_err *err)
{
    const cJSON *list;
    int r = check_list(host, "SecurityOpt", &list, err);
    if (r < 0)
        return r;
    const cJSON *e;
    cJSON_ArrayForEach(e, list)
    {
        if ((r = check_option(e->valuestring, err)) < 0)
            return r;
    }
    return r;
}

/* The last one counts. */
static bool has_no_new_privileges(const cJSON *host)
{
    bool has = false;
    const char *value;
    const cJSON *e;
    cJSON_ArrayForEach(e, json_member(host, "SecurityOpt"))
    {
        if (option_is(e->valuestring, NO_NEW_PRIVILEGES, &value) &&
            (!value || vic_str_to_bool(value, &has) < 0))
            has = true;
    }
    return has;
}

/* ---- paths ------------------------------------------------------------------------------------------- */

static const struct {
    const char *docker, *ours;
} path_lists[] = {{"MaskedPaths", "masked_paths"}, {"ReadonlyPaths", "readonly_paths"}};

static int check_paths(const cJSON *host, const char *member, struct vic_err *err)
{
    const cJSON *list;
    int r = check_list(host, member, &list, err);
    if (r < 0)
        return r;
    const cJSON *e;
    cJSON_ArrayForEach(e, list)
    {
        if (e->valuestring[0] != '/' || strlen(e->valuestring) > CONFINE_PATH_MAX)
            return vic_fail(err, VIC_ERR_INVALID, 0,
                            PATH ".%s: \"%.100s\" needs to be an absolute path", member,
                            e->valuestring);
    }
    return r;
}

/* ---- mounts ------------------------------------------------------------------------------------------ */

static int check_tmpfs(const cJSON *host, struct vic_err *err)
{
    const cJSON *map;
    int r = json_get_obj(host, PATH, "Tmpfs", &map, err);
    if (r < 0)
        return r;
    if (cJSON_GetArraySize(map) > CONFINE_LIST_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, PATH ".Tmpfs: more than %d entries",
                        CONFINE_LIST_MAX);
    const cJSON *e;
    cJSON_ArrayForEach(e, map)
    {
        unsigned long flags;
        auto_free char *data = NULL;
        bool has_mode;
        if (!cJSON_IsString(e))
            return vic_fail(err, VIC_ERR_INVALID, 0, PATH ".Tmpfs: expected an object of strings");
        if ((r = confine_tmpfs_path_check(e->string, err)) < 0 ||
            (r = confine_tmpfs_options(e->valuestring, &flags, &data, &has_mode, err)) < 0)
            return r;
    }
    return 0;
}

static int check_mounts(const cJSON *host, struct vic_err *err)
{
    bool flag;
    int64_t shm = 0;
    int r = json_get_bool(host, PATH, "ReadonlyRootfs", &flag, err);
    if (r < 0 || (r = json_get_i64(host, PATH, "ShmSize", INT64_MIN, INT64_MAX, &shm, err)) < 0)
        return r;
    if (shm < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "SHM size can not be less than 0");
    return check_tmpfs(host, err);
}

static void add_mounts(cJSON *spec, const cJSON *host, const cJSON *volumes)
{
    if (json_bool(host, "ReadonlyRootfs", false)) {
        json_add_bool(spec, "readonly_root", true);
        cJSON *writable = volumes && volumes->child ? json_add_arr(spec, "writable_paths") : NULL;
        for (const cJSON *v = writable ? volumes->child : NULL; v; v = v->next)
            json_push_str(writable, v->string);
    }
    const cJSON *tmpfs = json_member(host, "Tmpfs");
    if (tmpfs && tmpfs->child)
        json_add(spec, "tmpfs", json_dup(tmpfs));
    int64_t shm = json_i64(host, "ShmSize", 0);
    if (shm > 0 && shm != CONFINE_SHM_BYTES)
        json_add_i64(spec, "shm_bytes", shm);
}

/* ---- limits ------------------------------------------------------------------------------------------ */

static int read_ulimit(const cJSON *e, const char **ret_name, struct confine_rlimit *ret,
                       struct vic_err *err)
{
    static const char path[] = PATH ".Ulimits";
    if (!cJSON_IsObject(e))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected objects", path);
    int r = json_get_str(e, path, "Name", ret_name, err);
    if (r < 0 ||
        (r = confine_rlimit_from_name(*ret_name ? *ret_name : "", &ret->resource, err)) < 0 ||
        (r = json_get_i64(e, path, "Soft", -1, INT64_MAX, &ret->soft, err)) < 0 ||
        (r = json_get_i64(e, path, "Hard", -1, INT64_MAX, &ret->hard, err)) < 0)
        return r;
    return confine_rlimit_check(ret, err);
}

static int check_ulimits(const cJSON *host, struct vic_err *err)
{
    const cJSON *list;
    int r = json_get_arr(host, PATH, "Ulimits", &list, err);
    if (r < 0)
        return r;
    if (cJSON_GetArraySize(list) > CONFINE_RLIMITS_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, PATH ".Ulimits: more than %d entries",
                        CONFINE_RLIMITS_MAX);
    const cJSON *e;
    cJSON_ArrayForEach(e, list)
    {
        const char *name;
        struct confine_rlimit l = {0};
        if ((r = read_ulimit(e, &name, &l, err)) < 0)
            return r;
        for (const cJSON *o = list->child; o != e; o = o->next)
            if (strcmp(json_str(o, "Name", ""), name) == 0)
                return vic_fail(err, VIC_ERR_INVALID, 0, PATH ".Ulimits: %s is given twice", name);
    }
    return 0;
}

static int check_sysctls(const cJSON *host, struct vic_err *err)
{
    const cJSON *map;
    int r = json_get_obj(host, PATH, "Sysctls", &map, err);
    if (r < 0)
        return r;
    if (cJSON_GetArraySize(map) > CONFINE_LIST_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, PATH ".Sysctls: more than %d entries",
                        CONFINE_LIST_MAX);
    const cJSON *e;
    cJSON_ArrayForEach(e, map)
    {
        if (!cJSON_IsString(e))
            return vic_fail(err, VIC_ERR_INVALID, 0,
                            PATH ".Sysctls: expected an object of strings");
        if ((r = confine_sysctl_check(e->string, e->valuestring, err)) < 0)
            return r;
    }
    return 0;
}

static int check_limits(const cJSON *host, struct vic_err *err)
{
    int64_t score = 0;
    const cJSON *groups;
    bool flag;
    int r = check_ulimits(host, err);
    if (r < 0 || (r = json_get_bool(host, PATH, "Init", &flag, err)) < 0 ||
        (r = check_sysctls(host, err)) < 0 ||
        (r = json_get_i64(host, PATH, "OomScoreAdj", INT64_MIN, INT64_MAX, &score, err)) < 0 ||
        (r = check_list(host, "GroupAdd", &groups, err)) < 0)
        return r;
    if (score < -CONFINE_OOM_SCORE_MAX || score > CONFINE_OOM_SCORE_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "Invalid value %lld, range for oom score adj is [-%d, %d]",
                        (long long)score, CONFINE_OOM_SCORE_MAX, CONFINE_OOM_SCORE_MAX);
    const cJSON *e;
    cJSON_ArrayForEach(e, groups)
    {
        if (e->valuestring[0] == '\0' || strlen(e->valuestring) > CONFINE_WORD_MAX)
            return vic_fail(err, VIC_ERR_INVALID, 0, PATH ".GroupAdd: no group: \"%.80s\"",
                            e->valuestring);
    }
    return 0;
}

static void add_limits(cJSON *spec, const cJSON *host)
{
    const cJSON *list = json_member(host, "Ulimits");
    cJSON *out = list && list->child ? json_add_arr(spec, "rlimits") : NULL;
    for (const cJSON *e = out ? list->child : NULL; e; e = e->next) {
        cJSON *l = json_new_obj();
        json_add_str(l, "name", json_str(e, "Name", ""));
        json_add_i64(l, "soft", json_i64(e, "Soft", 0));
        json_add_i64(l, "hard", json_i64(e, "Hard", 0));
        json_push(out, l);
    }
    static const struct {
        const char *docker, *ours;
    } copied[] = {{"Sysctls", "sysctls"}, {"GroupAdd", "groups"}};
    for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
        const cJSON *v = json_member(host, copied[i].docker);
        if (v && v->child)
            json_add(spec, copied[i].ours, json_dup(v));
    }
    if (json_bool(host, "Init", false))
        json_add_bool(spec, "init", true);
    if (json_i64(host, "OomScoreAdj", 0) != 0)
        json_add_i64(spec, "oom_score_adj", json_i64(host, "OomScoreAdj", 0));
}

/* ---- the VM and its cgroup --------------------------------------------------------------------------- */

struct amounts {
    int64_t memory, reservation, swap, pids, nano_cpus, quota, period;
};

static int read_amounts(const cJSON *host, struct amounts *a, struct vic_err *err)
{
    struct {
        const char *name;
        int64_t *ret;
    } rows[] = {{"Memory", &a->memory},      {"MemoryReservation", &a->reservation},
                {"MemorySwap", &a->swap},    {"PidsLimit", &a->pids},
                {"NanoCpus", &a->nano_cpus}, {"CpuQuota", &a->quota},
                {"CpuPeriod", &a->period}};
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows) && r >= 0; i++)
        r = json_get_i64(host, PATH, rows[i].name, INT64_MIN, INT64_MAX, rows[i].ret, err);
    return r;
}

static int check_memory(const struct amounts *a, struct vic_err *err)
{
    const struct {
        bool is_wrong;
        const char *words;
    } rules[] = {
        {a->memory < 0 || (a->memory > 0 && a->memory < CONFINE_MEMORY_MIN),
         "Minimum memory limit allowed is 6MB"},
        {a->memory > 0 && a->swap > 0 && a->swap < a->memory,
         "Minimum memoryswap limit should be larger than memory limit, see usage"},
        {a->memory == 0 && a->swap > 0,
         "You should always set the Memory limit when using Memoryswap limit, see usage"},
        {a->swap < -1, "invalid memoryswap limit"},
        {a->reservation < 0 || (a->reservation > 0 && a->reservation < CONFINE_MEMORY_MIN),
         "Minimum memory reservation allowed is 6MB"},
        {a->memory > 0 && a->reservation > a->memory,
         "Minimum memory limit can not be less than memory reservation limit, see usage"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].is_wrong)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s", rules[i].words);
    if (a->swap > a->memory)
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                        PATH
                        ".MemorySwap is not served here: there is no swap in a VM; give it the "
                        "value of Memory, or leave it out");
    return 0;
}

#define NANO INT64_C(1000000000)
#define NANO_LEAST (NANO / 100)
#define NANO_MOST (CONFINE_CPUS_MAX * NANO)

static int check_cpus(const struct amounts *a, struct vic_err *err)
{
    const struct {
        bool is_wrong;
        const char *words;
    } rules[] = {
        {a->nano_cpus > 0 && a->period > 0,
         "Conflicting options: Nano CPUs and CPU Period cannot both be set"},
        {a->nano_cpus > 0 && a->quota > 0,
         "Conflicting options: Nano CPUs and CPU Quota cannot both be set"},
        {a->nano_cpus < 0 || (a->nano_cpus > 0 && a->nano_cpus < NANO_LEAST) ||
             a->nano_cpus > NANO_MOST,
         "range of CPUs is from 0.01 to the number of the host's"},
        {a->period != 0 &&
             (a->period < CONFINE_CPU_MIN_US || a->period > CONFINE_CPU_PERIOD_MAX_US),
         "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"},
        {a->quota > 0 && a->quota < CONFINE_CPU_MIN_US,
         "CPU cfs quota can not be less than 1ms (i.e. 1000)"},
        {a->quota > INT32_MAX, "CPU cfs quota can not be more than 2147s"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].is_wrong)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s", rules[i].words);
    return 0;
}

static int check_amounts(const cJSON *host, struct vic_err *err)
{
    struct amounts a = {0};
    const char *cpuset;
    unsigned highest;
    int r = read_amounts(host, &a, err);
    if (r < 0 || (r = check_memory(&a, err)) < 0 || (r = check_cpus(&a, err)) < 0 ||
        (r = json_get_str(host, PATH, "CpusetCpus", &cpuset, err)) < 0)
        return r;
    return vic_str_is_empty(cpuset) ? 0 : confine_cpuset_highest(cpuset, &highest, err);
}

static void add_amounts(cJSON *spec, const cJSON *host)
{
    struct amounts a = {0};
    (void)read_amounts(host, &a, NULL); /* checked */
    int64_t per_cpu = NANO / CONFINE_CPU_PERIOD_US;
    const struct {
        const char *name;
        int64_t n;
    } rows[] = {{"memory_bytes", a.memory},
                {"memory_low_bytes", a.reservation},
                {"pids_max", a.pids},
                {"cpu_quota_us", a.nano_cpus ? a.nano_cpus / per_cpu : a.quota},
                {"cpu_period_us", a.period}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].n > 0)
            json_add_i64(spec, rows[i].name, rows[i].n);
    const char *cpuset = json_str(host, "CpusetCpus", "");
    if (cpuset[0])
        json_add_str(spec, "cpuset", cpuset);
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

int docker_confine_check(const cJSON *host, struct vic_err *err)
{
    bool flag;
    int r;
    if ((r = check_capabilities(host, "CapAdd", err)) < 0 ||
        (r = check_capabilities(host, "CapDrop", err)) < 0 ||
        (r = json_get_bool(host, PATH, "Privileged", &flag, err)) < 0 ||
        (r = check_options(host, err)) < 0 || (r = check_mounts(host, err)) < 0 ||
        (r = check_limits(host, err)) < 0 || (r = check_amounts(host, err)) < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(path_lists) && r >= 0; i++)
        r = check_paths(host, path_lists[i].docker, err);
    return r;
}

static void add_capabilities(cJSON *spec, uint64_t mask)
{
    if (mask == CONFINE_CAPABILITIES_DEFAULT)
        return;
    cJSON *list = json_add_arr(spec, "capabilities");
    for (unsigned i = 0; confine_capability_to_name(i); i++)
        if (mask >> i & 1)
            json_push_str(list, confine_capability_to_name(i));
}

cJSON *docker_confine_spec(const cJSON *host, const cJSON *volumes)
{
    cJSON *spec = json_new_obj();
    if (json_bool(host, "Privileged", false))
        json_add_bool(spec, "privileged", true);
    if (has_no_new_privileges(host))
        json_add_bool(spec, "no_new_privileges", true);
    add_capabilities(spec, capabilities(host));
    for (size_t i = 0; i < ARRAY_SIZE(path_lists); i++)
        if (json_member(host, path_lists[i].docker))
            json_add(spec, path_lists[i].ours, json_dup(json_member(host, path_lists[i].docker)));
    add_mounts(spec, host, volumes);
    add_limits(spec, host);
    add_amounts(spec, host);
    return spec;
}

/* ---- changes ------------------------------------------------------------------------------------------ */

/* What contradicts what was said earlier, and is not changed with it. */
static int check_change(const struct amounts *old, const struct amounts *new, struct vic_err *err)
{
    const struct {
        bool is_wrong;
        const char *words;
    } rules[] = {
        {new->nano_cpus > 0 && old->period > 0,
         "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set"},
        {new->nano_cpus > 0 && old->quota > 0,
         "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set"},
        {new->quota > 0 && old->nano_cpus > 0,
         "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"},
        {new->period > 0 && old->nano_cpus > 0,
         "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set"},
        {new->memory > 0 && new->swap == 0 && old->swap > 0 && new->memory > old->swap,
         "Memory limit should be smaller than already set memoryswap limit, update the memoryswap "
         "at the same time"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].is_wrong)
            return vic_fail(err, VIC_ERR_CONFLICT, 0, "%s", rules[i].words);
    return 0;
}

static bool says_something(const cJSON *v)
{
    return (cJSON_IsNumber(v) && v->valuedouble != 0) ||
           (cJSON_IsString(v) && v->valuestring[0] != '\0');
}

int docker_confine_update(cJSON *host, const cJSON *body, bool *ret_changed, struct vic_err *err)
{
    static const char *const members[] = {"Memory",    "MemoryReservation", "MemorySwap",
                                          "PidsLimit", "NanoCpus",          "CpuQuota",
                                          "CpuPeriod", "CpusetCpus"};
    struct amounts old = {0};
    struct amounts new = {0};
    *ret_changed = false;
    int r = read_amounts(host, &old, err);
    if (r < 0 || (r = read_amounts(body, &new, err)) < 0 || (r = check_change(&old, &new, err)) < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const cJSON *v = json_member(body, members[i]);
        if (!says_something(v))
            continue;
        *ret_changed = true;
        cJSON_DeleteItemFromObjectCaseSensitive(host, members[i]);
        json_add(host, members[i], json_dup(v));
    }
    return check_amounts(host, err);
}

cJSON *docker_confine_bounds(const cJSON *host)
{
    cJSON *bounds = json_new_obj();
    add_amounts(bounds, host);
    return bounds;
}

static void show_paths(cJSON *host, const char *member, const char *const *paths, size_t n)
{
    if (json_member(host, member))
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(host, member);
    if (json_bool(host, "Privileged", false)) {
        json_add_null(host, member);
        return;
    }
    cJSON *list = json_add_arr(host, member);
    for (size_t i = 0; i < n; i++)
        json_push_str(list, paths[i]);
}

void docker_confine_show(cJSON *host)
{
    show_paths(host, "MaskedPaths", confine_masked_paths, confine_n_masked_paths);
    show_paths(host, "ReadonlyPaths", confine_readonly_paths, confine_n_readonly_paths);
}
