/* Healthchecks: Docker's documents of them, and the port layer's.  Pure. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

/* The Healthcheck of config: types and values. */
int docker_health_check(const cJSON *config, struct vic_err *err);
/* What config leaves open is the image's, member by member; so is the shell of CMD-SHELL. */
void docker_health_merge(cJSON *config, const cJSON *image_config);
/* HEALTH of the port layer; NULL: there is no probe. */
cJSON *docker_health_spec(const cJSON *config);

/* "none", "starting", "healthy", "unhealthy" of a port-layer container's state. */
const char *docker_health_status(const cJSON *state);
/* State.Health of inspect; NULL: there is none. */
cJSON *docker_health_json(const cJSON *state);
