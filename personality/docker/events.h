/* Events in Docker's documents; pure, so that they can be tested. */
#pragma once

#include <stdbool.h>

#include "lib/json/json.h"
#include "personality/docker/filters.h"

/* A port-layer event as Docker writes it; the caller's. */
cJSON *docker_event_json(const cJSON *event);
/* event: as docker_event_json() made it. */
bool docker_event_matches(const struct docker_filters *f, const cJSON *event);
