/* curl's multi interface on a uv loop: sockets, timers, redirects, caps. */
#include "lib/host/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"
#include "lib/base/str.h"

#define REDIRECT_BODY_MAX (64u << 10) /* read and dropped, to keep the connection */
#define CONNECTIONS_KEPT 8
#define URL_MAX 8192
#define RECEIVE_BYTES (256L << 10)

struct host_http {
    uv_loop_t *loop;
    CURLM *multi;          /* owned */
    char *user_agent;      /* owned */
    uv_timer_t curl_timer; /* curl's own */
    uv_timer_t kick;       /* what must not happen inside a callback of curl's */
    struct vic_list requests;
    unsigned n_handles;
    bool is_freed;
};

struct host_http_request {
    struct host_http *http;
    struct vic_list link;
    CURL *easy;                 /* owned */
    struct curl_slist *headers; /* owned */
    char *url;                  /* owned; where it goes now */
    char *origin;               /* owned; who may see the authorization */
    char *authorization;        /* owned; NULL */
    char *accept;               /* owned; NULL */
    uint64_t range_from;
    uint64_t max_bytes;
    uint64_t deadline_ms; /* 0: none */
    const struct host_http_events *events;
    void *arg;
    uint64_t n_body;
    size_t n_header_bytes;
    unsigned n_redirects;
    bool is_insecure;
    bool is_added; /* to multi */
    bool is_redirect;
    bool has_head;  /* on_head was called */
    bool is_full;   /* the reader wants no more */
    bool is_paused; /* curl was told so */
    bool wants_resume;
    bool is_cancelled;
    struct vic_err own; /* why we ended it; kind NONE if we did not */
};

struct sock {
    uv_poll_t poll;
    struct host_http *http;
    curl_socket_t fd;
};

static void kick(struct host_http *h);

/* ---- where a URL leads ---- */

bool host_http_is_loopback(const char *host)
{
    char name[256];
    size_t n;
    if (host[0] == '[') {
        host++;
        n = strcspn(host, "]");
    } else {
        const char *colon = strchr(host, ':');
        n = colon && !strchr(colon + 1, ':') ? (size_t)(colon - host) : strlen(host);
    }
    if (n >= sizeof(name))
        return false;
    memcpy(name, host, n);
    name[n] = '\0';
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, name, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, name, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(name, "localhost") == 0;
}

struct place {
    char *scheme;
    char *host;
    char *port;
};

static void place_release(struct place *p)
{
    curl_free(p->scheme);
    curl_free(p->host);
    curl_free(p->port);
}

static int place_of(const char *url, struct place *ret_place, struct vic_err *err)
{
    struct place p = {0};
    CURLU *u = curl_url();
    bool ok = strlen(url) <= URL_MAX && u && !curl_url_set(u, CURLUPART_URL, url, 0) &&
              !curl_url_get(u, CURLUPART_SCHEME, &p.scheme, 0) &&
              !curl_url_get(u, CURLUPART_HOST, &p.host, 0) &&
              !curl_url_get(u, CURLUPART_PORT, &p.port, CURLU_DEFAULT_PORT) &&
              (vic_str_eq(p.scheme, "http") || vic_str_eq(p.scheme, "https"));
    curl_url_cleanup(u);
    if (!ok) {
        place_release(&p);
        (void)vic_fail(err, VIC_ERR_INVALID, 0, "'%.200s' is not an http or https URL", url);
        return -EINVAL; /* said plainly, for clang's analyzer */
    }
    *ret_place = p;
    return 0;
}

static char *origin_of(const struct place *p)
{
    return vic_xasprintf("%s://%s:%s", p->scheme, p->host, p->port);
}

/* ---- one transfer ---- */

static void request_free(struct host_http_request *r)
{
    vic_list_remove(&r->link);
    if (r->is_added)
        (void)curl_multi_remove_handle(r->http->multi, r->easy);
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->headers);
    free(r->url);
    free(r->origin);
    free(r->authorization);
    free(r->accept);
    free(r);
}

static bool status_redirects(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void begin_body(struct host_http_request *r)
{
    if (r->has_head || r->is_redirect)
        return;
    long status = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status_redirects(status)) {
        r->is_redirect = true;
        return;
    }
    r->has_head = true;
    r->events->on_head(r, (unsigned)status, r->arg);
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct host_http_request *r = arg;
    (void)data;
    r->n_header_bytes += size * n;
    if (r->is_cancelled)
        return 0;
    if (r->n_header_bytes > HOST_HTTP_HEADERS_MAX) {
        (void)vic_fail(&r->own, VIC_ERR_INTERNAL, EMSGSIZE, "response headers larger than %u bytes",
                       HOST_HTTP_HEADERS_MAX);
        return 0;
    }
    return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct host_http_request *r = arg;
    size_t len = size * n;
    if (r->is_cancelled)
        return len + 1;
    if (r->is_full) {
        r->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    begin_body(r);
    if (r->is_cancelled)
        return len + 1;
    uint64_t max = r->is_redirect ? REDIRECT_BODY_MAX : r->max_bytes;
    if (len > max - r->n_body) {
        (void)vic_fail(&r->own, VIC_ERR_INTERNAL, EMSGSIZE,
                       "response larger than %" PRIu64 " bytes", max);
        return len + 1;
    }
    r->n_body += len;
    if (!r->is_redirect)
        r->is_full = !r->events->on_data(data, len, r->arg);
    return r->is_cancelled ? len + 1 : len;
}

/* curl reads http_proxy only, for fear of CGI; we are no CGI program and Docker reads both. */
static const char *proxy_for(const struct place *p)
{
    if (host_http_is_loopback(p->host))
        return "";
    const char *upper = getenv("HTTP_PROXY");
    return vic_str_eq(p->scheme, "http") && !getenv("http_proxy") && upper ? upper : NULL;
}

static void set_headers(struct host_http_request *r, const char *origin)
{
    curl_slist_free_all(r->headers);
    r->headers = NULL;
    auto_free char *accept = vic_xasprintf("Accept: %s", r->accept ? r->accept : "*/*");
    r->headers = curl_slist_append(r->headers, accept);
    if (r->authorization && strcmp(origin, r->origin) == 0) {
        auto_free char *line = vic_xasprintf("Authorization: %s", r->authorization);
        r->headers = curl_slist_append(r->headers, line);
    }
    (void)curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
}

static void set_rules(struct host_http_request *r)
{
    CURL *e = r->easy;
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, r);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L); /* we follow, and look where to */
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)HOST_HTTP_CONNECT_S);
    (void)curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, (long)HOST_HTTP_STALL_BYTES);
    (void)curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)HOST_HTTP_STALL_S);
    (void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, r->http->user_agent);
    if (r->is_insecure) {
        (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/* One hop: to r->url. */
static int launch(struct host_http_request *r, struct vic_err *err)
{
    struct place p = {0};
    int result = place_of(r->url, &p, err);
    if (result < 0)
        return result;
    auto_free char *origin = origin_of(&p);
    curl_easy_reset(r->easy);
    set_rules(r);
    set_headers(r, origin);
    (void)curl_easy_setopt(r->easy, CURLOPT_URL, r->url);
    const char *proxy = proxy_for(&p);
    if (proxy)
        (void)curl_easy_setopt(r->easy, CURLOPT_PROXY, proxy);
    place_release(&p);
    if (r->range_from > 0) {
        auto_free char *range = vic_xasprintf("%" PRIu64 "-", r->range_from);
        (void)curl_easy_setopt(r->easy, CURLOPT_RANGE, range);
    }
    if (r->deadline_ms > 0) {
        uint64_t now = vic_clock_monotonic_ms();
        long left = r->deadline_ms > now ? (long)(r->deadline_ms - now) : 1;
        (void)curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, left);
    }
    r->n_body = 0;
    r->n_header_bytes = 0;
    r->is_redirect = false;
    if (curl_multi_add_handle(r->http->multi, r->easy) != CURLM_OK)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "curl does not take the request");
    r->is_added = true;
    return 0;
}

/* ---- how it ended ---- */

static enum host_http_failure judge(CURLcode code)
{
    switch ((int)code) {
    case CURLE_OK:
        return HOST_HTTP_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return HOST_HTTP_UNREACHABLE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        return HOST_HTTP_TLS;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return HOST_HTTP_NOT_HTTP;
    case CURLE_WRITE_ERROR:
        return HOST_HTTP_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return HOST_HTTP_STALLED;
    default:
        return HOST_HTTP_BROKEN;
    }
}

static const char *describe(enum host_http_failure f, CURLcode code)
{
    switch (f) {
    case HOST_HTTP_NOT_HTTP:
        return "what answers does not speak HTTP";
    case HOST_HTTP_STALLED:
        return "no answer within the time limit";
    case HOST_HTTP_OK:
    case HOST_HTTP_UNREACHABLE:
    case HOST_HTTP_TLS:
    case HOST_HTTP_BROKEN:
    case HOST_HTTP_REFUSED:
        break;
    }
    return code == CURLE_COULDNT_CONNECT        ? "connection refused or host unreachable"
           : code == CURLE_COULDNT_RESOLVE_HOST ? "no such host"
           : code == CURLE_GOT_NOTHING          ? "the connection was closed without an answer"
           : code == CURLE_PARTIAL_FILE         ? "the connection was closed in the middle"
                                                : curl_easy_strerror(code);
}

static void finish(struct host_http_request *r, enum host_http_failure f, const struct vic_err *err)
{
    if (!r->is_cancelled)
        r->events->on_done(r, f, err, r->arg);
    request_free(r);
}

static int follow(struct host_http_request *r, struct vic_err *err)
{
    char *to = NULL;
    (void)curl_easy_getinfo(r->easy, CURLINFO_REDIRECT_URL, &to);
    if (!to)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "a redirect without a usable Location");
    if (++r->n_redirects > HOST_HTTP_REDIRECTS_MAX)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "stopped after %d redirects",
                        HOST_HTTP_REDIRECTS_MAX);
    if (!r->is_insecure && vic_str_starts_with(r->url, "https:") &&
        !vic_str_starts_with(to, "https:"))
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "a redirect from https to '%.100s' is refused",
                        to);
    char *url = vic_xstrdup(to);
    (void)curl_multi_remove_handle(r->http->multi, r->easy);
    r->is_added = false;
    free(r->url);
    r->url = url;
    int result = launch(r, err);
    return result < 0 ? vic_fail_wrap(err, result, "redirect") : 0;
}

static void transfer_done(struct host_http_request *r, CURLcode code)
{
    struct vic_err err = {0};
    if (r->is_cancelled) {
        request_free(r);
        return;
    }
    if (r->own.kind != VIC_ERR_NONE) {
        finish(r, HOST_HTTP_REFUSED, &r->own);
        return;
    }
    enum host_http_failure f = judge(code);
    double connected = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME, &connected);
    if (f == HOST_HTTP_STALLED && connected <= 0)
        f = HOST_HTTP_UNREACHABLE;
    if (f == HOST_HTTP_OK)
        begin_body(r);
    if (f == HOST_HTTP_OK && r->is_redirect && !r->is_cancelled) {
        if (follow(r, &err) < 0)
            finish(r, HOST_HTTP_REFUSED, &err);
        return;
    }
    if (f != HOST_HTTP_OK)
        (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "%s", describe(f, code));
    finish(r, f, f == HOST_HTTP_OK ? NULL : &err);
}

static void check_done(struct host_http *h)
{
    CURLMsg *m;
    int left;
    while (!h->is_freed && (m = curl_multi_info_read(h->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        struct host_http_request *r = NULL;
        CURLcode code = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &r);
        transfer_done(r, code);
    }
}

/* ---- the loop ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sock *s = poll->data;
    struct host_http *h = s->http;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    int running;
    (void)curl_multi_socket_action(h->multi, s->fd, flags, &running);
    check_done(h);
}

static void on_sock_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
    struct host_http *h = arg;
    struct sock *s = sock_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            (void)curl_multi_assign(h->multi, fd, NULL);
            uv_close((uv_handle_t *)&s->poll, on_sock_closed);
        }
        return 0;
    }
    if (!s) {
        s = vic_new(struct sock);
        s->http = h;
        s->fd = fd;
        s->poll.data = s;
        if (uv_poll_init(h->loop, &s->poll, fd) < 0) {
            free(s);
            return -1;
        }
        (void)curl_multi_assign(h->multi, fd, s);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&s->poll, events, on_poll) < 0 ? -1 : 0;
}

static void on_curl_timeout(uv_timer_t *t)
{
    struct host_http *h = t->data;
    int running;
    (void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    check_done(h);
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct host_http *h = arg;
    (void)multi;
    if (timeout_ms < 0)
        (void)uv_timer_stop(&h->curl_timer);
    else
        (void)uv_timer_start(&h->curl_timer, on_curl_timeout, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_http_closed(uv_handle_t *handle)
{
    struct host_http *h = handle->data;
    if (--h->n_handles > 0)
        return;
    free(h->user_agent);
    free(h);
}

static void destroy(struct host_http *h)
{
    struct host_http_request *r;
    struct host_http_request *tmp;
    list_for_each_safe(r, tmp, &h->requests, link)
        request_free(r);
    (void)curl_multi_cleanup(h->multi);
    h->multi = NULL;
    uv_close((uv_handle_t *)&h->curl_timer, on_http_closed);
    uv_close((uv_handle_t *)&h->kick, on_http_closed);
    curl_global_cleanup();
}

/* Starts, resumes and drops what was asked for meanwhile: outside of every callback of curl's. */
static void on_kick(uv_timer_t *t)
{
    struct host_http *h = t->data;
    if (h->is_freed) {
        destroy(h);
        return;
    }
    struct host_http_request *r;
    struct host_http_request *tmp;
    list_for_each_safe(r, tmp, &h->requests, link) {
        struct vic_err err;
        if (r->is_cancelled) {
            request_free(r);
        } else if (!r->is_added) {
            if (launch(r, &err) < 0)
                finish(r, HOST_HTTP_REFUSED, &err);
        } else if (r->wants_resume) {
            r->wants_resume = false;
            r->is_full = false;
            if (r->is_paused) {
                r->is_paused = false;
                (void)curl_easy_pause(r->easy, CURLPAUSE_CONT);
            }
        }
    }
    check_done(h);
}

static void kick(struct host_http *h)
{
    (void)uv_timer_start(&h->kick, on_kick, 0, 0);
}

int host_http_new(uv_loop_t *loop, const char *user_agent, struct host_http **ret_http,
                  struct vic_err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "curl does not start");
    CURLM *multi = curl_multi_init();
    if (!multi) {
        curl_global_cleanup();
        return vic_fail(err, VIC_ERR_INTERNAL, ENOMEM, "curl does not start");
    }
    struct host_http *h = vic_new(struct host_http);
    h->loop = loop;
    h->multi = multi;
    h->user_agent = vic_xstrdup(user_agent ? user_agent : "vic");
    vic_list_init(&h->requests);
    (void)uv_timer_init(loop, &h->curl_timer);
    (void)uv_timer_init(loop, &h->kick);
    h->curl_timer.data = h->kick.data = h;
    h->n_handles = 2;
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, h);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, h);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    *ret_http = h;
    return 0;
}

void host_http_free(struct host_http *h)
{
    if (!h)
        return;
    struct host_http_request *r;
    list_for_each(r, &h->requests, link)
        r->is_cancelled = true;
    h->is_freed = true;
    kick(h);
}

int host_http_start(struct host_http *h, const struct host_http_get *get,
                    const struct host_http_events *events, void *arg,
                    struct host_http_request **ret_request, struct vic_err *err)
{
    struct place p = {0};
    int result = place_of(get->url, &p, err);
    if (result < 0)
        return result;
    struct host_http_request *r = vic_new(struct host_http_request);
    *r = (struct host_http_request){
        .http = h,
        .easy = curl_easy_init(),
        .url = vic_xstrdup(get->url),
        .origin = origin_of(&p),
        .authorization = vic_xstrdup_or_null(get->authorization),
        .accept = vic_xstrdup_or_null(get->accept),
        .range_from = get->range_from,
        .max_bytes = get->max_bytes,
        .deadline_ms = get->timeout_ms ? vic_clock_monotonic_ms() + get->timeout_ms : 0,
        .is_insecure = get->is_insecure,
        .events = events,
        .arg = arg,
    };
    place_release(&p);
    vic_list_append(&h->requests, &r->link);
    if (!r->easy) {
        request_free(r);
        return vic_fail(err, VIC_ERR_INTERNAL, ENOMEM, "curl has no memory");
    }
    kick(h);
    *ret_request = r;
    return 0;
}

void host_http_resume(struct host_http_request *r)
{
    r->wants_resume = true;
    kick(r->http);
}

void host_http_cancel(struct host_http_request *r)
{
    if (!r)
        return;
    r->is_cancelled = true;
    kick(r->http);
}

const char *host_http_header(struct host_http_request *r, const char *name, size_t nth)
{
    struct curl_header *h = NULL;
    CURLHcode code = curl_easy_header(r->easy, name, nth, CURLH_HEADER, -1, &h);
    return code == CURLHE_OK ? h->value : NULL;
}
