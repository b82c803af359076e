/* Request targets of any bytes: decoded, cleaned, and routed or not. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "personality/docker/router.h"
#include "personality/docker/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    struct docker docker = {0};
    auto_free char *target = vic_xstrndup((const char *)data + 1, len - 1);
    struct docker_req *r = docker_req_new(&docker, target);
    auto_free char *clean = docker_route_clean(r->path);
    auto_free char *again = docker_route_clean(clean ? clean : r->path);
    assert(!again); /* what is clean stays as it is, or clients would be redirected for ever */
    unsigned api;
    bool has_version;
    char text[40];
    const char *path = docker_version_split(r->path, &api, &has_version, text, sizeof(text));
    auto_free char *name = NULL;
    (void)docker_route_find(data[0] % 6 + 1, path, &name);
    (void)docker_req_bool(r, "all");
    (void)docker_req_query(r, "filters");
    docker_req_unref(r);
    return 0;
}
