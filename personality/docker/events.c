/* GET /events: the port layer's journal in Docker's documents, live or from the past. */
#include "personality/docker/events.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "personality/docker/filters.h"
#include "personality/docker/handlers.h"
#include "personality/docker/images.h"
#include "personality/docker/intent.h"
#include "personality/docker/relay.h"
#include "personality/docker/text.h"
#include "portlayer/api.h"

static const char *const known_filters[] = {"config", "container", "daemon", "event",  "image",
                                            "label",  "network",   "node",   "plugin", "scope",
                                            "secret", "service",   "type",   "volume", NULL};

struct events {
    struct docker_req *req;
    struct docker_filters filters;
    struct pl_lines *lines;
    bool may_go_on;
};

/* ---- one event -------------------------------------------------------------------------------------------- */

/* Attributes under Docker's names; what a label is called stays. */
static cJSON *attributes_json(const cJSON *event)
{
    static const struct {
        const char *action; /* how it begins */
        const char *ours;
        const char *docker;
    } names[] = {{"die", "exit_code", "exitCode"},
                 {"die", "duration_s", "execDuration"},
                 {"exec_die", "exit_code", "exitCode"},
                 {"exec_", "exec_id", "execID"},
                 {"rename", "old_name", "oldName"}};
    const char *action = json_str(event, "action", "");
    cJSON *out = json_new_obj();
    const cJSON *a;
    cJSON_ArrayForEach(a, json_member(event, "attributes"))
    {
        const char *name = a->string;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            if (strcmp(names[i].ours, a->string) == 0 &&
                vic_str_starts_with(action, names[i].action))
                name = names[i].docker;
        if (!cJSON_IsString(a))
            continue;
        if (strcmp(action, "rename") == 0 && strcmp(name, "oldName") == 0)
            json_addf(out, name, "/%s", a->valuestring);
        else
            json_add_str(out, name, a->valuestring);
    }
    return out;
}

/* Docker tells an exec's command, and what health has become, with the action. */
static const struct {
    const char *action;
    const char *attribute;
} told_with_action[] = {
    {"exec_create", "exec_command"},
    {"exec_start", "exec_command"},
    {"health_status", "health_status"},
};

static char *action_of(const cJSON *event, cJSON *attributes)
{
    const char *action = json_str(event, "action", "");
    for (size_t i = 0; i < ARRAY_SIZE(told_with_action); i++) {
        if (strcmp(told_with_action[i].action, action) != 0)
            continue;
        const char *attribute = told_with_action[i].attribute;
        char *told = vic_xasprintf("%s: %s", action, json_str(attributes, attribute, ""));
        cJSON_DeleteItemFromObjectCaseSensitive(attributes, attribute);
        return told;
    }
    return vic_xstrdup(action);
}

/* Docker names images in events as people do. */
static void name_image(cJSON *attributes)
{
    const char *full = json_str(attributes, "ref", json_str(attributes, "name", ""));
    if (full[0] == '\0')
        return;
    auto_free char *familiar = docker_image_familiar(full);
    cJSON_DeleteItemFromObjectCaseSensitive(attributes, "ref");
    cJSON_DeleteItemFromObjectCaseSensitive(attributes, "name");
    json_add_str(attributes, "name", familiar);
}

cJSON *docker_event_json(const cJSON *event)
{
    const char *type = json_str(event, "type", "");
    const char *id = json_str(event, "id", "");
    int64_t time_ns = json_i64(event, "time_ns", 0);
    cJSON *attributes = attributes_json(event);
    auto_free char *action = action_of(event, attributes);
    cJSON *out = json_new_obj();
    bool is_image = strcmp(type, "image") == 0;
    if (is_image)
        name_image(attributes);
    if (is_image || strcmp(type, "container") == 0) { /* what clients before API 1.22 read */
        json_add_str(out, "status", action);
        if (id[0]) /* a prune has none */
            json_add_str(out, "id", id);
        if (!is_image && id[0])
            json_add_str(out, "from", json_str(attributes, "image", ""));
    }
    json_add_str(out, "Type", type);
    json_add_str(out, "Action", action);
    cJSON *actor = json_add_obj(out, "Actor");
    json_add_str(actor, "ID", id);
    json_add(actor, "Attributes", attributes);
    json_add_str(out, "scope", "local");
    json_add_i64(out, "time", time_ns / VIC_NS_PER_S);
    json_add_i64(out, "timeNano", time_ns);
    return out;
}

/* ---- filters ------------------------------------------------------------------------------------------------ */

/* An object's filter: its id, the start of it, or its name. */
static bool matches_object(const struct docker_filters *f, const char *filter, const char *type,
                           const cJSON *event)
{
    char *const *values = docker_filters_get(f, filter);
    if (!values)
        return true;
    if (strcmp(json_str(event, "Type", ""), type) != 0)
        return false;
    const cJSON *actor = json_member(event, "Actor");
    const char *name = json_str(json_member(actor, "Attributes"), "name", "");
    for (; *values; values++)
        if (strcmp(*values, name) == 0 ||
            (**values && vic_str_starts_with(json_str(actor, "ID", ""), *values)))
            return true;
    return false;
}

/* Matches an image's events and those of its containers; a tag may be left out. */
static bool matches_image(const struct docker_filters *f, const cJSON *event)
{
    char *const *values = docker_filters_get(f, "image");
    if (!values)
        return true;
    const cJSON *actor = json_member(event, "Actor");
    const cJSON *attributes = json_member(actor, "Attributes");
    bool is_image = strcmp(json_str(event, "Type", ""), "image") == 0;
    const char *name = json_str(attributes, is_image ? "name" : "image", "");
    for (; *values; values++) {
        size_t len = strlen(*values);
        if (strcmp(*values, name) == 0 || (strncmp(*values, name, len) == 0 && name[len] == ':') ||
            (is_image && strcmp(*values, json_str(actor, "ID", "")) == 0))
            return true;
    }
    return false;
}

/* The action, or what stands before what is told with it. */
static bool matches_action(const struct docker_filters *f, const char *action)
{
    char *const *values = docker_filters_get(f, "event");
    if (!values)
        return true;
    size_t len = strcspn(action, ":");
    for (; *values; values++)
        if (strcmp(*values, action) == 0 ||
            (strlen(*values) == len && strncmp(*values, action, len) == 0))
            return true;
    return false;
}

bool docker_event_matches(const struct docker_filters *f, const cJSON *event)
{
    static const char *const never[] = {"config", "daemon",  "node",  "plugin",
                                        "secret", "service", "volume"};
    for (size_t i = 0; i < ARRAY_SIZE(never); i++)
        if (docker_filters_get(f, never[i]))
            return false;
    return docker_filters_match_exact(f, "type", json_str(event, "Type", "")) &&
           matches_action(f, json_str(event, "Action", "")) &&
           docker_filters_match_exact(f, "scope", "local") &&
           docker_filters_match_kv(f, "label",
                                   json_member(json_member(event, "Actor"), "Attributes")) &&
           matches_object(f, "container", "container", event) &&
           matches_object(f, "network", "network", event) && matches_image(f, event);
}

/* ---- the stream --------------------------------------------------------------------------------------------- */

static void on_begin(struct docker_relay *l, void *arg)
{
    (void)arg;
    docker_stream_begin(docker_relay_req(l), "application/json");
}

static void on_doc(const cJSON *doc, void *arg)
{
    struct events *e = arg;
    auto_json cJSON *event = docker_event_json(doc);
    if (docker_event_matches(&e->filters, event))
        e->may_go_on = docker_stream_json(e->req, event) && e->may_go_on;
}

static int on_data(struct docker_relay *l, const void *data, size_t len, void *arg,
                   struct vic_err *err)
{
    struct events *e = arg;
    (void)l;
    e->may_go_on = true;
    int r = pl_lines_feed(e->lines, data, len, err);
    return r < 0 ? r : e->may_go_on;
}

static void on_end(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg)
{
    struct docker_req *r = docker_relay_req(l);
    static const struct vic_err none = {.kind = VIC_ERR_UNAVAILABLE,
                                        .message = "the port layer did not answer"};
    (void)arg;
    if (!has_begun)
        docker_reply_error(r, err ? err : &none);
    else if (err)
        docker_stream_break(r);
    else
        docker_stream_end(r);
}

static void on_free(void *arg)
{
    struct events *e = arg;
    pl_lines_free(e->lines);
    docker_filters_release(&e->filters);
    free(e);
}

static int add_time(struct vic_buf *path, const char *name, const char *text, int64_t *ret_ns,
                    struct vic_err *err)
{
    if (text[0] == '\0')
        return 0;
    if (docker_text_to_ns(text, ret_ns) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "strconv.ParseInt: parsing \"%.100s\": invalid syntax", text);
    vic_buf_addf(path, "&%s_ns=%" PRId64, name, *ret_ns < 0 ? 0 : *ret_ns);
    return 0;
}

static int add_times(struct vic_buf *path, const struct docker_req *r, struct vic_err *err)
{
    const char *since = docker_req_query_or(r, "since", "");
    const char *until = docker_req_query_or(r, "until", "");
    int64_t since_ns = 0;
    int64_t until_ns = 0;
    int res = add_time(path, "since", since, &since_ns, err);
    if (res >= 0)
        res = add_time(path, "until", until, &until_ns, err);
    if (res >= 0 && until[0] && until_ns < since_ns)
        res = vic_fail(err, VIC_ERR_INVALID, 0,
                       "`since` time (%.100s) cannot be after `until` time (%.100s)", since, until);
    return res;
}

void docker_system_events(struct docker_req *r)
{
    static const struct docker_relay_ops ops = {
        .on_begin = on_begin, .on_data = on_data, .on_end = on_end, .on_free = on_free};
    auto_buf struct vic_buf path = {0};
    auto_filters struct docker_filters filters = {0};
    struct vic_err err;
    vic_buf_add_str(&path, "/v1/events?follow=1");
    if (docker_filters_parse(docker_req_query(r, "filters"), known_filters, &filters, &err) < 0 ||
        add_times(&path, r, &err) < 0) {
        docker_reply_error(r, &err);
        return;
    }
    struct events *e = vic_new(struct events);
    *e = (struct events){.req = r, .filters = filters, .lines = pl_lines_new(on_doc, e)};
    filters = (struct docker_filters){0};
    docker_relay_open(r, "GET", vic_buf_str(&path), false, &ops, e);
}
