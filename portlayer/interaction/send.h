/* Puts output records on a stream. */
#pragma once

#include "lib/base/record.h"
#include "lib/rpc/rpc.h"

/* The bytes queued now: a write of nothing tells. */
static inline size_t pl_stream_queued(struct rpc_stream *st)
{
    return rpc_stream_write(st, "", 0);
}

/* Returns the bytes now queued. */
static inline size_t pl_send_record(struct rpc_stream *st, const struct vic_record *head,
                                    const uint8_t *payload)
{
    uint8_t header[VIC_RECORD_HEADER];
    vic_record_encode(head, header);
    size_t queued = rpc_stream_write(st, header, sizeof(header));
    return head->len > 0 ? rpc_stream_write(st, payload, head->len) : queued;
}
