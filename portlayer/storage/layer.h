/*
 * Makes layers: DATASTORE/layers/<64 hex digits of the chain id>.qcow2, each backed by its parent's file
 * or, at the bottom, by base-<size>.qcow2, an empty ext4.
 *
 * All of it is blocking, for work functions; two calls for the same chain at once are the caller's
 * mistake.  A layer appears under its name when it is complete and on the disk; what goes wrong leaves
 * nothing behind, and what a crash leaves pl_layer_remove_stale() removes.
 */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/host/digest.h"
#include "lib/oci/oci.h"
#include "portlayer/pl.h"

/* OCI's chain id of a layer on parent (NULL: at the bottom). */
void pl_chain_id(const char *parent, const char *diff_id, char ret_chain[HOST_DIGEST_MAX]);

/* The file of a chain (NULL: the base): owned. */
char *pl_layer_path(const struct pl_config *config, const char *chain_id);

/* The empty file system that every chain of this VCH stands on; one that exists is left as it is. */
int pl_layer_create_base(const struct pl_config *config, struct vic_err *err);

struct pl_layer_apply {
    const char *parent;   /* chain id; NULL: the base */
    const char *chain_id; /* of the new layer */
    const char *diff_id;  /* what the unpacked blob must hash to */
    const char *blob_path;
    enum oci_compression compression;
    /* Bytes of the blob read so far, now and then, from the calling thread; may be NULL. */
    void (*on_progress)(uint64_t bytes, void *arg);
    void *arg;
};

/* INVALID: the blob is wrong.  *ret_size: its bytes unpacked. */
int pl_layer_apply(const struct pl_config *config, const struct pl_layer_apply *apply,
                   uint64_t *ret_size, struct vic_err *err);

/* Removes what a crash left half-made. */
int pl_layer_remove_stale(const char *layers_dir, struct vic_err *err);
