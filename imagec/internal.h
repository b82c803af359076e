/* What imagec's own files share: endpoints, one authorised GET, documents, blobs.  Inside imagec only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "imagec/imagec.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/host/http.h"
#include "lib/oci/oci.h"

struct img_client {
    uv_loop_t *loop;
    struct host_http *http; /* owned */
    char **insecure;        /* owned */
    char **mirrors;         /* owned */
    struct vic_map tokens;  /* endpoint and repository -> struct img_token, owned */
    struct vic_list pulls;
    struct vic_list fetches;
};

/* ---- endpoints ---- */

/* Which failures of an endpoint let the next one be asked. */
enum img_fallback {
    IMG_FALLBACK_ANY,        /* a mirror */
    IMG_FALLBACK_CONNECTION, /* https of an insecure registry: plain HTTP comes next */
    IMG_FALLBACK_TLS,        /* plain HTTP on loopback: only when it speaks TLS instead */
};

struct img_endpoint {
    char *base; /* owned; "https://registry-1.docker.io" */
    char *host; /* owned; for messages */
    enum img_fallback fallback;
    bool is_insecure;
};

/* In the order to be asked; owned, *ret_n >= 1. */
struct img_endpoint *img_endpoints_for(const struct img_client *c, const char *domain,
                                       size_t *ret_n);
void img_endpoints_free(struct img_endpoint *list, size_t n);
/* INVALID unless it is an http(s) URL that can carry "/v2/..." behind it. */
int img_mirror_check(const char *url, struct vic_err *err);

/* ---- one GET, with the token it needs (registry.c) ---- */

struct img_failure {
    struct vic_err err;
    bool is_transient;  /* the same again may work */
    bool is_stall;      /* it took its whole time limit to fail */
    bool is_connection; /* no HTTP was spoken */
    bool speaks_tls;    /* plain HTTP was tried on what seems a TLS port */
    unsigned wait_ms;   /* the registry asks for that much before the next try */
};

struct img_source {
    const struct img_endpoint *endpoint;
    const char *domain; /* as in the reference */
    const char *path;   /* repository */
    const char *name;   /* as people write it: "busybox" */
};

struct img_get;
struct img_get_events {
    /* Of an answer of 200 or 206 only. */
    void (*on_head)(struct host_http_request *r, unsigned status, void *arg);
    bool (*on_data)(const void *data, size_t len, void *arg);
    void (*on_done)(const struct img_failure *failure, void *arg); /* NULL: all came */
};
/* GET {base}/v2/{path}/{kind}/{ref}.  source is borrowed while it runs. */
int img_get_start(struct img_client *c, const struct img_source *source, const char *kind,
                  const char *ref, const char *accept, uint64_t range_from, unsigned timeout_ms,
                  const struct img_get_events *events, void *arg, struct img_get **ret_get,
                  struct vic_err *err);
void img_get_resume(struct img_get *g);
void img_get_cancel(struct img_get *g); /* NULL allowed */
void img_tokens_release(struct img_client *c);

/* How long before try n + 1, n counting from 1. */
unsigned img_backoff_ms(unsigned n, unsigned asked_ms);
#define IMG_TRIES_MAX 5
#define IMG_STALLS_MAX 2          /* each costs HOST_HTTP_STALL_S */
#define IMG_RETRY_AFTER_MAX 10000 /* ms; who asks for more is not waited for */

/* ---- a whole small document, with retries (document.c) ---- */

struct img_document {
    const char *data;
    size_t len;
    const char *media_type;       /* as served; "" */
    char digest[HOST_DIGEST_MAX]; /* of data */
};
typedef void (*img_document_fn)(const struct img_failure *failure, const struct img_document *doc,
                                void *arg);
struct img_document_get;
/* digest: what it must hash to, or NULL; the registry's own Docker-Content-Digest must agree too.
 * size: what it must be, or UINT64_MAX. */
int img_document_start(struct img_client *c, const struct img_source *source, const char *kind,
                       const char *ref, const char *digest, uint64_t size, img_document_fn done,
                       void *arg, struct img_document_get **ret_doc, struct vic_err *err);
void img_document_cancel(struct img_document_get *d); /* NULL allowed */

/* ---- a blob into a sink (blob.c) ---- */

struct img_want; /* one pull's interest in a blob */
struct img_want_events {
    void (*on_progress)(enum img_status status, uint64_t current, uint64_t total, void *arg);
    /* Once.  is_others: it failed on behalf of another pull, so asking again may work. */
    void (*on_done)(const struct vic_err *err, bool is_others, void *arg);
};
/* Joins the fetch of that blob from that repository into that sink, or starts it.  source is copied. */
int img_want_new(struct img_client *c, const struct img_source *source, const char *digest,
                 uint64_t size, const struct img_sink *sink, const struct img_want_events *events,
                 void *arg, struct img_want **ret_want, struct vic_err *err);
void img_want_cancel(struct img_want *w); /* NULL allowed; no callback follows */

/* ---- bytes at hand into a sink (put.c) ---- */

typedef void (*img_put_fn)(const struct vic_err *err, void *arg);
struct img_put;
int img_put_start(const struct img_sink *sink, const char *digest, const void *data, size_t len,
                  img_put_fn done, void *arg, struct img_put **ret_put, struct vic_err *err);
void img_put_cancel(struct img_put *p); /* NULL allowed */

/* ---- pull.c, for client.c ---- */

struct img_pull *
img_pull_of(struct vic_list *link); /* the pull whose link in client->pulls this is */
