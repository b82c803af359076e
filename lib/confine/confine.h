/*
 * What the processes of a container may do, see and use: checked by the port layer, carried out by tether.
 *
 * One document for both, in which everything may be absent: what Docker does without the option.
 *   {"privileged":bool           every capability, all devices of the VM, nothing hidden
 *    "no_new_privileges":bool,
 *    "capabilities":["CAP_CHOWN",...],
 *    "masked_paths":[absolute,...], "readonly_paths":[absolute,...],
 *    "readonly_root":bool, "writable_paths":[absolute,...]    the latter whatever the root is
 *    "tmpfs":{absolute:options,...}, "shm_bytes":67108864,
 *    "memory_bytes","memory_low_bytes","pids_max","cpu_quota_us","cpu_period_us": 0 is none; "cpuset":"0-1",
 *    "init":bool    a small init as PID 1
 *    "rlimits":[{"name":"nofile","soft","hard"},...]    -1: unlimited
 *    "sysctls":{"net.ipv4.ip_forward":"1",...}, "groups":[name or number,...], "oom_score_adj":0}
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/confine/limit.h"
#include "lib/confine/tmpfs.h"
#include "lib/json/json.h"

#define CONFINE_LIST_MAX 256         /* entries of each list */
#define CONFINE_PATH_MAX 4095        /* bytes; the kernel's */
#define CONFINE_CPU_PERIOD_US 100000 /* where a quota stands alone */
#define CONFINE_CPU_MIN_US 1000      /* the kernel's */
#define CONFINE_CPU_PERIOD_MAX_US 1000000
#define CONFINE_MEMORY_MIN (6 << 20) /* Docker's */
#define CONFINE_RLIMITS_MAX 16
#define CONFINE_WORD_MAX 255 /* bytes of a group */
#define CONFINE_OOM_SCORE_MAX 1000
#define CONFINE_SHM_BYTES (64 << 20)

struct confine {
    bool is_privileged, no_new_privileges, has_readonly_root, has_init;
    uint64_t capabilities;
    bool has_masked_paths, has_readonly_paths; /* else Docker's own, below */
    char **masked_paths, **readonly_paths;     /* owned vectors */
    bool has_writable_paths;
    char **writable_paths;       /* owned vector */
    struct confine_tmpfs *tmpfs; /* owned; a parent before what is in it */
    size_t n_tmpfs;
    int64_t shm_bytes;
    struct confine_rlimit rlimits[CONFINE_RLIMITS_MAX];
    size_t n_rlimits;
    cJSON *sysctls; /* owned; {string:string}, NULL when there are none */
    char **groups;  /* owned vector; to be looked up in the image */
    int64_t oom_score_adj;
    int64_t memory_bytes, memory_low_bytes, pids_max; /* 0: no limit; so below */
    int64_t cpu_quota_us, cpu_period_us;
    char *cpuset; /* owned; NULL: all */
};

/* The members that bound the container as a whole, and may change while it runs. */
extern const char *const confine_bounds[];
extern const size_t confine_n_bounds;

extern const char *const confine_masked_paths[];
extern const size_t confine_n_masked_paths;
extern const char *const confine_readonly_paths[];
extern const size_t confine_n_readonly_paths;

/* doc NULL: the defaults.  INVALID names path and member.  *ret is to be released in any case. */
int confine_from_json(const cJSON *doc, const char *path, struct confine *ret, struct vic_err *err);
/* Without what is as by default: an object that may be empty. */
cJSON *confine_to_json(const struct confine *c);
void confine_release(struct confine *c);
