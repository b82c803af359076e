/* Parsing and matching of filters. */
#include "personality/docker/filters.h"

#include <regex.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

#define REGEX_LEN_MAX 256 /* what is longer is compared as plain text */
/* glibc writes x+ out as xx*, so nested ones double what is compiled each time. */
#define REGEX_PLUS_MAX 8

static void release_expressions(struct docker_filter *filter)
{
    for (size_t i = 0; filter->expressions && filter->values[i]; i++) {
        if (filter->expressions[i])
            regfree(filter->expressions[i]);
        free(filter->expressions[i]);
    }
    free(filter->expressions);
}

void docker_filters_release(struct docker_filters *f)
{
    for (size_t i = 0; i < f->n; i++) {
        release_expressions(&f->list[i]);
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
    if (json_parse(text, strlen(text), &doc, NULL) == 0 && cJSON_IsNull(doc))
        return 0; /* as Go reads it */
    if (!cJSON_IsObject(doc))
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

/* Repetition counts and back-references can take for ever, to compile or to match. */
static bool is_costly(const char *value)
{
    size_t n_plus = 0;
    for (const char *c = value; *c; c++) {
        if (*c == '{' || (*c == '+' && ++n_plus > REGEX_PLUS_MAX))
            return true;
        if (*c != '\\')
            continue;
        if (c[1] >= '1' && c[1] <= '9')
            return true;
        c += c[1] != '\0';
    }
    return false;
}

/* NULL for what is no expression. */
static regex_t *compile(const char *value)
{
    auto_free regex_t *re = vic_new(regex_t);
    return regcomp(re, value, REG_EXTENDED | REG_NOSUB) == 0 ? TAKE_PTR(re) : NULL;
}

static int compile_values(struct docker_filter *filter, struct vic_err *err)
{
    size_t n = vic_strv_len(filter->values);
    filter->expressions = vic_xalloc((n + 1) * sizeof(regex_t *));
    for (size_t i = 0; i < n; i++) {
        const char *value = filter->values[i];
        if (strlen(value) > REGEX_LEN_MAX)
            continue;
        if (is_costly(value))
            return vic_fail(err, VIC_ERR_INVALID, 0,
                            "invalid filter '%s=[%s]': expressions with '{', back-references or "
                            "more than %d '+' are not served here",
                            filter->name, value, REGEX_PLUS_MAX);
        filter->expressions[i] = compile(value);
    }
    return 0;
}

int docker_filters_compile(struct docker_filters *f, const char *name, struct vic_err *err)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i].name, name) == 0 && f->list[i].values)
            return compile_values(&f->list[i], err);
    return 0;
}

static bool matches_one(const struct docker_filter *filter, size_t i, const char *text)
{
    regex_t *re = filter->expressions ? filter->expressions[i] : NULL;
    return strcmp(filter->values[i], text) == 0 ||
           (re ? regexec(re, text, 0, NULL, 0) == 0 : strstr(text, filter->values[i]) != NULL);
}

bool docker_filters_match_regex(const struct docker_filters *f, const char *name, const char *text)
{
    bool is_given = false;
    for (size_t i = 0; i < f->n; i++) {
        const struct docker_filter *filter = &f->list[i];
        if (strcmp(filter->name, name) != 0 || !filter->values)
            continue;
        is_given = true;
        for (size_t v = 0; filter->values[v]; v++)
            if (matches_one(filter, v, text))
                return true;
    }
    return !is_given;
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
