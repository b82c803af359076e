/* Filters of any bytes: parsed or refused, and matched without trouble. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "personality/docker/filters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const known[] = {"label", "name", "status", "is-task", NULL};
    auto_free char *text = vic_xstrndup((const char *)data, len);
    auto_filters struct docker_filters f = {0};
    struct vic_err err;
    bool is_given;
    bool value = false;
    if (docker_filters_parse(text, known, &f, &err) < 0)
        return 0;
    auto_json cJSON *labels = cJSON_Parse("{\"a\":\"b\"}");
    (void)docker_filters_match_kv(&f, "label", labels);
    (void)docker_filters_match_exact(&f, "status", "running");
    if (docker_filters_compile(&f, "name", &err) < 0)
        return 0;
    (void)docker_filters_match_regex(&f, "name", "happy_hopper");
    (void)docker_filters_bool(&f, "is-task", &is_given, &value, &err);
    return 0;
}
