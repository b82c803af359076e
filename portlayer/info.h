/* GET /v1/info: what this virtual container host is made of. */
#pragma once

#include "portlayer/pl.h"

extern const struct rpc_route pl_info_routes[];
extern const size_t pl_info_n_routes;
