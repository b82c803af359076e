/* The create body and an image's configuration become the port layer's create document.  Pure. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

struct docker_create {
    cJSON *config;      /* owned: Docker's Config, merged with the image's */
    cJSON *host_config; /* owned: the HostConfig fields that are served */
    char **warnings;    /* owned vector */
};
void docker_create_release(struct docker_create *c);

/* Checks the body alone: fields, types, values.  body is changed (spelling of members) and borrowed. */
int docker_convert_check(cJSON *body, struct vic_err *err);

/* Merges as Docker does.  image_config: the `config` of the image's configuration; may be NULL. */
int docker_convert_merge(const cJSON *body, const cJSON *image_config, struct docker_create *ret,
                         struct vic_err *err);

/* The port layer's request; takes nothing.  ref: the image as the client named it.  NULL: what is to
 * be remembered of the container is too large (INVALID). */
cJSON *docker_convert_request(const struct docker_create *c, const char *name, const char *image_id,
                              const char *ref, struct vic_err *err);

/* The RestartPolicy of a HostConfig; and the port layer's document of it, NULL: it names none. */
int docker_restart_check(const cJSON *host, struct vic_err *err);
cJSON *docker_restart_convert(const cJSON *host);
/* Back again, out of the port layer's spec. */
cJSON *docker_restart_json(const cJSON *spec);

/* Cmd, Entrypoint: an array of strings; one string becomes such an array. */
int docker_command_check(cJSON *body, const char *member, struct vic_err *err);
int docker_env_check(const cJSON *body, struct vic_err *err);
/* A signal's name or number as Docker takes it. */
bool docker_signal_is_valid(const char *text);
/* Names of containers: INVALID in Docker's words.  A leading slash must be gone already. */
int docker_name_check(const char *name, struct vic_err *err);
