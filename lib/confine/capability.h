/* Names of capabilities, as Docker's clients write them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CONFINE_CAPABILITIES_ALL ((UINT64_C(1) << 41) - 1) /* up to CAP_CHECKPOINT_RESTORE */
#define CONFINE_CAPABILITIES_DEFAULT UINT64_C(0xa80425fb)  /* Docker's */

/* "CAP_CHOWN", "chown": 0 and up; -ENOENT when it is none. */
int confine_capability_from_name(const char *name);
/* "CAP_CHOWN"; NULL past the last one. */
const char *confine_capability_to_name(unsigned number);
