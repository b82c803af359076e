/* Reads the documents of configure and start. */
#include "tether/spec.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

int tether_check_members(const cJSON *doc, const char *path, const char *const *names,
                         size_t n_names, struct vic_err *err)
{
    if (!cJSON_IsObject(doc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected an object", *path ? path : "body");
    const cJSON *m;
    cJSON_ArrayForEach(m, doc)
    {
        size_t i = 0;
        while (i < n_names && strcmp(names[i], m->string) != 0)
            i++;
        if (i == n_names)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s%sunknown member '%s'", path,
                            *path ? ": " : "", m->string);
    }
    return 0;
}

static int copy_str(const cJSON *doc, const char *member, char **ret, struct vic_err *err)
{
    const char *value;
    int r = json_get_str(doc, "", member, &value, err);
    if (r >= 0)
        *ret = vic_xstrdup_or_null(value);
    return r;
}

static int parse_mac(const char *text, uint8_t mac[6])
{
    unsigned v[6];
    int end = 0;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &end) !=
            6 ||
        strlen(text) != (size_t)end || end != 17)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(v); i++)
        mac[i] = (uint8_t)v[i];
    return 0;
}

static int parse_address(const char *text, struct in_addr *address, unsigned *prefix_len)
{
    char ip[INET_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    uint64_t len;
    if (!slash || (size_t)(slash - text) >= sizeof(ip))
        return -1;
    memcpy(ip, text, (size_t)(slash - text));
    ip[slash - text] = '\0';
    if (inet_pton(AF_INET, ip, address) != 1 || vic_str_to_u64(slash + 1, 0, 32, &len) < 0)
        return -1;
    *prefix_len = (unsigned)len;
    return 0;
}

static int parse_interface(const cJSON *doc, size_t i, struct tether_interface *ret,
                           struct vic_err *err)
{
    static const char *const members[] = {"mac", "address", "gateway"};
    char path[32];
    (void)snprintf(path, sizeof(path), "interfaces[%zu]", i);
    int r = tether_check_members(doc, path, members, ARRAY_SIZE(members), err);
    if (r < 0)
        return r;
    const char *mac;
    const char *address;
    const char *gateway;
    if ((r = json_need_str(doc, path, "mac", &mac, err)) < 0 ||
        (r = json_need_str(doc, path, "address", &address, err)) < 0 ||
        (r = json_get_str(doc, path, "gateway", &gateway, err)) < 0)
        return r;
    if (parse_mac(mac, ret->mac) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.mac: not a MAC address: '%s'", path, mac);
    if (parse_address(address, &ret->address, &ret->prefix_len) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.address: expected a.b.c.d/len, got '%s'", path,
                        address);
    if (!vic_str_is_empty(gateway) && inet_pton(AF_INET, gateway, &ret->gateway) != 1)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.gateway: not an address: '%s'", path, gateway);
    return 0;
}

static int parse_interfaces(const cJSON *doc, struct tether_config *ret, struct vic_err *err)
{
    const cJSON *arr;
    int r = json_get_arr(doc, "", "interfaces", &arr, err);
    if (r < 0)
        return r;
    const cJSON *item;
    cJSON_ArrayForEach(item, arr)
    {
        if (ret->n_interfaces == TETHER_INTERFACES_MAX)
            return vic_fail(err, VIC_ERR_INVALID, 0, "interfaces: more than %d",
                            TETHER_INTERFACES_MAX);
        r = parse_interface(item, ret->n_interfaces, &ret->interfaces[ret->n_interfaces], err);
        if (r < 0)
            return r;
        ret->n_interfaces++;
    }
    return 0;
}

static int check_name(const char *member, const char *name, struct vic_err *err)
{
    if (strlen(name) > TETHER_HOSTNAME_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: longer than %d bytes", member,
                        TETHER_HOSTNAME_MAX);
    return 0;
}

int tether_config_parse(const cJSON *doc, struct tether_config *ret, struct vic_err *err)
{
    static const char *const members[] = {"hostname",    "domainname", "hosts",
                                          "resolv_conf", "interfaces", "disk"};
    *ret = (struct tether_config){0};
    int r = tether_check_members(doc, "", members, ARRAY_SIZE(members), err);
    if (r < 0 || (r = copy_str(doc, "hostname", &ret->hostname, err)) < 0 ||
        (r = copy_str(doc, "domainname", &ret->domainname, err)) < 0 ||
        (r = copy_str(doc, "hosts", &ret->hosts, err)) < 0 ||
        (r = copy_str(doc, "resolv_conf", &ret->resolv_conf, err)) < 0 ||
        (r = copy_str(doc, "disk", &ret->disk, err)) < 0 ||
        (r = parse_interfaces(doc, ret, err)) < 0)
        return r;
    if (!ret->hostname)
        ret->hostname = vic_xstrdup("");
    if (!ret->domainname)
        ret->domainname = vic_xstrdup("");
    if (vic_str_is_empty(ret->disk))
        return vic_fail(err, VIC_ERR_INVALID, 0, "disk: missing");
    r = check_name("hostname", ret->hostname, err);
    return r < 0 ? r : check_name("domainname", ret->domainname, err);
}

void tether_config_release(struct tether_config *c)
{
    free(c->hostname);
    free(c->domainname);
    free(c->hosts);
    free(c->resolv_conf);
    free(c->disk);
    *c = (struct tether_config){0};
}

int tether_size_parse(const cJSON *doc, const char *path, uint16_t *ret_width, uint16_t *ret_height,
                      struct vic_err *err)
{
    static const char *const members[] = {"width", "height"};
    int64_t width = 0;
    int64_t height = 0;
    int r = tether_check_members(doc, path, members, ARRAY_SIZE(members), err);
    if (r < 0 || (r = json_get_i64(doc, path, "width", 0, UINT16_MAX, &width, err)) < 0 ||
        (r = json_get_i64(doc, path, "height", 0, UINT16_MAX, &height, err)) < 0)
        return r;
    *ret_width = (uint16_t)width;
    *ret_height = (uint16_t)height;
    return 0;
}

static int check_spec(const struct tether_spec *s, struct vic_err *err)
{
    if (!s->args)
        return vic_fail(err, VIC_ERR_INVALID, 0, "args: missing");
    if (vic_str_is_empty(s->args[0]))
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0,
                        "exec: \"\": executable file not found in $PATH");
    if (s->cwd[0] != '/')
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "the working directory '%s' is invalid, it needs to be an absolute path",
                        s->cwd);
    for (char **e = s->env; e && *e; e++)
        if (**e == '\0' || **e == '=')
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid environment variable: %s", *e);
    return 0;
}

#define SPEC_MEMBERS "args", "env", "cwd", "user", "tty", "stdin", "console"

static int read_spec(const cJSON *doc, struct tether_spec *ret, struct vic_err *err)
{
    const cJSON *console;
    int r = json_get_strv(doc, "", "args", &ret->args, err);
    if (r < 0 || (r = json_get_strv(doc, "", "env", &ret->env, err)) < 0 ||
        (r = copy_str(doc, "cwd", &ret->cwd, err)) < 0 ||
        (r = copy_str(doc, "user", &ret->user, err)) < 0 ||
        (r = json_get_bool(doc, "", "tty", &ret->has_tty, err)) < 0 ||
        (r = json_get_bool(doc, "", "stdin", &ret->has_stdin, err)) < 0 ||
        (r = json_get_obj(doc, "", "console", &console, err)) < 0)
        return r;
    if (console && (r = tether_size_parse(console, "console", &ret->width, &ret->height, err)) < 0)
        return r;
    if (vic_str_is_empty(ret->cwd)) {
        free(ret->cwd);
        ret->cwd = vic_xstrdup("/");
    }
    if (!ret->user)
        ret->user = vic_xstrdup("");
    return check_spec(ret, err);
}

int tether_spec_parse(const cJSON *doc, struct tether_spec *ret, struct vic_err *err)
{
    static const char *const members[] = {SPEC_MEMBERS, "confine"};
    *ret = (struct tether_spec){0};
    int r = tether_check_members(doc, "", members, ARRAY_SIZE(members), err);
    if (r < 0 || (r = read_spec(doc, ret, err)) < 0)
        return r;
    return confine_from_json(json_member(doc, "confine"), "confine", &ret->confine, err);
}

void tether_spec_release(struct tether_spec *s)
{
    vic_strv_free(s->args);
    vic_strv_free(s->env);
    free(s->cwd);
    free(s->user);
    confine_release(&s->confine);
    *s = (struct tether_spec){0};
}

int tether_exec_spec_parse(const cJSON *doc, struct tether_exec_spec *ret, struct vic_err *err)
{
    static const char *const members[] = {SPEC_MEMBERS, "id", "privileged"};
    *ret = (struct tether_exec_spec){0};
    const char *id;
    int r = tether_check_members(doc, "", members, ARRAY_SIZE(members), err);
    if (r < 0 || (r = json_need_str(doc, "", "id", &id, err)) < 0 ||
        (r = json_get_bool(doc, "", "privileged", &ret->is_privileged, err)) < 0)
        return r;
    if (!vic_id_is_valid(id))
        return vic_fail(err, VIC_ERR_INVALID, 0, "id: expected %d hex digits", VIC_ID_LEN);
    memcpy(ret->id, id, sizeof(ret->id));
    return read_spec(doc, &ret->process, err);
}

void tether_exec_spec_release(struct tether_exec_spec *s)
{
    tether_spec_release(&s->process);
}
