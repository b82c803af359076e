/* Questions to the daemons of a VCH, waited for. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

/* One intent to the port layer.  *ret_doc is the caller's (NULL when the answer has none). */
int mach_ask_portlayer(const char *socket_path, const char *method, const char *path,
                       unsigned timeout_ms, cJSON **ret_doc, struct vic_err *err);

/* Whether the Docker API answers GET /_ping at "unix:///path" or "tcp://address:port". */
int mach_ping_docker(const char *listen, unsigned timeout_ms, struct vic_err *err);
