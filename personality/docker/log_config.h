/* HostConfig.LogConfig: drivers and their options.  Pure. */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/json/json.h"

/* In Docker's words; UNIMPLEMENTED: what Docker knows and is not served here. */
int docker_log_check(const cJSON *host, struct vic_err *err);
/* The port layer's document; NULL: nothing is dropped. */
cJSON *docker_log_spec(const cJSON *host);
/* Its output is not to be read back. */
bool docker_log_is_none(const cJSON *host);
/* What `docker logs --details` shows before each line: "k=v,k2=v2" of the labels and variables that were asked for;
 * the caller's.  No more than DOCKER_LOG_DETAILS_MAX bytes: they stand before each of 65,536 lines that one record
 * may have. */
#define DOCKER_LOG_DETAILS_MAX 256u
char *docker_log_details(const cJSON *host, const cJSON *config);
/* INVALID: they would be longer. */
int docker_log_check_details(const cJSON *host, const cJSON *config, struct vic_err *err);
