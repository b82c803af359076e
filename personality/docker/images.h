/* Images as the port layer lists them, found by what people call them. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

/* text: a name with or without tag or digest, an id, or an unambiguous prefix of one.  images: the port
 * layer's list.  *ret_image is borrowed from it.  NOT_FOUND and INVALID in Docker's words. */
int docker_image_find(const cJSON *images, const char *text, const cJSON **ret_image,
                      struct vic_err *err);

/* True if text names the image by id (or a prefix) and not by a reference. */
bool docker_image_is_named_by_id(const cJSON *image, const char *text);

/* The full reference, "docker.io/library/x:latest", of a name; the caller's. */
int docker_image_normalise(const char *text, char **ret_full, struct vic_err *err);
/* "docker.io/library/x:1" -> "x:1"; the caller's. */
char *docker_image_familiar(const char *full_ref);

/* Of the port layer's answer to a removal: lines {"Untagged"} and {"Deleted"}. */
void docker_image_add_deleted(cJSON *answer, const cJSON *doc);

/* Adds RepoTags and RepoDigests; [] when there are none. */
void docker_image_add_refs(cJSON *out, const cJSON *image);
