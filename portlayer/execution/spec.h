/* What a container shall be: SPEC of portlayer/api.h, checked and typed. */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/confine/confine.h"
#include "lib/json/json.h"
#include "portlayer/execution/health.h"

#define PL_NETWORKS_MAX 4
#define PL_LIST_MAX 256 /* entries of dns, extra_hosts and the like */

enum pl_restart_name {
    PL_RESTART_NO,
    PL_RESTART_ALWAYS,
    PL_RESTART_UNLESS_STOPPED,
    PL_RESTART_ON_FAILURE,
};

struct pl_restart {
    enum pl_restart_name name;
    unsigned max_retries; /* 0: any number; else only on failure */
};

struct pl_spec {
    char *hostname, *domainname;
    char **args, **env;
    char *cwd, *user;
    bool tty, has_stdin, stdin_once;
    char *stop_signal; /* as given; valid */
    int stop_timeout_s;
    char **networks;
    char **dns, **dns_search, **dns_options;
    char **extra_hosts;
    bool auto_remove;
    struct confine confine;
    struct pl_restart restart;
    struct pl_health_spec health;
    uint64_t log_max_bytes; /* 0: all of its output is kept */
};

/* doc may be NULL.  INVALID names the member that is wrong or unknown. */
int pl_spec_from_json(const cJSON *doc, struct pl_spec *ret_spec, struct vic_err *err);
cJSON *pl_spec_to_json(const struct pl_spec *s);
void pl_spec_release(struct pl_spec *s);

/* What a process shall be, out of p: args, env, cwd, user, tty, has_stdin.  is_first: the container's own,
 * which may have stdin_once and starts in "/"; any other without a cwd has "". */
int pl_process_from_json(const cJSON *p, const char *path, bool is_first, struct pl_spec *s,
                         struct vic_err *err);

/* {"name","max_retries"} of a restart policy. */
int pl_restart_from_json(const cJSON *doc, const char *path, struct pl_restart *ret,
                         struct vic_err *err);

/* {"width","height"} of a terminal. */
int pl_size_from_json(const cJSON *doc, const char *path, unsigned *ret_width, unsigned *ret_height,
                      struct vic_err *err);

/* RFC 3339; "" for 0, which is never. */
void pl_add_time(cJSON *obj, const char *member, int64_t ns);

/* INVALID: obj has a member that is not in names. */
int pl_check_members(const cJSON *obj, const char *path, const char *const *names, size_t n_names,
                     struct vic_err *err);
/* INVALID: not an object of strings, or too long. */
int pl_check_string_map(const cJSON *obj, const char *path, size_t max_bytes, struct vic_err *err);
/* INVALID: not [a-zA-Z0-9][a-zA-Z0-9_.-]+ of at most PL_NAME_MAX. */
int pl_check_name(const char *name, struct vic_err *err);
