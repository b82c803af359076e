/* Prefix arithmetic, the choice of a subnet, and a bitmap of addresses. */
#include "portlayer/network/ipam.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"

static uint32_t mask_of(unsigned len)
{
    return len == 0 ? 0 : UINT32_MAX << (32 - len);
}

int pl_address_from_string(const char *text, uint32_t *ret_address)
{
    struct in_addr a;
    if (inet_pton(AF_INET, text, &a) != 1)
        return -EINVAL;
    *ret_address = ntohl(a.s_addr);
    return 0;
}

void pl_address_to_string(uint32_t address, char text[INET_ADDRSTRLEN])
{
    (void)snprintf(text, INET_ADDRSTRLEN, "%u.%u.%u.%u", address >> 24, (address >> 16) & 255,
                   (address >> 8) & 255, address & 255);
}

int pl_prefix_from_string(const char *text, struct pl_prefix *ret_prefix)
{
    const char *slash = strchr(text, '/');
    uint64_t len;
    uint32_t address;
    if (!slash || vic_str_to_u64(slash + 1, 0, 32, &len) < 0)
        return -EINVAL;
    auto_free char *head = vic_xstrndup(text, (size_t)(slash - text));
    if (pl_address_from_string(head, &address) < 0 || (address & ~mask_of((unsigned)len)))
        return -EINVAL;
    *ret_prefix = (struct pl_prefix){.address = address, .len = (unsigned)len};
    return 0;
}

void pl_prefix_to_string(struct pl_prefix p, char text[PL_PREFIX_TEXT_MAX])
{
    char address[INET_ADDRSTRLEN];
    pl_address_to_string(p.address, address);
    (void)snprintf(text, PL_PREFIX_TEXT_MAX, "%s/%u", address, p.len);
}

bool pl_prefix_overlaps(struct pl_prefix a, struct pl_prefix b)
{
    uint32_t mask = mask_of(a.len < b.len ? a.len : b.len);
    return (a.address & mask) == (b.address & mask);
}

bool pl_prefix_contains(struct pl_prefix p, uint32_t address)
{
    return (address & mask_of(p.len)) == p.address;
}

/* ---- choosing ---------------------------------------------------------------------------------- */

static bool is_free(struct pl_prefix p, const struct pl_prefix *used, size_t n_used)
{
    for (size_t i = 0; i < n_used; i++) {
        if (pl_prefix_overlaps(p, used[i]))
            return false;
    }
    return true;
}

int pl_subnet_choose(const struct pl_prefix *used, size_t n_used, struct pl_prefix *ret_prefix,
                     struct vic_err *err)
{
    static const struct {
        uint32_t first;
        unsigned len;
        unsigned count;
    } ranges[] = {
        {0xac110000u, 16, 15}, /* 172.17.0.0/16 to 172.31.0.0/16 */
        {0xc0a80000u, 20, 16}, /* 192.168.0.0/20 to 192.168.240.0/20 */
    };
    for (size_t r = 0; r < ARRAY_SIZE(ranges); r++) {
        for (unsigned i = 0; i < ranges[r].count; i++) {
            struct pl_prefix p = {.address = ranges[r].first + (i << (32 - ranges[r].len)),
                                  .len = ranges[r].len};
            if (is_free(p, used, n_used)) {
                *ret_prefix = p;
                return 0;
            }
        }
    }
    return vic_fail(err, VIC_ERR_UNAVAILABLE, 0,
                    "no free subnet: the host's routes and networks use all of 172.17.0.0/16 to "
                    "172.31.0.0/16 and 192.168.0.0/16");
}

static void add_prefix(struct pl_prefix **used, size_t *n, uint32_t address, unsigned len)
{
    *used = vic_xrealloc_array(*used, *n + 1, sizeof(**used));
    (*used)[(*n)++] = (struct pl_prefix){.address = address & mask_of(len), .len = len};
}

static unsigned len_of_mask(uint32_t mask)
{
    return (unsigned)__builtin_popcount(mask);
}

void pl_routes_parse(const char *text, const char *own, struct pl_prefix **used, size_t *n)
{
    auto_strv char **lines = vic_strv_split(text, '\n');
    for (char *const *line = lines; line && *line; line++) {
        char name[32];
        unsigned destination;
        unsigned mask;
        /* Interface Destination Gateway Flags RefCnt Use Metric Mask; numbers in network order */
        if (sscanf(*line, "%31s %x %*x %*x %*d %*d %*d %x", name, &destination, &mask) != 3)
            continue;
        if (mask != 0 && !vic_str_eq(name, own))
            add_prefix(used, n, ntohl(destination), len_of_mask(mask));
    }
}

/* The value of name='...' or name="..." within [from, to); -ENOENT. */
static int find_attribute(const char *from, const char *to, const char *name, char *value,
                          size_t size)
{
    size_t name_len = strlen(name);
    for (const char *p = from; p + name_len + 2 < to; p++) {
        if (p[0] != ' ' || strncmp(p + 1, name, name_len) != 0 || p[1 + name_len] != '=')
            continue;
        char quote = p[2 + name_len];
        const char *start = p + 3 + name_len;
        const char *end = start < to ? memchr(start, quote, (size_t)(to - start)) : NULL;
        if ((quote != '\'' && quote != '"') || !end || (size_t)(end - start) >= size)
            return -ENOENT;
        memcpy(value, start, (size_t)(end - start));
        value[end - start] = '\0';
        return 0;
    }
    return -ENOENT;
}

void pl_network_xml_parse(const char *xml, struct pl_prefix **used, size_t *n)
{
    for (const char *p = xml; (p = strstr(p, "<ip ")); p++) {
        const char *end = strchr(p, '>');
        char text[64];
        uint32_t address;
        uint32_t mask;
        uint64_t len = 24;
        if (!end || find_attribute(p, end, "address", text, sizeof(text)) < 0 ||
            pl_address_from_string(text, &address) < 0)
            continue;
        if (find_attribute(p, end, "prefix", text, sizeof(text)) == 0) {
            if (vic_str_to_u64(text, 0, 32, &len) < 0)
                continue;
        } else if (find_attribute(p, end, "netmask", text, sizeof(text)) == 0 &&
                   pl_address_from_string(text, &mask) == 0) {
            len = len_of_mask(mask);
        }
        add_prefix(used, n, address, (unsigned)len);
    }
}

/* ---- pools ------------------------------------------------------------------------------------- */

struct pl_pool {
    struct pl_prefix subnet;
    uint32_t n;     /* addresses in the subnet */
    uint32_t next;  /* where the search begins */
    uint64_t *bits; /* one per address; owned */
};

static bool is_taken(const struct pl_pool *p, uint32_t at)
{
    return p->bits[at / 64] >> (at % 64) & 1;
}

static void set_taken(struct pl_pool *p, uint32_t at)
{
    p->bits[at / 64] |= UINT64_C(1) << (at % 64);
}

struct pl_pool *pl_pool_new(struct pl_prefix subnet, uint32_t gateway)
{
    struct pl_pool *p = vic_new(struct pl_pool);
    p->subnet = subnet;
    p->n = UINT32_C(1) << (32 - subnet.len);
    p->bits = vic_xalloc((p->n + 63) / 64 * sizeof(*p->bits));
    set_taken(p, 0);
    set_taken(p, p->n - 1);
    set_taken(p, gateway - subnet.address);
    return p;
}

void pl_pool_free(struct pl_pool *p)
{
    if (!p)
        return;
    free(p->bits);
    free(p);
}

int pl_pool_take(struct pl_pool *p, uint32_t *ret_address)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t at = (p->next + i) % p->n;
        if (is_taken(p, at))
            continue;
        set_taken(p, at);
        p->next = at + 1;
        *ret_address = p->subnet.address + at;
        return 0;
    }
    return -ENOSPC;
}

int pl_pool_take_this(struct pl_pool *p, uint32_t address)
{
    uint32_t at = address - p->subnet.address;
    if (!pl_prefix_contains(p->subnet, address) || at == 0 || at == p->n - 1)
        return -ERANGE;
    if (is_taken(p, at))
        return -EEXIST;
    set_taken(p, at);
    return 0;
}

void pl_pool_release(struct pl_pool *p, uint32_t address)
{
    if (pl_prefix_contains(p->subnet, address))
        p->bits[(address - p->subnet.address) / 64] &=
            ~(UINT64_C(1) << ((address - p->subnet.address) % 64));
}
