/* Docker's default capability set. */
#pragma once

#include "lib/base/err.h"

/* Drops everything else from the bounding set; while still root. */
int tether_caps_bound(struct vic_err *err);
/* Effective and permitted to the set, inheritable and ambient to none; as root after setuid. */
int tether_caps_apply(struct vic_err *err);
