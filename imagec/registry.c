/* One GET from a registry: the token it asks for, and its errors in Docker's words. */
#include <ctype.h>
#include <string.h>

#include "imagec/challenge.h"
#include "imagec/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

#define ERROR_BODY_MAX (16u << 10)
#define TOKEN_BODY_MAX (64u << 10)
#define TOKEN_MAX (16u << 10)
#define TOKEN_TIMEOUT_MS 30000
#define TOKEN_LIFE_S 60 /* when the registry does not say, as Docker assumes */
#define TOKENS_MAX 256  /* then all are forgotten */
#define CHALLENGES_MAX 8
#define MESSAGE_MAX 200 /* of a registry's own words */
#define BACKOFF_FIRST_MS 250

struct img_token {
    char *text; /* owned */
    uint64_t expires_ms;
};

struct img_get {
    struct img_client *client;
    const struct img_source *source; /* borrowed */
    char *url;                       /* owned */
    char *kind;                      /* owned */
    char *ref;                       /* owned */
    char *accept;                    /* owned; NULL */
    uint64_t range_from;
    unsigned timeout_ms;
    const struct img_get_events *events;
    void *arg;
    struct host_http_request *request; /* the GET or the token's */
    unsigned status;
    struct vic_buf body; /* of an error, or of the token's answer */
    bool has_fresh_token;
};

unsigned img_backoff_ms(unsigned n, unsigned asked_ms)
{
    unsigned ms = BACKOFF_FIRST_MS << (n < 5 ? n - 1 : 4);
    return asked_ms > ms ? asked_ms : ms;
}

static void get_free(struct img_get *g)
{
    vic_buf_release(&g->body);
    free(g->url);
    free(g->kind);
    free(g->ref);
    free(g->accept);
    free(g);
}

void img_get_cancel(struct img_get *g)
{
    if (!g)
        return;
    host_http_cancel(g->request);
    get_free(g);
}

void img_get_resume(struct img_get *g)
{
    if (g->request)
        host_http_resume(g->request);
}

static void get_done(struct img_get *g, const struct img_failure *failure)
{
    const struct img_get_events *events = g->events;
    void *arg = g->arg;
    get_free(g);
    events->on_done(failure, arg);
}

static bool is_manifest(const struct img_get *g)
{
    return strcmp(g->kind, "manifests") == 0;
}

/* ---- what went wrong ---- */

/* Printable ASCII of at most n bytes: it ends up on a terminal. */
static char *tame(const char *text, size_t n)
{
    char *s = vic_xstrndup(text, n);
    for (char *p = s; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
            *p = '?';
    return s;
}

/* "MANIFEST_UNKNOWN" and its message as "manifest unknown: manifest unknown"; NULL if it says none. */
static char *registry_words(const struct vic_buf *body, char **ret_code)
{
    auto_json cJSON *doc = NULL;
    *ret_code = NULL;
    if (json_parse(vic_buf_str(body), body->len, &doc, NULL) < 0)
        return NULL;
    const cJSON *list = json_member(doc, "errors");
    const cJSON *first = cJSON_IsArray(list) ? cJSON_GetArrayItem(list, 0) : doc;
    const char *code = json_str(first, "code", "");
    const char *message = json_str(first, "message", json_str(first, "details", ""));
    if (!*code && !*message)
        return NULL;
    *ret_code = vic_xstrdup(code);
    auto_free char *word = tame(code, 40);
    for (char *p = word; *p; p++)
        *p = *p == '_' ? ' ' : (char)tolower((unsigned char)*p);
    auto_free char *rest = tame(message, MESSAGE_MAX);
    return vic_xasprintf("%s%s%s", word, *word && *rest ? ": " : "", rest);
}

static void denied(struct img_get *g, const char *words, struct img_failure *f)
{
    (void)vic_fail(&f->err, VIC_ERR_NOT_FOUND, 0,
                   "pull access denied for %s, repository does not exist or may require 'docker "
                   "login': %s",
                   g->source->name,
                   words ? words : "denied: requested access to the resource is denied");
}

static void not_found(struct img_get *g, const char *code, const char *words, struct img_failure *f)
{
    if (vic_str_eq(code, "NAME_UNKNOWN") || vic_str_eq(code, "DENIED"))
        denied(g, words, f);
    else if (is_manifest(g))
        (void)vic_fail(&f->err, VIC_ERR_NOT_FOUND, 0, "manifest for %s%s%s not found: %s",
                       g->source->name, strchr(g->ref, ':') ? "@" : ":", g->ref,
                       words ? words : "manifest unknown: manifest unknown");
    else
        (void)vic_fail(&f->err, VIC_ERR_NOT_FOUND, 0, "blob %s of %s not found: %s", g->ref,
                       g->source->name, words ? words : "blob unknown: blob unknown to registry");
}

static void too_many(struct img_get *g, const char *words, struct img_failure *f)
{
    const char *after = host_http_header(g->request, "Retry-After", 0);
    uint64_t seconds = 0;
    int r = after ? vic_str_to_u64(after, 0, UINT64_MAX, &seconds) : 0;
    bool is_long = r < 0 || seconds > IMG_RETRY_AFTER_MAX / 1000;
    f->is_transient = !is_long;
    f->wait_ms = is_long ? 0 : (unsigned)seconds * 1000;
    auto_free char *said = after && is_long ? tame(after, 40) : NULL;
    (void)vic_fail(&f->err, VIC_ERR_UNAVAILABLE, 0, "registry '%s' answered 429: %s%s%s%s",
                   g->source->endpoint->host, words ? words : "toomanyrequests: too many requests",
                   said ? " (try again in " : "", said ? said : "", said ? " s)" : "");
}

static void judge_status(struct img_get *g, struct img_failure *f)
{
    auto_free char *code = NULL;
    auto_free char *words = registry_words(&g->body, &code);
    const char *host = g->source->endpoint->host;
    if (g->status == 404)
        not_found(g, code, words, f);
    else if (g->status == 401 || g->status == 403)
        denied(g, words, f);
    else if (g->status == 429)
        too_many(g, words, f);
    else
        (void)vic_fail(&f->err, g->status >= 500 ? VIC_ERR_UNAVAILABLE : VIC_ERR_INTERNAL, 0,
                       "registry '%s' answered %u%s%s", host, g->status, words ? ": " : "",
                       words ? words : "");
    f->is_transient = f->is_transient || g->status >= 500;
    f->speaks_tls = g->status == 400 && strstr(vic_buf_str(&g->body), "HTTPS") != NULL;
}

static void judge_transfer(struct img_get *g, enum host_http_failure how, const struct vic_err *err,
                           struct img_failure *f)
{
    const char *host = g->source->endpoint->host;
    f->is_transient =
        how == HOST_HTTP_BROKEN || how == HOST_HTTP_STALLED || how == HOST_HTTP_UNREACHABLE;
    f->is_stall = how == HOST_HTTP_STALLED;
    f->is_connection =
        how == HOST_HTTP_UNREACHABLE || how == HOST_HTTP_TLS || how == HOST_HTTP_NOT_HTTP;
    f->speaks_tls = how == HOST_HTTP_NOT_HTTP;
    bool is_away = how == HOST_HTTP_UNREACHABLE;
    bool is_hub = strcmp(g->source->domain, "docker.io") == 0;
    const char *hint = f->is_connection && is_hub
                           ? " (name a mirror of docker.io that answers by --registry-mirror)"
                           : "";
    (void)vic_fail(
        &f->err, f->is_connection || f->is_transient ? VIC_ERR_UNAVAILABLE : VIC_ERR_INTERNAL, 0,
        "registry '%s'%s: %s%s", host, is_away ? " cannot be reached" : "", err->message, hint);
}

/* ---- tokens ---- */

static char *token_key(const struct img_source *s)
{
    return vic_xasprintf("%s/%s", s->endpoint->base, s->path);
}

static void token_free(struct img_token *t)
{
    if (t)
        free(t->text);
    free(t);
}

void img_tokens_release(struct img_client *c)
{
    map_for_each(slot, &c->tokens)
        token_free(slot->value);
    vic_map_release(&c->tokens);
    c->tokens = (struct vic_map){0};
}

static const char *token_get(struct img_get *g)
{
    auto_free char *key = token_key(g->source);
    struct img_token *t = vic_map_get(&g->client->tokens, key);
    return t && t->expires_ms > vic_clock_monotonic_ms() ? t->text : NULL;
}

static int token_keep(struct img_get *g, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    int r = json_parse(vic_buf_str(&g->body), g->body.len, &doc, err);
    if (r < 0)
        return r;
    const char *text = json_str(doc, "token", json_str(doc, "access_token", ""));
    size_t n = strlen(text);
    bool is_clean = n > 0 && n <= TOKEN_MAX;
    for (size_t i = 0; is_clean && i < n; i++)
        is_clean = (unsigned char)text[i] > ' ' && (unsigned char)text[i] < 0x7f;
    if (!is_clean)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "it gave no usable token");
    int64_t life_s = json_i64(doc, "expires_in", TOKEN_LIFE_S);
    if (life_s < 0 || life_s > 86400)
        life_s = TOKEN_LIFE_S;
    if (g->client->tokens.n >= TOKENS_MAX)
        img_tokens_release(g->client);
    struct img_token *t = vic_new(struct img_token);
    t->text = vic_xstrdup(text);
    t->expires_ms = vic_clock_monotonic_ms() + (uint64_t)life_s * 1000;
    auto_free char *key = token_key(g->source);
    token_free(vic_map_put(&g->client->tokens, key, t));
    return 0;
}

static int send_get(struct img_get *g, struct vic_err *err);

static void fail_auth(struct img_get *g, const struct vic_err *err, bool is_transient)
{
    struct img_failure f = {.is_transient = is_transient};
    (void)vic_fail(&f.err, err->kind, err->code, "authentication at registry '%s': %.380s",
                   g->source->endpoint->host, err->message);
    get_done(g, &f);
}

static void on_token_head(struct host_http_request *r, unsigned status, void *arg)
{
    struct img_get *g = arg;
    (void)r;
    g->status = status;
}

static bool on_token_data(const void *data, size_t len, void *arg)
{
    struct img_get *g = arg;
    vic_buf_add(&g->body, data, len); /* capped by max_bytes */
    return true;
}

static void on_token_done(struct host_http_request *r, enum host_http_failure how,
                          const struct vic_err *transfer_err, void *arg)
{
    struct img_get *g = arg;
    struct vic_err err = {0};
    (void)r;
    g->request = NULL;
    if (how != HOST_HTTP_OK) {
        (void)vic_fail(&err, transfer_err->kind, transfer_err->code, "token: %s",
                       transfer_err->message);
        fail_auth(g, &err, how == HOST_HTTP_BROKEN);
        return;
    }
    if (g->status == 401 || g->status == 403) {
        struct img_failure f = {0};
        judge_status(g, &f);
        get_done(g, &f);
        return;
    }
    int result = g->status == 200
                     ? token_keep(g, &err)
                     : vic_fail(&err, g->status >= 500 ? VIC_ERR_UNAVAILABLE : VIC_ERR_INTERNAL, 0,
                                "it answered %u", g->status);
    if (result < 0)
        (void)vic_fail(&err, err.kind == VIC_ERR_INVALID ? VIC_ERR_INTERNAL : err.kind, 0,
                       "token: %s", err.message);
    g->has_fresh_token = true;
    if (result == 0)
        result = send_get(g, &err);
    if (result < 0)
        fail_auth(g, &err, g->status >= 500);
}

static void add_escaped(struct vic_buf *b, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (isalnum((unsigned char)*p) || strchr("-._~", *p))
            vic_buf_add_char(b, *p);
        else
            vic_buf_addf(b, "%%%02X", (unsigned char)*p);
    }
}

/* The scope is ours, not the challenge's: a registry cannot make us ask for more. */
static int ask_token(struct img_get *g, const struct img_challenge *c, struct vic_err *err)
{
    static const struct host_http_events events = {
        .on_head = on_token_head, .on_data = on_token_data, .on_done = on_token_done};
    bool is_https = c->realm && vic_str_starts_with(c->realm, "https://");
    bool is_http = c->realm && vic_str_starts_with(c->realm, "http://");
    bool is_insecure = g->source->endpoint->is_insecure;
    if (!is_https && !(is_http && is_insecure))
        return vic_fail(err, VIC_ERR_INTERNAL, 0,
                        c->realm ? "the realm of its challenge is not an %s URL"
                                 : "its challenge names no realm (an %s URL)",
                        is_insecure ? "http or https" : "https");
    auto_buf struct vic_buf url = {0};
    vic_buf_addf(&url, "%s%sscope=", c->realm, strchr(c->realm, '?') ? "&" : "?");
    auto_free char *scope = vic_xasprintf("repository:%s:pull", g->source->path);
    add_escaped(&url, scope);
    if (c->service) {
        vic_buf_add_str(&url, "&service=");
        add_escaped(&url, c->service);
    }
    vic_buf_clear(&g->body);
    const struct host_http_get get = {.url = vic_buf_str(&url),
                                      .accept = "application/json",
                                      .max_bytes = TOKEN_BODY_MAX,
                                      .timeout_ms = TOKEN_TIMEOUT_MS,
                                      .is_insecure = is_insecure};
    int r = host_http_start(g->client->http, &get, &events, g, &g->request, err);
    return r < 0 ? vic_fail_wrap(err, r, "the realm of its challenge") : 0;
}

/* 1: a token is being asked for; 0: there is nothing to be asked for; < 0: refused. */
static int answer_challenge(struct img_get *g, struct vic_err *err)
{
    enum img_scheme seen = IMG_SCHEME_NONE;
    for (size_t i = 0; i < CHALLENGES_MAX; i++) {
        const char *text = host_http_header(g->request, "WWW-Authenticate", i);
        if (!text)
            break;
        struct img_challenge c;
        int r = img_challenge_parse(text, &c, err);
        if (r < 0)
            return vic_fail(err, VIC_ERR_INTERNAL, 0, "%s", err->message);
        if (c.scheme == IMG_SCHEME_BEARER) {
            r = ask_token(g, &c, err);
            img_challenge_release(&c);
            return r < 0 ? r : 1;
        }
        seen = c.scheme == IMG_SCHEME_BASIC ? c.scheme : seen;
        img_challenge_release(&c);
    }
    if (seen == IMG_SCHEME_BASIC)
        return vic_fail(err, VIC_ERR_FORBIDDEN, 0,
                        "pull access denied for %s: it asks for a user name and password (Basic), "
                        "and pulls are anonymous here",
                        g->source->name);
    return 0;
}

/* ---- the GET ---- */

static void conclude(struct img_get *g)
{
    struct img_failure f = {0};
    if (g->status == 401 && !g->has_fresh_token) {
        int r = answer_challenge(g, &f.err);
        if (r > 0)
            return;
        if (r < 0) {
            fail_auth(g, &f.err, false);
            return;
        }
    }
    judge_status(g, &f);
    get_done(g, &f);
}

static bool is_good(unsigned status)
{
    return status == 200 || status == 206;
}

static void on_head(struct host_http_request *r, unsigned status, void *arg)
{
    struct img_get *g = arg;
    g->status = status;
    if (is_good(status))
        g->events->on_head(r, status, g->arg);
}

static bool on_data(const void *data, size_t len, void *arg)
{
    struct img_get *g = arg;
    if (is_good(g->status))
        return g->events->on_data(data, len, g->arg);
    size_t room = ERROR_BODY_MAX - g->body.len;
    vic_buf_add(&g->body, data, len < room ? len : room);
    if (len >= room) { /* enough said */
        host_http_cancel(g->request);
        conclude(g);
    }
    return true;
}

static void on_done(struct host_http_request *r, enum host_http_failure how,
                    const struct vic_err *err, void *arg)
{
    struct img_get *g = arg;
    struct img_failure f = {0};
    (void)r;
    bool is_error_body = g->status != 0 && !is_good(g->status);
    if (how != HOST_HTTP_OK && !is_error_body) {
        judge_transfer(g, how, err, &f);
        get_done(g, &f);
    } else if (is_error_body) {
        conclude(g);
    } else {
        get_done(g, NULL);
    }
}

static int send_get(struct img_get *g, struct vic_err *err)
{
    static const struct host_http_events events = {
        .on_head = on_head, .on_data = on_data, .on_done = on_done};
    const char *token = token_get(g);
    auto_free char *authorization = token ? vic_xasprintf("Bearer %s", token) : NULL;
    vic_buf_clear(&g->body);
    g->status = 0;
    const struct host_http_get get = {.url = g->url,
                                      .accept = g->accept,
                                      .authorization = authorization,
                                      .range_from = g->range_from,
                                      .max_bytes = UINT64_MAX, /* readers of bodies cap them */
                                      .timeout_ms = g->timeout_ms,
                                      .is_insecure = g->source->endpoint->is_insecure};
    return host_http_start(g->client->http, &get, &events, g, &g->request, err);
}

int img_get_start(struct img_client *c, const struct img_source *source, const char *kind,
                  const char *ref, const char *accept, uint64_t range_from, unsigned timeout_ms,
                  const struct img_get_events *events, void *arg, struct img_get **ret_get,
                  struct vic_err *err)
{
    struct img_get *g = vic_new(struct img_get);
    *g = (struct img_get){
        .client = c,
        .source = source,
        .url = vic_xasprintf("%s/v2/%s/%s/%s", source->endpoint->base, source->path, kind, ref),
        .kind = vic_xstrdup(kind),
        .ref = vic_xstrdup(ref),
        .accept = vic_xstrdup_or_null(accept),
        .range_from = range_from,
        .timeout_ms = timeout_ms,
        .events = events,
        .arg = arg,
    };
    int r = send_get(g, err);
    if (r < 0)
        get_free(g);
    else
        *ret_get = g;
    return r;
}
