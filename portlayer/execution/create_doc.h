/* The create document. */
#pragma once

#include "portlayer/execution/record.h"

/* A record of a new container from POST /v1/containers' document, but for its chain; INVALID names the
 * member that is wrong.  doc may be NULL. */
int pl_create_read(const cJSON *doc, struct pl_record *ret_rec, struct vic_err *err);
