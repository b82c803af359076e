/* Reads, checks and writes the document. */
#include "lib/confine/confine.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/confine/capability.h"
#include "lib/confine/cpuset.h"

const char *const confine_bounds[] = {"memory_bytes", "memory_low_bytes", "pids_max",
                                      "cpu_quota_us", "cpu_period_us",    "cpuset"};
const size_t confine_n_bounds = ARRAY_SIZE(confine_bounds);

const char *const confine_masked_paths[] = {
    "/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};
const size_t confine_n_masked_paths = ARRAY_SIZE(confine_masked_paths);

const char *const confine_readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};
const size_t confine_n_readonly_paths = ARRAY_SIZE(confine_readonly_paths);

/* ---- members by kind --------------------------------------------------------------------------------- */

#define AT(c, type, offset) ((type *)(void *)((char *)(c) + (offset)))
#define AT_CONST(c, type, offset) ((type const *)(const void *)((const char *)(c) + (offset)))

static const struct {
    const char *name;
    size_t offset;
} bools[] = {
    {"privileged", offsetof(struct confine, is_privileged)},
    {"no_new_privileges", offsetof(struct confine, no_new_privileges)},
    {"readonly_root", offsetof(struct confine, has_readonly_root)},
    {"init", offsetof(struct confine, has_init)},
};

static const struct {
    const char *name;
    size_t offset;
    int64_t least, most; /* besides 0, which is nothing */
} amounts[] = {
    {"memory_bytes", offsetof(struct confine, memory_bytes), CONFINE_MEMORY_MIN, INT64_MAX},
    {"memory_low_bytes", offsetof(struct confine, memory_low_bytes), CONFINE_MEMORY_MIN, INT64_MAX},
    {"pids_max", offsetof(struct confine, pids_max), 1, INT64_MAX},
    {"cpu_quota_us", offsetof(struct confine, cpu_quota_us), CONFINE_CPU_MIN_US, INT32_MAX},
    {"cpu_period_us", offsetof(struct confine, cpu_period_us), CONFINE_CPU_MIN_US,
     CONFINE_CPU_PERIOD_MAX_US},
};

static const struct {
    const char *name;
    size_t list, has;
} paths[] = {
    {"masked_paths", offsetof(struct confine, masked_paths),
     offsetof(struct confine, has_masked_paths)},
    {"readonly_paths", offsetof(struct confine, readonly_paths),
     offsetof(struct confine, has_readonly_paths)},
    {"writable_paths", offsetof(struct confine, writable_paths),
     offsetof(struct confine, has_writable_paths)},
};

static bool is_known(const char *name)
{
    static const char *const others[] = {"capabilities", "tmpfs",  "shm_bytes",     "rlimits",
                                         "sysctls",      "groups", "oom_score_adj", "cpuset"};
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(bools); i++)
        known = known || strcmp(bools[i].name, name) == 0;
    for (size_t i = 0; i < ARRAY_SIZE(amounts); i++)
        known = known || strcmp(amounts[i].name, name) == 0;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        known = known || strcmp(paths[i].name, name) == 0;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        known = known || strcmp(others[i], name) == 0;
    return known;
}

static int check_members(const cJSON *doc, const char *path, struct vic_err *err)
{
    if (!cJSON_IsObject(doc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected an object", path);
    const cJSON *m;
    cJSON_ArrayForEach(m, doc)
    {
        if (!is_known(m->string))
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s.%.80s: unknown member", path, m->string);
    }
    return 0;
}

static int read_list(const cJSON *doc, const char *path, const char *member, char ***ret,
                     struct vic_err *err)
{
    int r = json_get_strv(doc, path, member, ret, err);
    if (r >= 0 && vic_strv_len(*ret) > CONFINE_LIST_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.%s: more than %d entries", path, member,
                        CONFINE_LIST_MAX);
    return r;
}

static int read_paths(const cJSON *doc, const char *path, const char *member, char ***ret,
                      struct vic_err *err)
{
    int r = read_list(doc, path, member, ret, err);
    for (char **v = *ret; r >= 0 && v && *v; v++)
        if (**v != '/' || strlen(*v) > CONFINE_PATH_MAX)
            r = vic_fail(err, VIC_ERR_INVALID, 0, "%s.%s: not an absolute path: '%.80s'", path,
                         member, *v);
    return r;
}

static int read_capabilities(const cJSON *doc, const char *path, struct confine *c,
                             struct vic_err *err)
{
    static const char member[] = "capabilities";
    auto_strv char **names = NULL;
    c->capabilities = CONFINE_CAPABILITIES_DEFAULT;
    if (!json_member(doc, member))
        return 0;
    int r = read_list(doc, path, member, &names, err);
    c->capabilities = 0;
    for (char **v = names; r >= 0 && v && *v; v++) {
        int number = confine_capability_from_name(*v);
        if (number < 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s.%s: unknown capability: \"%.80s\"", path,
                            member, *v);
        c->capabilities |= UINT64_C(1) << number;
    }
    return r;
}

static int compare_paths(const void *a, const void *b)
{
    const struct confine_tmpfs *x = a;
    const struct confine_tmpfs *y = b;
    return strcmp(x->path, y->path);
}

static int read_tmpfs(const cJSON *doc, const char *path, struct confine *c, struct vic_err *err)
{
    const cJSON *map;
    int r = json_get_obj(doc, path, "tmpfs", &map, err);
    if (r < 0 || !map)
        return r;
    if (cJSON_GetArraySize(map) > CONFINE_LIST_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.tmpfs: more than %d entries", path,
                        CONFINE_LIST_MAX);
    c->tmpfs = vic_xalloc((CONFINE_LIST_MAX + 1) * sizeof(*c->tmpfs));
    const cJSON *e;
    cJSON_ArrayForEach(e, map)
    {
        unsigned long flags;
        auto_free char *data = NULL;
        bool has_mode;
        if (!cJSON_IsString(e))
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s.tmpfs: expected strings", path);
        if ((r = confine_tmpfs_path_check(e->string, err)) < 0 ||
            (r = confine_tmpfs_options(e->valuestring, &flags, &data, &has_mode, err)) < 0)
            return vic_fail_wrap(err, r, "%s.tmpfs", path);
        c->tmpfs[c->n_tmpfs++] =
            (struct confine_tmpfs){vic_xstrdup(e->string), vic_xstrdup(e->valuestring)};
    }
    qsort(c->tmpfs, c->n_tmpfs, sizeof(*c->tmpfs), compare_paths);
    return 0;
}

static int read_mounts(const cJSON *doc, const char *path, struct confine *c, struct vic_err *err)
{
    c->shm_bytes = CONFINE_SHM_BYTES;
    int r = json_get_i64(doc, path, "shm_bytes", 1, INT64_MAX, &c->shm_bytes, err);
    return r < 0 ? r : read_tmpfs(doc, path, c, err);
}

static int read_rlimit(const cJSON *e, struct confine *c, struct vic_err *err)
{
    static const char path[] = "rlimits";
    const char *name;
    struct confine_rlimit l = {.soft = CONFINE_UNLIMITED, .hard = CONFINE_UNLIMITED};
    int r = json_need_str(e, path, "name", &name, err);
    if (r < 0 || (r = confine_rlimit_from_name(name, &l.resource, err)) < 0 ||
        (r = json_get_i64(e, path, "soft", -1, INT64_MAX, &l.soft, err)) < 0 ||
        (r = json_get_i64(e, path, "hard", -1, INT64_MAX, &l.hard, err)) < 0 ||
        (r = confine_rlimit_check(&l, err)) < 0)
        return r;
    for (size_t i = 0; i < c->n_rlimits; i++)
        if (c->rlimits[i].resource == l.resource)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s: %s is given twice", path, name);
    c->rlimits[c->n_rlimits++] = l; /* as many as there are names */
    return 0;
}

static int read_rlimits(const cJSON *doc, const char *path, struct confine *c, struct vic_err *err)
{
    const cJSON *list;
    int r = json_get_arr(doc, path, "rlimits", &list, err);
    for (const cJSON *e = r >= 0 && list ? list->child : NULL; e && r >= 0; e = e->next)
        r = cJSON_IsObject(e) ? read_rlimit(e, c, err)
                              : vic_fail(err, VIC_ERR_INVALID, 0, "rlimits: expected objects");
    return r;
}

static int read_sysctls(const cJSON *doc, const char *path, struct confine *c, struct vic_err *err)
{
    const cJSON *map;
    int r = json_get_obj(doc, path, "sysctls", &map, err);
    if (r < 0 || !map)
        return r;
    if (cJSON_GetArraySize(map) > CONFINE_LIST_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.sysctls: more than %d entries", path,
                        CONFINE_LIST_MAX);
    for (const cJSON *e = map->child; e; e = e->next) {
        if (!cJSON_IsString(e))
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s.sysctls: expected strings", path);
        if ((r = confine_sysctl_check(e->string, e->valuestring, err)) < 0)
            return r;
    }
    c->sysctls = map->child ? json_dup(map) : NULL;
    return 0;
}

static int read_limits(const cJSON *doc, const char *path, struct confine *c, struct vic_err *err)
{
    int r = read_rlimits(doc, path, c, err);
    if (r < 0 || (r = read_sysctls(doc, path, c, err)) < 0 ||
        (r = json_get_i64(doc, path, "oom_score_adj", -CONFINE_OOM_SCORE_MAX, CONFINE_OOM_SCORE_MAX,
                          &c->oom_score_adj, err)) < 0 ||
        (r = read_list(doc, path, "groups", &c->groups, err)) < 0)
        return r;
    for (char **g = c->groups; g && *g; g++)
        if (**g == '\0' || strlen(*g) > CONFINE_WORD_MAX)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s.groups: no group: '%.80s'", path, *g);
    return 0;
}

static int read_amounts(const cJSON *doc, const char *path, struct confine *c, struct vic_err *err)
{
    const char *cpuset;
    unsigned highest;
    for (size_t i = 0; i < ARRAY_SIZE(amounts); i++) {
        int64_t *n = AT(c, int64_t, amounts[i].offset);
        int r = json_get_i64(doc, path, amounts[i].name, 0, amounts[i].most, n, err);
        if (r < 0)
            return r;
        if (*n != 0 && *n < amounts[i].least)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s.%s: less than %lld", path, amounts[i].name,
                            (long long)amounts[i].least);
    }
    int r = json_get_str(doc, path, "cpuset", &cpuset, err);
    if (r < 0 || !cpuset || (r = confine_cpuset_highest(cpuset, &highest, err)) < 0)
        return r;
    c->cpuset = vic_xstrdup(cpuset);
    return 0;
}

int confine_from_json(const cJSON *doc, const char *path, struct confine *ret, struct vic_err *err)
{
    *ret = (struct confine){0};
    int r = doc ? check_members(doc, path, err) : 0;
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(bools); i++)
        r = json_get_bool(doc, path, bools[i].name, AT(ret, bool, bools[i].offset), err);
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(paths); i++) {
        *AT(ret, bool, paths[i].has) = json_member(doc, paths[i].name) != NULL;
        r = read_paths(doc, path, paths[i].name, AT(ret, char **, paths[i].list), err);
    }
    if (r < 0 || (r = read_capabilities(doc, path, ret, err)) < 0 ||
        (r = read_limits(doc, path, ret, err)) < 0 || (r = read_amounts(doc, path, ret, err)) < 0)
        return r;
    return read_mounts(doc, path, ret, err);
}

static void add_limits(cJSON *doc, const struct confine *c)
{
    cJSON *list = c->n_rlimits > 0 ? json_add_arr(doc, "rlimits") : NULL;
    for (size_t i = 0; i < c->n_rlimits; i++) {
        cJSON *l = json_new_obj();
        json_add_str(l, "name", confine_rlimit_to_name(c->rlimits[i].resource));
        json_add_i64(l, "soft", c->rlimits[i].soft);
        json_add_i64(l, "hard", c->rlimits[i].hard);
        json_push(list, l);
    }
    if (c->sysctls)
        json_add(doc, "sysctls", json_dup(c->sysctls));
    if (c->groups)
        json_add_strv(doc, "groups", c->groups);
    if (c->oom_score_adj != 0)
        json_add_i64(doc, "oom_score_adj", c->oom_score_adj);
}

cJSON *confine_to_json(const struct confine *c)
{
    cJSON *doc = json_new_obj();
    for (size_t i = 0; i < ARRAY_SIZE(bools); i++)
        if (*AT_CONST(c, bool, bools[i].offset))
            json_add_bool(doc, bools[i].name, true);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        if (*AT_CONST(c, bool, paths[i].has))
            json_add_strv(doc, paths[i].name, *AT_CONST(c, char **, paths[i].list));
    if (c->capabilities != CONFINE_CAPABILITIES_DEFAULT) {
        cJSON *names = json_add_arr(doc, "capabilities");
        for (unsigned i = 0; confine_capability_to_name(i); i++)
            if (c->capabilities >> i & 1)
                json_push_str(names, confine_capability_to_name(i));
    }
    cJSON *tmpfs = c->n_tmpfs > 0 ? json_add_obj(doc, "tmpfs") : NULL;
    for (size_t i = 0; i < c->n_tmpfs; i++)
        json_add_str(tmpfs, c->tmpfs[i].path, c->tmpfs[i].options);
    if (c->shm_bytes != CONFINE_SHM_BYTES)
        json_add_i64(doc, "shm_bytes", c->shm_bytes);
    add_limits(doc, c);
    for (size_t i = 0; i < ARRAY_SIZE(amounts); i++)
        if (*AT_CONST(c, int64_t, amounts[i].offset) != 0)
            json_add_i64(doc, amounts[i].name, *AT_CONST(c, int64_t, amounts[i].offset));
    json_add_str(doc, "cpuset", c->cpuset);
    return doc;
}

void confine_release(struct confine *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        vic_strv_free(*AT(c, char **, paths[i].list));
    for (size_t i = 0; i < c->n_tmpfs; i++) {
        free(c->tmpfs[i].path);
        free(c->tmpfs[i].options);
    }
    free(c->tmpfs);
    cJSON_Delete(c->sysctls);
    vic_strv_free(c->groups);
    free(c->cpuset);
    *c = (struct confine){0};
}
