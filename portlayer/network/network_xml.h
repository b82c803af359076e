/* The libvirt network behind a network of ours, as XML.  Pure. */
#pragma once

#include "portlayer/network/ipam.h"

struct pl_network_spec {
    const char *vch_id;
    const char *name;   /* "bridge" */
    const char *id;     /* 64 hex digits */
    const char *bridge; /* interface */
    struct pl_prefix subnet;
    uint32_t gateway;
};

char *pl_network_xml(const struct pl_network_spec *spec); /* the caller's */
/* "vic-<vch id>-<name>"; the caller's. */
char *pl_network_libvirt_name(const char *vch_id, const char *name);
/* A <host> of the network's DNS; names are checked to be host names by the caller. */
char *pl_network_dns_xml(const char *address, char *const *names);
