/* Networks: those of the port layer, and `none`, which is having no network. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/str.h"
#include "personality/docker/filters.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"

/* `none` exists everywhere and is the same; its id says so. */
#define NONE_ID "0000000000000000000000000000000000000000000000000000000000000000"

static void add_ipam(cJSON *out, const cJSON *network)
{
    cJSON *ipam = json_add_obj(out, "IPAM");
    json_add_str(ipam, "Driver", "default");
    json_add_null(ipam, "Options");
    const char *subnet = json_str(network, "subnet", "");
    if (subnet[0] == '\0') {
        json_add_null(ipam, "Config");
        return;
    }
    cJSON *pool = json_new_obj();
    json_add_str(pool, "Subnet", subnet);
    json_add_str(pool, "Gateway", json_str(network, "gateway", ""));
    json_push(json_add_arr(ipam, "Config"), pool);
}

static void add_containers(cJSON *out, const cJSON *network)
{
    cJSON *containers = json_add_obj(out, "Containers");
    const cJSON *e;
    cJSON_ArrayForEach(e, json_member(network, "endpoints"))
    {
        cJSON *c = json_add_obj(containers, json_str(e, "container", ""));
        json_add_str(c, "Name", json_str(e, "name", ""));
        json_add_str(c, "EndpointID", json_str(e, "container", ""));
        json_add_str(c, "MacAddress", json_str(e, "mac", ""));
        json_addf(c, "IPv4Address", "%s/%d", json_str(e, "address", ""),
                  (int)json_i64(e, "prefix_len", 0));
        json_add_str(c, "IPv6Address", "");
    }
}

static cJSON *network_json(const cJSON *network, bool with_containers)
{
    cJSON *out = json_new_obj();
    const char *driver = json_str(network, "driver", "null");
    json_add_str(out, "Name", json_str(network, "name", ""));
    json_add_str(out, "Id", json_str(network, "id", ""));
    json_add_str(out, "Created", json_str(network, "created_at", "0001-01-01T00:00:00Z"));
    json_add_str(out, "Scope", "local");
    json_add_str(out, "Driver", driver);
    json_add_bool(out, "EnableIPv4", true);
    json_add_bool(out, "EnableIPv6", false);
    add_ipam(out, network);
    json_add_bool(out, "Internal", json_bool(network, "internal", false));
    json_add_bool(out, "Attachable", false);
    json_add_bool(out, "Ingress", false);
    json_add_str(json_add_obj(out, "ConfigFrom"), "Network", "");
    json_add_bool(out, "ConfigOnly", false);
    if (with_containers)
        add_containers(out, network);
    else
        (void)json_add_obj(out, "Containers");
    cJSON *options = json_add_obj(out, "Options");
    if (strcmp(json_str(network, "name", ""), "bridge") == 0) {
        json_add_str(options, "com.docker.network.bridge.default_bridge", "true");
        json_add_str(options, "com.docker.network.bridge.name", json_str(network, "bridge", ""));
    }
    (void)json_add_obj(out, "Labels");
    return out;
}

/* As ids of networks are random, none but this one begins so. */
static bool is_none(const char *name)
{
    size_t len = strlen(name);
    return strcmp(name, "none") == 0 ||
           (len >= VIC_ID_SHORT_LEN && len <= VIC_ID_LEN && strncmp(name, NONE_ID, len) == 0);
}

static cJSON *none_json(void)
{
    auto_json cJSON *none = json_new_obj();
    json_add_str(none, "name", "none");
    json_add_str(none, "id", NONE_ID);
    return network_json(none, false);
}

/* ---- list ----------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct docker_filters *f, const cJSON *network)
{
    bool is_given;
    bool is_dangling = false;
    if (docker_filters_bool(f, "dangling", &is_given, &is_dangling, NULL) < 0 || is_dangling)
        return false; /* the networks here are Docker's predefined ones: never dangling */
    return docker_filters_match_regex(f, "id", json_str(network, "Id", "")) &&
           docker_filters_match_regex(f, "name", json_str(network, "Name", "")) &&
           docker_filters_match_exact(f, "driver", json_str(network, "Driver", "")) &&
           docker_filters_match_exact(f, "scope", "local") &&
           docker_filters_match_exact(f, "type", "builtin") &&
           docker_filters_match_kv(f, "label", json_member(network, "Labels"));
}

static void push_if_wanted(cJSON *out, const struct docker_filters *f, cJSON *network)
{
    if (is_wanted(f, network))
        json_push(out, network);
    else
        cJSON_Delete(network);
}

static int check_filters(struct docker_filters *f, struct vic_err *err)
{
    bool is_given;
    bool is_dangling;
    for (char *const *type = docker_filters_get(f, "type"); type && *type; type++)
        if (strcmp(*type, "builtin") != 0 && strcmp(*type, "custom") != 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid filter: 'type'='%s'", *type);
    int r = docker_filters_bool(f, "dangling", &is_given, &is_dangling, err);
    if (r < 0 || (r = docker_filters_compile(f, "id", err)) < 0)
        return r;
    return docker_filters_compile(f, "name", err);
}

static void on_networks(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                        void *arg)
{
    static const char *const known[] = {"dangling", "driver", "id",   "label",
                                        "name",     "scope",  "type", NULL};
    (void)arg;
    auto_filters struct docker_filters f = {0};
    struct vic_err mine;
    if (!err && (docker_filters_parse(docker_req_query(r, "filters"), known, &f, &mine) < 0 ||
                 check_filters(&f, &mine) < 0))
        err = &mine;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    cJSON *out = json_new_arr();
    const cJSON *n;
    cJSON_ArrayForEach(n, json_member(doc, "networks"))
    {
        push_if_wanted(out, &f, network_json(n, false));
    }
    push_if_wanted(out, &f, none_json());
    docker_reply_json(r, DOCKER_OK, out);
}

void docker_network_list(struct docker_req *r)
{
    docker_intent(r, "GET", "/v1/networks", NULL, on_networks, NULL);
}

/* ---- inspect ----------------------------------------------------------------------------------------------- */

static void on_network(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)arg;
    if (!err)
        docker_reply_json(r, DOCKER_OK, network_json(doc, true));
    else if (err->kind == VIC_ERR_NOT_FOUND)
        docker_reply_errorf(r, VIC_ERR_NOT_FOUND, "network %s not found", r->name);
    else
        docker_reply_error(r, err);
}

void docker_network_inspect(struct docker_req *r)
{
    const char *scope = docker_req_query_or(r, "scope", "local");
    const char *verbose = docker_req_query(r, "verbose");
    bool is_verbose;
    if (verbose && verbose[0] && vic_str_to_bool(verbose, &is_verbose) < 0) {
        docker_reply_errorf(r, VIC_ERR_INVALID, "invalid value for verbose: \"%.100s\"", verbose);
    } else if (is_none(r->name)) {
        docker_reply_json(r, DOCKER_OK, none_json());
    } else if (vic_str_is_empty(r->name) || (scope[0] && strcmp(scope, "local") != 0)) {
        docker_reply_errorf(r, VIC_ERR_NOT_FOUND, "network %s not found", r->name);
    } else {
        auto_free char *path = docker_intent_path("/v1/networks/%s", r->name);
        docker_intent(r, "GET", path, NULL, on_network, NULL);
    }
}
