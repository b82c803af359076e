/*
 * A connection taken over from HTTP: raw bytes both ways, with back-pressure and half-close.
 */
#pragma once

#include <stddef.h>

#include "personality/docker/req.h"

struct docker_hijack;

struct docker_hijack_events {
    void (*on_open)(struct docker_hijack *h, void *arg); /* the 101 is out: h may be used */
    /* Bytes of the client.  False: no more until docker_hijack_read_on(). */
    bool (*on_data)(const void *data, size_t len, void *arg);
    void (*on_end)(void *arg);   /* the client has sent all it will */
    void (*on_drain)(void *arg); /* below DOCKER_STREAM_LOW after DOCKER_STREAM_HIGH */
    void (*on_close)(void *arg); /* the client is gone, or all was sent after an end; the last */
};

/* Answers 101 (in reply to `Upgrade: tcp`).  If the client leaves before on_open, the request's own
 * on_gone tells. */
void docker_hijack_start(struct docker_req *r, const char *content_type,
                         const struct docker_hijack_events *events, void *arg);

/* False: enough for now, wait for on_drain. */
bool docker_hijack_write(struct docker_hijack *h, const void *data, size_t len);
void docker_hijack_read_on(struct docker_hijack *h);
/* What is queued still goes out.  May call on_close before it returns. */
void docker_hijack_end(struct docker_hijack *h);
void docker_hijack_abandon(struct docker_hijack *h); /* at once, and no callback follows */

/* At shutdown: every connection of d gets its on_close. */
void docker_hijack_close_all(struct docker *d);
