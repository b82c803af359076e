/*
 * Every field of the bodies of create and exec that v1.50.yaml knows: served, or refused unless it says nothing.
 *
 * Nothing is accepted and ignored: a field that is not served may only have its zero value or one of
 * the defaults that clients always send.  doc/api.md shows this table.
 */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

enum docker_field_scope {
    DOCKER_FIELD_CONFIG,   /* the body itself */
    DOCKER_FIELD_HOST,     /* HostConfig */
    DOCKER_FIELD_ENDPOINT, /* NetworkingConfig.EndpointsConfig.<name> */
    DOCKER_FIELD_EXEC,     /* the body of ContainerExec */
    DOCKER_FIELD_EXEC_START,
    DOCKER_FIELD_UPDATE, /* the body of ContainerUpdate */
};

struct docker_field {
    enum docker_field_scope scope;
    const char *name;
    bool is_served;      /* convert.c or exec_doc.c looks at it; else zero or one of accepts */
    const char *accepts; /* besides zero: values split by '|', numbers as decimals */
    const char *shown;   /* JSON that inspect shows when the creator said nothing; NULL: left out */
    const char *instead; /* for a refusal: what to use */
};

extern const struct docker_field docker_fields[];
extern const size_t docker_n_fields;

/* Renames members to the table's spelling, as Docker reads them in any case; then checks each one.
 * UNIMPLEMENTED names the first field that is not served, and what to use instead. */
int docker_fields_check(cJSON *obj, enum docker_field_scope scope, struct vic_err *err);

/* The scope's object as inspect shows it: every field that has a shown value, under what is in have. */
cJSON *docker_fields_show(enum docker_field_scope scope, const cJSON *have);
