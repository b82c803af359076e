/*
 * One HTTP request and its one answer.
 *
 * A handler gets the request when its body is complete.  It answers at once or keeps the request
 * (docker_req_ref) and answers later; meanwhile the connection sleeps.  When the client leaves first,
 * on_gone is called and every later answer is dropped, so handlers need not ask.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/json/json.h"
#include "personality/docker/apierr.h"
#include "personality/docker/docker.h"

#define DOCKER_BODY_MAX (16u << 20)     /* bytes of a JSON body */
#define DOCKER_ANSWERS_MAX (256u << 20) /* bytes of all documents that are not sent yet */
#define DOCKER_BODIES_MAX (256u << 20)  /* bytes of all bodies that are not complete yet */
#define DOCKER_BODY_VALUES_MAX 50000u   /* values in a JSON body: a command of 64 KiB fits */
#define DOCKER_STREAM_HIGH (256u << 10) /* a stream's source stops at this many unsent bytes ... */
#define DOCKER_STREAM_LOW (64u << 10)   /* ... and goes on below this */

#define DOCKER_QUERY_MAX 256 /* parameters of one query; more get 400 */

enum docker_method {
    DOCKER_GET = 1,
    DOCKER_HEAD,
    DOCKER_POST,
    DOCKER_PUT,
    DOCKER_DELETE,
    DOCKER_OTHER,
};

struct docker_req;
struct docker_hijack_events;
struct docker_body_events;
struct docker_conn;
struct docker_route;

/* While an answer is awaited or streamed.  Any member may be NULL. */
struct docker_req_events {
    /* What was written went below DOCKER_STREAM_LOW after it had reached DOCKER_STREAM_HIGH. */
    void (*on_drain)(void *arg);
    /* The client left before the answer was complete.  The last callback. */
    void (*on_gone)(void *arg);
};

/* The socket after a 101, with bytes of the client that came too early. */
typedef void (*docker_upgraded_fn)(struct docker_req *r, int fd, const void *early,
                                   size_t early_len, void *handle, void *arg);

struct docker_req {
    struct docker *docker; /* borrowed */
    const struct docker_route *route;
    enum docker_method method;
    unsigned api;        /* DOCKER_API(1, 41) */
    char *path;          /* decoded, without query and version */
    char *name;          /* what {} in the route matched; NULL if it has none */
    struct vic_buf body; /* there while the handler runs, not later */

    /* private to req.c, reply.c and server.c */
    char **query;        /* owned vector: name, value, name, value ... */
    bool has_long_query; /* and therefore none */
    unsigned refs;
    struct docker_conn *link; /* NULL once the request is over */
    bool is_gone;
    bool is_answered;
    bool is_ended;     /* the stream is complete, or broken */
    bool is_broken;    /* cut the stream off instead of ending it */
    bool is_throttled; /* above the high-water mark since the last on_drain */
    struct vic_buf out;
    const struct docker_req_events *events;
    void *events_arg;
    docker_upgraded_fn on_upgraded;
    void *upgraded_arg;
    const struct docker_hijack_events *hijack_events;
    const struct docker_body_events *body_events; /* see body.h */
    void *body_arg;
    const char *header_name; /* see docker_reply_header */
    char *header_value;      /* owned */
};

/* target: path and query as they came in the request line. */
struct docker_req *docker_req_new(struct docker *d, const char *target);
struct docker_req *docker_req_ref(struct docker_req *r);
void docker_req_unref(struct docker_req *r);

/* A query parameter, decoded and valid UTF-8; NULL if absent.  The first one wins. */
const char *docker_req_query(const struct docker_req *r, const char *name);
const char *docker_req_query_or(const struct docker_req *r, const char *name,
                                const char *otherwise);
/* The nth value (from 0) of a parameter that may be given several times; NULL past the last. */
const char *docker_req_query_nth(const struct docker_req *r, const char *name, size_t n);
/* As Docker reads booleans: absent, "", 0, no, false and none are false, all else is true. */
bool docker_req_bool(const struct docker_req *r, const char *name);
bool docker_req_bool_or(const struct docker_req *r, const char *name, bool otherwise);
const char *docker_req_header(const struct docker_req *r, const char *name);
/* The JSON body; INVALID with Docker's words when there is none or it is none. */
int docker_req_json(const struct docker_req *r, cJSON **ret_doc, struct vic_err *err);

void docker_req_watch(struct docker_req *r, const struct docker_req_events *events, void *arg);

/* For server.c: the client is not there any more. */
void docker_req_lost(struct docker_req *r);

/* ---- answers (reply.c): each is the request's one answer ------------------------------------- */

/* One more header for the answer that follows; name is a literal, value is taken. */
void docker_reply_header(struct docker_req *r, const char *name, char *value);

void docker_reply_json(struct docker_req *r, enum docker_status status, cJSON *doc); /* takes doc */
/* json is a document, copied as it is. */
void docker_reply_copy(struct docker_req *r, enum docker_status status, const char *json,
                       size_t len);
void docker_reply_text(struct docker_req *r, enum docker_status status, const char *text);
void docker_reply_empty(struct docker_req *r, enum docker_status status);
void docker_reply_error(struct docker_req *r, const struct vic_err *err);
void docker_reply_errorf(struct docker_req *r, enum vic_err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void docker_reply_moved(struct docker_req *r, const char *location);
void docker_reply_too_large(struct docker_req *r);
void docker_reply_too_busy(struct docker_req *r); /* with other requests' bodies */

/* A stream: the headers go out at once.  Then write, and end or break. */
void docker_stream_begin(struct docker_req *r, const char *content_type);
/* False: enough for now, wait for on_drain.  Bytes written anyway are kept. */
bool docker_stream_write(struct docker_req *r, const void *data, size_t len);
bool docker_stream_json(struct docker_req *r, const cJSON *doc); /* one line */
void docker_stream_end(struct docker_req *r);
void docker_stream_break(struct docker_req *r);

/* 101, after which the bytes belong to on_upgraded. */
void docker_reply_upgrade(struct docker_req *r, const char *content_type,
                          docker_upgraded_fn on_upgraded, void *arg);
