/* A small rtnetlink client: one request, one acknowledgement. */
#include "tether/net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

#define LOOPBACK_INDEX 1
#define LINK_TIMEOUT_MS 10000 /* for an interface that is still being plugged in */

struct request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
    };
    char attributes[128];
};

static void start_request(struct request *q, uint16_t type, uint16_t flags, size_t body)
{
    memset(q, 0, sizeof(*q));
    q->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
    q->header.nlmsg_type = type;
    q->header.nlmsg_flags = NLM_F_REQUEST | flags;
}

/* All attributes here are of 4 bytes. */
static void add_attribute(struct request *q, uint16_t type, const void *value)
{
    struct rtattr *a = (void *)((char *)q + NLMSG_ALIGN(q->header.nlmsg_len));
    a->rta_type = type;
    a->rta_len = RTA_LENGTH(4);
    memcpy(RTA_DATA(a), value, 4);
    q->header.nlmsg_len = (uint32_t)NLMSG_ALIGN(q->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* Sends and waits for the kernel's word, which comes at once. */
static int transact(int fd, struct request *q)
{
    q->header.nlmsg_flags |= NLM_F_ACK;
    if (send(fd, q, q->header.nlmsg_len, 0) < 0)
        return -errno;
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[1024];
    } reply;
    for (;;) {
        ssize_t n = recv(fd, &reply, sizeof(reply), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if ((size_t)n >= NLMSG_LENGTH(sizeof(reply.error)) &&
            reply.header.nlmsg_type == NLMSG_ERROR)
            return reply.error.error;
    }
}

static int set_up(int fd, int index)
{
    struct request q;
    start_request(&q, RTM_NEWLINK, 0, sizeof(q.link));
    q.link.ifi_index = index;
    q.link.ifi_flags = q.link.ifi_change = IFF_UP;
    return transact(fd, &q);
}

static int add_address(int fd, int index, const struct tether_interface *i)
{
    struct request q;
    start_request(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(q.address));
    q.address.ifa_family = AF_INET;
    q.address.ifa_prefixlen = (uint8_t)i->prefix_len;
    q.address.ifa_index = (unsigned)index;
    struct in_addr broadcast = i->address;
    if (i->prefix_len < 32)
        broadcast.s_addr |= htonl(UINT32_MAX >> i->prefix_len);
    add_attribute(&q, IFA_LOCAL, &i->address);
    add_attribute(&q, IFA_ADDRESS, &i->address);
    if (i->prefix_len < 31)
        add_attribute(&q, IFA_BROADCAST, &broadcast);
    return transact(fd, &q);
}

static int add_default_route(int fd, int index, struct in_addr gateway)
{
    struct request q;
    start_request(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(q.route));
    q.route.rtm_family = AF_INET;
    q.route.rtm_table = RT_TABLE_MAIN;
    q.route.rtm_protocol = RTPROT_BOOT;
    q.route.rtm_scope = RT_SCOPE_UNIVERSE;
    q.route.rtm_type = RTN_UNICAST;
    add_attribute(&q, RTA_GATEWAY, &gateway);
    add_attribute(&q, RTA_OIF, &index);
    int r = transact(fd, &q);
    return r == -EEXIST ? 0 : r; /* the first interface's stands */
}

/* The interface a RTM_NEWLINK message is about if it has this MAC, else 0. */
static int match_link(const struct nlmsghdr *h, const uint8_t mac[6])
{
    if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
        return 0;
    const struct ifinfomsg *link = NLMSG_DATA(h);
    int left = (int)IFLA_PAYLOAD(h);
    for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(a) == 6 && memcmp(RTA_DATA(a), mac, 6) == 0)
            return link->ifi_index;
    return 0;
}

/* Asks for all links, and hears of new ones, on a socket of its own: the index, or -errno. */
static int find_link(const uint8_t mac[6])
{
    auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    struct request q;
    start_request(&q, RTM_GETLINK, NLM_F_DUMP, sizeof(q.link));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        send(fd, &q, q.header.nlmsg_len, 0) < 0)
        return -errno;
    uint64_t deadline = vic_clock_monotonic_ms() + LINK_TIMEOUT_MS;
    for (uint64_t now; (now = vic_clock_monotonic_ms()) < deadline;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)(deadline - now)) <= 0)
            continue;
        static char data[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
        ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
        if (n < 0)
            continue;
        size_t left = (size_t)n;
        for (struct nlmsghdr *h = (void *)data; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            int index = match_link(h, mac);
            if (index > 0)
                return index;
        }
    }
    return -ENODEV;
}

/* Docker's default network is IPv4 only: no address may come from a router's word. */
static void refuse_router_advertisements(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", name);
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)vic_file_write_all(fd, "0", 1); /* a kernel without IPv6 has no such file */
}

static int configure_one(int fd, const struct tether_interface *i, struct vic_err *err)
{
    int index = find_link(i->mac);
    if (index < 0)
        return vic_fail_errno(err, -index, "interface %02x:%02x:%02x:%02x:%02x:%02x", i->mac[0],
                              i->mac[1], i->mac[2], i->mac[3], i->mac[4], i->mac[5]);
    char name[IF_NAMESIZE] = "";
    if (if_indextoname((unsigned)index, name))
        refuse_router_advertisements(name);
    int r = add_address(fd, index, i);
    if (r < 0)
        return vic_fail_errno(err, -r, "address of %s", name);
    /* Packets flow at once; only IFF_RUNNING comes up to a second later, so nothing waits for it. */
    if ((r = set_up(fd, index)) < 0)
        return vic_fail_errno(err, -r, "set %s up", name);
    if (i->gateway.s_addr != INADDR_ANY && (r = add_default_route(fd, index, i->gateway)) < 0)
        return vic_fail_errno(err, -r, "default route by %s", name);
    return 0;
}

int tether_net_configure(const struct tether_interface *interfaces, size_t n, struct vic_err *err)
{
    auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return vic_fail_errno(err, errno, "rtnetlink");
    refuse_router_advertisements("all");
    refuse_router_advertisements("default");
    int r = set_up(fd, LOOPBACK_INDEX);
    if (r < 0)
        return vic_fail_errno(err, -r, "set lo up");
    for (size_t i = 0; i < n && r >= 0; i++)
        r = configure_one(fd, &interfaces[i], err);
    return r;
}
