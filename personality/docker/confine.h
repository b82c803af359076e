/* Fields of HostConfig that say what a container's processes may do and see.  Pure. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

/* Refuses what Docker refuses, in its words, and what cannot be had here. */
int docker_confine_check(const cJSON *host, struct vic_err *err);
/* The port layer's document of what was checked; may be empty.  volumes: Config's, which stay writable; may be
 * NULL. */
cJSON *docker_confine_spec(const cJSON *host, const cJSON *volumes);
/* Takes the bounds of an update's body over into host, where they say something, and checks the whole as above. */
int docker_confine_update(cJSON *host, const cJSON *body, bool *ret_changed, struct vic_err *err);
/* Of docker_confine_spec()'s document the bounds alone. */
cJSON *docker_confine_bounds(const cJSON *host);
/* Adds what inspect shows of the defaults. */
void docker_confine_show(cJSON *host);
