/* Bodies of create and exec of any bytes: refused, or turned into a request for the port layer. */
#include <stdint.h>
#include <stdlib.h>

#include "personality/docker/convert.h"
#include "personality/docker/exec_doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Also as what the port layer tells of an exec, and as the body of its start. */
static void fuzz_exec(const cJSON *said)
{
    auto_json cJSON *body = json_dup(said);
    auto_json cJSON *request = NULL;
    struct docker_exec_start start;
    struct vic_err err;
    cJSON_Delete(docker_exec_json(said));
    if (docker_exec_convert(body, &request, &err) >= 0)
        cJSON_Delete(docker_exec_json(request));
    (void)docker_exec_start_read(body, said, &start, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    auto_json cJSON *body = NULL;
    struct vic_err err;
    if (json_parse((const char *)data, len, &body, &err) < 0 || !cJSON_IsObject(body))
        return 0;
    fuzz_exec(body);
    if (docker_convert_check(body, &err) < 0)
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
