/* A stand-in for lib/rpc's server side: requests made in memory, answers kept for looking at. */
#pragma once

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/rpc/rpc.h"

struct rpc_stream {
    const char *param;    /* value of any path parameter */
    const char *query[4]; /* name, value, name, value */
    cJSON *body;          /* owned */
    const struct rpc_stream_events *events;
    void *arg;
    struct vic_buf out; /* what was streamed */
    cJSON *answer;      /* of rpc_reply_json */
    struct vic_err err; /* of rpc_reply_error */
    size_t consumed;
    size_t write_answer; /* what rpc_stream_write returns */
    bool has_begun;
    bool is_over; /* replied, ended or cancelled */
    bool is_cancelled;
};

/* Calls the route's handler of this method and path pattern. */
void request(const struct rpc_route *routes, size_t n, const char *method, const char *path,
             struct rpc_stream *st, void *arg);
void request_release(struct rpc_stream *st);
