/* Inside storage: the state that its files share.  Touched on the loop only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/host/digest.h"
#include "lib/host/work.h"
#include "portlayer/storage/index.h"
#include "portlayer/storage/storage.h"

/* A complete layer on disk.  Saved beside it as layers/<hex of chain>.json. */
struct pl_layer {
    char chain[HOST_DIGEST_MAX];
    char parent[HOST_DIGEST_MAX]; /* "" for the bottom layer */
    char diff_id[HOST_DIGEST_MAX];
    uint64_t size; /* bytes unpacked */
};

struct pl_image {
    char id[HOST_DIGEST_MAX];
    char **blobs;  /* digests of its layers' blobs, bottom first */
    char **chains; /* chain ids, bottom first */
    cJSON *config;
    int64_t created_ns;
    bool is_going; /* its removal is being written */
};

struct pl_holder {
    char image[HOST_DIGEST_MAX];
    char chain[HOST_DIGEST_MAX];
    bool is_running;
};

struct pl_storage {
    struct pl *pl; /* borrowed */
    char *content_dir;
    char *layers_dir;
    struct pl_index index;  /* as on disk */
    uint64_t revision;      /* of it: how often it was changed */
    struct vic_map images;  /* id -> struct pl_image */
    struct vic_map layers;  /* chain -> struct pl_layer */
    struct vic_map holders; /* container id -> struct pl_holder */
    struct vic_list ops;    /* struct pl_op: changes of index.json and removals, one at a time */
    bool is_op_running;
    bool keeps_layers;          /* all of them */
    struct vic_map going;       /* chains that the running op removes; values are the map itself */
    struct vic_list commits;    /* struct pl_commit */
    struct vic_map layer_jobs;  /* chain -> struct layer_job */
    struct vic_list layer_wait; /* jobs not yet started */
    unsigned n_layer_jobs;      /* started */
};

/*
 * A change of the index, of the images, or of what is on disk.  Ops run one after the other: prepare on
 * the loop (it changes `next`, a copy of the index, and lists what is to be removed), then on the pool
 * the checks, the write of index.json and the removals, then done on the loop.
 */
struct pl_op {
    struct vic_list link;
    struct pl_storage *s;
    struct pl_index next;
    bool writes_index;
    char **need_blobs; /* must be there, else NOT_FOUND and `missing` says which; owned */
    char **missing;
    char **try_blobs;    /* removed where nobody uses them; owned */
    char **gone_layers;  /* chains; filled by the op itself */
    struct vic_map used; /* digests of blobs in use */
    void (*prepare)(struct pl_op *op);
    void (*done)(struct pl_op *op, int result, const struct vic_err *err); /* op is freed after */
    void *arg;
};

struct pl_op *pl_op_new(struct pl_storage *s, void (*prepare)(struct pl_op *),
                        void (*done)(struct pl_op *, int, const struct vic_err *), void *arg);
void pl_op_start(struct pl_op *op); /* takes op */

/* A sweep with nothing to change: removes layers nobody uses, and try_blobs (taken). */
void pl_gc_start(struct pl_storage *s, char **try_blobs);

/* Blocking: reads and checks the documents of a manifest.  The image has no `size` of its own. */
struct pl_image_docs {
    struct pl_image *image;
    struct pl_index_row row; /* its manifest; ref NULL */
    char **diff_ids;         /* of its layers */
    uint64_t *blob_sizes;
    int *compressions; /* enum oci_compression */
    size_t n_layers;
};
int pl_image_read(const char *content_dir, const char *manifest, const char *media_type,
                  struct pl_image_docs *ret_docs, char ***ret_missing, struct vic_err *err);
void pl_image_docs_release(struct pl_image_docs *d);
void pl_image_free(struct pl_image *image);

/* commit.c */
void pl_commit_handle(struct rpc_stream *st, void *arg);
/* Marks what running commits need: the digests of their blobs, and their chains. */
void pl_commits_mark(const struct pl_storage *s, struct vic_map *blobs, struct vic_map *chains);
void pl_commits_wake(struct pl_storage *s); /* an op is over */

/* blobs.c */
void pl_blob_get(struct rpc_stream *st, void *arg);
void pl_blob_put(struct rpc_stream *st, void *arg);
void pl_blob_sweep(struct rpc_stream *st, void *arg);

/* images.c */
void pl_image_emit(struct pl_storage *s, const char *action, const char *id, const char *ref);
