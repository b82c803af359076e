/* Reads and writes SPEC documents. */
#include "portlayer/execution/spec.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "portlayer/api.h"
#include "portlayer/execution/signals.h"

#define STOP_TIMEOUT_DEFAULT_S 10
#define STOP_TIMEOUT_MAX_S (10 * 365 * 24 * 3600)
#define HOSTNAME_MAX 63
#define DOMAINNAME_MAX 253
#define PATH_LEN_MAX 4096
#define WORD_MAX 255
#define CONSOLE_MAX 65535

void pl_add_time(cJSON *obj, const char *member, int64_t ns)
{
    char text[VIC_CLOCK_TEXT_MAX] = "";
    if (ns != 0)
        vic_clock_format_rfc3339(ns, text);
    json_add_str(obj, member, text);
}

int pl_check_members(const cJSON *obj, const char *path, const char *const *names, size_t n_names,
                     struct vic_err *err)
{
    if (!cJSON_IsObject(obj))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected an object",
                        path ? path : "the document");
    const cJSON *m;
    cJSON_ArrayForEach(m, obj)
    {
        bool known = false;
        for (size_t i = 0; i < n_names && !known; i++)
            known = strcmp(names[i], m->string) == 0;
        if (!known)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s%s%.80s: unknown member", path ? path : "",
                            path ? "." : "", m->string);
    }
    return 0;
}

int pl_check_string_map(const cJSON *obj, const char *path, size_t max_bytes, struct vic_err *err)
{
    if (!obj)
        return 0;
    if (!cJSON_IsObject(obj))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected an object", path);
    size_t total = 0;
    const cJSON *m;
    cJSON_ArrayForEach(m, obj)
    {
        if (!cJSON_IsString(m))
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s.%.80s: expected a string", path,
                            m->string);
        total += strlen(m->string) + strlen(m->valuestring);
    }
    if (total > max_bytes)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: more than %zu bytes", path, max_bytes);
    return 0;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_word(const char *s, const char *more)
{
    for (; *s; s++)
        if (!is_alnum(*s) && !strchr(more, *s))
            return false;
    return true;
}

int pl_check_name(const char *name, struct vic_err *err)
{
    size_t len = strlen(name);
    if (len < 2 || len > PL_NAME_MAX || !is_alnum(name[0]) || !is_word(name, "_.-"))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid container name '%.80s': only [a-zA-Z0-9][a-zA-Z0-9_.-]+, at most "
                        "%d characters, are allowed",
                        name, PL_NAME_MAX);
    return 0;
}

static int invalid(const char *member, const char *why, struct vic_err *err)
{
    return vic_fail(err, VIC_ERR_INVALID, 0, "spec.%s: %s", member, why);
}

static int take_str(const cJSON *obj, const char *path, const char *member, size_t max,
                    const char *otherwise, char **ret, struct vic_err *err)
{
    const char *s = NULL;
    int r = json_get_str(obj, path, member, &s, err);
    if (r < 0)
        return r;
    if (s && strlen(s) > max)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.%s: longer than %zu bytes", path, member, max);
    *ret = vic_xstrdup(vic_str_is_empty(s) ? otherwise : s);
    return 0;
}

int pl_process_from_json(const cJSON *p, const char *path, bool is_first, struct pl_spec *s,
                         struct vic_err *err)
{
    static const char *const members[] = {"args", "env",   "cwd",       "user",
                                          "tty",  "stdin", "stdin_once"};
    size_t n_members = ARRAY_SIZE(members) - !is_first;
    int r;
    if ((r = pl_check_members(p, path, members, n_members, err)) < 0 ||
        (r = json_get_strv(p, path, "args", &s->args, err)) < 0 ||
        (r = json_get_strv(p, path, "env", &s->env, err)) < 0 ||
        (r = take_str(p, path, "cwd", PATH_LEN_MAX, is_first ? "/" : "", &s->cwd, err)) < 0 ||
        (r = take_str(p, path, "user", WORD_MAX, "", &s->user, err)) < 0 ||
        (r = json_get_bool(p, path, "tty", &s->tty, err)) < 0 ||
        (r = json_get_bool(p, path, "stdin", &s->has_stdin, err)) < 0 ||
        (r = json_get_bool(p, path, "stdin_once", &s->stdin_once, err)) < 0)
        return r;
    if (!s->args)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.args: no command specified", path);
    size_t total = 0;
    for (char **v = s->args; v && *v; v++)
        total += strlen(*v) + 1;
    for (char **v = s->env; v && *v; v++) {
        total += strlen(*v) + 1;
        if ((*v)[0] == '=' || (*v)[0] == '\0')
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s.env: a variable without a name", path);
    }
    if (total > PL_SPEC_ARGS_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "%s: args and env together are longer than %u bytes", path,
                        PL_SPEC_ARGS_MAX);
    return 0;
}

static int read_process(const cJSON *doc, struct pl_spec *s, struct vic_err *err)
{
    const cJSON *p = NULL;
    int r = json_get_obj(doc, "spec", "process", &p, err);
    if (r < 0)
        return r;
    return p ? pl_process_from_json(p, "spec.process", true, s, err)
             : invalid("process", "expected an object", err);
}

/* These words land in files of the guest: no blanks, no line ends. */
static int read_words(const cJSON *doc, const char *member, size_t max, char ***ret,
                      struct vic_err *err)
{
    int r = json_get_strv(doc, "spec", member, ret, err);
    if (r < 0)
        return r;
    if (vic_strv_len(*ret) > max)
        return invalid(member, "too many entries", err);
    for (char **v = *ret; v && *v; v++)
        if (**v == '\0' || strlen(*v) > WORD_MAX || !is_word(*v, "_.-:/[]%"))
            return vic_fail(err, VIC_ERR_INVALID, 0, "spec.%s: bad value '%.80s'", member, *v);
    return 0;
}

static bool is_address(const char *s)
{
    struct in6_addr a;
    return inet_pton(AF_INET, s, &a) == 1 || inet_pton(AF_INET6, s, &a) == 1;
}

static int check_hosts(const struct pl_spec *s, struct vic_err *err)
{
    for (char **v = s->dns; v && *v; v++)
        if (!is_address(*v))
            return vic_fail(err, VIC_ERR_INVALID, 0, "spec.dns: '%.80s' is no IP address", *v);
    for (char **v = s->extra_hosts; v && *v; v++) {
        const char *colon = strchr(*v, ':');
        if (!colon || colon == *v ||
            (!is_address(colon + 1) && !vic_str_eq(colon + 1, "host-gateway")))
            return vic_fail(err, VIC_ERR_INVALID, 0,
                            "spec.extra_hosts: '%.80s' is not of the form name:address", *v);
    }
    return 0;
}

static const char *const restart_names[] = {
    [PL_RESTART_NO] = "no",
    [PL_RESTART_ALWAYS] = "always",
    [PL_RESTART_UNLESS_STOPPED] = "unless-stopped",
    [PL_RESTART_ON_FAILURE] = "on-failure",
};

int pl_restart_from_json(const cJSON *doc, const char *path, struct pl_restart *ret,
                         struct vic_err *err)
{
    static const char *const members[] = {"name", "max_retries"};
    const char *name = NULL;
    int64_t max_retries = 0;
    size_t i = 0;
    int r;
    if ((r = pl_check_members(doc, path, members, ARRAY_SIZE(members), err)) < 0 ||
        (r = json_need_str(doc, path, "name", &name, err)) < 0 ||
        (r = json_get_i64(doc, path, "max_retries", 0, INT32_MAX, &max_retries, err)) < 0)
        return r;
    while (i < ARRAY_SIZE(restart_names) && !vic_str_eq(restart_names[i], name))
        i++;
    if (i == ARRAY_SIZE(restart_names))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.name: unknown policy '%.40s'", path, name);
    if (max_retries > 0 && i != PL_RESTART_ON_FAILURE)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.max_retries: only with on-failure", path);
    *ret = (struct pl_restart){(enum pl_restart_name)i, (unsigned)max_retries};
    return 0;
}

static int read_restart(const cJSON *doc, struct pl_spec *s, struct vic_err *err)
{
    const cJSON *restart = NULL;
    int r = json_get_obj(doc, "spec", "restart", &restart, err);
    if (r == 0 && restart)
        r = pl_restart_from_json(restart, "spec.restart", &s->restart, err);
    if (r == 0 && s->auto_remove && s->restart.name != PL_RESTART_NO)
        r = invalid("restart", "not together with auto_remove", err);
    return r;
}

static int read_health(const cJSON *doc, struct pl_spec *s, struct vic_err *err)
{
    const cJSON *health = NULL;
    int r = json_get_obj(doc, "spec", "health", &health, err);
    return r == 0 && health ? pl_health_spec_from_json(health, "spec.health", &s->health, err) : r;
}

static int read_log(const cJSON *doc, struct pl_spec *s, struct vic_err *err)
{
    static const char *const members[] = {"max_bytes"};
    const cJSON *log = NULL;
    int64_t max_bytes = 0;
    int r = json_get_obj(doc, "spec", "log", &log, err);
    if (r < 0 || !log || (r = pl_check_members(log, "spec.log", members, 1, err)) < 0 ||
        (r = json_get_i64(log, "spec.log", "max_bytes", 0, INT64_MAX, &max_bytes, err)) < 0)
        return r;
    s->log_max_bytes = (uint64_t)max_bytes;
    return 0;
}

static int read_spec(const cJSON *doc, struct pl_spec *s, struct vic_err *err)
{
    static const char *const members[] = {
        "hostname",    "domainname", "process",    "stop_signal", "stop_timeout_s",
        "networks",    "dns",        "dns_search", "dns_options", "extra_hosts",
        "auto_remove", "confine",    "restart",    "health",      "log",
    };
    int64_t timeout_s = STOP_TIMEOUT_DEFAULT_S;
    int r;
    if ((r = pl_check_members(doc, "spec", members, ARRAY_SIZE(members), err)) < 0 ||
        (r = take_str(doc, "spec", "hostname", HOSTNAME_MAX, "", &s->hostname, err)) < 0 ||
        (r = take_str(doc, "spec", "domainname", DOMAINNAME_MAX, "", &s->domainname, err)) < 0 ||
        (r = read_process(doc, s, err)) < 0 ||
        (r = take_str(doc, "spec", "stop_signal", WORD_MAX, "SIGTERM", &s->stop_signal, err)) < 0 ||
        (r = json_get_i64(doc, "spec", "stop_timeout_s", -1, STOP_TIMEOUT_MAX_S, &timeout_s, err)) <
            0 ||
        (r = read_words(doc, "networks", PL_NETWORKS_MAX, &s->networks, err)) < 0 ||
        (r = read_words(doc, "dns", PL_LIST_MAX, &s->dns, err)) < 0 ||
        (r = read_words(doc, "dns_search", PL_LIST_MAX, &s->dns_search, err)) < 0 ||
        (r = read_words(doc, "dns_options", PL_LIST_MAX, &s->dns_options, err)) < 0 ||
        (r = read_words(doc, "extra_hosts", PL_LIST_MAX, &s->extra_hosts, err)) < 0 ||
        (r = json_get_bool(doc, "spec", "auto_remove", &s->auto_remove, err)) < 0 ||
        (r = confine_from_json(json_member(doc, "confine"), "spec.confine", &s->confine, err)) <
            0 ||
        (r = read_restart(doc, s, err)) < 0 || (r = read_health(doc, s, err)) < 0 ||
        (r = read_log(doc, s, err)) < 0)
        return r;
    s->stop_timeout_s = (int)timeout_s;
    if (!is_word(s->hostname, ".-_"))
        return invalid("hostname", "only letters, digits, '.', '-' and '_' are allowed", err);
    if (!is_word(s->domainname, ".-_"))
        return invalid("domainname", "only letters, digits, '.', '-' and '_' are allowed", err);
    if (pl_signal_from_string(s->stop_signal) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "spec.stop_signal: invalid signal: %.40s",
                        s->stop_signal);
    return check_hosts(s, err);
}

int pl_spec_from_json(const cJSON *doc, struct pl_spec *ret_spec, struct vic_err *err)
{
    struct pl_spec s = {0};
    int r = doc ? read_spec(doc, &s, err)
                : vic_fail(err, VIC_ERR_INVALID, 0, "spec: expected an object");
    if (r < 0) {
        pl_spec_release(&s);
        return r;
    }
    *ret_spec = s;
    return 0;
}

cJSON *pl_spec_to_json(const struct pl_spec *s)
{
    cJSON *doc = json_new_obj();
    json_add_str_or_empty(doc, "hostname", s->hostname);
    json_add_str_or_empty(doc, "domainname", s->domainname);
    cJSON *p = json_add_obj(doc, "process");
    json_add_strv(p, "args", s->args);
    json_add_strv(p, "env", s->env);
    json_add_str_or_empty(p, "cwd", s->cwd);
    json_add_str_or_empty(p, "user", s->user);
    json_add_bool(p, "tty", s->tty);
    json_add_bool(p, "stdin", s->has_stdin);
    json_add_bool(p, "stdin_once", s->stdin_once);
    json_add_str(doc, "stop_signal", s->stop_signal);
    json_add_i64(doc, "stop_timeout_s", s->stop_timeout_s);
    json_add_strv(doc, "networks", s->networks);
    json_add_strv(doc, "dns", s->dns);
    json_add_strv(doc, "dns_search", s->dns_search);
    json_add_strv(doc, "dns_options", s->dns_options);
    json_add_strv(doc, "extra_hosts", s->extra_hosts);
    json_add_bool(doc, "auto_remove", s->auto_remove);
    json_add(doc, "confine", confine_to_json(&s->confine));
    if (s->restart.name != PL_RESTART_NO) {
        cJSON *restart = json_add_obj(doc, "restart");
        json_add_str(restart, "name", restart_names[s->restart.name]);
        json_add_i64(restart, "max_retries", s->restart.max_retries);
    }
    if (s->log_max_bytes > 0)
        json_add_i64(json_add_obj(doc, "log"), "max_bytes", (int64_t)s->log_max_bytes);
    if (s->health.args)
        json_add(doc, "health", pl_health_spec_to_json(&s->health));
    return doc;
}

void pl_spec_release(struct pl_spec *s)
{
    char *const strings[] = {s->hostname, s->domainname, s->cwd, s->user, s->stop_signal};
    char **const vectors[] = {s->args,       s->env,         s->networks,   s->dns,
                              s->dns_search, s->dns_options, s->extra_hosts};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
        vic_strv_free(vectors[i]);
    confine_release(&s->confine);
    pl_health_spec_release(&s->health);
    memset(s, 0, sizeof(*s));
}

int pl_size_from_json(const cJSON *doc, const char *path, unsigned *ret_width, unsigned *ret_height,
                      struct vic_err *err)
{
    static const char *const members[] = {"width", "height"};
    int64_t width = 0;
    int64_t height = 0;
    int r;
    if ((r = pl_check_members(doc, path, members, ARRAY_SIZE(members), err)) < 0 ||
        (r = json_get_i64(doc, path, "width", 0, CONSOLE_MAX, &width, err)) < 0 ||
        (r = json_get_i64(doc, path, "height", 0, CONSOLE_MAX, &height, err)) < 0)
        return r;
    *ret_width = (unsigned)width;
    *ret_height = (unsigned)height;
    return 0;
}
