/*
 * Docker's `filters` parameter: {"name":{"value":true}} or the older {"name":["value"]}.
 *
 * Parsed into a plain list, checked against the names an operation knows, and matched with Docker's
 * rules: several values of one name mean "any of them", labels mean "all of them".
 */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/json/json.h"

#define DOCKER_FILTERS_MAX 512       /* values in one request */
#define DOCKER_FILTER_VALUE_MAX 4096 /* bytes of one value, which may be a regular expression */

struct docker_filter {
    char *name;            /* owned */
    char **values;         /* owned vector */
    regex_t **expressions; /* owned, one per value, NULL for plain text; NULL until compiled */
};

/* Zero-initialised is empty and valid: everything matches. */
struct docker_filters {
    struct docker_filter *list; /* owned */
    size_t n;
};

void docker_filters_release(struct docker_filters *f);
#define auto_filters auto_(docker_filters_release)

/* text may be NULL or "".  known: NULL-terminated names. */
int docker_filters_parse(const char *text, const char *const *known, struct docker_filters *ret,
                         struct vic_err *err);

/* NULL if that name was not given. */
char *const *docker_filters_get(const struct docker_filters *f, const char *name);

/* True when the name was not given, or one of its values is exactly text. */
bool docker_filters_match_exact(const struct docker_filters *f, const char *name, const char *text);
/* Makes regular expressions of a filter's values, once after parsing; what is none, or longer than 256
 * bytes, stays plain text.  INVALID names the filter whose expression could take for ever. */
int docker_filters_compile(struct docker_filters *f, const char *name, struct vic_err *err);
/* ... or one of its values, compiled before, is found in text. */
bool docker_filters_match_regex(const struct docker_filters *f, const char *name, const char *text);
/* Every value of name, "key" or "key=value", is in the object of strings (which may be NULL). */
bool docker_filters_match_kv(const struct docker_filters *f, const char *name, const cJSON *object);
/* ... and none of them is. */
bool docker_filters_match_no_kv(const struct docker_filters *f, const char *name,
                                const cJSON *object);
/* A filter that says yes or no; absent leaves *ret and *ret_given false. */
int docker_filters_bool(const struct docker_filters *f, const char *name, bool *ret_given,
                        bool *ret, struct vic_err *err);
