/* IPv4 prefixes and address pools.  Pure: addresses are host-order numbers. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct pl_prefix {
    uint32_t address; /* of the network: host bits are 0 */
    unsigned len;     /* 0 to 32 */
};

/* Room for "255.255.255.255/32". */
#define PL_PREFIX_TEXT_MAX 20

int pl_prefix_from_string(const char *text, struct pl_prefix *ret_prefix); /* -EINVAL */
void pl_prefix_to_string(struct pl_prefix p, char text[PL_PREFIX_TEXT_MAX]);
void pl_address_to_string(uint32_t address, char text[INET_ADDRSTRLEN]);
int pl_address_from_string(const char *text, uint32_t *ret_address); /* -EINVAL */
bool pl_prefix_overlaps(struct pl_prefix a, struct pl_prefix b);
bool pl_prefix_contains(struct pl_prefix p, uint32_t address);

/* The first of Docker's default subnets (172.17.0.0/16 ..., then 192.168.0.0/20 ...) that overlaps
 * none of used; UNAVAILABLE when all are taken. */
int pl_subnet_choose(const struct pl_prefix *used, size_t n_used, struct pl_prefix *ret_prefix,
                     struct vic_err *err);

/* Appends the prefixes of /proc/net/route's text, except the default route and those of the interface
 * own (NULL: none).  *used is a heap vector of *n. */
void pl_routes_parse(const char *text, const char *own, struct pl_prefix **used, size_t *n);
/* Appends the prefix of every <ip address= netmask=|prefix=> in a libvirt network's XML. */
void pl_network_xml_parse(const char *xml, struct pl_prefix **used, size_t *n);

/* Who has which address of a subnet.  The first and last address and the gateway are never given. */
struct pl_pool;
struct pl_pool *pl_pool_new(struct pl_prefix subnet, uint32_t gateway); /* len 8 to 30 */
void pl_pool_free(struct pl_pool *p);
/* The lowest free address after the one given last, so that one just released rests a while. */
int pl_pool_take(struct pl_pool *p, uint32_t *ret_address); /* -ENOSPC */
/* A given one: -ERANGE outside, -EEXIST if taken. */
int pl_pool_take_this(struct pl_pool *p, uint32_t address);
void pl_pool_release(struct pl_pool *p, uint32_t address);
