/* The size of a terminal, as Docker's clients give it. */
#pragma once

#include "personality/docker/req.h"

/* The query's h and w as the port layer's {"width","height"}; INVALID in Docker's words. */
int docker_size_from_query(const struct docker_req *r, cJSON **ret_body, struct vic_err *err);

/* ConsoleSize: [height, width] in obj, if it is there. */
int docker_size_check(const cJSON *obj, const char *path, struct vic_err *err);
/* The same, checked before; false when it is not there or says nothing. */
bool docker_size_get(const cJSON *obj, unsigned *ret_width, unsigned *ret_height);
