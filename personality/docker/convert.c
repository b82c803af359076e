/* Validation and merging of create bodies. */
#include "personality/docker/convert.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/confine.h"
#include "personality/docker/fields.h"
#include "personality/docker/health.h"
#include "personality/docker/log_config.h"
#include "personality/docker/size.h"
#include "portlayer/api.h"

#define HOSTNAME_MAX 63
#define PORT_MAX 65535
#define ENTRIES_MAX 1000 /* of each list or map that is merged entry by entry */
#define NOTES_OVERHEAD (sizeof("docker.create") + sizeof("docker.image")) /* keys count too */

void docker_create_release(struct docker_create *c)
{
    cJSON_Delete(c->config);
    cJSON_Delete(c->host_config);
    vic_strv_free(c->warnings);
    *c = (struct docker_create){0};
}

bool docker_signal_is_valid(const char *text)
{
    static const char *const names[] = {
        "ABRT", "ALRM",   "BUS",  "CHLD",   "CLD",   "CONT", "FPE",  "HUP",   "ILL",
        "INT",  "IO",     "IOT",  "KILL",   "PIPE",  "POLL", "PROF", "PWR",   "QUIT",
        "SEGV", "STKFLT", "STOP", "SYS",    "TERM",  "TRAP", "TSTP", "TTIN",  "TTOU",
        "URG",  "USR1",   "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
    };
    uint64_t n;
    if (isdigit((unsigned char)text[0]))
        return vic_str_to_u64(text, 1, 64, &n) == 0;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(names[i], text) == 0)
            return true;
    if (strncasecmp(text, "RTMIN+", 6) == 0)
        return vic_str_to_u64(text + 6, 1, 15, &n) == 0;
    return strncasecmp(text, "RTMAX-", 6) == 0 && vic_str_to_u64(text + 6, 1, 14, &n) == 0;
}

int docker_name_check(const char *name, struct vic_err *err)
{
    size_t len = strlen(name);
    bool is_ok = len >= 2 && len <= PL_NAME_MAX && isalnum((unsigned char)name[0]);
    for (size_t i = 1; is_ok && i < len; i++)
        is_ok = isalnum((unsigned char)name[i]) || strchr("_.-", name[i]);
    if (is_ok)
        return 0;
    return vic_fail(err, VIC_ERR_INVALID, 0,
                    "Invalid container name (%.300s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                    name);
}

/* ---- checks of single fields --------------------------------------------------------------------- */

static int check_strings(const cJSON *v, const char *path, struct vic_err *err)
{
    if (!v)
        return 0;
    if (!cJSON_IsArray(v))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected an array of strings", path);
    const cJSON *e;
    cJSON_ArrayForEach(e, v)
    {
        if (!cJSON_IsString(e))
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected an array of strings", path);
    }
    return 0;
}

int docker_command_check(cJSON *body, const char *member, struct vic_err *err)
{
    cJSON *v = cJSON_GetObjectItemCaseSensitive(body, member);
    if (cJSON_IsString(v)) {
        cJSON *list = json_new_arr();
        json_push_str(list, v->valuestring);
        cJSON_ReplaceItemInObjectCaseSensitive(body, member, list);
        return 0;
    }
    return check_strings(json_member(body, member), member, err);
}

int docker_env_check(const cJSON *body, struct vic_err *err)
{
    const cJSON *env = json_member(body, "Env");
    int r = check_strings(env, "Env", err);
    if (r < 0)
        return r;
    const cJSON *e;
    cJSON_ArrayForEach(e, env)
    {
        if (e->valuestring[0] == '\0' || e->valuestring[0] == '=')
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid environment variable: %.100s",
                            e->valuestring);
    }
    return 0;
}

static int check_string_map(const cJSON *obj, const char *path, const char *member,
                            struct vic_err *err)
{
    const cJSON *map;
    int r = json_get_obj(obj, path, member, &map, err);
    if (r < 0)
        return r;
    const cJSON *e;
    cJSON_ArrayForEach(e, map)
    {
        if (!cJSON_IsString(e))
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s.%.100s: expected a string", member,
                            e->string);
    }
    return 0;
}

/* "80", "80/tcp", "8000-8010/udp" */
static bool is_port(const char *text)
{
    auto_strv char **parts = vic_strv_split(text, '/');
    size_t n = vic_strv_len(parts);
    if (n < 1 || n > 2)
        return false;
    if (n == 2 && strcmp(parts[1], "tcp") != 0 && strcmp(parts[1], "udp") != 0 &&
        strcmp(parts[1], "sctp") != 0)
        return false;
    auto_strv char **range = vic_strv_split(parts[0], '-');
    uint64_t from = 0;
    uint64_t to = 0;
    size_t ends = vic_strv_len(range);
    return ends >= 1 && ends <= 2 && vic_str_to_u64(range[0], 0, PORT_MAX, &from) == 0 &&
           vic_str_to_u64(range[ends - 1], from, PORT_MAX, &to) == 0;
}

static int check_maps(const cJSON *body, struct vic_err *err)
{
    const cJSON *ports;
    int r = json_get_obj(body, "", "ExposedPorts", &ports, err);
    if (r < 0)
        return r;
    const cJSON *e;
    cJSON_ArrayForEach(e, ports)
    {
        if (!is_port(e->string))
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid port specification: \"%.100s\"",
                            e->string);
    }
    const cJSON *volumes;
    r = json_get_obj(body, "", "Volumes", &volumes, err);
    if (r < 0)
        return r;
    if (volumes && volumes->child)
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                        "Volumes is not served here: keep data in the container, or copy it into "
                        "the image");
    return check_string_map(body, "", "Labels", err);
}

static int check_hostname(const cJSON *body, struct vic_err *err)
{
    const char *name;
    int r = json_get_str(body, "", "Hostname", &name, err);
    if (r < 0 || vic_str_is_empty(name))
        return r;
    size_t len = strlen(name);
    bool is_ok = len <= HOSTNAME_MAX * 4 && isalnum((unsigned char)name[0]) &&
                 isalnum((unsigned char)name[len - 1]);
    size_t label = 0;
    for (size_t i = 0; is_ok && i < len; i++) {
        label = name[i] == '.' ? 0 : label + 1;
        is_ok =
            label <= HOSTNAME_MAX && (isalnum((unsigned char)name[i]) || strchr("-._", name[i]));
    }
    if (!is_ok || len > HOSTNAME_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid hostname format: %.200s", name);
    return 0;
}

static int check_config(cJSON *body, struct vic_err *err)
{
    static const char *const bools[] = {"AttachStdin", "AttachStdout", "AttachStderr",
                                        "Tty",         "OpenStdin",    "StdinOnce"};
    static const char *const strings[] = {"Domainname", "User", "Image"};
    int r = 0;
    bool flag;
    const char *text;
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(bools); i++)
        r = json_get_bool(body, "", bools[i], &flag, err);
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(strings); i++)
        r = json_get_str(body, "", strings[i], &text, err);
    if (r < 0 || (r = docker_command_check(body, "Cmd", err)) < 0 ||
        (r = docker_command_check(body, "Entrypoint", err)) < 0 ||
        (r = docker_env_check(body, err)) < 0 || (r = check_maps(body, err)) < 0 ||
        (r = check_hostname(body, err)) < 0 || (r = docker_health_check(body, err)) < 0)
        return r;
    int64_t timeout = 0;
    r = json_get_i64(body, "", "StopTimeout", INT32_MIN, INT32_MAX, &timeout, err);
    if (r < 0 || (r = json_get_str(body, "", "WorkingDir", &text, err)) < 0)
        return r;
    if (!vic_str_is_empty(text) && text[0] != '/')
        return vic_fail(
            err, VIC_ERR_INVALID, 0,
            "the working directory '%.200s' is invalid, it needs to be an absolute path", text);
    r = json_get_str(body, "", "StopSignal", &text, err);
    if (r >= 0 && !vic_str_is_empty(text) && !docker_signal_is_valid(text))
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid signal: %.100s", text);
    return r;
}

/* ---- HostConfig --------------------------------------------------------------------------------------- */

int docker_restart_check(const cJSON *host, struct vic_err *err)
{
    static const char *const known[] = {"", "no", "always", "unless-stopped", "on-failure"};
    const cJSON *policy;
    const char *name;
    int64_t count = 0;
    size_t i = 0;
    int r = json_get_obj(host, "HostConfig", "RestartPolicy", &policy, err);
    if (r < 0 || !policy ||
        (r = json_get_str(policy, "HostConfig.RestartPolicy", "Name", &name, err)) < 0 ||
        (r = json_get_i64(policy, "HostConfig.RestartPolicy", "MaximumRetryCount", INT32_MIN,
                          INT32_MAX, &count, err)) < 0)
        return r;
    name = name ? name : "";
    while (i < ARRAY_SIZE(known) && strcmp(known[i], name) != 0)
        i++;
    if (i == ARRAY_SIZE(known))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid restart policy: unknown policy '%.100s'; use one of 'no', "
                        "'always', 'on-failure', or 'unless-stopped'",
                        name);
    if (count < 0 && strcmp(name, "on-failure") == 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid restart policy: maximum retry count cannot be negative");
    if (count != 0 && name[0] && strcmp(name, "on-failure") != 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid restart policy: maximum retry count can only be used with "
                        "'on-failure'%s",
                        count < 0 ? " and cannot be negative" : "");
    if (name[0] && strcmp(name, "no") != 0 && json_bool(host, "AutoRemove", false))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "can't create 'AutoRemove' container with restart policy");
    return 0;
}

static int check_network_mode(const cJSON *host, struct vic_err *err)
{
    const char *mode;
    int r = json_get_str(host, "HostConfig", "NetworkMode", &mode, err);
    if (r < 0 || !mode || mode[0] == '\0' || strcmp(mode, "default") == 0 ||
        strcmp(mode, "bridge") == 0 || strcmp(mode, "none") == 0)
        return r;
    return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                    "HostConfig.NetworkMode '%.100s' is not served here: use bridge or none", mode);
}

static bool is_address(const char *text)
{
    unsigned char raw[16];
    return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

static int check_hosts(const cJSON *host, struct vic_err *err)
{
    const cJSON *hosts = json_member(host, "ExtraHosts");
    int r = check_strings(hosts, "HostConfig.ExtraHosts", err);
    if (r < 0)
        return r;
    const cJSON *e;
    cJSON_ArrayForEach(e, hosts)
    {
        const char *colon = strpbrk(e->valuestring, ":=");
        if (!colon || colon == e->valuestring || colon[1] == '\0')
            return vic_fail(err, VIC_ERR_INVALID, 0, "bad format for add-host: \"%.100s\"",
                            e->valuestring);
        if (strcmp(colon + 1, "host-gateway") == 0)
            return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                            "HostConfig.ExtraHosts with host-gateway is not served here: use the "
                            "host's address");
        if (!is_address(colon + 1))
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid IP address in add-host: \"%.100s\"",
                            colon + 1);
    }
    return 0;
}

static int check_dns(const cJSON *host, struct vic_err *err)
{
    int r = check_strings(json_member(host, "Dns"), "HostConfig.Dns", err);
    if (r < 0 ||
        (r = check_strings(json_member(host, "DnsOptions"), "HostConfig.DnsOptions", err)) < 0 ||
        (r = check_strings(json_member(host, "DnsSearch"), "HostConfig.DnsSearch", err)) < 0)
        return r;
    const cJSON *e;
    cJSON_ArrayForEach(e, json_member(host, "Dns"))
    {
        if (!is_address(e->valuestring))
            return vic_fail(err, VIC_ERR_INVALID, 0, "bad nameserver address: %.100s",
                            e->valuestring);
    }
    return 0;
}

static int check_host(cJSON *body, struct vic_err *err)
{
    cJSON *host = cJSON_GetObjectItemCaseSensitive(body, "HostConfig");
    if (!host || cJSON_IsNull(host))
        return 0;
    if (!cJSON_IsObject(host))
        return vic_fail(err, VIC_ERR_INVALID, 0, "HostConfig: expected an object");
    bool flag;
    int r = docker_fields_check(host, DOCKER_FIELD_HOST, err);
    if (r < 0 || (r = docker_restart_check(host, err)) < 0 ||
        (r = docker_log_check(host, err)) < 0 || (r = check_network_mode(host, err)) < 0 ||
        (r = check_hosts(host, err)) < 0 || (r = check_dns(host, err)) < 0 ||
        (r = docker_size_check(host, "HostConfig", err)) < 0 ||
        (r = docker_confine_check(host, err)) < 0 ||
        (r = json_get_bool(host, "HostConfig", "AutoRemove", &flag, err)) < 0 ||
        (r = json_get_bool(host, "HostConfig", "OomKillDisable", &flag, err)) < 0)
        return r;
    return check_string_map(host, "HostConfig", "Annotations", err);
}

static int check_networking(cJSON *body, struct vic_err *err)
{
    const cJSON *networking;
    const cJSON *endpoints;
    int r = json_get_obj(body, "", "NetworkingConfig", &networking, err);
    if (r < 0 || !networking)
        return r;
    r = json_get_obj(networking, "NetworkingConfig", "EndpointsConfig", &endpoints, err);
    if (r < 0)
        return r;
    cJSON *e;
    cJSON_ArrayForEach(e, endpoints)
    {
        if (strcmp(e->string, "bridge") != 0 && strcmp(e->string, "default") != 0 &&
            strcmp(e->string, "none") != 0)
            return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                            "NetworkingConfig.EndpointsConfig '%.100s' is not served here: "
                            "containers share the network 'bridge'",
                            e->string);
        if (cJSON_IsObject(e) && (r = docker_fields_check(e, DOCKER_FIELD_ENDPOINT, err)) < 0)
            return r;
    }
    return 0;
}

int docker_convert_check(cJSON *body, struct vic_err *err)
{
    int r = docker_fields_check(body, DOCKER_FIELD_CONFIG, err);
    if (r < 0 || (r = check_config(body, err)) < 0 || (r = check_host(body, err)) < 0)
        return r;
    if (vic_str_is_empty(json_str(body, "Image", "")))
        return vic_fail(err, VIC_ERR_INVALID, 0, "config must name an Image");
    return check_networking(body, err);
}

/* ---- merging ---------------------------------------------------------------------------------------------- */

static void set(cJSON *obj, const char *member, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(obj, member);
    json_add(obj, member, value);
}

static bool is_given(const cJSON *v)
{
    return v && (cJSON_IsString(v) ? v->valuestring[0] != '\0' : v->child != NULL);
}

static void inherit(cJSON *config, const cJSON *image, const char *member)
{
    const cJSON *theirs = json_member(image, member);
    if (!is_given(json_member(config, member)) && is_given(theirs))
        set(config, member, json_dup(theirs));
}

static void merge_map(cJSON *config, const cJSON *image, const char *member)
{
    const cJSON *theirs = json_member(image, member);
    if (!cJSON_IsObject(theirs) || !theirs->child)
        return;
    if (!json_member(config, member))
        set(config, member, json_new_obj());
    cJSON *ours = cJSON_GetObjectItemCaseSensitive(config, member);
    const cJSON *e;
    cJSON_ArrayForEach(e, theirs)
    {
        if (!cJSON_GetObjectItemCaseSensitive(ours, e->string))
            json_add(ours, e->string, json_dup(e));
    }
}

static bool has_variable(const cJSON *env, const char *assignment)
{
    size_t len = strcspn(assignment, "=");
    const cJSON *e;
    cJSON_ArrayForEach(e, env)
    {
        if (strncmp(e->valuestring, assignment, len) == 0 &&
            (e->valuestring[len] == '=' || e->valuestring[len] == '\0'))
            return true;
    }
    return false;
}

static void merge_env(cJSON *config, const cJSON *image)
{
    const cJSON *theirs = json_member(image, "Env");
    if (!cJSON_IsArray(theirs))
        return;
    if (!json_member(config, "Env"))
        set(config, "Env", json_new_arr());
    cJSON *env = cJSON_GetObjectItemCaseSensitive(config, "Env");
    const cJSON *e;
    cJSON_ArrayForEach(e, theirs)
    {
        if (cJSON_IsString(e) && !has_variable(env, e->valuestring))
            json_push_str(env, e->valuestring);
    }
}

/* An Entrypoint of [""] is the client's way to say "none". */
static void merge_command(cJSON *config, const cJSON *image)
{
    const cJSON *entrypoint = json_member(config, "Entrypoint");
    bool is_cleared = entrypoint && entrypoint->child && !entrypoint->child->next &&
                      entrypoint->child->valuestring[0] == '\0';
    if (is_given(entrypoint) && !is_cleared)
        return;
    if (is_cleared) {
        set(config, "Entrypoint", cJSON_CreateNull());
        return;
    }
    inherit(config, image, "Cmd");
    if (!entrypoint)
        inherit(config, image, "Entrypoint");
}

/* Keeps what the API knows and no other member. */
static cJSON *pick(const cJSON *body, enum docker_field_scope scope)
{
    cJSON *obj = json_new_obj();
    for (size_t i = 0; i < docker_n_fields; i++) {
        const struct docker_field *f = &docker_fields[i];
        const cJSON *v = f->scope == scope && f->is_served ? json_member(body, f->name) : NULL;
        if (v && strcmp(f->name, "HostConfig") != 0 && strcmp(f->name, "NetworkingConfig") != 0)
            json_add(obj, f->name, json_dup(v));
    }
    return obj;
}

static void add_warnings(struct docker_create *c, const cJSON *image)
{
    const cJSON *v;
    const cJSON *volumes = json_member(image, "Volumes");
    if (!cJSON_IsObject(volumes))
        volumes = NULL;
    cJSON_ArrayForEach(v, volumes)
    {
        auto_free char *text = vic_xasprintf(
            "the image's volume %.200s lives on the container's own disk and goes with it",
            v->string);
        c->warnings = vic_strv_append(c->warnings, text);
    }
}

/* cgroup version 2 has no such thing; Docker says the same there. */
static void discard_oom_kill_disable(struct docker_create *c)
{
    if (json_bool(c->host_config, "OomKillDisable", false))
        c->warnings = vic_strv_append(
            c->warnings, "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    cJSON_DeleteItemFromObjectCaseSensitive(c->host_config, "OomKillDisable");
}

static void fill_host_defaults(cJSON *host)
{
    const char *mode = json_str(host, "NetworkMode", "");
    if (mode[0] == '\0' || strcmp(mode, "default") == 0)
        set(host, "NetworkMode", cJSON_CreateString("bridge"));
    cJSON *log = cJSON_GetObjectItemCaseSensitive(host, "LogConfig");
    if (log && json_str(log, "Type", "")[0] == '\0')
        set(log, "Type", cJSON_CreateString("json-file"));
    if (log && !cJSON_IsObject(json_member(log, "Config")))
        set(log, "Config", json_new_obj());
    if (json_str(json_member(host, "RestartPolicy"), "Name", "")[0] == '\0')
        cJSON_DeleteItemFromObjectCaseSensitive(host, "RestartPolicy");
    if (json_i64(host, "ShmSize", 0) == 0)
        cJSON_DeleteItemFromObjectCaseSensitive(host, "ShmSize");
}

/* Merging compares each entry of one with all of the other. */
static int check_counts(const cJSON *config, const char *whose, struct vic_err *err)
{
    static const char *const members[] = {"Env", "ExposedPorts", "Labels", "Volumes"};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (cJSON_GetArraySize(json_member(config, members[i])) > ENTRIES_MAX)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s has more than %d entries in %s", whose,
                            ENTRIES_MAX, members[i]);
    return 0;
}

int docker_convert_merge(const cJSON *body, const cJSON *image, struct docker_create *ret,
                         struct vic_err *err)
{
    int r = check_counts(body, "the container's configuration", err);
    if (r < 0 || (r = check_counts(image, "the image's configuration", err)) < 0)
        return r;
    struct docker_create c = {
        .config = pick(body, DOCKER_FIELD_CONFIG),
        .host_config = pick(json_member(body, "HostConfig"), DOCKER_FIELD_HOST),
    };
    fill_host_defaults(c.host_config);
    static const char *const inherited[] = {"User", "WorkingDir", "StopSignal"};
    for (size_t i = 0; i < ARRAY_SIZE(inherited); i++)
        inherit(c.config, image, inherited[i]);
    merge_map(c.config, image, "ExposedPorts");
    merge_map(c.config, image, "Labels");
    merge_map(c.config, image, "Volumes");
    merge_env(c.config, image);
    merge_command(c.config, image);
    docker_health_merge(c.config, image);
    add_warnings(&c, image);
    discard_oom_kill_disable(&c);
    r = docker_health_check(c.config, err); /* the image's part */
    if (r == 0 && !is_given(json_member(c.config, "Entrypoint")) &&
        !is_given(json_member(c.config, "Cmd")))
        r = vic_fail(err, VIC_ERR_INVALID, 0, "no command specified");
    if (r < 0)
        docker_create_release(&c);
    else
        *ret = c;
    return r;
}

/* ---- the port layer's document ------------------------------------------------------------------------------ */

static void push_all(cJSON *args, const cJSON *list)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, list)
    {
        if (cJSON_IsString(e))
            json_push_str(args, e->valuestring);
    }
}

static void add_list(cJSON *spec, const char *member, const cJSON *list)
{
    push_all(json_add_arr(spec, member), list);
}

static void add_process(cJSON *spec, const cJSON *config)
{
    cJSON *process = json_add_obj(spec, "process");
    cJSON *args = json_add_arr(process, "args");
    push_all(args, json_member(config, "Entrypoint"));
    push_all(args, json_member(config, "Cmd"));
    add_list(process, "env", json_member(config, "Env"));
    const char *cwd = json_str(config, "WorkingDir", "");
    json_add_str(process, "cwd", cwd[0] ? cwd : "/");
    json_add_str(process, "user", json_str(config, "User", ""));
    json_add_bool(process, "tty", json_bool(config, "Tty", false));
    json_add_bool(process, "stdin", json_bool(config, "OpenStdin", false));
    json_add_bool(process, "stdin_once", json_bool(config, "StdinOnce", false));
}

static void add_extra_hosts(cJSON *spec, const cJSON *hosts)
{
    cJSON *out = json_add_arr(spec, "extra_hosts");
    const cJSON *e;
    cJSON_ArrayForEach(e, hosts)
    {
        size_t name = strcspn(e->valuestring, ":=");
        auto_free char *entry =
            vic_xasprintf("%.*s:%s", (int)name, e->valuestring, e->valuestring + name + 1);
        json_push_str(out, entry);
    }
}

cJSON *docker_restart_convert(const cJSON *host)
{
    const cJSON *policy = json_member(host, "RestartPolicy");
    const char *name = json_str(policy, "Name", "");
    if (name[0] == '\0')
        return NULL;
    cJSON *restart = json_new_obj();
    json_add_str(restart, "name", name);
    json_add_i64(restart, "max_retries", json_i64(policy, "MaximumRetryCount", 0));
    return restart;
}

cJSON *docker_restart_json(const cJSON *spec)
{
    const cJSON *restart = json_member(spec, "restart");
    cJSON *policy = json_new_obj();
    json_add_str(policy, "Name", json_str(restart, "name", "no"));
    json_add_i64(policy, "MaximumRetryCount", json_i64(restart, "max_retries", 0));
    return policy;
}

static cJSON *new_spec(const struct docker_create *c)
{
    cJSON *spec = json_new_obj();
    json_add_str(spec, "hostname", json_str(c->config, "Hostname", ""));
    json_add_str(spec, "domainname", json_str(c->config, "Domainname", ""));
    add_process(spec, c->config);
    const char *stop_signal = json_str(c->config, "StopSignal", "");
    json_add_str(spec, "stop_signal", stop_signal[0] ? stop_signal : "SIGTERM");
    int64_t timeout_s = json_i64(c->config, "StopTimeout", 10);
    json_add_i64(spec, "stop_timeout_s", timeout_s < 0 ? -1 : timeout_s); /* for ever */
    cJSON *networks = json_add_arr(spec, "networks");
    if (strcmp(json_str(c->host_config, "NetworkMode", ""), "none") != 0)
        json_push_str(networks, "bridge");
    add_list(spec, "dns", json_member(c->host_config, "Dns"));
    add_list(spec, "dns_search", json_member(c->host_config, "DnsSearch"));
    add_list(spec, "dns_options", json_member(c->host_config, "DnsOptions"));
    add_extra_hosts(spec, json_member(c->host_config, "ExtraHosts"));
    json_add_bool(spec, "auto_remove", json_bool(c->host_config, "AutoRemove", false));
    json_add(spec, "confine",
             docker_confine_spec(c->host_config, json_member(c->config, "Volumes")));
    cJSON *restart = docker_restart_convert(c->host_config);
    if (restart)
        json_add(spec, "restart", restart);
    cJSON *log = docker_log_spec(c->host_config);
    if (log)
        json_add(spec, "log", log);
    cJSON *health = docker_health_spec(c->config);
    if (health)
        json_add(spec, "health", health);
    return spec;
}

cJSON *docker_convert_request(const struct docker_create *c, const char *name, const char *image_id,
                              const char *ref, struct vic_err *err)
{
    if (docker_log_check_details(c->host_config, c->config, err) < 0)
        return NULL;
    auto_json cJSON *said = json_new_obj();
    json_add(said, "Config", json_dup(c->config));
    json_add(said, "HostConfig", json_dup(c->host_config));
    auto_free char *text = json_print(said);
    if (strlen(text) + strlen(ref) + NOTES_OVERHEAD > PL_ANNOTATIONS_MAX) {
        (void)vic_fail(err, VIC_ERR_INVALID, 0,
                       "the container's configuration with what it takes from its image has more "
                       "than %u bytes: shorten Env, Labels or Cmd",
                       PL_ANNOTATIONS_MAX);
        return NULL;
    }
    cJSON *req = json_new_obj();
    json_add_str(req, "name", name);
    json_add_str(req, "image", image_id);
    json_add(req, "spec", new_spec(c));
    cJSON *annotations = json_add_obj(req, "annotations");
    json_add_str(annotations, "docker.create", text);
    json_add_str(annotations, "docker.image", ref);
    cJSON *attributes = json_add_obj(req, "event_attributes");
    const cJSON *label;
    cJSON_ArrayForEach(label, json_member(c->config, "Labels"))
    {
        if (cJSON_IsString(label))
            json_add_str(attributes, label->string, label->valuestring);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(attributes, "image");
    json_add_str(attributes, "image", ref);
    return req;
}
