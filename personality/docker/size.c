/* Reads terminal sizes. */
#include "personality/docker/size.h"

#include <stdint.h>

#include "lib/base/banned.h"
#include "lib/base/str.h"

int docker_size_from_query(const struct docker_req *r, cJSON **ret_body, struct vic_err *err)
{
    static const struct {
        const char *query;
        const char *member;
    } sides[] = {{"h", "height"}, {"w", "width"}};
    auto_json cJSON *body = json_new_obj();
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        const char *text = docker_req_query_or(r, sides[i].query, "");
        uint64_t n = 0;
        if (vic_str_to_u64(text, 0, UINT16_MAX, &n) < 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid resize %s \"%.100s\": invalid syntax",
                            sides[i].member, text);
        json_add_i64(body, sides[i].member, (int64_t)n);
    }
    *ret_body = TAKE_PTR(body);
    return 0;
}

int docker_size_check(const cJSON *obj, const char *path, struct vic_err *err)
{
    const cJSON *size;
    int r = json_get_arr(obj, path, "ConsoleSize", &size, err);
    if (r < 0 || !size)
        return r;
    bool is_ok = cJSON_GetArraySize(size) == 2;
    const cJSON *e;
    cJSON_ArrayForEach(e, size)
    {
        is_ok = is_ok && cJSON_IsNumber(e) && e->valuedouble >= 0 && e->valuedouble <= UINT16_MAX;
    }
    if (!is_ok)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s%sConsoleSize: expected [height, width]", path,
                        *path ? "." : "");
    return 0;
}

bool docker_size_get(const cJSON *obj, unsigned *ret_width, unsigned *ret_height)
{
    const cJSON *size = json_member(obj, "ConsoleSize");
    const cJSON *height = size ? size->child : NULL;
    const cJSON *width = height ? height->next : NULL;
    if (!width || width->valuedouble <= 0 || height->valuedouble <= 0)
        return false;
    *ret_width = (unsigned)width->valuedouble;
    *ret_height = (unsigned)height->valuedouble;
    return true;
}
