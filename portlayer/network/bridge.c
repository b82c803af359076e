/* Choosing, saving and making the default network's bridge. */
#include "portlayer/network/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/id.h"
#include "lib/base/str.h"
#include "lib/json/json.h"
#include "portlayer/network/network_xml.h"

#define NAME "bridge"
#define LOCK_DIR "/run/vic"
#define RECORD_MAX 4096
#define ROUTES_MAX (4u << 20) /* a host with 30,000 routes */

VIC_DEFINE_CLEANUP(unref_network, virNetworkPtr, virNetworkFree)
#define auto_network auto_(unref_network)

static int fail_virt(struct vic_err *err, const char *what)
{
    return vic_fail(err, VIC_ERR_INTERNAL, EIO, "%s: %s", what, virGetLastErrorMessage());
}

void pl_bridge_release(struct pl_bridge *b)
{
    free(b->created_at);
    free(b->libvirt_name);
    *b = (struct pl_bridge){0};
}

/* ---- the record ---------------------------------------------------------------------------------- */

static char *record_path(const struct pl_config *config)
{
    return vic_xasprintf("%s/networks/" NAME ".json", config->datastore);
}

static void set_interface(struct pl_bridge *b)
{
    (void)snprintf(b->interface, sizeof(b->interface), "vb%.8s", b->id);
}

static int parse_record(const char *text, size_t len, struct pl_bridge *b, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    const char *id = "";
    const char *created = "";
    const char *subnet = "";
    int r = json_parse(text, len, &doc, err);
    if (r == 0)
        r = json_need_str(doc, "", "id", &id, err);
    if (r == 0)
        r = json_need_str(doc, "", "created_at", &created, err);
    if (r == 0)
        r = json_need_str(doc, "", "subnet", &subnet, err);
    if (r < 0)
        return r;
    if (!vic_id_is_valid(id) || pl_prefix_from_string(subnet, &b->subnet) < 0 ||
        b->subnet.len < 8 || b->subnet.len > 30)
        return vic_fail(err, VIC_ERR_INVALID, 0, "id or subnet is wrong");
    (void)snprintf(b->id, sizeof(b->id), "%s", id);
    b->created_at = vic_xstrdup(created);
    b->gateway = b->subnet.address + 1;
    set_interface(b);
    return 0;
}

/* 1 when it was there. */
static int load(const struct pl_config *config, struct pl_bridge *b, struct vic_err *err)
{
    auto_free char *path = record_path(config);
    auto_free char *text = NULL;
    size_t len;
    if (vic_file_exists(path) == 0)
        return 0;
    int r = vic_file_read(path, RECORD_MAX, &text, &len, err);
    if (r == 0)
        r = parse_record(text, len, b, err);
    return r < 0 ? vic_fail_wrap(err, r, "'%s'", path) : 1;
}

static int save(const struct pl_config *config, const struct pl_bridge *b, struct vic_err *err)
{
    char subnet[PL_PREFIX_TEXT_MAX];
    auto_free char *path = record_path(config);
    auto_free char *dir = vic_xasprintf("%s/networks", config->datastore);
    auto_json cJSON *doc = json_new_obj();
    pl_prefix_to_string(b->subnet, subnet);
    json_add_i64(doc, "version", 1);
    json_add_str(doc, "id", b->id);
    json_add_str(doc, "created_at", b->created_at);
    json_add_str(doc, "subnet", subnet);
    auto_free char *text = json_print(doc);
    int r = vic_file_mkdir_p(dir, 0711, err);
    return r < 0 ? r : vic_file_replace(path, text, strlen(text), 0600, err);
}

/* ---- choosing ------------------------------------------------------------------------------------ */

static int used_by_libvirt(virConnectPtr conn, struct pl_prefix **used, size_t *n,
                           struct vic_err *err)
{
    virNetworkPtr *all = NULL;
    int count = virConnectListAllNetworks(conn, &all, 0);
    if (count < 0)
        return fail_virt(err, "list networks");
    for (int i = 0; i < count; i++) {
        auto_free char *xml = virNetworkGetXMLDesc(all[i], 0);
        if (xml) /* else it went away meanwhile */
            pl_network_xml_parse(xml, used, n);
        (void)virNetworkFree(all[i]);
    }
    free(all);
    return 0;
}

static int choose(virConnectPtr conn, struct pl_bridge *b, struct vic_err *err)
{
    auto_free struct pl_prefix *used = NULL;
    size_t n = 0;
    auto_free char *routes = NULL;
    int r = vic_file_read("/proc/net/route", ROUTES_MAX, &routes, NULL, err);
    if (r < 0)
        return r;
    pl_routes_parse(routes, NULL, &used, &n);
    r = used_by_libvirt(conn, &used, &n, err);
    if (r == 0)
        r = pl_subnet_choose(used, n, &b->subnet, err);
    if (r < 0)
        return r;
    struct vic_id id;
    char now[VIC_CLOCK_TEXT_MAX];
    vic_id_new(&id);
    vic_clock_format_rfc3339(vic_clock_wall_ns(), now);
    memcpy(b->id, id.text, sizeof(b->id));
    b->created_at = vic_xstrdup(now);
    b->gateway = b->subnet.address + 1;
    set_interface(b);
    return 0;
}

/* The descriptor holds the lock. */
static int lock_host(int *ret_fd, struct vic_err *err)
{
    int r = vic_file_mkdir_p(LOCK_DIR, 0755, err);
    if (r < 0)
        return r;
    auto_close int fd = open(LOCK_DIR "/network.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return vic_fail_errno(err, errno, "open '%s'", LOCK_DIR "/network.lock");
    while (flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR)
            return vic_fail_errno(err, errno, "lock '%s'", LOCK_DIR "/network.lock");
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int pl_bridge_open(const struct pl_config *config, virConnectPtr conn, struct pl_bridge *ret_bridge,
                   struct vic_err *err)
{
    struct pl_bridge b = {.libvirt_name = pl_network_libvirt_name(config->id, NAME)};
    auto_close int lock = -1;
    int r = lock_host(&lock, err);
    if (r == 0)
        r = load(config, &b, err);
    if (r == 0) {
        r = pl_bridge_destroy(config, conn, err); /* of a datastore that is gone */
        if (r == 0)
            r = choose(conn, &b, err);
        if (r == 0)
            r = save(config, &b, err);
    }
    if (r >= 0)
        r = pl_bridge_ensure(config, conn, &b, err);
    if (r < 0)
        pl_bridge_release(&b);
    else
        *ret_bridge = b;
    return r;
}

/* ---- making -------------------------------------------------------------------------------------- */

static virNetworkPtr find(virConnectPtr conn, const char *name)
{
    return virNetworkLookupByName(conn, name);
}

static bool is_missing(void)
{
    const virError *e = virGetLastError();
    return e && e->code == VIR_ERR_NO_NETWORK;
}

int pl_bridge_ensure(const struct pl_config *config, virConnectPtr conn, const struct pl_bridge *b,
                     struct vic_err *err)
{
    auto_network virNetworkPtr net = find(conn, b->libvirt_name);
    if (!net && !is_missing())
        return fail_virt(err, "look up the libvirt network");
    if (!net) {
        const struct pl_network_spec spec = {.vch_id = config->id,
                                             .name = NAME,
                                             .id = b->id,
                                             .bridge = b->interface,
                                             .subnet = b->subnet,
                                             .gateway = b->gateway};
        auto_free char *xml = pl_network_xml(&spec);
        /* Defined, not only started: after a reboot other VCHs see that the subnet is taken. */
        net = virNetworkDefineXML(conn, xml);
        if (!net)
            return fail_virt(err, "define the libvirt network");
    }
    int active = virNetworkIsActive(net);
    if (active < 0 || (active == 0 && virNetworkCreate(net) < 0))
        return fail_virt(err, "start the libvirt network");
    return 0;
}

int pl_bridge_destroy(const struct pl_config *config, virConnectPtr conn, struct vic_err *err)
{
    auto_free char *name = pl_network_libvirt_name(config->id, NAME);
    auto_network virNetworkPtr net = find(conn, name);
    if (!net)
        return is_missing() ? 0 : fail_virt(err, "look up the libvirt network");
    if (virNetworkIsActive(net) == 1 && virNetworkDestroy(net) < 0)
        return fail_virt(err, "stop the libvirt network");
    if (virNetworkIsPersistent(net) == 1 && virNetworkUndefine(net) < 0)
        return fail_virt(err, "undefine the libvirt network");
    return 0;
}

/* ---- names and ports ----------------------------------------------------------------------------- */

static int update_names(virNetworkPtr net, unsigned command, const char *address,
                        char *const *names)
{
    auto_free char *xml = pl_network_dns_xml(address, names);
    return virNetworkUpdate(net, command, VIR_NETWORK_SECTION_DNS_HOST, -1, xml,
                            VIR_NETWORK_UPDATE_AFFECT_LIVE);
}

int pl_bridge_add_names(const struct pl_bridge *b, virConnectPtr conn, const char *address,
                        char *const *names, struct vic_err *err)
{
    auto_network virNetworkPtr net = find(conn, b->libvirt_name);
    if (!net)
        return fail_virt(err, "look up the libvirt network");
    if (update_names(net, VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, address, names) == 0)
        return 0;
    /* An earlier run may have left the address there; a second refusal is the one to tell. */
    (void)update_names(net, VIR_NETWORK_UPDATE_COMMAND_DELETE, address, NULL);
    if (update_names(net, VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, address, names) < 0)
        return fail_virt(err, "add a name to the network's DNS");
    return 0;
}

int pl_bridge_remove_names(const struct pl_bridge *b, virConnectPtr conn, const char *address,
                           struct vic_err *err)
{
    auto_network virNetworkPtr net = find(conn, b->libvirt_name);
    if (!net)
        return is_missing() ? 0 : fail_virt(err, "look up the libvirt network");
    if (update_names(net, VIR_NETWORK_UPDATE_COMMAND_DELETE, address, NULL) == 0)
        return 0;
    const virError *e = virGetLastError();
    return e && e->code == VIR_ERR_OPERATION_INVALID ? 0 : fail_virt(err, "remove a DNS name");
}

#ifndef SIOCBRADDIF
#define SIOCBRADDIF 0x89a2
#endif

int pl_bridge_add_port(const struct pl_bridge *b, const char *tap, struct vic_err *err)
{
    auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq req = {.ifr_ifindex = (int)if_nametoindex(tap)};
    (void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", b->interface);
    if (fd < 0 || (ioctl(fd, SIOCBRADDIF, &req) < 0 && errno != EBUSY))
        return vic_fail_errno(err, errno, "join '%s' to bridge '%s'", tap, b->interface);
    return 0;
}
