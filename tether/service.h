/* The intents of doc/tether.md as rpc routes; their argument is the struct tether. */
#pragma once

#include <stddef.h>

#include "lib/rpc/rpc.h"

extern const struct rpc_route tether_routes[];
extern const size_t tether_n_routes;
