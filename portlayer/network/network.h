/*
 * Networks of one VCH: the default `bridge`, its addresses, names and packet filter.
 *
 * A network is a libvirt network with forward mode 'open'; addresses come from our own pool; names are
 * served by its dnsmasq; filtering is one nftables table vic_<vch id>.  Calls marked "blocking" belong
 * in a work function (they talk to libvirt or netlink); the others only touch memory, on the loop.
 */
#pragma once

#include <netinet/in.h>

#include <libvirt/libvirt.h>

#include "lib/base/err.h"
#include "portlayer/pl.h"

/* A container's place in a network. */
struct pl_endpoint {
    char network[64];    /* name */
    char network_id[65]; /* 64 hex */
    char bridge[16];     /* host interface the VM's NIC joins */
    char address[INET_ADDRSTRLEN];
    unsigned prefix_len;
    char gateway[INET_ADDRSTRLEN]; /* also the name server */
    char mac[18];
};

/* Blocking; before the loop runs.  Reads DATASTORE/networks, makes what is missing of the bridge network
 * (again, after a reboot) and the nft table.  conn is borrowed for the object's life. */
int pl_network_new(struct pl *pl, virConnectPtr conn, struct pl_network **ret_network,
                   struct vic_err *err);
void pl_network_free(
    struct pl_network *n); /* what runs stays: daemons come and go, networks do not */

/* Blocking: the same repair later, after libvirt was restarted or someone destroyed the network. */
int pl_network_repair(struct pl_network *n, struct vic_err *err);
/* Blocking: another connection instead of one that broke; takes a reference of its own. */
void pl_network_set_connection(struct pl_network *n, virConnectPtr conn);

/* Takes an address for a container; the same one again if it already has one.  NOT_FOUND: no such
 * network; UNAVAILABLE: the pool is empty.  The reservation is durable (in the container's record, by
 * the caller); pl_network_restore() repeats it on start-up. */
int pl_network_reserve(struct pl_network *n, const char *network, const char *container_id,
                       struct pl_endpoint *ret_endpoint, struct vic_err *err);
int pl_network_restore(struct pl_network *n, const char *container_id,
                       const struct pl_endpoint *endpoint, struct vic_err *err);
/* Addresses that were in use at our start and that no container has taken again since are given to
 * nobody until the next: for VMs whose container's record cannot be read. */
void pl_network_keep_running(struct pl_network *n);
void pl_network_release(struct pl_network *n, const char *container_id);

/* Blocking: makes the endpoint's names known to the network's DNS and lets its traffic pass (anti-
 * spoofing: only this MAC and address from this tap); down undoes it.  tap: host interface name. */
int pl_network_up(struct pl_network *n, const struct pl_endpoint *endpoint,
                  const char *container_id, char *const *names, const char *tap,
                  struct vic_err *err);
int pl_network_down(struct pl_network *n, const struct pl_endpoint *endpoint,
                    const char *container_id, struct vic_err *err);

/* Blocking; for the VCH's removal, with no pl_network open: the libvirt network and the packet filter go.
 * What is not there is no error. */
int pl_network_destroy(const struct pl_config *config, virConnectPtr conn, struct vic_err *err);

/* /v1/networks */
extern const struct rpc_route pl_network_routes[];
extern const size_t pl_network_n_routes;
