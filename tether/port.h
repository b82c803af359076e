/*
 * The RPC port: the byte stream to the port layer, its sync line and its session.
 *
 * A virtio port outlives its peers.  While nobody holds the host's end, reads give 0 and poll says
 * hang-up all the time, so the watch is edge-triggered: the driver wakes us when the host's end is
 * closed or opened and when bytes come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/rpc/rpc.h"
#include "lib/rpc/sync.h"
#include "tether/loop.h"

#define TETHER_PORT_CHUNK (32u << 10) /* what one write takes */
#define TETHER_PORT_GATHER (64u << 10)

struct tether_port {
    struct tether_loop *loop; /* borrowed */
    struct tether_watch watch;
    int fd; /* borrowed */
    const struct rpc_route *routes;
    size_t n_routes;
    void (*on_hangup)(void *arg);
    void *arg;
    struct rpc_sync sync;
    struct rpc_session *session;    /* owned; NULL while a sync line is awaited */
    struct vic_buf echo;            /* owned; goes out before the session's bytes */
    uint8_t in[TETHER_PORT_GATHER]; /* not on the stack, where it would be cleared each time */
    uint8_t out[TETHER_PORT_CHUNK];
    size_t out_start;
    size_t out_len;
    struct rpc_part part; /* what goes out behind that: a body's bytes where they are */
    struct vic_buf kept;  /* owned; where they are now, if they could not stay */
};

/* fd is borrowed and non-blocking.  arg goes to the routes' handlers and to on_hangup, which says
 * that the session ended and nobody is there until the next sync line. */
int tether_port_init(struct tether_port *p, struct tether_loop *loop, int fd,
                     const struct rpc_route *routes, size_t n_routes, void (*on_hangup)(void *arg),
                     void *arg);
void tether_port_release(struct tether_port *p);

/* The memory, from which bodies were offered, goes: what of it is half sent is copied. */
void tether_port_keep(struct tether_port *p, const uint8_t *data, size_t len);
/* Writes what the session has to say; called after each step of the loop. */
void tether_port_flush(struct tether_port *p);
bool tether_port_is_connected(const struct tether_port *p);
/* Nothing is left to send, or nobody is there. */
bool tether_port_is_flushed(const struct tether_port *p);
