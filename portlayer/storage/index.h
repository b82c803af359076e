/* The image index (content/index.json) in memory: which refs name which manifests.  Pure. */
#pragma once

#include <stdint.h>

#include "lib/host/digest.h"
#include "lib/json/json.h"

/* What is written stays below what is read, and below what one list of the images can say. */
#define PL_INDEX_MAX (8u << 20) /* bytes of index.json */
#define PL_INDEX_ROWS_MAX 16384 /* image names */
#define PL_REF_MAX 512          /* bytes of one ref */

/* One row of index.json.  An image without refs has one row with ref NULL; else one row per ref. */
struct pl_index_row {
    char *ref; /* owned */
    char manifest[HOST_DIGEST_MAX];
    char *media_type;            /* owned */
    uint64_t size;               /* of the manifest */
    char image[HOST_DIGEST_MAX]; /* its configuration's digest; "" until the loader knows it */
};

struct pl_index {
    struct pl_index_row *rows; /* owned */
    size_t n;
};

/* INVALID names what is wrong with it. */
int pl_index_parse(const char *text, size_t len, struct pl_index *ret_index, struct vic_err *err);
/* *ret_text: the caller's.  CONFLICT: it would be too large to be read again. */
int pl_index_print(const struct pl_index *x, char **ret_text, struct vic_err *err);
void pl_index_dup(const struct pl_index *x, struct pl_index *ret_index);
void pl_index_release(struct pl_index *x);

/* A ref is opaque, printable and not empty. */
int pl_ref_check(const char *ref, struct vic_err *err);

const struct pl_index_row *pl_index_find_ref(const struct pl_index *x, const char *ref);
const struct pl_index_row *pl_index_find_image(const struct pl_index *x, const char *image);

/* Adds the image (or gives it this manifest from now on) with no new ref. */
void pl_index_put_image(struct pl_index *x, const struct pl_index_row *row);
/* Moves the ref to an image that is there.  The image it named keeps its row without it. */
void pl_index_set_ref(struct pl_index *x, const char *ref, const char *image);
/* The image stays.  Does nothing if there is no such ref. */
void pl_index_remove_ref(struct pl_index *x, const char *ref);
void pl_index_remove_image(struct pl_index *x, const char *image);
/* Drops rows whose image is still "" (their manifests are gone). */
void pl_index_drop_unknown(struct pl_index *x);
char **pl_index_refs(const struct pl_index *x, const char *image); /* the caller's vector */
