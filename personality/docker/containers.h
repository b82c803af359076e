/* Containers in Docker's documents; shared by list, inspect and the filters. */
#pragma once

#include "lib/json/json.h"

/* What EndpointSettings says of one of the container's networks. */
cJSON *docker_endpoint_json(const cJSON *network, bool is_running, const char *container_id);
/* {"bridge": EndpointSettings, ...} */
cJSON *docker_endpoints_json(const cJSON *container, const char *mode);

/* Notes in each container of the port layer's list what its image holds, for the sizes below. */
void docker_note_image_sizes(cJSON *containers, const cJSON *images);

/* One row of `ps`; images: the port layer's list, to see what the container's is called now, or NULL; now_ns: the wall
 * clock, passed in so that tests are stable. */
cJSON *docker_summary_json(const cJSON *container, const cJSON *images, int64_t now_ns,
                           bool with_size);
/* The whole document of `inspect`. */
cJSON *docker_inspect_json(const cJSON *container, bool with_size);

/* The image, as its creator named it; borrowed. */
const char *docker_image_of(const cJSON *container);
