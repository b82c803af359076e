/* API versions: what is spoken here, and what a path's /v1.N prefix asks for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

#define DOCKER_API_MIN "1.24"
#define DOCKER_API_MAX "1.50"
#define DOCKER_PRODUCT_VERSION "0.1.0"
#define DOCKER_SERVER_HEADER "vic-docker/" DOCKER_PRODUCT_VERSION " (linux)"

/* 1.50 is 1050, so versions compare as numbers. */
#define DOCKER_API(major, minor) ((unsigned)(major)*1000u + (unsigned)(minor))

/* The differences between versions that handlers ask about, in one place. */
#define DOCKER_API_MULTIPLEXED_TYPE                                                                \
    DOCKER_API(1, 42) /* a content type of its own for framed output */

/* Splits "/v1.41/x" into the version and "/x".  Without such a prefix: the newest, the path itself. */
const char *docker_version_split(const char *path, unsigned *ret_api, bool *ret_has_version,
                                 char *ret_text, size_t text_size);

/* INVALID with Docker's words when a client is too old or too new. */
int docker_version_check(unsigned api, const char *text, struct vic_err *err);
