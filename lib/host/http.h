/*
 * An HTTP client on the loop: GETs by curl's multi interface, with bounded redirects and headers.
 *
 * Peers are hostile: only http and https, certificates checked unless told otherwise, at most
 * HOST_HTTP_REDIRECTS_MAX redirects, headers and bodies capped, a stalled peer given up.  Proxies are
 * taken from the environment, except for hosts on loopback.  Every callback runs on the loop; none runs
 * before the function that caused it has returned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "lib/base/err.h"

#define HOST_HTTP_REDIRECTS_MAX 5
#define HOST_HTTP_HEADERS_MAX (64u << 10) /* bytes of one response's headers */
#define HOST_HTTP_CONNECT_S 10            /* to connect, TLS included */
#define HOST_HTTP_STALL_S 30              /* under HOST_HTTP_STALL_BYTES a second for so long */
#define HOST_HTTP_STALL_BYTES 64

/* Why a transfer ended without an answer, so that callers can decide what to try next. */
enum host_http_failure {
    HOST_HTTP_OK,
    HOST_HTTP_UNREACHABLE, /* no such host, refused, timed out while connecting */
    HOST_HTTP_TLS,         /* handshake or certificate */
    HOST_HTTP_NOT_HTTP,    /* what answered does not speak HTTP */
    HOST_HTTP_BROKEN,      /* the connection ended early */
    HOST_HTTP_STALLED,     /* too slow for too long */
    HOST_HTTP_REFUSED,     /* a cap or a rule of ours: trying again would not help */
};

struct host_http; /* connections and the requests in progress */
int host_http_new(uv_loop_t *loop, const char *user_agent, struct host_http **ret_http,
                  struct vic_err *err);
/* Requests in progress are cancelled.  Freed on the loop. */
void host_http_free(struct host_http *h);

struct host_http_request;

struct host_http_get {
    const char *url;
    const char *accept;        /* NULL: anything */
    const char *authorization; /* NULL, or the header's value; sent to the URL's own origin only */
    uint64_t range_from;       /* 0: the whole */
    uint64_t max_bytes;        /* of the body; a longer one is REFUSED */
    unsigned timeout_ms;       /* for all of it; 0: only the stall limit */
    bool is_insecure;          /* certificates are not checked */
};

struct host_http_events {
    /* The final answer's status, after redirects; headers can be read from here on. */
    void (*on_head)(struct host_http_request *r, unsigned status, void *arg);
    /* Takes all of data; false: no more until host_http_resume(). */
    bool (*on_data)(const void *data, size_t len, void *arg);
    /* Once; r is gone afterwards. */
    void (*on_done)(struct host_http_request *r, enum host_http_failure failure,
                    const struct vic_err *err, void *arg);
};

/* Everything in get is copied.  INVALID: the URL is not an http or https one. */
int host_http_start(struct host_http *h, const struct host_http_get *get,
                    const struct host_http_events *events, void *arg,
                    struct host_http_request **ret_request, struct vic_err *err);
void host_http_resume(struct host_http_request *r);
void host_http_cancel(struct host_http_request *r); /* no callback follows */

/* The nth header of that name; NULL.  Borrowed until the next callback; valid from on_head on. */
const char *host_http_header(struct host_http_request *r, const char *name, size_t nth);

/* "127.x.x.x", "::1", "[::1]", "localhost", each with or without ":port". */
bool host_http_is_loopback(const char *host);
