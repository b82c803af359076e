/*
 * A stream of the port layer on its way to a client, with back-pressure and an end for either side.
 *
 * The relay belongs to its request: when the client leaves, the stream is cancelled; when the stream
 * closes, on_end answers or completes the answer.
 */
#pragma once

#include "personality/docker/req.h"

struct docker_relay;

struct docker_relay_ops {
    /* The port layer accepted: begin the answer. */
    void (*on_begin)(struct docker_relay *l, void *arg);
    /* 1: go on; 0: enough until docker_relay_resume(); < 0: the bytes are wrong, on_end follows. */
    int (*on_data)(struct docker_relay *l, const void *data, size_t len, void *arg,
                   struct vic_err *err);
    /* What was written into the stream went below RPC_LOW_WATER; may be NULL. */
    void (*on_input_drain)(struct docker_relay *l, void *arg);
    /* The stream is over (err NULL: cleanly) and has_begun tells whether on_begin was called. */
    void (*on_end)(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg);
    /* Last, whoever ended it. */
    void (*on_free)(void *arg);
};

/* Opens the stream for r and watches r.  When has_input is false our side of it is ended at once.
 * NULL: r is answered, or gone, and arg freed. */
struct docker_relay *docker_relay_open(struct docker_req *r, const char *method, const char *path,
                                       bool has_input, const struct docker_relay_ops *ops,
                                       void *arg);
void docker_relay_resume(struct docker_relay *l);
struct docker_req *docker_relay_req(const struct docker_relay *l);
struct rpc_stream *docker_relay_stream(const struct docker_relay *l); /* NULL once closed */
/* The client is gone: cancels and frees. */
void docker_relay_cancel(struct docker_relay *l);

/* The content type of a container's output: with a terminal, or framed. */
const char *docker_output_type(const struct docker_req *r, bool is_raw);
