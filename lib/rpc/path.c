/* Paths and queries: percent-decoding that refuses what no name may hold, and route matching. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/base/utf8.h"
#include "lib/rpc/internal.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_text(const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = vic_utf8_len((const unsigned char *)s + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

/* NULL when the escapes are malformed or the result holds a NUL or is not UTF-8. */
static char *decode(const char *s, size_t len)
{
    auto_free char *text = vic_xalloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] != '%') {
            text[n++] = s[i];
            continue;
        }
        int high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
        int low = i + 2 < len ? hex_digit(s[i + 2]) : -1;
        if (high < 0 || low < 0)
            return NULL;
        text[n++] = (char)(high << 4 | low);
        i += 2;
    }
    return is_text(text, n) ? TAKE_PTR(text) : NULL;
}

const char *rpc_pairs_get(const struct rpc_pairs *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->v[i].name, name) == 0)
            return p->v[i].value;
    return NULL;
}

void rpc_pairs_release(struct rpc_pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->v[i].name);
        free(p->v[i].value);
    }
    free(p->v);
    *p = (struct rpc_pairs){0};
}

/* Takes both strings. */
static void pairs_add(struct rpc_pairs *p, char *name, char *value)
{
    p->v = vic_xrealloc_array(p->v, p->n + 1, sizeof(*p->v));
    p->v[p->n++] = (struct rpc_pair){.name = name, .value = value};
}

static int split_query(const char *text, struct rpc_pairs *query, struct vic_err *err)
{
    while (*text) {
        size_t len = strcspn(text, "&");
        const char *equals = memchr(text, '=', len);
        size_t name_len = equals ? (size_t)(equals - text) : len;
        if (query->n == RPC_QUERY_MAX)
            return vic_fail(err, VIC_ERR_INVALID, 0, "more than %d query values", RPC_QUERY_MAX);
        auto_free char *name = decode(text, name_len);
        auto_free char *value = equals ? decode(equals + 1, len - name_len - 1) : vic_xstrdup("");
        if (!name || !value)
            return vic_fail(err, VIC_ERR_INVALID, 0, "malformed query");
        if (rpc_pairs_get(query, name))
            return vic_fail(err, VIC_ERR_INVALID, 0, "query value '%s' given twice", name);
        if (len)
            pairs_add(query, TAKE_PTR(name), TAKE_PTR(value));
        text += len + (text[len] == '&');
    }
    return 0;
}

int rpc_path_split(const char *path, char ***ret_segments, struct rpc_pairs *ret_query,
                   struct vic_err *err)
{
    if (path[0] != '/')
        return vic_fail(err, VIC_ERR_INVALID, 0, "path does not start with '/'");
    auto_strv char **segments = NULL;
    size_t n = 0;
    const char *p = path;
    while (*p == '/') {
        size_t len = strcspn(p + 1, "/?");
        auto_free char *segment = decode(p + 1, len);
        if (!segment)
            return vic_fail(err, VIC_ERR_INVALID, 0, "malformed path");
        if (strcmp(segment, "") == 0 || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
            return vic_fail(err, VIC_ERR_INVALID, 0, "path has an empty, '.' or '..' segment");
        if (++n > RPC_SEGMENTS_MAX)
            return vic_fail(err, VIC_ERR_INVALID, 0, "path has more than %d segments",
                            RPC_SEGMENTS_MAX);
        segments = vic_strv_append(segments, segment);
        p += len + 1;
    }
    int r = *p == '?' ? split_query(p + 1, ret_query, err) : 0;
    if (r < 0) {
        rpc_pairs_release(ret_query);
        return r;
    }
    *ret_segments = TAKE_PTR(segments);
    return 0;
}

bool rpc_path_match(const char *pattern, char *const *segments, struct rpc_pairs *ret_params)
{
    struct rpc_pairs params = {0};
    bool is_match = true;
    for (; is_match && *pattern == '/'; segments += *segments != NULL) {
        pattern++;
        size_t len = strcspn(pattern, "/");
        if (!*segments)
            is_match = false;
        else if (len > 2 && pattern[0] == '{' && pattern[len - 1] == '}')
            pairs_add(&params, vic_xstrndup(pattern + 1, len - 2), vic_xstrdup(*segments));
        else
            is_match = strlen(*segments) == len && memcmp(*segments, pattern, len) == 0;
        pattern += len;
    }
    if (!is_match || *segments) {
        rpc_pairs_release(&params);
        return false;
    }
    *ret_params = params;
    return true;
}

char *rpc_encode(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~";
    struct vic_buf b = {0};
    vic_buf_reserve(&b, 0);
    /* A dot is only plain between other characters: "." and ".." would name folders. */
    bool is_dots = text[strspn(text, ".")] == '\0';
    for (; *text; text++) {
        if (strchr(plain, *text) || (*text == '.' && !is_dots))
            vic_buf_add_char(&b, *text);
        else
            vic_buf_addf(&b, "%%%02X", (unsigned)(unsigned char)*text);
    }
    return vic_buf_take(&b);
}
