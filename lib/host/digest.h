/* Content digests: "sha256:" and 64 hex digits, computed as bytes pass. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

#define HOST_DIGEST_MAX 72 /* "sha256:" + 64 + NUL */

struct host_digest; /* a running SHA-256 */
struct host_digest *host_digest_new(void);
void host_digest_update(struct host_digest *d, const void *data, size_t len);
/* Writes "sha256:<hex>" and frees d. */
void host_digest_finish(struct host_digest *d, char text[HOST_DIGEST_MAX]);
void host_digest_free(struct host_digest *d);

void host_digest_of(const void *data, size_t len, char text[HOST_DIGEST_MAX]);
bool host_digest_is_valid(const char *text); /* only sha256, as everyone uses it */
