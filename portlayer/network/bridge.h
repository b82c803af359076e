/* The libvirt network behind the VCH's default network.  Everything here blocks. */
#pragma once

#include <libvirt/libvirt.h>

#include "lib/base/err.h"
#include "portlayer/network/ipam.h"
#include "portlayer/pl.h"

/* Saved as DATASTORE/networks/bridge.json. */
struct pl_bridge {
    char id[65];
    char interface[16]; /* "vb" and 8 hex digits */
    char *created_at;   /* owned */
    char *libvirt_name; /* owned */
    struct pl_prefix subnet;
    uint32_t gateway;
};

/* Reads what was chosen before, or chooses (under a lock that all VCHs of the host share) and saves;
 * then makes what is missing. */
int pl_bridge_open(const struct pl_config *config, virConnectPtr conn, struct pl_bridge *ret_bridge,
                   struct vic_err *err);
void pl_bridge_release(struct pl_bridge *b);

/* Defines and starts the libvirt network where it is not as it should be. */
int pl_bridge_ensure(const struct pl_config *config, virConnectPtr conn, const struct pl_bridge *b,
                     struct vic_err *err);
/* What is not there is no error. */
int pl_bridge_destroy(const struct pl_config *config, virConnectPtr conn, struct vic_err *err);

/* Instead of what the address was called before. */
int pl_bridge_add_names(const struct pl_bridge *b, virConnectPtr conn, const char *address,
                        char *const *names, struct vic_err *err);
int pl_bridge_remove_names(const struct pl_bridge *b, virConnectPtr conn, const char *address,
                           struct vic_err *err);
/* A tap that lost its bridge gets it back. */
int pl_bridge_add_port(const struct pl_bridge *b, const char *tap, struct vic_err *err);
