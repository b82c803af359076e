/* libmicrohttpd on the uv loop: connections in, requests to the router, answers out. */
#pragma once

#include <stddef.h>

#include "personality/docker/docker.h"
#include "personality/docker/req.h"

struct MHD_Response;
struct docker_server;
struct docker_conn;

/* Serves what is accepted on listen_fd, which it takes. */
int docker_server_new(struct docker *d, int listen_fd, struct docker_server **ret_server,
                      struct vic_err *err);
/* Requests still waiting are dropped; handles close on the loop, then the memory goes. */
void docker_server_close(struct docker_server *s);

/* ---- for req.c, reply.c and hijack.c ---- */

const char *docker_server_header(struct docker_conn *c, const char *name);
/* The request's answer is ready: response is taken. */
void docker_server_answer(struct docker_req *r, unsigned status, struct MHD_Response *response);
/* A stream has more bytes, or its end. */
void docker_server_wake(struct docker_req *r);
/* Sends the connection to sleep until docker_server_wake(). */
void docker_server_sleep(struct docker_req *r);
/* Gives a taken-over socket back, to be closed.  handle: as on_upgraded got it. */
void docker_server_release(struct docker_req *r, void *handle);
