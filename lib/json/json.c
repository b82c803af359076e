/* Typed JSON access and building over cJSON. */
#include "lib/json/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

/* cJSON prints 15 digits of a double: a longer integer is kept as raw text when we write. */
#define EXACT_MAX INT64_C(999999999999999)
#define INT64_LIMIT 9223372036854775808.0 /* the first double past int64 */

/* Before cJSON sees it, which recurses, spends 64 bytes on a value that took two in the text, and
 * ends a string at its first NUL. */
static int check_text(const char *text, size_t len, size_t values_max, struct vic_err *err)
{
    int depth = 0;
    size_t n_values = 1;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\0' || (in_string && len - i >= 6 && vic_str_starts_with(text + i, "\\u0000")))
            return vic_fail(err, VIC_ERR_INVALID, 0, "JSON with a NUL at byte %zu", i);
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            n_values++;
            if (++depth > JSON_DEPTH_MAX)
                return vic_fail(err, VIC_ERR_INVALID, 0, "JSON nested deeper than %d",
                                JSON_DEPTH_MAX);
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ',') {
            n_values++;
        }
    }
    if (n_values > values_max)
        return vic_fail(err, VIC_ERR_INVALID, 0, "JSON with more than %zu values", values_max);
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int json_parse(const char *text, size_t len, cJSON **ret_doc, struct vic_err *err)
{
    return json_parse_capped(text, len, JSON_VALUES_MAX, ret_doc, err);
}

int json_parse_capped(const char *text, size_t len, size_t values_max, cJSON **ret_doc,
                      struct vic_err *err)
{
    int r = check_text(text, len, values_max, err);
    if (r < 0)
        return r;
    const char *end = NULL;
    auto_json cJSON *doc = cJSON_ParseWithLengthOpts(text, len, &end, false);
    if (!doc)
        return vic_fail(err, VIC_ERR_INVALID, 0, "malformed JSON at byte %zu",
                        end ? (size_t)(end - text) : (size_t)0);
    while (end < text + len && is_blank(*end))
        end++;
    if (end != text + len)
        return vic_fail(err, VIC_ERR_INVALID, 0, "extra bytes after the JSON document at byte %zu",
                        (size_t)(end - text));
    *ret_doc = TAKE_PTR(doc);
    return 0;
}

static void *checked(void *p)
{
    if (!p) {
        (void)fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

/* A parsed integer that cJSON would print as 1.79e+18, which no reader of integers takes. */
static bool is_long(const cJSON *v)
{
    double d = v->valuedouble;
    return cJSON_IsNumber(v) && fabs(d) > (double)EXACT_MAX && fabs(d) < INT64_LIMIT &&
           d == floor(d);
}

static bool has_long(const cJSON *doc)
{
    for (const cJSON *v = doc; v; v = v->next)
        if (is_long(v) || has_long(v->child))
            return true;
    return false;
}

/* Rewrites them as text, in a document of our own. */
static void spell_long(cJSON *doc)
{
    for (cJSON *v = doc; v; v = v->next) {
        spell_long(v->child);
        if (!is_long(v))
            continue;
        char text[24];
        (void)snprintf(text, sizeof(text), "%" PRIi64, (int64_t)v->valuedouble);
        v->type = (v->type & ~0xff) | cJSON_Raw;
        v->valuestring = checked(cJSON_malloc(sizeof(text)));
        memcpy(v->valuestring, text, sizeof(text));
    }
}

char *json_print(const cJSON *doc)
{
    if (!is_long(doc) && !has_long(doc->child))
        return checked(cJSON_PrintUnformatted(doc));
    auto_json cJSON *copy = json_dup(doc);
    spell_long(copy);
    return checked(cJSON_PrintUnformatted(copy));
}

const cJSON *json_member(const cJSON *obj, const char *member)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, member);
    return v && !cJSON_IsNull(v) ? v : NULL;
}

static int wrong_type(const char *path, const char *member, const char *want, struct vic_err *err)
{
    return vic_fail(err, VIC_ERR_INVALID, 0, "%s%s%s: expected %s", path ? path : "",
                    path && *path ? "." : "", member, want);
}

int json_get_str(const cJSON *obj, const char *path, const char *member, const char **ret,
                 struct vic_err *err)
{
    const cJSON *v = json_member(obj, member);
    if (v && !cJSON_IsString(v))
        return wrong_type(path, member, "a string", err);
    *ret = v ? v->valuestring : NULL;
    return 0;
}

int json_need_str(const cJSON *obj, const char *path, const char *member, const char **ret,
                  struct vic_err *err)
{
    const char *s = NULL;
    int r = json_get_str(obj, path, member, &s, err);
    if (r < 0)
        return r;
    if (vic_str_is_empty(s))
        return wrong_type(path, member, "a non-empty string", err);
    *ret = s;
    return 0;
}

int json_get_i64(const cJSON *obj, const char *path, const char *member, int64_t min, int64_t max,
                 int64_t *ret, struct vic_err *err)
{
    const cJSON *v = json_member(obj, member);
    if (!v)
        return 0;
    double d = v->valuedouble;
    int64_t i = 0;
    bool is_raw = cJSON_IsRaw(v) && vic_str_to_i64(v->valuestring, INT64_MIN, INT64_MAX, &i) == 0;
    if (!is_raw && (!cJSON_IsNumber(v) || !isfinite(d) || d != floor(d)))
        return wrong_type(path, member, "an integer", err);
    /* Compared as doubles first: casting one that is out of range is undefined. */
    if (!is_raw)
        i = d >= INT64_LIMIT ? INT64_MAX : d <= -INT64_LIMIT ? INT64_MIN : (int64_t)d;
    if (i < min || i > max)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "%s%s%s: expected an integer from %" PRIi64 " to %" PRIi64,
                        path ? path : "", path && *path ? "." : "", member, min, max);
    *ret = i;
    return 0;
}

int json_get_bool(const cJSON *obj, const char *path, const char *member, bool *ret,
                  struct vic_err *err)
{
    const cJSON *v = json_member(obj, member);
    if (!v)
        return 0;
    if (!cJSON_IsBool(v))
        return wrong_type(path, member, "true or false", err);
    *ret = cJSON_IsTrue(v);
    return 0;
}

int json_get_obj(const cJSON *obj, const char *path, const char *member, const cJSON **ret,
                 struct vic_err *err)
{
    const cJSON *v = json_member(obj, member);
    if (v && !cJSON_IsObject(v))
        return wrong_type(path, member, "an object", err);
    *ret = v;
    return 0;
}

int json_get_arr(const cJSON *obj, const char *path, const char *member, const cJSON **ret,
                 struct vic_err *err)
{
    const cJSON *v = json_member(obj, member);
    if (v && !cJSON_IsArray(v))
        return wrong_type(path, member, "an array", err);
    *ret = v;
    return 0;
}

int json_get_strv(const cJSON *obj, const char *path, const char *member, char ***ret,
                  struct vic_err *err)
{
    const cJSON *arr = NULL;
    int r = json_get_arr(obj, path, member, &arr, err);
    if (r < 0)
        return r;
    size_t n = arr ? (size_t)cJSON_GetArraySize(arr) : 0;
    if (n == 0) {
        *ret = NULL;
        return 0;
    }
    auto_strv char **v = vic_xalloc((n + 1) * sizeof(*v));
    size_t i = 0;
    const cJSON *e;
    cJSON_ArrayForEach(e, arr)
    {
        if (!cJSON_IsString(e))
            return wrong_type(path, member, "an array of strings", err);
        v[i++] = vic_xstrdup(e->valuestring);
    }
    *ret = TAKE_PTR(v);
    return 0;
}

const char *json_str(const cJSON *obj, const char *member, const char *otherwise)
{
    const cJSON *v = json_member(obj, member);
    return cJSON_IsString(v) ? v->valuestring : otherwise;
}

int64_t json_i64(const cJSON *obj, const char *member, int64_t otherwise)
{
    int64_t v = otherwise;
    return json_get_i64(obj, NULL, member, INT64_MIN, INT64_MAX, &v, NULL) < 0 ? otherwise : v;
}

bool json_bool(const cJSON *obj, const char *member, bool otherwise)
{
    const cJSON *v = json_member(obj, member);
    return cJSON_IsBool(v) ? cJSON_IsTrue(v) : otherwise;
}

cJSON *json_new_obj(void)
{
    return checked(cJSON_CreateObject());
}

cJSON *json_new_arr(void)
{
    return checked(cJSON_CreateArray());
}

void json_add(cJSON *obj, const char *member, cJSON *value)
{
    if (!value)
        value = checked(cJSON_CreateNull());
    if (!cJSON_AddItemToObject(obj, member, value))
        checked(NULL);
}

void json_add_str(cJSON *obj, const char *member, const char *value)
{
    if (value)
        json_add(obj, member, checked(cJSON_CreateString(value)));
}

void json_add_str_or_empty(cJSON *obj, const char *member, const char *value)
{
    json_add_str(obj, member, value ? value : "");
}

void json_addf(cJSON *obj, const char *member, const char *fmt, ...)
{
    auto_free char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        checked(NULL);
    json_add_str(obj, member, text);
}

void json_add_i64(cJSON *obj, const char *member, int64_t value)
{
    if (value >= -EXACT_MAX && value <= EXACT_MAX) {
        json_add(obj, member, checked(cJSON_CreateNumber((double)value)));
        return;
    }
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIi64, value);
    json_add(obj, member, checked(cJSON_CreateRaw(text)));
}

void json_add_bool(cJSON *obj, const char *member, bool value)
{
    json_add(obj, member, checked(cJSON_CreateBool(value)));
}

void json_add_null(cJSON *obj, const char *member)
{
    json_add(obj, member, NULL);
}

cJSON *json_add_obj(cJSON *obj, const char *member)
{
    cJSON *v = json_new_obj();
    json_add(obj, member, v);
    return v;
}

cJSON *json_add_arr(cJSON *obj, const char *member)
{
    cJSON *v = json_new_arr();
    json_add(obj, member, v);
    return v;
}

void json_add_strv(cJSON *obj, const char *member, char *const *v)
{
    cJSON *arr = json_add_arr(obj, member);
    for (; v && *v; v++)
        json_push_str(arr, *v);
}

void json_push(cJSON *arr, cJSON *value)
{
    if (!cJSON_AddItemToArray(arr, checked(value)))
        checked(NULL);
}

void json_push_str(cJSON *arr, const char *value)
{
    json_push(arr, cJSON_CreateString(value));
}

cJSON *json_dup(const cJSON *doc)
{
    return checked(cJSON_Duplicate(doc, true));
}
