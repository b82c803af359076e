/* Containers in memory: their lifetime, and how they are found. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/events.h"
#include "portlayer/execution/internal.h"

#define RECORD_MODE 0600

struct pl_container *pl_container_new(struct pl_execution *x, struct pl_record *take_rec)
{
    struct pl_container *c = vic_new(struct pl_container);
    c->x = x;
    x->refs++;
    c->refs = 1;
    c->rec = *take_rec;
    memset(take_rec, 0, sizeof(*take_rec));
    c->queue = host_queue_new(x->pl->loop);
    (void)uv_timer_init(x->pl->loop, &c->timer);
    c->timer.data = c;
    vic_list_init(&c->link);
    vic_list_init(&c->requests);
    vic_list_init(&c->late_copies);
    vic_list_init(&c->waiters);
    vic_list_init(&c->attaches);
    vic_list_init(&c->followers);
    vic_list_init(&c->execs);
    return c;
}

void pl_container_ref(struct pl_container *c)
{
    c->refs++;
}

static void on_closed(uv_handle_t *h)
{
    struct pl_container *c = h->data;
    pl_record_release(&c->rec);
    pl_execution_unref(c->x);
    free(c);
}

void pl_container_unref(struct pl_container *c)
{
    if (--c->refs > 0)
        return;
    pl_run_release(c);
    host_queue_free(c->queue);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

int pl_index_add(struct pl_execution *x, struct pl_container *c, struct vic_err *err)
{
    struct pl_container *other = vic_map_get(&x->by_name, c->rec.name);
    if (other)
        return vic_fail(err, VIC_ERR_CONFLICT, EEXIST,
                        "the name '%s' is already in use by container '%s': remove (or rename) "
                        "that container to be able to reuse that name",
                        c->rec.name, other->rec.id);
    (void)vic_map_put(&x->by_name, c->rec.name, c);
    (void)vic_map_put(&x->by_id, c->rec.id, c);
    vic_list_append(&x->containers, &c->link);
    return 0;
}

void pl_index_remove(struct pl_container *c)
{
    (void)vic_map_remove(&c->x->by_name, c->rec.name);
    (void)vic_map_remove(&c->x->by_id, c->rec.id);
    vic_list_remove(&c->link);
    c->is_gone = true;
}

int pl_index_rename(struct pl_container *c, const char *name, struct vic_err *err)
{
    struct pl_container *other = vic_map_get(&c->x->by_name, name);
    if (other)
        return vic_fail(err, VIC_ERR_CONFLICT, EEXIST,
                        "the name '%s' is already in use by container '%s'", name, other->rec.id);
    (void)vic_map_remove(&c->x->by_name, c->rec.name);
    free(c->rec.name);
    c->rec.name = vic_xstrdup(name);
    (void)vic_map_put(&c->x->by_name, name, c);
    return 0;
}

int pl_index_find(struct pl_execution *x, const char *ref, struct pl_container **ret_c,
                  struct vic_err *err)
{
    struct pl_container *found = vic_map_get(&x->by_id, ref);
    if (!found || !found->is_visible)
        found = vic_map_get(&x->by_name, ref);
    size_t len = strlen(ref);
    if ((!found || !found->is_visible) && len > 0 && len < VIC_ID_LEN && vic_str_is_hex(ref, len)) {
        found = NULL;
        struct pl_container *c;
        list_for_each(c, &x->containers, link) {
            if (!c->is_visible || !vic_str_starts_with(c->rec.id, ref))
                continue;
            if (found)
                return vic_fail(err, VIC_ERR_INVALID, 0,
                                "multiple IDs found with provided prefix: %s", ref);
            found = c;
        }
    }
    if (!found || !found->is_visible)
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "No such container: %.128s", ref);
    *ret_c = found;
    return 0;
}

struct pl_container *pl_index_find_vm(struct pl_execution *x, const char *uuid)
{
    struct pl_container *c;
    list_for_each(c, &x->containers, link) {
        if (vic_str_eq(c->rec.vm_uuid, uuid))
            return c;
    }
    return NULL;
}

char *pl_container_path(const struct pl_container *c, const char *file)
{
    return vic_xasprintf("%s/containers/%s%s%s", c->x->pl->config.datastore, c->rec.id,
                         file ? "/" : "", file ? file : "");
}

char *pl_container_output_path(const struct pl_container *c, unsigned run)
{
    char file[32];
    (void)snprintf(file, sizeof(file), "output.%u.log", run);
    return pl_container_path(c, file);
}

char *pl_container_socket_path(const struct pl_container *c)
{
    return vic_xasprintf("%s/c/%.*s.sock", c->x->pl->config.run_dir, VIC_ID_SHORT_LEN, c->rec.id);
}

void pl_container_emit(struct pl_container *c, const char *action, const char *member,
                       const char *value)
{
    cJSON *extra = json_new_obj();
    if (member)
        json_add_str(extra, member, value);
    pl_container_emit_with(c, action, extra);
}

void pl_container_emit_with(struct pl_container *c, const char *action, cJSON *take_attributes)
{
    auto_json cJSON *extra = take_attributes;
    json_add_str(extra, "name", c->rec.name);
    pl_events_emit(c->x->pl->events, "container", action, c->rec.id, c->rec.event_attributes,
                   extra);
}

void pl_container_emit_networks(struct pl_container *c, const char *action)
{
    for (size_t i = 0; i < c->rec.n_endpoints; i++) {
        const struct pl_endpoint *e = &c->rec.endpoints[i];
        auto_json cJSON *attributes = json_new_obj();
        json_add_str(attributes, "container", c->rec.id);
        json_add_str(attributes, "name", e->network);
        json_add_str(attributes, "type", "bridge");
        pl_events_emit(c->x->pl->events, "network", action, e->network_id, attributes, NULL);
    }
}

struct save {
    struct pl_container *c;
    char *path;
    char *text;
};

static int save_work(void *arg, struct vic_err *err)
{
    struct save *s = arg;
    return vic_file_replace(s->path, s->text, strlen(s->text), RECORD_MODE, err);
}

static void save_done(void *arg, int result, const struct vic_err *err)
{
    struct save *s = arg;
    if (result < 0 && !s->c->is_gone)
        vic_log(VIC_ERROR, "container", s->c->rec.id, "record not saved: %s", err->message);
    pl_container_unref(s->c);
    free(s->path);
    free(s->text);
    free(s);
}

void pl_container_save(struct pl_container *c)
{
    struct save *s = vic_new(struct save);
    pl_container_ref(c);
    s->c = c;
    s->path = pl_container_path(c, "container.json");
    s->text = pl_record_to_text(&c->rec);
    host_queue_add(c->queue, save_work, save_done, s);
}

static void on_timer(uv_timer_t *t)
{
    struct pl_container *c = t->data;
    c->on_deadline(c);
}

void pl_container_deadline(struct pl_container *c, uint64_t ms, void (*fn)(struct pl_container *))
{
    c->on_deadline = fn;
    (void)uv_timer_start(&c->timer, on_timer, ms, 0);
}

void pl_container_deadline_by(struct pl_container *c, uint64_t ms,
                              void (*fn)(struct pl_container *))
{
    if (!uv_is_active((uv_handle_t *)&c->timer) || uv_timer_get_due_in(&c->timer) > ms)
        pl_container_deadline(c, ms, fn);
}

void pl_container_no_deadline(struct pl_container *c)
{
    (void)uv_timer_stop(&c->timer);
}

unsigned pl_guest_timeout_s(const struct pl_execution *x, unsigned kvm_s, unsigned tcg_s)
{
    return x->kvm ? kvm_s : tcg_s;
}
