/*
 * What tether-copy writes, on its way to tether: memory that both map, in slots which are filled and emptied in turn.
 *
 * A pipe would have every byte copied once more, page by page, which an emulated processor takes as long for as for
 * all the rest.  So pipes carry only the signs: down one the length of each slot that was filled (uint32_t), up the
 * other a byte for each that may be filled again.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define COPY_RING_SLOTS 2u
#define COPY_RING_HEAD 9u /* bytes that tether may want before a slot's */
#define COPY_RING_SLOT ((256u << 10) - COPY_RING_HEAD) /* bytes */
#define COPY_RING_BYTES (COPY_RING_SLOTS * (COPY_RING_HEAD + COPY_RING_SLOT))
#define COPY_RING_FD 3 /* the memory, in tether-copy */

/* ---- tether's end ---- */

struct copy_ring_out {
    uint8_t *bytes; /* owned mapping; NULL: there is none */
    unsigned slot;  /* to be emptied next */
};

/* *ret_fd is the memory, for the other end; the caller's.  Nobody can take pages away from it; what is in it, the other
 * end may change at any time. */
int copy_ring_make(struct copy_ring_out *o, int *ret_fd, struct vic_err *err);
/* 1: *ret_data (borrowed until given back) was filled; 0: no more comes; -EAGAIN: not yet; -EPROTO: a length that
 * cannot be.  filled is the pipe, non-blocking. */
int copy_ring_next(const struct copy_ring_out *o, int filled, uint8_t **ret_data, size_t *ret_len);
/* The slot of the last copy_ring_next() may be filled again; emptied is the pipe. */
void copy_ring_give_back(struct copy_ring_out *o, int emptied);
void copy_ring_release(struct copy_ring_out *o);

/* ---- tether-copy's end ---- */

struct copy_ring_in {
    uint8_t *bytes; /* owned mapping */
    int filled, emptied;
    unsigned slot;
    unsigned n_free; /* slots, the one at hand among them */
    size_t len;      /* of it that are written */
};

/* The descriptors are borrowed for the ring's life, fd only for the call. */
int copy_ring_open(struct copy_ring_in *in, int fd, int filled, int emptied, struct vic_err *err);
/* Where the next bytes go, *ret_room (at least 1) of them; copy_ring_wrote() says how many there are now. */
int copy_ring_room(struct copy_ring_in *in, uint8_t **ret_data, size_t *ret_room,
                   struct vic_err *err);
void copy_ring_wrote(struct copy_ring_in *in, size_t len);
int copy_ring_add(struct copy_ring_in *in, const void *data, size_t len, struct vic_err *err);
/* Hands over what there is; the last of it too. */
int copy_ring_flush(struct copy_ring_in *in, struct vic_err *err);
void copy_ring_close(struct copy_ring_in *in);
