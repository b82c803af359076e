/* Interfaces and routes by rtnetlink. */
#pragma once

#include "tether/spec.h"

/* Loopback up, each interface found by its MAC, given its address and route, and up. */
int tether_net_configure(const struct tether_interface *interfaces, size_t n, struct vic_err *err);
