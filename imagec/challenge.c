/* Challenges of RFC 9110, section 11: schemes, parameters, quoted strings. */
#include "imagec/challenge.h"

#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/buf.h"

#define TOKEN_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
#define TOKEN68_CHARS "-._~+/="

static int malformed(struct vic_err *err)
{
    return vic_fail(err, VIC_ERR_INVALID, 0, "malformed WWW-Authenticate header");
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* A token or a quoted string; NULL if neither, or with control characters inside. */
static const char *read_value(const char *s, struct vic_buf *value)
{
    vic_buf_clear(value);
    if (*s != '"') {
        size_t n = strspn(s, TOKEN_CHARS TOKEN68_CHARS ":");
        vic_buf_add(value, s, n);
        return n > 0 ? s + n : NULL;
    }
    for (s++; *s != '"'; s++) {
        if (*s == '\\')
            s++;
        if ((unsigned char)*s < ' ' || *s == 0x7f) /* the end of the text too */
            return NULL;
        vic_buf_add_char(value, *s);
    }
    return s + 1;
}

/* "name = value" at s: the place behind it; NULL if that is not what stands there. */
static const char *read_param(const char *s, char **ret_name, struct vic_buf *value)
{
    size_t n = strspn(s, TOKEN_CHARS);
    const char *eq = skip_blanks(s + n);
    if (n == 0 || *eq != '=')
        return NULL;
    const char *end = read_value(skip_blanks(eq + 1), value);
    if (end)
        *ret_name = vic_xstrndup(s, n);
    return end;
}

static int keep(struct img_challenge *c, const char *name, struct vic_buf *value,
                struct vic_err *err)
{
    char **slot = strcasecmp(name, "realm") == 0     ? &c->realm
                  : strcasecmp(name, "service") == 0 ? &c->service
                                                     : NULL;
    if (slot && *slot)
        return malformed(err);
    if (slot)
        *slot = vic_xstrdup(vic_buf_str(value));
    return 0;
}

/* The parameters behind a scheme; Bearer's are kept. */
static int read_params(const char **at, struct img_challenge *into, struct vic_err *err)
{
    auto_buf struct vic_buf value = {0};
    const char *s = *at;
    for (;;) {
        auto_free char *name = NULL;
        s += strspn(s, " \t,");
        size_t n = strspn(s, TOKEN_CHARS);
        const char *next = skip_blanks(s + n);
        if (*s == '\0' || (n > 0 && *next != '=')) /* the end, or another scheme */
            break;
        s = read_param(s, &name, &value);
        if (!s)
            return malformed(err);
        s = skip_blanks(s);
        if (*s != '\0' && *s != ',')
            return malformed(err);
        int r = into ? keep(into, name, &value, err) : 0;
        if (r < 0)
            return r;
    }
    *at = s;
    return 0;
}

/* "Negotiate oRQw==": a scheme with one opaque word. */
static const char *skip_token68(const char *s)
{
    const char *word = skip_blanks(s);
    size_t n = strspn(word, TOKEN_CHARS TOKEN68_CHARS);
    size_t equals = 0;
    while (n > equals && word[n - 1 - equals] == '=')
        equals++;
    const char *end = skip_blanks(word + n);
    bool is_word = n > 0 && !memchr(word, '=', n - equals) && (*end == ',' || *end == '\0');
    return is_word ? end : s;
}

static int parse(const char *s, struct img_challenge *c, struct vic_err *err)
{
    for (;;) {
        s += strspn(s, " \t,");
        size_t n = strspn(s, TOKEN_CHARS);
        if (*s == '\0')
            return 0;
        if (n == 0)
            return malformed(err);
        bool is_bearer = n == strlen("Bearer") && strncasecmp(s, "Bearer", n) == 0;
        bool is_basic = n == strlen("Basic") && strncasecmp(s, "Basic", n) == 0;
        bool is_first = is_bearer && c->scheme != IMG_SCHEME_BEARER;
        if (is_bearer)
            c->scheme = IMG_SCHEME_BEARER;
        else if (is_basic && c->scheme == IMG_SCHEME_NONE)
            c->scheme = IMG_SCHEME_BASIC;
        s = is_bearer || is_basic ? s + n : skip_token68(s + n);
        int r = read_params(&s, is_first ? c : NULL, err);
        if (r < 0)
            return r;
    }
}

int img_challenge_parse(const char *text, struct img_challenge *ret_challenge, struct vic_err *err)
{
    if (strlen(text) > IMG_CHALLENGE_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "WWW-Authenticate header larger than %d bytes",
                        IMG_CHALLENGE_MAX);
    struct img_challenge c = {0};
    int r = parse(text, &c, err);
    if (r < 0)
        img_challenge_release(&c);
    else
        *ret_challenge = c;
    return r;
}

void img_challenge_release(struct img_challenge *c)
{
    free(c->realm);
    free(c->service);
    *c = (struct img_challenge){0};
}
