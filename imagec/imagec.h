/*
 * The registry client: reference in, verified blobs and a manifest out, into a sink.
 *
 * Speaks the Distribution API v2.  Registries are hostile: every document is capped, every byte is
 * hashed while it passes, redirects and retries are bounded.  Runs on a uv loop with curl's multi
 * interface; every function is called on that loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "lib/base/err.h"
#include "lib/host/digest.h"

/* ---- references (pure) ---------------------------------------------------------------------- */

/* "busybox" -> docker.io, library/busybox, tag latest (only by img_reference_default_tag). */
struct img_reference {
    char *domain; /* "docker.io", "127.0.0.1:5000" */
    char *path;   /* "library/busybox" */
    char *tag;    /* NULL if none */
    char *digest; /* NULL if none */
};

/* As Docker normalises; INVALID with Docker's words ("invalid reference format", "... repository name
 * must be lowercase"). */
int img_reference_parse(const char *text, struct img_reference *ret_ref, struct vic_err *err);
void img_reference_release(struct img_reference *r);
/* Adds "latest" if neither tag nor digest stands there. */
void img_reference_default_tag(struct img_reference *r);
/* "docker.io/library/busybox:latest"; the caller's. */
char *img_reference_to_string(const struct img_reference *r);
/* As people write it: "busybox:latest"; the caller's. */
char *img_reference_to_familiar(const struct img_reference *r);
char *img_reference_familiar_name(const struct img_reference *r); /* "busybox" */

/* ---- where blobs go ---------------------------------------------------------------------------- */

struct img_writer; /* the sink's own */

struct img_writer_events {
    void (*on_drain)(void *arg); /* write again */
    void (*on_done)(const struct vic_err *err,
                    void *arg); /* after finish, or early on failure; once */
};

typedef void (*img_stat_fn)(const struct vic_err *err, bool is_there, void *arg);
typedef void (*img_read_fn)(const struct vic_err *err, const void *data, size_t len, void *arg);

struct img_sink {
    void *arg;
    int (*stat)(void *arg, const char *digest, img_stat_fn done, void *done_arg,
                struct vic_err *err);
    /* A whole small blob (manifest, config) that is there already. */
    int (*read)(void *arg, const char *digest, size_t max_bytes, img_read_fn done, void *done_arg,
                struct vic_err *err);
    int (*open)(void *arg, const char *digest, uint64_t size,
                const struct img_writer_events *events, void *events_arg,
                struct img_writer **ret_writer, struct vic_err *err);
    /* Returns true while more may follow at once; false: wait for on_drain. */
    bool (*write)(struct img_writer *w, const void *data, size_t len);
    void (*finish)(struct img_writer *w); /* on_done tells whether the blob is in */
    void (*abort)(struct img_writer *w);  /* no on_done follows */
};

/* ---- the client -------------------------------------------------------------------------------- */

struct img_options {
    char *const *insecure_registries; /* "host:port", plain HTTP or bad certificates allowed */
    char *const *mirrors;             /* base URLs that stand in for docker.io, tried in order */
    const char *user_agent;
};

struct img_client; /* connections, tokens, and the table of blobs being fetched */
int img_client_new(uv_loop_t *loop, const struct img_options *options,
                   struct img_client **ret_client, struct vic_err *err);
void img_client_free(struct img_client *c); /* pulls in progress are cancelled first */

enum img_status {
    IMG_PULLING, /* a layer was named */
    IMG_EXISTS,  /* the sink has it */
    IMG_WAITING,
    IMG_DOWNLOADING, /* current, total */
    IMG_DOWNLOADED,  /* and verified */
    IMG_RETRYING,    /* in `current` seconds */
};

struct img_progress {
    const char *digest;
    enum img_status status;
    uint64_t current;
    uint64_t total;
};

struct img_pulled {
    const char *manifest;   /* digest of the platform's manifest */
    const char *media_type; /* its */
    const char *top; /* digest the registry gave for the reference: an index's, or the manifest's */
    const char *config; /* digest of the configuration: the image's id */
};

struct img_pull_events {
    void (*on_resolved)(const char *top_digest, void *arg); /* before any layer */
    void (*on_progress)(const struct img_progress *p, void *arg);
    void (*on_done)(const struct vic_err *err, const struct img_pulled *pulled,
                    void *arg); /* once */
};

/* Fetches manifest, config and layers of ref for linux/amd64 (or platform "os/arch[/variant]") into
 * the sink, which is borrowed until on_done.  A blob that another pull of this client is fetching from
 * the same repository into the same sink is awaited, not fetched twice. */
struct img_pull;
int img_pull_start(struct img_client *c, const struct img_reference *ref, const char *platform,
                   const struct img_sink *sink, const struct img_pull_events *events, void *arg,
                   struct img_pull **ret_pull, struct vic_err *err);
void img_pull_cancel(struct img_pull *p); /* no callback follows */
