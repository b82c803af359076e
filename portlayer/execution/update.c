/* Changes of restart policy, bounds and annotations. */
#include "portlayer/execution/update.h"

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "portlayer/api.h"
#include "portlayer/execution/restart.h"

struct update {
    struct pl_request *req; /* owned once it waits for the guest */
    unsigned run;
    bool has_restart, has_bounds;
    struct pl_restart restart;
    struct confine confine; /* all of it, with the new bounds */
    cJSON *annotations;     /* owned; the new ones, NULL: as they are */
};

static void update_free(struct update *u)
{
    confine_release(&u->confine);
    cJSON_Delete(u->annotations);
    free(u);
}

/* ---- what is asked for ---- */

/* The container's confinement with other bounds. */
static int read_bounds(const struct pl_container *c, const cJSON *bounds, struct update *u,
                       struct vic_err *err)
{
    int r = pl_check_members(bounds, "bounds", confine_bounds, confine_n_bounds, err);
    if (r < 0)
        return r;
    auto_json cJSON *doc = confine_to_json(&c->rec.spec.confine);
    for (size_t i = 0; i < confine_n_bounds; i++) {
        const cJSON *v = json_member(bounds, confine_bounds[i]);
        cJSON_DeleteItemFromObjectCaseSensitive(doc, confine_bounds[i]);
        if (v)
            json_add(doc, confine_bounds[i], json_dup(v));
    }
    u->has_bounds = true;
    return confine_from_json(doc, "bounds", &u->confine, err);
}

static int read_annotations(const struct pl_container *c, const cJSON *changed, struct update *u,
                            struct vic_err *err)
{
    int r = pl_check_string_map(changed, "annotations", PL_ANNOTATIONS_MAX, err);
    if (r < 0)
        return r;
    u->annotations = json_dup(c->rec.annotations);
    const cJSON *a;
    cJSON_ArrayForEach(a, changed)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(u->annotations, a->string);
        json_add_str(u->annotations, a->string, a->valuestring);
    }
    return pl_check_string_map(u->annotations, "annotations", PL_ANNOTATIONS_MAX, err);
}

static int read_update(const struct pl_container *c, const cJSON *doc, struct update *u,
                       struct vic_err *err)
{
    static const char *const members[] = {"restart", "bounds", "annotations"};
    const cJSON *restart = json_member(doc, "restart");
    const cJSON *bounds = json_member(doc, "bounds");
    const cJSON *annotations = json_member(doc, "annotations");
    int r = pl_check_members(doc, NULL, members, ARRAY_SIZE(members), err);
    if (r == 0 && restart) {
        u->has_restart = true;
        r = pl_restart_from_json(restart, "restart", &u->restart, err);
    }
    if (r == 0 && bounds)
        r = read_bounds(c, bounds, u, err);
    return r == 0 && annotations ? read_annotations(c, annotations, u, err) : r;
}

/* ---- whether it can be ---- */

int pl_update_fits(const struct confine *bounds, const struct pl_vm_size *wanted,
                   const struct pl_vm_size *vm, struct vic_err *err)
{
    if (bounds->memory_bytes > 0 && wanted->memory_bytes > vm->memory_bytes)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "a limit of %llu MiB needs a virtual machine of %llu MiB, and this one has "
                        "%llu MiB: stop the container first",
                        (unsigned long long)bounds->memory_bytes >> 20,
                        (unsigned long long)wanted->memory_bytes >> 20,
                        (unsigned long long)vm->memory_bytes >> 20);
    if (bounds->cpu_quota_us > 0 && wanted->cpus > vm->cpus)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "that needs a virtual machine of %u processors, and this one has %u: stop "
                        "the container first",
                        wanted->cpus, vm->cpus);
    return 0;
}

static int check_size(const struct pl_container *c, const struct update *u, struct vic_err *err)
{
    struct pl_vm_size host;
    struct pl_vm_size wanted;
    const struct pl_config *config = &c->x->pl->config;
    pl_vm_size_of_host(&host);
    int r = pl_vm_size_for(&u->confine, config, &host, &wanted, err);
    if (r < 0 || !pl_state_has_vm(c->rec.state))
        return r;
    struct pl_vm_size vm = {c->rec.vm_memory_bytes, c->rec.vm_cpus};
    return pl_update_fits(&u->confine, &wanted, &vm, err);
}

static int check(const struct pl_container *c, const struct update *u, struct vic_err *err)
{
    if (c->rec.state == PL_REMOVING || c->rec.state == PL_DEAD)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is being removed", c->rec.id);
    if (u->has_restart && u->restart.name != PL_RESTART_NO && c->rec.spec.auto_remove)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is removed when it ends",
                        c->rec.id);
    if (u->has_bounds && c->rec.state == PL_STARTING)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is starting", c->rec.id);
    return u->has_bounds ? check_size(c, u, err) : 0;
}

/* ---- doing it ---- */

static void apply(struct pl_container *c, struct update *u)
{
    struct pl_spec *spec = &c->rec.spec;
    if (u->has_restart)
        spec->restart = u->restart;
    if (u->has_bounds) {
        confine_release(&spec->confine);
        spec->confine = u->confine;
        u->confine = (struct confine){0};
    }
    if (u->annotations) {
        cJSON_Delete(c->rec.annotations);
        c->rec.annotations = TAKE_PTR(u->annotations);
    }
    c->rec.revision++;
    pl_container_save(c);
    pl_container_emit(c, "update", NULL, NULL);
}

static void on_guest_changed(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct update *u = arg;
    struct pl_container *c = u->req->c;
    (void)doc;
    /* The end came between: it holds from the next start on. */
    bool has_ended = err && (u->run != c->rec.run || pl_container_is_over(c));
    if (!err || has_ended)
        apply(c, u);
    pl_request_reply(u->req, has_ended ? NULL : err);
    update_free(u);
}

static cJSON *bounds_of(const struct confine *c)
{
    auto_json cJSON *all = confine_to_json(c);
    cJSON *doc = json_new_obj();
    for (size_t i = 0; i < confine_n_bounds; i++) {
        const cJSON *v = json_member(all, confine_bounds[i]);
        if (v)
            json_add(doc, confine_bounds[i], json_dup(v));
    }
    return doc;
}

static void tell_guest(struct pl_container *c, struct rpc_stream *st, struct update *take_u)
{
    struct vic_err err = {0};
    auto_json cJSON *doc = bounds_of(&take_u->confine);
    take_u->req = pl_request_new(c, st, PL_EV_SIGNAL);
    take_u->run = c->rec.run;
    if (pl_channel_call(c->channel, "POST", "/v1/bounds", doc, on_guest_changed, take_u, &err) < 0)
        on_guest_changed(&err, NULL, take_u);
}

void pl_update_handle(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct pl_container *c = NULL;
    struct vic_err err;
    struct update *u = vic_new(struct update);
    int r = pl_index_find(pl->execution, rpc_stream_param(st, "ref"), &c, &err);
    if (r < 0 || (r = read_update(c, rpc_stream_json(st), u, &err)) < 0 ||
        (r = check(c, u, &err)) < 0) {
        rpc_reply_error(st, &err);
    } else if (u->has_bounds && pl_state_has_vm(c->rec.state)) {
        tell_guest(c, st, TAKE_PTR(u));
    } else {
        apply(c, u);
        rpc_reply_json(st, json_new_obj());
    }
    if (u)
        update_free(u);
}
