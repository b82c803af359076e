/*
 * The writer of the output port: a bounded queue of records in front of a non-blocking descriptor.
 *
 * Whoever produces output asks tether_output_room() first and stops reading its source while there
 * is none; on_room says when to go on.  So a slow disk of the host stops the container and nothing
 * else.  The descriptor may also be a plain file (tests): then every write goes through at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/record.h"
#include "tether/loop.h"

/* A guest's write to a virtio port takes at most this much. */
#define TETHER_PORT_WRITE_MAX (32u << 10)
/* With its header, one full record is one full write. */
#define TETHER_CHUNK_MAX (TETHER_PORT_WRITE_MAX - VIC_RECORD_HEADER)
#define TETHER_OUTPUT_QUEUE (8u * TETHER_PORT_WRITE_MAX)
/* A write returns before QEMU has consumed it, but a full queue of QEMU's 128 descriptors takes no
 * more: when this many writes were taken behind a record, that record is in the file.  Twice 128,
 * should QEMU make the queue longer. */
#define TETHER_OUTPUT_PADS 256u

struct tether_output {
    struct tether_loop *loop; /* borrowed */
    struct tether_watch watch;
    int fd; /* borrowed */
    bool is_pollable;
    uint32_t events; /* watched for now */
    bool is_broken;  /* the port is gone: what comes is dropped */
    bool was_full;
    size_t start;
    size_t len;
    unsigned pads_left;
    bool is_padding;
    void (*on_room)(void *arg);
    void (*on_padded)(void *arg);
    void *arg;
    uint8_t queue[TETHER_OUTPUT_QUEUE];
};

/* fd is borrowed and must be non-blocking; on_room and on_padded are called from the loop only. */
int tether_output_init(struct tether_output *o, struct tether_loop *loop, int fd,
                       void (*on_room)(void *arg), void (*on_padded)(void *arg), void *arg);
void tether_output_release(struct tether_output *o);

/* Whether a record of TETHER_CHUNK_MAX bytes fits now; if not, on_room follows. */
bool tether_output_has_room(struct tether_output *o);
/* Queues one record; len <= TETHER_CHUNK_MAX, and there must be room. */
void tether_output_add(struct tether_output *o, enum vic_record_type type, const void *data,
                       size_t len);

/* All that was added so far went to the kernel. */
bool tether_output_is_empty(const struct tether_output *o);

/* Writes padding behind everything; on_padded follows once all was taken. */
void tether_output_pad(struct tether_output *o);
