/*
 * Our packet filter as text for libnftables, and its application.
 *
 * Everything stands in two tables of the VCH's own: `inet vic_<id>` (masquerade, forwarding, isolation
 * between networks) and `bridge vic_<id>` (a tap may send only from its endpoint's MAC and address).
 * An accept in one table never overrules a drop in another: where the host has a FORWARD policy of
 * drop (dockerd sets one), it must let our bridges pass (DOCKER-USER, or `iptables -A FORWARD`).
 * A text is applied as one transaction and may be applied again.
 */
#pragma once

#include "lib/base/err.h"
#include "portlayer/network/ipam.h"

struct pl_filter {
    const char *vch_id;
    const char *bridge;
    struct pl_prefix subnet;
};

struct pl_filter_endpoint {
    const char *tap;
    const char *mac;
    const char *address;
};

/* Pure; the results are the caller's. */
char *pl_filter_tables(const struct pl_filter *f);
char *pl_filter_add(const char *vch_id, const struct pl_filter_endpoint *e);
char *pl_filter_remove(const char *vch_id, const struct pl_filter_endpoint *e);
char *pl_filter_destroy(const char *vch_id);
/* Calls fn with each endpoint in what `list set` answered as JSON, until it returns false; the texts
 * are valid during the call. */
void pl_filter_each(const char *json, bool (*fn)(void *arg, const struct pl_filter_endpoint *e),
                    void *arg);
/* Finds the endpoint of this address in what `list set` answered as JSON; tap and mac are written
 * (16 and 18 bytes).  1 if found, 0 if not. */
int pl_filter_find(const char *json, const char *address, char *tap, char *mac);

/* Blocking. */
int pl_filter_apply(const char *text, struct vic_err *err);
/* The set of endpoints as JSON, the caller's; NOT_FOUND when the table is not there. */
int pl_filter_list(const char *vch_id, char **ret_json, struct vic_err *err);
