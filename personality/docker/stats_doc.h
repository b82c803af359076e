/* The port layer's samples of a container in Docker's form. */
#pragma once

#include "lib/json/json.h"

/* before: the sample the difference is made to; NULL: none.  The caller's. */
cJSON *docker_stats_json(const cJSON *sample, const cJSON *before);
