/*
 * The list of containers as it was answered last.
 *
 * It is never trusted by itself: each request asks the port layer whether its list is another now, so that an answer
 * shows every change that was acknowledged before the request.  Texts that grow older are made anew at their time.
 */
#pragma once

#include "personality/docker/req.h"

struct docker_list_cache;

struct docker_list_cache *docker_list_cache_new(void);
void docker_list_cache_free(struct docker_list_cache *c);

/* Answers with all containers, or those that run. */
void docker_list_cache_reply(struct docker_req *r, bool is_all);
