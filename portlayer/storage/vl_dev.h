/* The disk a layer is written to, seen from vic-layer: NBD in the program, memory in tests. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

/* One write is at most this long; each buffer handed out has this size. */
#define VL_DEV_BUFFER_BYTES (1u << 20)

struct vl_dev;

struct vl_dev_ops {
    int (*read)(struct vl_dev *d, void *data, uint64_t offset, size_t len, struct vic_err *err);
    /* A free buffer of VL_DEV_BUFFER_BYTES, NULL on failure; may wait for a write to end. */
    void *(*buffer)(struct vl_dev *d, struct vic_err *err);
    /* Takes a buffer got above; writes may end in any order. */
    int (*write)(struct vl_dev *d, void *buffer, uint64_t offset, size_t len, struct vic_err *err);
    /* Moves writes on without waiting; may be NULL. */
    int (*poll)(struct vl_dev *d, struct vic_err *err);
    /* Waits for every write. */
    int (*drain)(struct vl_dev *d, struct vic_err *err);
    void (*free)(struct vl_dev *d);
};

struct vl_dev {
    const struct vl_dev_ops *ops;
    uint64_t size_bytes;
};

/* The export behind a connected socket; takes fd. */
int vl_nbd_new(int fd, struct vl_dev **ret_dev, struct vic_err *err);
/* Says goodbye, so that the server ends in order.  Every write must have been drained. */
int vl_nbd_finish(struct vl_dev *d, struct vic_err *err);

/* Zeros in memory, or a copy-on-write view of another memory device (borrowed, must stay). */
struct vl_dev *vl_mem_new(uint64_t size_bytes, const struct vl_dev *base);
/* The whole device as a sparse file. */
int vl_mem_save(const struct vl_dev *d, int fd);

void vl_dev_free(struct vl_dev *d); /* NULL allowed */
VIC_DEFINE_CLEANUP(vl_dev_free_p, struct vl_dev *, vl_dev_free)
