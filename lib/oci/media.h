/* Media types and descriptors: what the documents of lib/oci have in common.  Inside lib/oci only. */
#pragma once

#include "lib/oci/oci.h"

/* Reads an object of a document as a descriptor.
 * path: where it stands.  On failure nothing is to be released. */
int oci_descriptor_parse(const cJSON *desc, const char *path, struct oci_descriptor *ret_desc,
                         struct vic_err *err);
void oci_descriptor_release(struct oci_descriptor *d);

/* UNIMPLEMENTED for foreign, encrypted and unknown layers. */
int oci_layer_compression(const char *media_type, const char *path,
                          enum oci_compression *ret_compression, struct vic_err *err);
/* UNIMPLEMENTED when the configuration's type is that of something else than an image. */
int oci_check_config_type(const char *media_type, struct vic_err *err);

/* One of the four document types: 1 and its kind and constant; else 0. */
int oci_document_type(const char *media_type, enum oci_kind *ret_kind, const char **ret_constant);

/* oci_detect() on a parsed document. */
int oci_detect_doc(const cJSON *doc, const char *media_type, enum oci_kind *ret_kind,
                   const char **ret_media_type, struct vic_err *err);
/* Caps, parses, detects, and insists on the kind. */
int oci_document_parse(const char *text, size_t len, const char *media_type, enum oci_kind kind,
                       cJSON **ret_doc, const char **ret_media_type, struct vic_err *err);
