/*
 * The documents of an image: index, manifest and configuration, as OCI and Docker (schema 2) write them.
 *
 * Pure parsing of hostile bytes: capped, every digest and size checked, unknown members ignored as the
 * specifications ask.  Errors name the path of what is wrong.  Nothing here hashes: the caller has
 * checked the bytes against their digest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/json/json.h"

#define OCI_DOCUMENT_MAX (4u << 20)  /* bytes of an index or manifest, as registries hold */
#define OCI_CONFIG_MAX (256u << 10)  /* bytes of a configuration: it is kept in memory ... */
#define OCI_CONFIG_VALUES_MAX 20000u /* ... where each of its values costs 64 bytes */
#define OCI_LAYERS_MAX 127   /* as Docker allows; every layer is a file that a VM keeps open */
#define OCI_ENTRIES_MAX 1024 /* manifests in one index */
#define OCI_BLOB_MAX (INT64_C(64) << 30) /* bytes of one blob */

#define OCI_TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_TYPE_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define OCI_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

enum oci_kind {
    OCI_INDEX,    /* OCI index or Docker manifest list */
    OCI_MANIFEST, /* OCI image manifest or Docker schema 2 manifest */
};

enum oci_compression {
    OCI_TAR,
    OCI_TAR_GZIP,
    OCI_TAR_ZSTD,
};

#define OCI_DIGEST_SIZE 72 /* "sha256:", 64 hex digits, NUL */

struct oci_descriptor {
    char *media_type;             /* owned; "" if the document has none */
    char digest[OCI_DIGEST_SIZE]; /* well-formed */
    uint64_t size;                /* <= OCI_BLOB_MAX */
};

struct oci_layer {
    struct oci_descriptor blob;
    enum oci_compression compression; /* as its media type claims */
};

struct oci_manifest {
    char *media_type; /* owned; OCI_TYPE_MANIFEST or OCI_TYPE_DOCKER_MANIFEST */
    struct oci_descriptor config;
    struct oci_layer *layers; /* owned; bottom first */
    size_t n_layers;
};

/* Owned strings; "" where absent. */
struct oci_platform {
    char *os;
    char *architecture;
    char *variant;
};

struct oci_entry {
    enum oci_kind kind; /* an index may hold an index */
    struct oci_descriptor manifest;
    struct oci_platform platform;
};

struct oci_index {
    char *media_type; /* owned; OCI_TYPE_INDEX or OCI_TYPE_DOCKER_LIST */
    /* Owned.  Entries of other media types (attached artifacts) and those for platform
     * unknown/unknown (attestations) are left out. */
    struct oci_entry *entries;
    size_t n_entries;
};

struct oci_config {
    struct oci_platform platform;
    char **diff_ids; /* owned vector; digests of the unpacked tar streams, bottom first */
    size_t n_diff_ids;
    cJSON *doc; /* owned; the whole document */
};

/* "sha256:" and 64 lower-case hex digits. */
bool oci_digest_is_valid(const char *text);

/* What document this is.  media_type: what the transport or descriptor called it (parameters after ';'
 * are ignored; NULL, "" and generic types such as application/json say nothing).  INVALID when that,
 * the document's own mediaType and its members contradict each other; UNIMPLEMENTED for schema 1 and
 * for media types that are no image.  *ret_media_type: one of the four constants, static. */
int oci_detect(const char *text, size_t len, const char *media_type, enum oci_kind *ret_kind,
               const char **ret_media_type, struct vic_err *err);

/* Each detects first, and fails if it is the other kind.  INVALID for what breaks the format or a cap;
 * UNIMPLEMENTED for a layer that may not be distributed or whose type nobody here can unpack. */
int oci_manifest_parse(const char *text, size_t len, const char *media_type,
                       struct oci_manifest *ret_manifest, struct vic_err *err);
void oci_manifest_release(struct oci_manifest *m);

int oci_index_parse(const char *text, size_t len, const char *media_type,
                    struct oci_index *ret_index, struct vic_err *err);
void oci_index_release(struct oci_index *x);

/* Members of `config` that a container takes over have their types (Labels: a map of strings ...). */
int oci_config_parse(const char *text, size_t len, struct oci_config *ret_config,
                     struct vic_err *err);
void oci_config_release(struct oci_config *c);

/* "linux/amd64" or "linux/arm/v7", normalised (x86_64 is amd64, arm64/v8 is arm64); INVALID. */
int oci_platform_parse(const char *text, struct oci_platform *ret_platform, struct vic_err *err);
/* The members "os", "architecture" and "variant" of obj, normalised; "" for what is absent. */
int oci_platform_read(const cJSON *obj, const char *path, struct oci_platform *ret_platform,
                      struct vic_err *err);
/* This host's, with os "linux". */
void oci_platform_host(struct oci_platform *ret_platform);
char *oci_platform_to_string(const struct oci_platform *p); /* the caller's */
void oci_platform_release(struct oci_platform *p);

/* The entry that fits best (the same variant, else an older one that runs there; entries that name no
 * platform come last), borrowed from x.  NOT_FOUND in Docker's words: "no matching manifest for
 * linux/amd64 in the manifest list entries". */
int oci_index_select(const struct oci_index *x, const struct oci_platform *want,
                     const struct oci_entry **ret_entry, struct vic_err *err);

/* A manifest and its configuration must name the same number of layers; INVALID. */
int oci_check_pair(const struct oci_manifest *m, const struct oci_config *c, struct vic_err *err);
