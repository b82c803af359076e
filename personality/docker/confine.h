/* Fields of HostConfig that say what a container's processes may do and see.  Pure. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

/* Refuses what Docker refuses, in its words, and what cannot be had here. */
int docker_confine_check(const cJSON *host, struct vic_err *err);
/* The port layer's document of what was checked; may be empty.  volumes: Config's, which stay writable; may be
 * NULL. */
cJSON *docker_confine_spec(const cJSON *host, const cJSON *volumes);
/* Adds what inspect shows of the defaults. */
void docker_confine_show(cJSON *host);
