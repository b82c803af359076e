/*
 * The block cache between libext2fs and a layer's disk.
 *
 * Two ways in.  Metadata goes through pages that stay here until vl_io_flush() or until there are too
 * many dirty ones; libext2fs reaches them through the io_manager below.  File content is streamed:
 * adjacent blocks are joined into writes of up to a buffer's length and never cached.
 */
#pragma once

#include <ext2fs/ext2fs.h>

#include "portlayer/storage/vl_dev.h"

#define VL_BLOCK_BYTES 4096u

struct vl_io;

struct vl_io *vl_io_new(struct vl_dev *dev); /* dev is borrowed and must outlive it */
void vl_io_free(struct vl_io *io);           /* what was not flushed is lost */
VIC_DEFINE_CLEANUP(vl_io_free_p, struct vl_io *, vl_io_free)

/* For ext2fs_open2(): the manager, and the name that leads back to this cache. */
struct struct_io_manager *vl_io_manager(struct vl_io *io);
const char *vl_io_name(const struct vl_io *io);

/* Streams one block of file content. */
int vl_io_put(struct vl_io *io, uint64_t block, const void *data, struct vic_err *err);

/* Blocks were freed: what was streamed so far reaches the disk before anything streamed after. */
void vl_io_fence(struct vl_io *io);

/* Everything is on the disk when it returns. */
int vl_io_flush(struct vl_io *io, struct vic_err *err);

/* Moves writes on; called where time passes without a write of ours. */
int vl_io_poll(struct vl_io *io, struct vic_err *err);

/* The first failure behind an error code that libext2fs handed up; NULL if none was ours. */
const struct vic_err *vl_io_error(const struct vl_io *io);
