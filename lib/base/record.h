/*
 * The records of a container's output file, written by tether and read by everyone else.
 *
 *   offset  size  field (little endian)
 *        0     4  magic "VREC"
 *        4     1  type
 *        5     3  zero
 *        8     8  wall clock of the guest, ns since 1970
 *       16     4  length of what follows
 *       20        payload
 *
 * A file whose beginning was dropped (a limit on its size) begins with a GAP record: 8 bytes of payload tell at which
 * offset records go on.  What lies between is a hole.  A GAP anywhere else is padding.
 *
 * An EXIT record is the last of a run; padding may follow it.  The file is written through a device
 * the guest drives, so a reader treats every byte as hostile.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VIC_RECORD_HEADER 20
#define VIC_RECORD_PAYLOAD_MAX 65536 /* bounds what a reader must hold */

enum vic_record_type {
    VIC_RECORD_STDOUT = 1,
    VIC_RECORD_STDERR = 2,
    VIC_RECORD_EXIT = 3, /* payload: JSON {"exit_code","error","oom_killed"} */
    VIC_RECORD_PAD = 4,  /* meaningless; pushes what stands before it out of the guest's queue */
    VIC_RECORD_GAP = 5,  /* written by the host, never by tether */
};

struct vic_record {
    enum vic_record_type type;
    int64_t wall_ns;
    uint32_t len; /* payload bytes, <= VIC_RECORD_PAYLOAD_MAX */
};

void vic_record_encode(const struct vic_record *r, uint8_t header[VIC_RECORD_HEADER]);

/* From len >= 0 bytes: 1 when *ret_record is set, 0 when more bytes are needed, -EBADMSG when this
 * is no record (wrong magic, type, reserved bytes or length). */
int vic_record_decode(const uint8_t *data, size_t len, struct vic_record *ret_record);
