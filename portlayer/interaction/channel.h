/* The tether connection of one VM: made when the VM runs, made again when it breaks. */
#pragma once

#include <uv.h>

#include "lib/rpc/rpc.h"

struct pl_channel;
struct pl_channel_events {
    void (*on_up)(struct rpc_session *session, void *arg); /* each time the tether answers */
};

struct pl_channel *pl_channel_new(uv_loop_t *loop, const char *socket_path,
                                  const struct pl_channel_events *events, void *arg);
/* Calls in flight hear UNAVAILABLE; no other callback follows. */
void pl_channel_close(struct pl_channel *c);

/* NULL while the tether does not answer. */
struct rpc_session *pl_channel_session(const struct pl_channel *c);

/* An intent for the tether; UNAVAILABLE at once while it does not answer. */
int pl_channel_call(struct pl_channel *c, const char *method, const char *path, const cJSON *body,
                    rpc_done_fn done, void *arg, struct vic_err *err);
