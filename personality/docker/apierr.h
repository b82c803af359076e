/* The one place that knows Docker's HTTP status codes: what an error kind and an outcome become. */
#pragma once

#include "lib/base/err.h"

/* Outcomes of what was served; their numbers are HTTP's. */
enum docker_status {
    DOCKER_SWITCHING = 101,
    DOCKER_OK = 200,
    DOCKER_CREATED = 201,
    DOCKER_NO_CONTENT = 204,
    DOCKER_MOVED = 301,
    DOCKER_NOT_MODIFIED = 304,
    DOCKER_TOO_LARGE = 413,
};

/* The status of a failure. */
unsigned docker_status_of_error(enum vic_err_kind kind);
