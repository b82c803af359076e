/* CONTAINER documents. */
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "portlayer/execution/internal.h"

static cJSON *network_to_json(const struct pl_endpoint *e)
{
    cJSON *o = json_new_obj();
    json_add_str(o, "name", e->network);
    json_add_str(o, "id", e->network_id);
    json_add_str(o, "address", e->address);
    json_add_i64(o, "prefix_len", e->prefix_len);
    json_add_str(o, "gateway", e->gateway);
    json_add_str(o, "mac", e->mac);
    return o;
}

cJSON *pl_container_to_json(const struct pl_container *c)
{
    const struct pl_record *rec = &c->rec;
    cJSON *doc = json_new_obj();
    json_add_str(doc, "id", rec->id);
    json_add_str(doc, "name", rec->name);
    pl_add_time(doc, "created_at", rec->created_ns);
    json_add_str(doc, "image", rec->image);
    json_add(doc, "spec", pl_spec_to_json(&rec->spec));
    json_add(doc, "annotations", json_dup(rec->annotations));
    json_add(doc, "event_attributes", json_dup(rec->event_attributes));
    cJSON *state = json_add_obj(doc, "state");
    json_add_str(state, "status", pl_state_to_string(rec->state));
    json_add_i64(state, "pid", pl_state_has_vm(rec->state) ? c->pid : 0);
    json_add_i64(state, "exit_code", rec->exit_code);
    json_add_str(state, "error", rec->error);
    json_add_bool(state, "oom_killed", rec->oom_killed);
    json_add_bool(state, "restarting",
                  rec->state == PL_RESTARTING || (rec->state == PL_STARTING && c->is_by_policy));
    json_add_i64(state, "restarts", rec->restarts);
    pl_add_time(state, "started_at", rec->started_ns);
    pl_add_time(state, "finished_at", rec->finished_ns);
    if (rec->health.status != PL_HEALTH_NONE)
        json_add(state, "health", pl_health_to_json(&rec->health));
    json_add(doc, "execs", pl_execs_ids(c));
    cJSON *networks = json_add_arr(doc, "networks");
    for (size_t i = 0; i < rec->n_endpoints; i++)
        json_push(networks, network_to_json(&rec->endpoints[i]));
    for (char **v = rec->n_endpoints == 0 ? rec->spec.networks : NULL; v && *v; v++) {
        struct pl_endpoint none = {0};
        cJSON *o = network_to_json(&none);
        cJSON_DeleteItemFromObjectCaseSensitive(o, "name");
        json_add_str(o, "name", *v);
        json_push(networks, o);
    }
    return doc;
}

cJSON *pl_container_to_json_row(const struct pl_container *c)
{
    cJSON *doc = pl_container_to_json(c);
    cJSON *process =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(doc, "spec"), "process");
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "event_attributes");
    cJSON_DeleteItemFromObjectCaseSensitive(process, "env");
    cJSON *state = cJSON_GetObjectItemCaseSensitive(doc, "state");
    cJSON *health = cJSON_GetObjectItemCaseSensitive(state, "health");
    cJSON_DeleteItemFromObjectCaseSensitive(health, "log");
    return doc;
}
