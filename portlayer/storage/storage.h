/*
 * Storage: content (blobs and images), layer chains and container disks of one VCH.
 *
 * Everything is called on the loop unless it says "blocking": those run in a work function, touch the
 * file system and helper programs only, and take all they need as arguments.
 */
#pragma once

#include "lib/base/err.h"
#include "portlayer/pl.h"

/* Opens the datastore, removes what a crash left half-made, and reads the image index.  Blocking: it
 * is called before the loop runs. */
int pl_storage_new(struct pl *pl, struct pl_storage **ret_storage, struct vic_err *err);
void pl_storage_free(struct pl_storage *s);

/* /v1/content, /v1/images, /v1/refs */
extern const struct rpc_route pl_storage_routes[];
extern const size_t pl_storage_n_routes;

/* The chain id of an image's top layer, borrowed until the image goes; NOT_FOUND. */
int pl_storage_image_chain(struct pl_storage *s, const char *image_id, const char **ret_chain_id,
                           struct vic_err *err);

/* A container exists (or no longer exists) that stands on this chain: it and its parents are kept while
 * anyone does, whatever becomes of the image.  image_id lets an image in use refuse removal. */
void pl_storage_hold(struct pl_storage *s, const char *container_id, const char *image_id,
                     const char *chain_id, bool is_running);
void pl_storage_release(struct pl_storage *s, const char *container_id);
/* From now on no layer is removed: there is a disk of which nobody knows what it stands on. */
void pl_storage_keep_layers(struct pl_storage *s);

/* Another number after each change of what images are called. */
uint64_t pl_storage_revision(const struct pl_storage *s);

/* How many images there are. */
size_t pl_storage_count_images(const struct pl_storage *s);

/* Blocking: creates the disk file `path` on top of the chain (qcow2, owned by QEMU's user, durable). */
int pl_disk_create(const struct pl_config *config, const char *path, const char *chain_id,
                   struct vic_err *err);
/* Blocking: bytes the disk holds itself. */
int pl_disk_size(const char *path, uint64_t *ret_bytes, struct vic_err *err);
