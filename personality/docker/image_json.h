/* Images in Docker's documents; pure. */
#pragma once

#include <stdint.h>

#include "lib/json/json.h"

int64_t docker_image_created(const cJSON *image); /* seconds since 1970 */
/* containers: counts users; NULL: not counted (-1).  SharedSize is -1 if the image does not tell it. */
cJSON *docker_image_summary_json(const cJSON *image, const cJSON *containers, unsigned api);
cJSON *docker_image_inspect_json(const cJSON *image, unsigned api);
cJSON *docker_image_history_json(const cJSON *image, unsigned api);
