/* The default network of a VCH: made once, repaired at will, and the endpoints on it. */
#include "portlayer/network/network.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "portlayer/execution/execution.h"
#include "portlayer/network/bridge.h"
#include "portlayer/network/firewall.h"
#include "portlayer/network/ipam.h"

#define NAME "bridge"
#define TAP_MAX IF_NAMESIZE

/* A container's reservation. */
struct slot {
    uint32_t address;
    char tap[TAP_MAX];   /* "" while its traffic does not pass */
    char **names;        /* served by DNS; owned */
    bool may_have_names; /* from before this process: taken away without knowing them */
};

struct pl_network {
    struct pl *pl;      /* borrowed */
    virConnectPtr conn; /* borrowed, unless owns_conn; used under `change` */
    bool owns_conn;
    struct pl_bridge bridge;
    pthread_mutex_t lock;   /* slots and pool: the loop and the pool's threads use them */
    pthread_mutex_t change; /* one change of libvirt and nftables at a time */
    struct vic_map slots;   /* container id -> struct slot */
    struct pl_pool *pool;
    char *running; /* JSON: endpoints found in the packet filter at the start; NULL if none */
};

static void slot_free(struct slot *s)
{
    if (!s)
        return;
    vic_strv_free(s->names);
    free(s);
}

void pl_network_free(struct pl_network *n)
{
    if (!n)
        return;
    map_for_each(entry, &n->slots)
        slot_free(entry->value);
    vic_map_release(&n->slots);
    pl_pool_free(n->pool);
    pl_bridge_release(&n->bridge);
    free(n->running);
    if (n->owns_conn)
        (void)virConnectClose(n->conn);
    (void)pthread_mutex_destroy(&n->lock);
    (void)pthread_mutex_destroy(&n->change);
    free(n);
}

static struct pl_filter filter_of(const struct pl_network *n)
{
    return (struct pl_filter){
        .vch_id = n->pl->config.id, .bridge = n->bridge.interface, .subnet = n->bridge.subnet};
}

static int apply_tables(struct pl_network *n, struct vic_err *err)
{
    const struct pl_filter f = filter_of(n);
    auto_free char *text = pl_filter_tables(&f);
    return pl_filter_apply(text, err);
}

/* On, and never off again: others may have come to count on it. */
static int enable_forwarding(struct vic_err *err)
{
    static const char path[] = "/proc/sys/net/ipv4/ip_forward";
    auto_free char *value = NULL;
    int r = vic_file_read(path, 16, &value, NULL, err);
    if (r < 0 || value[0] == '1')
        return r;
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1\n", 2) != 2)
        return vic_fail_errno(err, errno, "enable IP forwarding in '%s'", path);
    return 0;
}

int pl_network_new(struct pl *pl, virConnectPtr conn, struct pl_network **ret_network,
                   struct vic_err *err)
{
    struct pl_network *n = vic_new(struct pl_network);
    n->pl = pl;
    n->conn = conn;
    (void)pthread_mutex_init(&n->lock, NULL);
    (void)pthread_mutex_init(&n->change, NULL);
    int r = pl_bridge_open(&pl->config, conn, &n->bridge, err);
    if (r == 0)
        r = enable_forwarding(err);
    if (r == 0)
        r = apply_tables(n, err);
    if (r < 0) {
        pl_network_free(n);
        return vic_fail_wrap(err, r, "network '" NAME "'");
    }
    (void)pl_filter_list(pl->config.id, &n->running, NULL); /* none: nothing runs */
    n->pool = pl_pool_new(n->bridge.subnet, n->bridge.gateway);
    *ret_network = n;
    return 0;
}

/* ---- reservations: memory only ------------------------------------------------------------------ */

static void fill_endpoint(const struct pl_network *n, uint32_t address, struct pl_endpoint *e)
{
    *e = (struct pl_endpoint){.prefix_len = n->bridge.subnet.len};
    (void)snprintf(e->network, sizeof(e->network), "%s", NAME);
    (void)snprintf(e->network_id, sizeof(e->network_id), "%s", n->bridge.id);
    (void)snprintf(e->bridge, sizeof(e->bridge), "%s", n->bridge.interface);
    pl_address_to_string(address, e->address);
    pl_address_to_string(n->bridge.gateway, e->gateway);
    (void)snprintf(e->mac, sizeof(e->mac), "02:42:%02x:%02x:%02x:%02x", address >> 24,
                   (address >> 16) & 255, (address >> 8) & 255, address & 255);
}

int pl_network_reserve(struct pl_network *n, const char *network, const char *container_id,
                       struct pl_endpoint *ret_endpoint, struct vic_err *err)
{
    if (!vic_str_eq(network, NAME))
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "network %.100s not found", network);
    uint32_t address = 0;
    int r = 0;
    (void)pthread_mutex_lock(&n->lock);
    const struct slot *s = vic_map_get(&n->slots, container_id);
    if (s) {
        address = s->address;
    } else {
        r = pl_pool_take(n->pool, &address);
        if (r == 0) {
            struct slot *added = vic_new(struct slot);
            added->address = address;
            (void)vic_map_put(&n->slots, container_id, added);
        }
    }
    (void)pthread_mutex_unlock(&n->lock);
    if (r < 0)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0,
                        "network '%s' has no free address left in its pool", network);
    fill_endpoint(n, address, ret_endpoint);
    return 0;
}

static int take_again(struct pl_network *n, const char *container_id, uint32_t address)
{
    int r = 0;
    (void)pthread_mutex_lock(&n->lock);
    const struct slot *s = vic_map_get(&n->slots, container_id);
    if (!s)
        r = pl_pool_take_this(n->pool, address);
    else if (s->address != address)
        r = -EEXIST;
    if (r == 0 && !s) {
        struct slot *added = vic_new(struct slot);
        char text[INET_ADDRSTRLEN];
        char mac[18];
        added->address = address;
        pl_address_to_string(address, text);
        if (n->running)
            (void)pl_filter_find(n->running, text, added->tap, mac);
        added->may_have_names = true;
        (void)vic_map_put(&n->slots, container_id, added);
    }
    (void)pthread_mutex_unlock(&n->lock);
    return r;
}

int pl_network_restore(struct pl_network *n, const char *container_id,
                       const struct pl_endpoint *endpoint, struct vic_err *err)
{
    uint32_t address;
    if (!vic_str_eq(endpoint->network, NAME))
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "network %s not found", endpoint->network);
    int r = pl_address_from_string(endpoint->address, &address);
    if (r == 0)
        r = take_again(n, container_id, address);
    if (r == -EEXIST)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "address %s of container %.12s is taken",
                        endpoint->address, container_id);
    if (r < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "address '%.40s' of container %.12s is not in network '%s' any more",
                        endpoint->address, container_id, endpoint->network);
    return 0;
}

static bool keep_address(void *arg, const struct pl_filter_endpoint *e)
{
    struct pl_network *n = arg;
    uint32_t address;
    bool is_up = if_nametoindex(e->tap) != 0; /* else it is what a crash of the host's left */
    if (is_up && pl_address_from_string(e->address, &address) == 0)
        (void)pl_pool_take_this(n->pool, address); /* taken already: its container's */
    return true;
}

void pl_network_keep_running(struct pl_network *n)
{
    (void)pthread_mutex_lock(&n->lock);
    if (n->running)
        pl_filter_each(n->running, keep_address, n);
    (void)pthread_mutex_unlock(&n->lock);
}

void pl_network_release(struct pl_network *n, const char *container_id)
{
    (void)pthread_mutex_lock(&n->lock);
    struct slot *s = vic_map_remove(&n->slots, container_id);
    if (s)
        pl_pool_release(n->pool, s->address);
    (void)pthread_mutex_unlock(&n->lock);
    slot_free(s);
}

/* ---- up and down -------------------------------------------------------------------------------- */

/* dnsmasq and XML see them. */
static int check_names(char *const *names, struct vic_err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (; names && *names; names++) {
        size_t len = strlen(*names);
        if (len == 0 || len > 253 || (*names)[strspn(*names, allowed)] != '\0')
            return vic_fail(err, VIC_ERR_INVALID, 0, "'%.100s' is not a host name", *names);
    }
    return 0;
}

/* What an earlier run left under this address goes in the same transaction. */
static char *filter_text(const char *vch_id, const struct pl_filter_endpoint *e)
{
    char tap[TAP_MAX];
    char mac[18];
    auto_free char *json = NULL;
    auto_free char *add = pl_filter_add(vch_id, e);
    if (pl_filter_list(vch_id, &json, NULL) < 0 || !pl_filter_find(json, e->address, tap, mac) ||
        strcmp(tap, e->tap) == 0)
        return TAKE_PTR(add);
    const struct pl_filter_endpoint stale = {.tap = tap, .mac = mac, .address = e->address};
    auto_free char *removal = pl_filter_remove(vch_id, &stale);
    return vic_xasprintf("%s%s", removal, add);
}

static int pass_traffic(struct pl_network *n, const struct pl_filter_endpoint *e,
                        struct vic_err *err)
{
    auto_free char *text = filter_text(n->pl->config.id, e);
    if (pl_filter_apply(text, err) == 0)
        return 0;
    int r = apply_tables(n, err); /* someone flushed the rules */
    return r < 0 ? r : pl_filter_apply(text, err);
}

static void note_up(struct pl_network *n, const char *container_id, const char *tap,
                    char *const *names)
{
    (void)pthread_mutex_lock(&n->lock);
    struct slot *s = vic_map_get(&n->slots, container_id);
    if (s) {
        (void)snprintf(s->tap, sizeof(s->tap), "%s", tap);
        vic_strv_free(s->names);
        s->names = vic_strv_dup(names);
        s->may_have_names = false;
    }
    (void)pthread_mutex_unlock(&n->lock);
}

static bool is_named(const struct pl_network *n, const char *container_id, const char *name)
{
    map_for_each(entry, &n->slots) {
        const struct slot *s = entry->value;
        if (strcmp(entry->key, container_id) != 0 && vic_strv_contains(s->names, name))
            return true;
    }
    return false;
}

/* A name stays with who had it first: libvirt refuses a second owner. */
static char **free_names(struct pl_network *n, const char *container_id, char *const *names)
{
    char **mine = NULL;
    (void)pthread_mutex_lock(&n->lock);
    for (; names && *names; names++) {
        if (!is_named(n, container_id, *names) && !vic_strv_contains(mine, *names))
            mine = vic_strv_append(mine, *names);
    }
    (void)pthread_mutex_unlock(&n->lock);
    return mine;
}

int pl_network_up(struct pl_network *n, const struct pl_endpoint *endpoint,
                  const char *container_id, char *const *names, const char *tap,
                  struct vic_err *err)
{
    int r = check_names(names, err);
    if (r < 0)
        return r;
    const struct pl_filter_endpoint e = {
        .tap = tap, .mac = endpoint->mac, .address = endpoint->address};
    (void)pthread_mutex_lock(&n->change);
    auto_strv char **mine = free_names(n, container_id, names);
    r = pass_traffic(n, &e, err);
    if (r == 0 && mine)
        r = pl_bridge_add_names(&n->bridge, n->conn, endpoint->address, mine, err);
    if (r == 0)
        note_up(n, container_id, tap, mine);
    (void)pthread_mutex_unlock(&n->change);
    return r < 0 ? vic_fail_wrap(err, r, "network '%s'", endpoint->network) : 0;
}

/* Forgets the tap; says whether there may be names to take away. */
static bool note_down(struct pl_network *n, const char *container_id, char tap[TAP_MAX])
{
    bool has_names = false;
    (void)pthread_mutex_lock(&n->lock);
    struct slot *s = vic_map_get(&n->slots, container_id);
    if (s) {
        (void)snprintf(tap, TAP_MAX, "%s", s->tap);
        has_names = s->names || s->may_have_names;
        s->tap[0] = '\0';
        vic_strv_free(s->names);
        s->names = NULL;
        s->may_have_names = false;
    }
    (void)pthread_mutex_unlock(&n->lock);
    return has_names;
}

static int stop_traffic(struct pl_network *n, const struct pl_endpoint *endpoint, const char *tap,
                        struct vic_err *err)
{
    const char *id = n->pl->config.id;
    struct pl_filter_endpoint e = {.tap = tap, .mac = endpoint->mac, .address = endpoint->address};
    auto_free char *text = pl_filter_remove(id, &e);
    if (*tap && pl_filter_apply(text, err) == 0)
        return 0;
    /* Not there as we remember it: look. */
    char found_tap[TAP_MAX];
    char found_mac[18];
    auto_free char *json = NULL;
    if (pl_filter_list(id, &json, NULL) < 0 ||
        !pl_filter_find(json, endpoint->address, found_tap, found_mac))
        return 0;
    e.tap = found_tap;
    e.mac = found_mac;
    auto_free char *other = pl_filter_remove(id, &e);
    return pl_filter_apply(other, err);
}

int pl_network_down(struct pl_network *n, const struct pl_endpoint *endpoint,
                    const char *container_id, struct vic_err *err)
{
    char tap[TAP_MAX] = "";
    bool has_names = note_down(n, container_id, tap);
    (void)pthread_mutex_lock(&n->change);
    int r = stop_traffic(n, endpoint, tap, err);
    if (r == 0 && has_names)
        r = pl_bridge_remove_names(&n->bridge, n->conn, endpoint->address, err);
    (void)pthread_mutex_unlock(&n->change);
    return r < 0 ? vic_fail_wrap(err, r, "network '%s'", endpoint->network) : 0;
}

/* ---- repair ------------------------------------------------------------------------------------- */

/* One endpoint of the network after that was made again. */
static int repair_slot(struct pl_network *n, const struct slot *s, struct vic_err *err)
{
    struct pl_endpoint endpoint;
    fill_endpoint(n, s->address, &endpoint);
    if (if_nametoindex(s->tap) == 0)
        return 0; /* the VM has gone; execution will say so */
    const struct pl_filter_endpoint e = {
        .tap = s->tap, .mac = endpoint.mac, .address = endpoint.address};
    int r = pass_traffic(n, &e, err);
    if (r == 0)
        r = pl_bridge_add_port(&n->bridge, s->tap, err);
    if (r == 0 && s->names)
        r = pl_bridge_add_names(&n->bridge, n->conn, endpoint.address, s->names, err);
    return r;
}

/* Copies of the slots that are up. */
static struct slot *copy_slots(struct pl_network *n, size_t *ret_n)
{
    (void)pthread_mutex_lock(&n->lock);
    struct slot *copies = vic_xalloc((n->slots.n + 1) * sizeof(*copies));
    size_t count = 0;
    map_for_each(entry, &n->slots) {
        const struct slot *s = entry->value;
        if (*s->tap == '\0')
            continue;
        copies[count] = *s;
        copies[count++].names = vic_strv_dup(s->names);
    }
    (void)pthread_mutex_unlock(&n->lock);
    *ret_n = count;
    return copies;
}

void pl_network_set_connection(struct pl_network *n, virConnectPtr conn)
{
    (void)virConnectRef(conn);
    (void)pthread_mutex_lock(&n->change);
    if (n->owns_conn)
        (void)virConnectClose(n->conn);
    n->conn = conn;
    n->owns_conn = true;
    (void)pthread_mutex_unlock(&n->change);
}

int pl_network_repair(struct pl_network *n, struct vic_err *err)
{
    size_t count;
    struct slot *slots = copy_slots(n, &count);
    (void)pthread_mutex_lock(&n->change);
    int r = pl_bridge_ensure(&n->pl->config, n->conn, &n->bridge, err);
    if (r == 0)
        r = enable_forwarding(err);
    if (r == 0)
        r = apply_tables(n, err);
    for (size_t i = 0; i < count; i++) {
        if (r == 0)
            r = repair_slot(n, &slots[i], err);
        vic_strv_free(slots[i].names);
    }
    (void)pthread_mutex_unlock(&n->change);
    free(slots);
    return r < 0 ? vic_fail_wrap(err, r, "network '" NAME "'") : 0;
}

int pl_network_destroy(const struct pl_config *config, virConnectPtr conn, struct vic_err *err)
{
    int r = pl_bridge_destroy(config, conn, err);
    if (r < 0)
        return r;
    auto_free char *text = pl_filter_destroy(config->id);
    return pl_filter_apply(text, err);
}

/* ---- /v1/networks --------------------------------------------------------------------------------- */

static cJSON *describe(struct pl_network *n)
{
    char text[PL_PREFIX_TEXT_MAX];
    struct pl_endpoint e;
    cJSON *doc = json_new_obj();
    fill_endpoint(n, n->bridge.gateway, &e);
    json_add_str(doc, "id", n->bridge.id);
    json_add_str(doc, "name", NAME);
    json_add_str(doc, "driver", "bridge");
    json_add_str(doc, "created_at", n->bridge.created_at);
    pl_prefix_to_string(n->bridge.subnet, text);
    json_add_str(doc, "subnet", text);
    json_add_str(doc, "gateway", e.gateway);
    json_add_str(doc, "bridge", n->bridge.interface);
    json_add_bool(doc, "internal", false);
    cJSON *endpoints = json_add_arr(doc, "endpoints");
    (void)pthread_mutex_lock(&n->lock);
    map_for_each(entry, &n->slots) {
        const struct slot *s = entry->value;
        if (*s->tap == '\0')
            continue;
        fill_endpoint(n, s->address, &e);
        cJSON *v = json_new_obj();
        json_add_str(v, "container", entry->key);
        json_add_str_or_empty(v, "name", pl_execution_container_name(n->pl->execution, entry->key));
        json_add_str(v, "address", e.address);
        json_add_i64(v, "prefix_len", e.prefix_len);
        json_add_str(v, "mac", e.mac);
        json_push(endpoints, v);
    }
    (void)pthread_mutex_unlock(&n->lock);
    return doc;
}

static void list_networks(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    cJSON *doc = json_new_obj();
    json_push(json_add_arr(doc, "networks"), describe(pl->network));
    rpc_reply_json(st, doc);
}

static void get_network(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err;
    const char *which = rpc_stream_param(st, "network");
    const char *id = pl->network->bridge.id;
    bool is_prefix = which[0] != '\0' && strncmp(which, id, strlen(which)) == 0;
    if (vic_str_eq(which, NAME) || is_prefix) {
        rpc_reply_json(st, describe(pl->network));
        return;
    }
    (void)vic_fail(&err, VIC_ERR_NOT_FOUND, 0, "network %.100s not found", which);
    rpc_reply_error(st, &err);
}

const struct rpc_route pl_network_routes[] = {
    {"GET", "/v1/networks", RPC_BODY_NONE_OR_JSON, list_networks},
    {"GET", "/v1/networks/{network}", RPC_BODY_NONE_OR_JSON, get_network},
};
const size_t pl_network_n_routes = ARRAY_SIZE(pl_network_routes);
