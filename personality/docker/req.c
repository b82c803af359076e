/* What was asked: target, query, headers, body. */
#include "personality/docker/req.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "lib/base/utf8.h"
#include "personality/docker/server.h"
#include "personality/docker/text.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes; the result is valid UTF-8 and holds no NUL. */
static char *decode(const char *s, size_t len, bool plus_is_blank)
{
    auto_buf struct vic_buf b = {0};
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        if (c == '%' && i + 2 < len && hex_value(s[i + 1]) >= 0 && hex_value(s[i + 2]) >= 0) {
            c = (char)(hex_value(s[i + 1]) * 16 + hex_value(s[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        vic_buf_add_char(&b, c);
    }
    return vic_utf8_clean(vic_buf_str(&b), b.len);
}

/* False: there are more than DOCKER_QUERY_MAX. */
static bool parse_query(const char *s, char ***ret_query)
{
    size_t n = 1;
    for (const char *c = s; *c; c++)
        n += *c == '&';
    if (n > DOCKER_QUERY_MAX)
        return false;
    char **v = vic_xalloc((2 * n + 1) * sizeof(*v));
    *ret_query = v;
    while (*s) {
        size_t len = strcspn(s, "&");
        const char *eq = memchr(s, '=', len);
        size_t name_len = eq ? (size_t)(eq - s) : len;
        if (len > 0) {
            *v++ = decode(s, name_len, true);
            *v++ = eq ? decode(eq + 1, len - name_len - 1, true) : vic_xstrdup("");
        }
        s += len;
        s += *s == '&';
    }
    return true;
}

struct docker_req *docker_req_new(struct docker *d, const char *target)
{
    struct docker_req *r = vic_new(struct docker_req);
    size_t path_len = strcspn(target, "?");
    r->docker = d;
    r->refs = 1;
    r->path = decode(target, path_len, false);
    if (target[path_len] == '?')
        r->has_long_query = !parse_query(target + path_len + 1, &r->query);
    return r;
}

struct docker_req *docker_req_ref(struct docker_req *r)
{
    r->refs++;
    return r;
}

void docker_req_unref(struct docker_req *r)
{
    if (--r->refs > 0)
        return;
    free(r->path);
    free(r->name);
    vic_strv_free(r->query);
    vic_buf_release(&r->body);
    vic_buf_release(&r->out);
    free(r->header_value);
    free(r);
}

const char *docker_req_query_nth(const struct docker_req *r, const char *name, size_t n)
{
    for (size_t i = 0; r->query && r->query[i]; i += 2)
        if (strcmp(r->query[i], name) == 0 && n-- == 0)
            return r->query[i + 1];
    return NULL;
}

const char *docker_req_query(const struct docker_req *r, const char *name)
{
    return docker_req_query_nth(r, name, 0);
}

const char *docker_req_query_or(const struct docker_req *r, const char *name, const char *otherwise)
{
    const char *value = docker_req_query(r, name);
    return value ? value : otherwise;
}

bool docker_req_bool(const struct docker_req *r, const char *name)
{
    static const char *const no[] = {"", "0", "no", "false", "none"};
    const char *value = docker_req_query_or(r, name, "");
    for (size_t i = 0; i < ARRAY_SIZE(no); i++)
        if (strcasecmp(value, no[i]) == 0)
            return false;
    return true;
}

bool docker_req_bool_or(const struct docker_req *r, const char *name, bool otherwise)
{
    return docker_req_query(r, name) ? docker_req_bool(r, name) : otherwise;
}

const char *docker_req_header(const struct docker_req *r, const char *name)
{
    return r->link ? docker_server_header(r->link, name) : NULL;
}

/* Docker's check, in its words. */
static int check_content_type(const struct docker_req *r, struct vic_err *err)
{
    const char *type = docker_req_header(r, "Content-Type");
    if (vic_str_is_empty(type))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "malformed Content-Type header (): mime: no media type");
    size_t len = strcspn(type, "; \t");
    if (len != strlen("application/json") || strncasecmp(type, "application/json", len) != 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "unsupported Content-Type header (%.100s): must be 'application/json'",
                        type);
    return 0;
}

int docker_req_json(const struct docker_req *r, cJSON **ret_doc, struct vic_err *err)
{
    if (r->body.len == 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid JSON: got EOF while reading request body");
    int res = check_content_type(r, err);
    if (res < 0)
        return res;
    auto_json cJSON *doc = NULL;
    res = json_parse_capped(r->body.data, r->body.len, DOCKER_BODY_VALUES_MAX, &doc, err);
    if (res < 0)
        return vic_fail_wrap(err, res, "invalid JSON");
    if (!cJSON_IsObject(doc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid JSON: expected an object");
    *ret_doc = TAKE_PTR(doc);
    return 0;
}

void docker_req_watch(struct docker_req *r, const struct docker_req_events *events, void *arg)
{
    r->events = events;
    r->events_arg = arg;
}

void docker_req_lost(struct docker_req *r)
{
    if (r->is_gone)
        return;
    r->is_gone = true;
    const struct docker_req_events *events = r->events;
    r->events = NULL;
    if (events && events->on_gone)
        events->on_gone(r->events_arg);
}
