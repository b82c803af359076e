/*
 * The sync line: how two sessions find each other on a serial port, which has no connections.
 *
 * The host sends "VIC-SYNC <nonce>\n" and discards what it reads up to "VIC-ACK <nonce>\n".  The guest
 * drops its old session on hang-up or when a session fails, then discards what it reads up to a sync
 * line and echoes it.  A host that died inside a frame may have left a guest that still waits for
 * its rest: when no answer comes, the host asks again behind padding longer than any frame, which
 * completes that frame, breaks the old session and leaves the line to be read.  Pure: no I/O, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define RPC_SYNC_NONCE 32 /* hex digits */
#define RPC_SYNC_LINE (16 + RPC_SYNC_NONCE + 2)

struct rpc_sync {
    char want[RPC_SYNC_LINE]; /* host: the line awaited; guest: unused */
    char line[RPC_SYNC_LINE]; /* what was read last: a line may begin there */
    size_t len;
};

/* Host: starts with a fresh random nonce and appends what must be sent to out; padded on a retry. */
void rpc_sync_host_start(struct rpc_sync *s, bool is_retry, struct vic_buf *out);
/* Guest: after a hang-up.  A driver may tell of one late, when the next host is there and its session has begun: to
 * that this is no frame and ends it, and it asks again; before a session it means nothing. */
void rpc_sync_guest_lost(struct vic_buf *out);
/* Guest: waits for a line. */
void rpc_sync_guest_start(struct rpc_sync *s);

/* Reads from data; returns how many bytes were used up.  *ret_done tells whether the session starts
 * with the byte after them.  The guest's echo is appended to out. */
size_t rpc_sync_host_feed(struct rpc_sync *s, const uint8_t *data, size_t len, bool *ret_done);
size_t rpc_sync_guest_feed(struct rpc_sync *s, const uint8_t *data, size_t len, struct vic_buf *out,
                           bool *ret_done);
