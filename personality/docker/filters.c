/* Parsing and matching of filters. */
#include "personality/docker/filters.h"

#include <regex.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

/* Nested repetition makes POSIX matchers slow; past these a value is only compared. */
#define REGEX_LEN_MAX 256

void docker_filters_release(struct docker_filters *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->list[i].name);
        vic_strv_free(f->list[i].values);
    }
    free(f->list);
    *f = (struct docker_filters){0};
}

static int add_value(struct docker_filter *filter, const char *value, size_t *total,
                     struct vic_err *err)
{
    if (++*total > DOCKER_FILTERS_MAX || strlen(value) > DOCKER_FILTER_VALUE_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid filter: too many or too long values");
    if (!vic_strv_contains(filter->values, value))
        filter->values = vic_strv_append(filter->values, value);
    return 0;
}

static int add_values(struct docker_filter *filter, const cJSON *values, size_t *total,
                      struct vic_err *err)
{
    if (!cJSON_IsObject(values) && !cJSON_IsArray(values))
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid filter");
    const cJSON *v;
    cJSON_ArrayForEach(v, values)
    {
        const char *text = NULL;
        if (cJSON_IsArray(values)) {
            if (!cJSON_IsString(v))
                return vic_fail(err, VIC_ERR_INVALID, 0, "invalid filter");
            text = v->valuestring;
        } else {
            if (!cJSON_IsBool(v))
                return vic_fail(err, VIC_ERR_INVALID, 0, "invalid filter");
            if (!cJSON_IsTrue(v))
                continue;
            text = v->string;
        }
        int r = add_value(filter, text, total, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_known(const char *const *known, const char *name)
{
    for (; *known; known++)
        if (strcmp(*known, name) == 0)
            return true;
    return false;
}

static struct docker_filter *find_or_add(struct docker_filters *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i].name, name) == 0)
            return &f->list[i];
    f->list = vic_xrealloc_array(f->list, f->n + 1, sizeof(*f->list));
    f->list[f->n] = (struct docker_filter){.name = vic_xstrdup(name)};
    return &f->list[f->n++];
}

int docker_filters_parse(const char *text, const char *const *known, struct docker_filters *ret,
                         struct vic_err *err)
{
    *ret = (struct docker_filters){0};
    if (vic_str_is_empty(text))
        return 0;
    auto_json cJSON *doc = NULL;
    if (json_parse(text, strlen(text), &doc, NULL) < 0 || !cJSON_IsObject(doc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid filter");
    auto_filters struct docker_filters f = {0};
    size_t total = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, doc)
    {
        if (!is_known(known, member->string))
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid filter '%s'", member->string);
        int r = add_values(find_or_add(&f, member->string), member, &total, err);
        if (r < 0)
            return r;
    }
    *ret = f;
    f = (struct docker_filters){0};
    return 0;
}

char *const *docker_filters_get(const struct docker_filters *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i].name, name) == 0 && f->list[i].values)
            return f->list[i].values;
    return NULL;
}

bool docker_filters_match_exact(const struct docker_filters *f, const char *name, const char *text)
{
    char *const *values = docker_filters_get(f, name);
    return !values || vic_strv_contains(values, text);
}

static bool matches_one(const char *value, const char *text)
{
    if (strcmp(value, text) == 0)
        return true;
    regex_t re;
    if (strlen(value) > REGEX_LEN_MAX || regcomp(&re, value, REG_EXTENDED | REG_NOSUB) != 0)
        return strstr(text, value) != NULL;
    bool is_match = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return is_match;
}

bool docker_filters_match_regex(const struct docker_filters *f, const char *name, const char *text)
{
    char *const *values = docker_filters_get(f, name);
    if (!values)
        return true;
    for (; *values; values++)
        if (matches_one(*values, text))
            return true;
    return false;
}

/* wanted: "key" or "key=value". */
static bool has_kv(const cJSON *object, const char *wanted)
{
    const char *eq = strchr(wanted, '=');
    auto_free char *key = eq ? vic_xstrndup(wanted, (size_t)(eq - wanted)) : vic_xstrdup(wanted);
    const cJSON *have = json_member(object, key);
    return cJSON_IsString(have) && (!eq || strcmp(have->valuestring, eq + 1) == 0);
}

bool docker_filters_match_kv(const struct docker_filters *f, const char *name, const cJSON *object)
{
    char *const *values = docker_filters_get(f, name);
    for (; values && *values; values++)
        if (!has_kv(object, *values))
            return false;
    return true;
}

bool docker_filters_match_no_kv(const struct docker_filters *f, const char *name,
                                const cJSON *object)
{
    char *const *values = docker_filters_get(f, name);
    for (; values && *values; values++)
        if (has_kv(object, *values))
            return false;
    return true;
}

int docker_filters_bool(const struct docker_filters *f, const char *name, bool *ret_given,
                        bool *ret, struct vic_err *err)
{
    char *const *values = docker_filters_get(f, name);
    *ret_given = values != NULL;
    if (!values)
        return 0;
    for (size_t i = 0; values[i]; i++) {
        bool b = false;
        if (vic_str_to_bool(values[i], &b) < 0 || (i > 0 && b != *ret))
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid filter '%s=[%s]'", name, values[i]);
        *ret = b;
    }
    return 0;
}
