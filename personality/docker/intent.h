/* Intents to the port layer on behalf of a request. */
#pragma once

#include "personality/docker/req.h"
#include "personality/docker/router.h"

/* Runs once, also when the client has left meanwhile (so arg can be freed).  Either err or doc; doc is
 * borrowed and never NULL on success. */
typedef void (*docker_intent_fn)(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                                 void *arg);

/* The request is kept until done has run.  May call done before it returns: the last thing to do.
 * body is taken; NULL for none. */
void docker_intent(struct docker_req *r, const char *method, const char *path, cJSON *body,
                   docker_intent_fn done, void *arg);

/* fmt has one %s, which becomes ref, percent-encoded; the caller's. */
char *docker_intent_path(const char *fmt, const char *ref) __attribute__((format_arg(1)));

/* An error about the container named in the request's path, in Docker's words. */
void docker_reply_container_error(struct docker_req *r, const struct vic_err *err);
/* Done functions for the plain ones: 204, or that error. */
void docker_intent_reply_no_content(struct docker_req *r, const struct vic_err *err,
                                    const cJSON *doc, void *arg);

/* Checks the {} of a container path; answers and returns false when it is empty. */
bool docker_need_name(struct docker_req *r);

/* A container cannot have this name: holder (an id) has it; while that is being made or removed nobody but the port
 * layer's message tells who it is: holder is NULL. */
void docker_reply_name_taken(struct docker_req *r, const char *name, const char *message,
                             const char *holder);

/* GET /v1/containers/{name}; an error is in Docker's words. */
void docker_get_container(struct docker_req *r, const char *ref, docker_intent_fn done, void *arg);

/* As docker_image_find among the port layer's images, and then the whole image, with its configuration;
 * an error is in Docker's words. */
void docker_get_image(struct docker_req *r, const char *ref, docker_intent_fn done, void *arg);

/* What the container's creator said: its annotation as a document (the caller's, {} if damaged). */
cJSON *docker_create_document(const cJSON *container);
