/*
 * A request's body taken as a stream, by the handlers that docker_streaming_handlers (routes.c) names.
 *
 * Such a handler runs as soon as the headers are there.  It takes the body with docker_body_take() before
 * it returns; what nobody takes, or takes no more, is dropped, because an answer has to wait for its end.
 */
#pragma once

#include "personality/docker/req.h"

struct docker_body_events {
    /* False: enough for now, until docker_body_resume().  data is taken in any case. */
    bool (*on_data)(const void *data, size_t len, void *arg);
    void (*on_end)(void *arg);
};

/* events NULL: no more. */
void docker_body_take(struct docker_req *r, const struct docker_body_events *events, void *arg);
void docker_body_resume(struct docker_req *r);
