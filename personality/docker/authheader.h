/* X-Registry-Auth: who a client says it is to a registry.  Pure. */
#pragma once

#include <stdbool.h>

/* header: base64 (either alphabet) of JSON; NULL and what cannot be read hold no credentials, as in
 * Docker. */
bool docker_authheader_has_credentials(const char *header);
