/* A datastore of a test's own; layers are not made, and there is as much room as the test says. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "lib/host/digest.h"
#include "portlayer/pl.h"
#include "test/unit/storage_rpc.h"

struct fixture {
    char root[64];
    char *content;
    uv_loop_t loop;
    struct pl pl;
};

extern _Atomic unsigned applied; /* layers */
extern const char *bad_diff_id;  /* a layer with it fails */
extern const char *bad_blob;     /* a layer from it fails; a digest */
extern unsigned rooms_left;      /* how often there is room; then there is none */
extern char events[512];

struct made {
    char manifest[HOST_DIGEST_MAX];
    char id[HOST_DIGEST_MAX];
    char blob[3][HOST_DIGEST_MAX];
};

void open_storage(struct fixture *f);
int setup(void **state);
int teardown(void **state);
void ask(struct fixture *f, const char *method, const char *path, struct rpc_stream *st);
void run(struct fixture *f);
int count_files(const char *root, const char *folder);
void put_blob(struct fixture *f, const void *data, size_t len, char digest[HOST_DIGEST_MAX]);
struct made make_image(struct fixture *f, const char *const *layers, size_t n);
void begin_commit(struct fixture *f, const struct made *m, const char *ref, struct rpc_stream *st);
struct made commit(struct fixture *f, const char *const *layers, size_t n, const char *ref);
