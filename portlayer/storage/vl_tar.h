/* Applies a layer's tar to its file system, with the meaning OCI and Docker give it. */
#pragma once

#include "portlayer/storage/vl_fs.h"
#include "portlayer/storage/vl_input.h"

struct vl_tar_events {
    /* Called often; moves nothing on by itself.  May be NULL. */
    void (*on_progress)(uint64_t packed_bytes, void *arg);
    void *arg;
};

/* The whole input, to its very end.  Then the file system must still be finished. */
int vl_tar_apply(struct vl_fs *f, struct vl_input *in, const struct vl_tar_events *events,
                 uint64_t *ret_entries, struct vic_err *err);
