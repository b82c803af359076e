/* A process's capabilities. */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"

/* Drops what is not in the mask from the bounding set; while still root. */
int tether_caps_bound(uint64_t mask, struct vic_err *err);
/* Effective and permitted to what of the mask tether itself has, inheritable and ambient to none; as root
 * after setuid. */
int tether_caps_apply(uint64_t mask, struct vic_err *err);
