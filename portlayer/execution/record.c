/* Container records to text and back. */
#include "portlayer/execution/record.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

#define CODE_VM_GONE 137
#define CODE_HOST_REBOOTED 255

char *pl_record_to_text(const struct pl_record *rec)
{
    auto_json cJSON *doc = json_new_obj();
    json_add_i64(doc, "version", PL_RECORD_VERSION);
    json_add_str(doc, "id", rec->id);
    json_add_str(doc, "name", rec->name);
    json_add_str(doc, "image", rec->image);
    json_add_str(doc, "chain", rec->chain_id);
    pl_add_time(doc, "created_at", rec->created_ns);
    json_add(doc, "spec", pl_spec_to_json(&rec->spec));
    json_add(doc, "annotations", rec->annotations ? json_dup(rec->annotations) : json_new_obj());
    json_add(doc, "event_attributes",
             rec->event_attributes ? json_dup(rec->event_attributes) : json_new_obj());
    cJSON *arr = json_add_arr(doc, "endpoints");
    for (size_t i = 0; i < rec->n_endpoints; i++) {
        const struct pl_endpoint *e = &rec->endpoints[i];
        cJSON *o = json_new_obj();
        json_add_str(o, "network", e->network);
        json_add_str(o, "network_id", e->network_id);
        json_add_str(o, "bridge", e->bridge);
        json_add_str(o, "address", e->address);
        json_add_i64(o, "prefix_len", e->prefix_len);
        json_add_str(o, "gateway", e->gateway);
        json_add_str(o, "mac", e->mac);
        json_push(arr, o);
    }
    cJSON *state = json_add_obj(doc, "state");
    json_add_str(state, "status", pl_state_to_string(rec->state));
    json_add_i64(state, "run", rec->run);
    json_add_str(state, "vm_uuid", rec->vm_uuid);
    json_add_str(state, "boot_id", rec->boot_id);
    json_add_i64(state, "vm_memory_bytes", (int64_t)rec->vm_memory_bytes);
    json_add_i64(state, "vm_cpus", rec->vm_cpus);
    json_add_i64(state, "exit_code", rec->exit_code);
    json_add_str(state, "error", rec->error);
    json_add_bool(state, "oom_killed", rec->oom_killed);
    json_add_i64(state, "restarts", rec->restarts);
    json_add_bool(state, "stopped", rec->is_stopped);
    if (rec->health.status != PL_HEALTH_NONE) {
        json_add_str(state, "health", pl_health_to_string(rec->health.status));
        json_add_i64(state, "failing_streak", rec->health.failing_streak);
    }
    pl_add_time(state, "started_at", rec->started_ns);
    pl_add_time(state, "finished_at", rec->finished_ns);
    return json_print(doc);
}

static int take_text(const cJSON *obj, const char *path, const char *member, char *ret, size_t size,
                     struct vic_err *err)
{
    const char *s = NULL;
    int r = json_get_str(obj, path, member, &s, err);
    if (r < 0)
        return r;
    size_t len = s ? strlen(s) : 0;
    if (len >= size)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.%s: too long", path, member);
    memcpy(ret, s ? s : "", len + 1);
    return 0;
}

static int take_time(const cJSON *obj, const char *path, const char *member, int64_t *ret_ns,
                     struct vic_err *err)
{
    const char *s = NULL;
    int r = json_get_str(obj, path, member, &s, err);
    if (r < 0)
        return r;
    if (vic_str_is_empty(s)) {
        *ret_ns = 0;
        return 0;
    }
    if (vic_clock_parse_rfc3339(s, ret_ns) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s.%s: no time", path, member);
    return 0;
}

static int read_endpoints(const cJSON *doc, struct pl_record *rec, struct vic_err *err)
{
    static const char path[] = "endpoints";
    const cJSON *arr = NULL;
    int r = json_get_arr(doc, "", path, &arr, err);
    if (r < 0)
        return r;
    const cJSON *o;
    cJSON_ArrayForEach(o, arr)
    {
        if (rec->n_endpoints == ARRAY_SIZE(rec->endpoints))
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s: too many", path);
        struct pl_endpoint *e = &rec->endpoints[rec->n_endpoints];
        int64_t prefix_len = 0;
        if ((r = take_text(o, path, "network", e->network, sizeof(e->network), err)) < 0 ||
            (r = take_text(o, path, "network_id", e->network_id, sizeof(e->network_id), err)) < 0 ||
            (r = take_text(o, path, "bridge", e->bridge, sizeof(e->bridge), err)) < 0 ||
            (r = take_text(o, path, "address", e->address, sizeof(e->address), err)) < 0 ||
            (r = json_get_i64(o, path, "prefix_len", 0, 128, &prefix_len, err)) < 0 ||
            (r = take_text(o, path, "gateway", e->gateway, sizeof(e->gateway), err)) < 0 ||
            (r = take_text(o, path, "mac", e->mac, sizeof(e->mac), err)) < 0)
            return r;
        e->prefix_len = (unsigned)prefix_len;
        rec->n_endpoints++;
    }
    return 0;
}

static int read_state(const cJSON *doc, struct pl_record *rec, struct vic_err *err)
{
    static const char path[] = "state";
    const cJSON *s = NULL;
    const char *status = NULL;
    int64_t run = 0;
    int64_t exit_code = 0;
    int64_t restarts = 0;
    int64_t failing_streak = 0;
    int64_t vm_memory_bytes = 0;
    int64_t vm_cpus = 0;
    const char *health = NULL;
    int r;
    if ((r = json_get_obj(doc, "", path, &s, err)) < 0)
        return r;
    if (!s)
        return vic_fail(err, VIC_ERR_INVALID, 0, "state: missing");
    if ((r = json_need_str(s, path, "status", &status, err)) < 0 ||
        (r = json_get_i64(s, path, "run", 0, INT32_MAX, &run, err)) < 0 ||
        (r = take_text(s, path, "vm_uuid", rec->vm_uuid, sizeof(rec->vm_uuid), err)) < 0 ||
        (r = take_text(s, path, "boot_id", rec->boot_id, sizeof(rec->boot_id), err)) < 0 ||
        (r = json_get_i64(s, path, "exit_code", INT32_MIN, INT32_MAX, &exit_code, err)) < 0 ||
        (r = take_text(s, path, "error", rec->error, sizeof(rec->error), err)) < 0 ||
        (r = json_get_bool(s, path, "oom_killed", &rec->oom_killed, err)) < 0 ||
        (r = json_get_i64(s, path, "restarts", 0, INT32_MAX, &restarts, err)) < 0 ||
        (r = json_get_bool(s, path, "stopped", &rec->is_stopped, err)) < 0 ||
        (r = json_get_i64(s, path, "vm_memory_bytes", 0, INT64_MAX, &vm_memory_bytes, err)) < 0 ||
        (r = json_get_i64(s, path, "vm_cpus", 0, INT32_MAX, &vm_cpus, err)) < 0 ||
        (r = json_get_str(s, path, "health", &health, err)) < 0 ||
        (r = json_get_i64(s, path, "failing_streak", 0, INT32_MAX, &failing_streak, err)) < 0 ||
        (r = take_time(s, path, "started_at", &rec->started_ns, err)) < 0 ||
        (r = take_time(s, path, "finished_at", &rec->finished_ns, err)) < 0)
        return r;
    if (pl_state_from_string(status, &rec->state) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "state.status: unknown '%.40s'", status);
    rec->run = (unsigned)run;
    rec->exit_code = (int)exit_code;
    rec->restarts = (unsigned)restarts;
    rec->vm_memory_bytes = (uint64_t)vm_memory_bytes;
    rec->vm_cpus = (unsigned)vm_cpus;
    rec->health.status = pl_health_from_string(health);
    rec->health.failing_streak = (unsigned)failing_streak;
    return 0;
}

static int take_map(const cJSON *doc, const char *member, cJSON **ret, struct vic_err *err)
{
    const cJSON *map = json_member(doc, member);
    int r = pl_check_string_map(map, member, PL_RECORD_MAX, err);
    if (r == 0)
        *ret = map ? json_dup(map) : json_new_obj();
    return r;
}

static int read_record(const cJSON *doc, struct pl_record *rec, struct vic_err *err)
{
    const char *name = NULL;
    const char *image = NULL;
    const char *chain_id = NULL;
    int64_t version = 0;
    int r;
    if (!cJSON_IsObject(doc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "expected an object");
    if ((r = json_get_i64(doc, "", "version", 0, INT32_MAX, &version, err)) < 0)
        return r;
    if (version != PL_RECORD_VERSION)
        return vic_fail(err, VIC_ERR_INVALID, 0, "version: expected %d", PL_RECORD_VERSION);
    if ((r = take_text(doc, "", "id", rec->id, sizeof(rec->id), err)) < 0 ||
        (r = json_need_str(doc, "", "name", &name, err)) < 0 ||
        (r = json_need_str(doc, "", "image", &image, err)) < 0 ||
        (r = json_need_str(doc, "", "chain", &chain_id, err)) < 0 ||
        (r = pl_check_name(name, err)) < 0 ||
        (r = take_time(doc, "", "created_at", &rec->created_ns, err)) < 0 ||
        (r = pl_spec_from_json(json_member(doc, "spec"), &rec->spec, err)) < 0 ||
        (r = take_map(doc, "annotations", &rec->annotations, err)) < 0 ||
        (r = take_map(doc, "event_attributes", &rec->event_attributes, err)) < 0 ||
        (r = read_endpoints(doc, rec, err)) < 0 || (r = read_state(doc, rec, err)) < 0)
        return r;
    if (!vic_id_is_valid(rec->id))
        return vic_fail(err, VIC_ERR_INVALID, 0, "id: no container id");
    rec->name = vic_xstrdup(name);
    rec->image = vic_xstrdup(image);
    rec->chain_id = vic_xstrdup(chain_id);
    return 0;
}

int pl_record_from_text(const char *text, size_t len, struct pl_record *ret_rec,
                        struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    int r = json_parse(text, len, &doc, err);
    if (r < 0)
        return r;
    struct pl_record rec = {0};
    r = read_record(doc, &rec, err);
    if (r < 0) {
        pl_record_release(&rec);
        return r;
    }
    *ret_rec = rec;
    return 0;
}

void pl_record_release(struct pl_record *rec)
{
    free(rec->name);
    free(rec->image);
    free(rec->chain_id);
    pl_spec_release(&rec->spec);
    pl_health_release(&rec->health);
    cJSON_Delete(rec->annotations);
    cJSON_Delete(rec->event_attributes);
    memset(rec, 0, sizeof(*rec));
}

int pl_record_code_of_loss(const struct pl_record *rec, const char *boot_id)
{
    return strcmp(rec->boot_id, boot_id) == 0 ? CODE_VM_GONE : CODE_HOST_REBOOTED;
}
