/* Create bodies of any bytes: refused, or turned into a request for the port layer. */
#include <stdint.h>
#include <stdlib.h>

#include "personality/docker/convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    auto_json cJSON *body = NULL;
    struct vic_err err;
    if (json_parse((const char *)data, len, &body, &err) < 0 || !cJSON_IsObject(body) ||
        docker_convert_check(body, &err) < 0)
        return 0;
    struct docker_create c;
    if (docker_convert_merge(body, NULL, &c, &err) < 0)
        return 0;
    cJSON_Delete(docker_convert_request(&c, "name", "id", "ref", &err));
    docker_create_release(&c);
    /* The body as an image's configuration, which is as foreign. */
    auto_json cJSON *plain = cJSON_Parse("{\"Image\":\"x\",\"Cmd\":[\"a\"]}");
    if (docker_convert_merge(plain, body, &c, &err) < 0)
        return 0;
    cJSON_Delete(docker_convert_request(&c, "name", "id", "ref", &err));
    docker_create_release(&c);
    return 0;
}
