/* The libvirt domain of a container's run, as text: a pure function. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_METADATA_URI "urn:vic:container:1"
#define PL_TAP_MAX 16 /* with the NUL: the kernel's limit */

struct pl_domain_nic {
    const char *bridge;
    const char *mac;
    char tap[PL_TAP_MAX];
};

/* All strings are borrowed. */
struct pl_domain {
    const char *vch_id;
    const char *container_id;
    unsigned run;
    const char *uuid;
    bool kvm;
    uint64_t memory_bytes;
    unsigned cpus;
    const char *iso; /* boot from it; NULL: the direct boot below */
    const char *kernel;
    const char *initrd;
    const char *cmdline;
    const char *disk;
    const char *image; /* what disk stands on: shown to the guest too, read-only */
    const char *channel_path;
    const char *output_path;
    const struct pl_domain_nic *nics;
    size_t n_nics;
};

/* The caller frees it. */
char *pl_domain_to_xml(const struct pl_domain *d);

/* "vic-<vch id>-<12 of id>"; ret holds 64 bytes. */
void pl_domain_name(const char *vch_id, const char *container_id, char ret[64]);
/* Unique on the host for each container and interface. */
void pl_domain_tap(const char *container_id, size_t index, char ret[PL_TAP_MAX]);
