/* Which handler serves a request: one row per operation of the API, served or refused. */
#pragma once

#include "personality/docker/req.h"

typedef void (*docker_handler_fn)(struct docker_req *r);

struct docker_route {
    enum docker_method method;
    const char *path; /* {} matches anything, slashes too, as in Docker's own router */
    docker_handler_fn handle;
    const char *operation; /* the name in the API's specification */
    const char *instead;   /* for what is refused: why, or what to use */
};

extern const struct docker_route docker_routes[];
extern const size_t docker_n_routes;

/* Those that take the body as a stream (body.h); NULL-terminated. */
extern const docker_handler_fn docker_streaming_handlers[];

/* The row for a path without version prefix; *ret_name is what {} matched (the caller's; NULL). */
const struct docker_route *docker_route_find(enum docker_method method, const char *path,
                                             char **ret_name);

/* "/a//b/../c" -> "/a/c" as Docker's router redirects; NULL if path is clean already.  The caller's. */
char *docker_route_clean(const char *path);

/* True when the request goes to one of these: then it is routed as soon as its headers are there. */
bool docker_route_streams(const struct docker_req *r);

/* Answers the request, now or later. */
void docker_route(struct docker_req *r);
