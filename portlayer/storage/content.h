/*
 * The content store: blobs by digest in an OCI image layout, each visible only when it is complete and
 * right.
 *
 * Everything here blocks.  dir is DATASTORE/content; every digest passed in is valid.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* Makes the layout's folders and removes what a crash left in its ingest folder. */
int pl_content_init(const char *dir, struct vic_err *err);

char *pl_content_path(const char *dir, const char *digest); /* the caller's */

/* NOT_FOUND if the blob is not there. */
int pl_content_stat(const char *dir, const char *digest, uint64_t *ret_size, struct vic_err *err);
int pl_content_open(const char *dir, const char *digest, int *ret_fd, uint64_t *ret_size,
                    struct vic_err *err);
/* A whole small blob, hashed again: what the disk did to it shows here.  NUL-terminated. */
int pl_content_read(const char *dir, const char *digest, size_t max_bytes, char **ret_data,
                    size_t *ret_len, struct vic_err *err);

/* A blob on its way in.  Any number may be open for one digest; the first to finish makes it visible
 * and the others replace it by the same bytes. */
struct pl_ingest;
int pl_ingest_open(const char *dir, const char *digest, uint64_t size,
                   struct pl_ingest **ret_ingest, struct vic_err *err);
/* INVALID past the size announced. */
int pl_ingest_write(struct pl_ingest *in, const void *data, size_t len, struct vic_err *err);
/* INVALID when size or digest is wrong.  The blob is durable when this returns 0. */
int pl_ingest_finish(struct pl_ingest *in, struct vic_err *err);
/* Removes what was not finished.  NULL is allowed. */
void pl_ingest_free(struct pl_ingest *in);
