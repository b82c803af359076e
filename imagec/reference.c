/* Image references: Docker's grammar, its normalisation and its words for what is wrong. */
#include <ctype.h>
#include <string.h>

#include "imagec/imagec.h"
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN "index.docker.io"
#define OFFICIAL "library"
#define DEFAULT_TAG "latest"
#define PATH_CHARS_MAX 255
#define TAG_CHARS_MAX 128
#define REFERENCE_CHARS_MAX 4096
#define ALNUM_LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define ALNUM ALNUM_LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static int bad_format(struct vic_err *err)
{
    return vic_fail(err, VIC_ERR_INVALID, 0, "invalid reference format");
}

static bool has_upper(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] >= 'A' && s[i] <= 'Z')
            return true;
    return false;
}

/* ---- the parts' grammars ---- */

/* Labels of letters, digits and inner '-', joined by '.'. */
static bool is_host(const char *s, size_t n)
{
    if (n > 2 && s[0] == '[' && s[n - 1] == ']')
        return strspn(s + 1, "0123456789abcdefABCDEF:") == n - 2;
    for (size_t i = 0; i < n; i++) {
        bool is_alnum = isalnum((unsigned char)s[i]);
        bool at_edge = i == 0 || i + 1 == n || s[i - 1] == '.' || s[i + 1] == '.';
        if (!is_alnum && s[i] != '-' && s[i] != '.')
            return false;
        if (at_edge && !is_alnum && !(s[i] == '.' && i > 0 && i + 1 < n))
            return false;
        if (s[i] == '.' && i > 0 && s[i - 1] == '.')
            return false;
    }
    return n > 0;
}

static bool is_domain(const char *s)
{
    const char *port = s[0] == '[' ? strchr(s, ']') : s;
    port = port ? strchr(port, ':') : NULL;
    if (port && (port[1] == '\0' || port[1 + strspn(port + 1, "0123456789")] != '\0'))
        return false;
    return is_host(s, port ? (size_t)(port - s) : strlen(s));
}

/* Lower-case words joined by one '.', one or two '_', or any number of '-'. */
static bool is_component(const char *s, size_t n)
{
    size_t i = 0;
    for (;;) {
        size_t word = strspn(s + i, ALNUM_LOWER);
        if (word == 0)
            return false;
        i += word;
        if (i >= n)
            return i == n;
        size_t dashes = strspn(s + i, "-");
        size_t lines = strspn(s + i, "_");
        if (dashes > 0)
            i += dashes;
        else if (lines == 1 || lines == 2)
            i += lines;
        else if (s[i] == '.')
            i++;
        else
            return false;
    }
}

static bool is_path(const char *s)
{
    for (;;) {
        size_t n = strcspn(s, "/");
        if (n == 0 || !is_component(s, n))
            return false;
        if (s[n] == '\0')
            return true;
        s += n + 1;
    }
}

static bool is_tag(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n <= TAG_CHARS_MAX && s[0] != '.' && s[0] != '-' && strspn(s, ALNUM "_.-") == n;
}

/* algorithm ":" hex, as the grammar has it; what the algorithm asks for is checked after. */
static bool is_digest_shaped(const char *s)
{
    const char *colon = strchr(s, ':');
    if (!colon)
        return false;
    for (const char *p = s; p < colon; p++) {
        bool at_start = p == s || strchr("-_+.", p[-1]);
        if (!(at_start ? isalpha((unsigned char)*p)
                       : isalnum((unsigned char)*p) || (strchr("-_+.", *p) && p + 1 < colon)))
            return false;
    }
    size_t n = strlen(colon + 1);
    return colon > s && n >= 32 && strspn(colon + 1, "0123456789abcdefABCDEF") == n;
}

static int check_digest(const char *digest, struct vic_err *err)
{
    if (!is_digest_shaped(digest))
        return bad_format(err);
    if (!vic_str_starts_with(digest, "sha256:"))
        return vic_fail(err, VIC_ERR_INVALID, 0, "unsupported digest algorithm");
    if (strlen(digest) != strlen("sha256:") + 64)
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid checksum digest length");
    if (!host_digest_is_valid(digest))
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid checksum digest format");
    return 0;
}

/* ---- the whole ---- */

/* Length of the domain that stands before the first '/', 0 if that is no domain. */
static size_t domain_length(const char *text)
{
    const char *slash = strchr(text, '/');
    if (!slash)
        return 0;
    size_t n = (size_t)(slash - text);
    bool is_local = n == strlen("localhost") && memcmp(text, "localhost", n) == 0;
    bool has_mark = strcspn(text, ".:") < n;
    return has_mark || is_local || has_upper(text, n) ? n : 0;
}

static int check(const struct img_reference *r, struct vic_err *err)
{
    if (!is_domain(r->domain) || !is_path(r->path) || (r->tag && !is_tag(r->tag)))
        return bad_format(err);
    int result = r->digest ? check_digest(r->digest, err) : 0;
    if (result < 0)
        return result;
    if (strlen(r->path) > PATH_CHARS_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "repository name must not be more than %d characters", PATH_CHARS_MAX);
    return 0;
}

int img_reference_parse(const char *text, struct img_reference *ret_ref, struct vic_err *err)
{
    if (strlen(text) > REFERENCE_CHARS_MAX)
        return bad_format(err);
    if (vic_str_is_hex(text, 64))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid repository name (%s), cannot specify 64-byte hexadecimal strings",
                        text);
    size_t n = domain_length(text);
    const char *rest = n > 0 ? text + n + 1 : text;
    size_t n_name = strcspn(rest, ":");
    if (has_upper(rest, n_name))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid reference format: repository name (%.*s) must be lowercase",
                        (int)(n_name < 300 ? n_name : 300), rest);
    size_t n_path = strcspn(rest, ":@");
    auto_free char *path = vic_xstrndup(rest, n_path);
    auto_free char *domain = n > 0 ? vic_xstrndup(text, n) : vic_xstrdup(DEFAULT_DOMAIN);
    if (strcmp(domain, LEGACY_DOMAIN) == 0) {
        free(domain);
        domain = vic_xstrdup(DEFAULT_DOMAIN);
    }
    struct img_reference r = {.domain = TAKE_PTR(domain)};
    bool is_official = strcmp(r.domain, DEFAULT_DOMAIN) == 0 && !strchr(path, '/');
    r.path = is_official ? vic_xasprintf(OFFICIAL "/%s", path) : TAKE_PTR(path);
    const char *at = rest + n_path;
    if (*at == ':') {
        size_t n_tag = strcspn(at + 1, "@");
        r.tag = vic_xstrndup(at + 1, n_tag);
        at += 1 + n_tag;
    }
    if (*at == '@')
        r.digest = vic_xstrdup(at + 1);
    int result = check(&r, err);
    if (result < 0)
        img_reference_release(&r);
    else
        *ret_ref = r;
    return result;
}

void img_reference_release(struct img_reference *r)
{
    free(r->domain);
    free(r->path);
    free(r->tag);
    free(r->digest);
    *r = (struct img_reference){0};
}

void img_reference_default_tag(struct img_reference *r)
{
    if (!r->tag && !r->digest)
        r->tag = vic_xstrdup(DEFAULT_TAG);
}

static char *with_tag_and_digest(const struct img_reference *r, const char *name)
{
    return vic_xasprintf("%s%s%s%s%s", name, r->tag ? ":" : "", r->tag ? r->tag : "",
                         r->digest ? "@" : "", r->digest ? r->digest : "");
}

char *img_reference_to_string(const struct img_reference *r)
{
    auto_free char *name = vic_xasprintf("%s/%s", r->domain, r->path);
    return with_tag_and_digest(r, name);
}

char *img_reference_familiar_name(const struct img_reference *r)
{
    if (strcmp(r->domain, DEFAULT_DOMAIN) != 0)
        return vic_xasprintf("%s/%s", r->domain, r->path);
    const char *path = r->path;
    if (vic_str_starts_with(path, OFFICIAL "/") && !strchr(path + strlen(OFFICIAL "/"), '/'))
        path += strlen(OFFICIAL "/");
    return vic_xstrdup(path);
}

char *img_reference_to_familiar(const struct img_reference *r)
{
    auto_free char *name = img_reference_familiar_name(r);
    return with_tag_and_digest(r, name);
}
