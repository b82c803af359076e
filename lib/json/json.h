/*
 * cJSON with typed access whose errors name the path of what is wrong: a reader of nested documents
 * passes where it stands ("HostConfig") and the error says "HostConfig.Memory: expected an integer".
 *
 * Documents are owned by whoever parsed them; what the getters return is borrowed from them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

VIC_DEFINE_CLEANUP(json_free_p, cJSON *, cJSON_Delete)
#define auto_json auto_(json_free_p)

/* Deeper documents are refused: cJSON recurses. */
#define JSON_DEPTH_MAX 64
/* A list of 10,000 containers fits; each value costs 64 bytes, far more than its text. */
#define JSON_VALUES_MAX (1u << 20)

/* One JSON document and nothing after it but blanks.  INVALID names the byte offset.  A NUL is refused
 * also as \u0000: our strings end there. */
int json_parse(const char *text, size_t len, cJSON **ret_doc, struct vic_err *err);
/* As json_parse, with a lower cap than JSON_VALUES_MAX. */
int json_parse_capped(const char *text, size_t len, size_t values_max, cJSON **ret_doc,
                      struct vic_err *err);

/* Compact text, the caller's to free; aborts when memory is out.  Integers are written as such at any
 * magnitude (those parsed beyond 2^53 to a double's precision). */
char *json_print(const cJSON *doc);

/* Typed reads of a member.  Absent and null are the same: a number or bool keeps the value it had,
 * the others become NULL.  A wrong type is INVALID and names path.member. */
int json_get_str(const cJSON *obj, const char *path, const char *member, const char **ret,
                 struct vic_err *err); /* borrowed from obj; NULL if absent */
int json_get_i64(const cJSON *obj, const char *path, const char *member, int64_t min, int64_t max,
                 int64_t *ret, struct vic_err *err);
int json_get_bool(const cJSON *obj, const char *path, const char *member, bool *ret,
                  struct vic_err *err);
int json_get_obj(const cJSON *obj, const char *path, const char *member, const cJSON **ret,
                 struct vic_err *err); /* NULL if absent */
int json_get_arr(const cJSON *obj, const char *path, const char *member, const cJSON **ret,
                 struct vic_err *err); /* NULL if absent */
int json_get_strv(const cJSON *obj, const char *path, const char *member, char ***ret,
                  struct vic_err *err); /* owned vector; NULL if absent or empty */

/* As json_get_str, but absent or empty is INVALID too. */
int json_need_str(const cJSON *obj, const char *path, const char *member, const char **ret,
                  struct vic_err *err);

/* Lenient reads for documents of our own making: a default where absent or of another type. */
const char *json_str(const cJSON *obj, const char *member, const char *otherwise);
int64_t json_i64(const cJSON *obj, const char *member, int64_t otherwise);
bool json_bool(const cJSON *obj, const char *member, bool otherwise);
const cJSON *json_member(const cJSON *obj,
                         const char *member); /* exact case; NULL if absent/null */

/* Building.  Each aborts when memory is out; a NULL string adds nothing unless said. */
cJSON *json_new_obj(void);
cJSON *json_new_arr(void);
void json_add_str(cJSON *obj, const char *member, const char *value);
void json_add_str_or_empty(cJSON *obj, const char *member, const char *value);
void json_addf(cJSON *obj, const char *member, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void json_add_i64(cJSON *obj, const char *member, int64_t value); /* exact at any magnitude */
void json_add_bool(cJSON *obj, const char *member, bool value);
void json_add_null(cJSON *obj, const char *member);
cJSON *json_add_obj(cJSON *obj, const char *member); /* the new, empty object; owned by obj */
cJSON *json_add_arr(cJSON *obj, const char *member);
void json_add(cJSON *obj, const char *member, cJSON *value); /* takes value; NULL adds null */
void json_add_strv(cJSON *obj, const char *member, char *const *v); /* [] when v is NULL */
void json_push(cJSON *arr, cJSON *value);                           /* takes value */
void json_push_str(cJSON *arr, const char *value);
cJSON *json_dup(const cJSON *doc);
