/* What execution calls of libvirt, guests, network and storage, from memory. */
#include "test/unit/fake_vm.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "portlayer/events.h"
#include "portlayer/interaction/exec.h"
#include "portlayer/storage/layer.h"
#include "portlayer/storage/storage.h"

struct fake_host fake;

void fake_reset(void)
{
    memset(&fake, 0, sizeof(fake));
    (void)pthread_mutex_init(&fake.lock, NULL);
    (void)pthread_cond_init(&fake.changed, NULL);
}

void fake_release(void)
{
    for (size_t i = 0; i < fake.n_conns; i++) {
        assert(fake.conns[i]->refs == 0);
        free(fake.conns[i]);
    }
    (void)pthread_cond_destroy(&fake.changed);
    (void)pthread_mutex_destroy(&fake.lock);
}

/* ---- libvirt ---- */

virConnectPtr virConnectOpen(const char *uri)
{
    (void)uri;
    struct _virConnect *conn = vic_new(struct _virConnect);
    (void)pthread_mutex_lock(&fake.lock);
    conn->refs = 1;
    assert(fake.n_conns < ARRAY_SIZE(fake.conns));
    fake.conns[fake.n_conns++] = conn;
    fake.n_opened++;
    (void)pthread_mutex_unlock(&fake.lock);
    return conn;
}

static int add_refs(virConnectPtr conn, int n)
{
    (void)pthread_mutex_lock(&fake.lock);
    assert(conn->refs > 0);
    conn->refs += n;
    int left = conn->refs;
    (void)pthread_mutex_unlock(&fake.lock);
    return left;
}

int virConnectRef(virConnectPtr conn)
{
    return add_refs(conn, 1) > 0 ? 0 : -1;
}

int virConnectClose(virConnectPtr conn)
{
    return add_refs(conn, -1);
}

int virConnectDomainEventRegisterAny(virConnectPtr conn, virDomainPtr dom, int id,
                                     virConnectDomainEventGenericCallback cb, void *opaque,
                                     virFreeCallback free_cb)
{
    (void)dom, (void)id, (void)free_cb;
    (void)pthread_mutex_lock(&fake.lock);
    conn->on_event = (virConnectDomainEventCallback)(void (*)(void))cb;
    conn->event_arg = opaque;
    (void)pthread_mutex_unlock(&fake.lock);
    return 1;
}

int virConnectDomainEventDeregisterAny(virConnectPtr conn, int id)
{
    (void)id;
    conn->on_event = NULL;
    return 0;
}

int virConnectRegisterCloseCallback(virConnectPtr conn, virConnectCloseFunc cb, void *opaque,
                                    virFreeCallback free_cb)
{
    (void)free_cb;
    conn->on_close = cb;
    conn->close_arg = opaque;
    return 0;
}

int virConnectUnregisterCloseCallback(virConnectPtr conn, virConnectCloseFunc cb)
{
    (void)cb;
    conn->on_close = NULL;
    return 0;
}

int virConnectSetKeepAlive(virConnectPtr conn, int interval, unsigned count)
{
    (void)conn, (void)interval, (void)count;
    return 0;
}

int virConnectGetVersion(virConnectPtr conn, unsigned long *version)
{
    (void)conn;
    *version = 7002022;
    return 0;
}

int virConnectGetLibVersion(virConnectPtr conn, unsigned long *version)
{
    (void)conn;
    *version = 9000000;
    return 0;
}

int virDomainGetUUIDString(virDomainPtr dom, char *buf)
{
    memcpy(buf, dom->uuid, sizeof(dom->uuid));
    return 0;
}

const char *virDomainGetName(virDomainPtr dom)
{
    return dom->name;
}

/* Under the lock. */
static size_t find(const char *uuid, const char *name)
{
    for (size_t i = 0; i < fake.n_domains; i++)
        if ((uuid && strcmp(fake.domains[i].uuid, uuid) == 0) ||
            (name && strcmp(fake.domains[i].name, name) == 0))
            return i;
    return FAKE_DOMAINS;
}

struct pl_virt_domain *fake_domain(const char *uuid)
{
    size_t i = find(uuid, NULL);
    return i < FAKE_DOMAINS ? &fake.domains[i] : NULL;
}

static void add(const char *name, const char *uuid, const char *container_id)
{
    assert(fake.n_domains < FAKE_DOMAINS);
    struct pl_virt_domain *d = &fake.domains[fake.n_domains++];
    *d = (struct pl_virt_domain){.pid = 1};
    (void)snprintf(d->name, sizeof(d->name), "%s", name);
    (void)snprintf(d->uuid, sizeof(d->uuid), "%s", uuid);
    (void)snprintf(d->container_id, sizeof(d->container_id), "%s", container_id);
}

void fake_domain_add(const char *name, const char *uuid, const char *container_id)
{
    (void)pthread_mutex_lock(&fake.lock);
    add(name, uuid, container_id);
    (void)pthread_mutex_unlock(&fake.lock);
}

static void remove_at(size_t i)
{
    if (i < FAKE_DOMAINS)
        fake.domains[i] = fake.domains[--fake.n_domains];
    (void)pthread_cond_broadcast(&fake.changed);
}

void fake_domain_remove(const char *uuid)
{
    (void)pthread_mutex_lock(&fake.lock);
    remove_at(find(uuid, NULL));
    (void)pthread_mutex_unlock(&fake.lock);
}

void fake_event(int event, const char *name, const char *uuid)
{
    struct _virDomain dom;
    (void)snprintf(dom.name, sizeof(dom.name), "%s", name);
    (void)snprintf(dom.uuid, sizeof(dom.uuid), "%s", uuid);
    for (size_t i = 0; i < fake.n_conns; i++)
        if (fake.conns[i]->on_event)
            (void)fake.conns[i]->on_event(fake.conns[i], &dom, event, fake.event_detail,
                                          fake.conns[i]->event_arg);
}

int pl_virt_fail(struct vic_err *err, const char *what)
{
    return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "%s: the fake is away", what);
}

/* The text between a and b in libvirt's document. */
static void cut(const char *xml, const char *a, const char *b, char *ret, size_t size)
{
    const char *start = strstr(xml, a);
    assert(start);
    start += strlen(a);
    const char *end = strstr(start, b);
    assert(end);
    (void)snprintf(ret, size, "%.*s", (int)(end - start), start);
}

int pl_virt_create(virConnectPtr conn, const char *xml, long *ret_pid, struct vic_err *err)
{
    char name[64];
    char uuid[37];
    (void)conn;
    cut(xml, "<name>", "</name>", name, sizeof(name));
    cut(xml, "<uuid>", "</uuid>", uuid, sizeof(uuid));
    (void)pthread_mutex_lock(&fake.lock);
    if (find(NULL, name) < FAKE_DOMAINS) {
        (void)pthread_mutex_unlock(&fake.lock);
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "domain '%s' exists already", name);
    }
    add(name, uuid, "");
    fake.n_creating++;
    if (fake.n_creating > fake.most_creating)
        fake.most_creating = fake.n_creating;
    while (fake.holds_creates && find(uuid, NULL) < FAKE_DOMAINS)
        (void)pthread_cond_wait(&fake.changed, &fake.lock);
    fake.n_creating--;
    bool is_there = find(uuid, NULL) < FAKE_DOMAINS;
    (void)pthread_mutex_unlock(&fake.lock);
    *ret_pid = 1;
    return is_there ? 0 : vic_fail(err, VIC_ERR_INTERNAL, 0, "the fake's domain ended");
}

static int destroy(virConnectPtr conn, const char *uuid, const char *name, struct vic_err *err)
{
    (void)pthread_mutex_lock(&fake.lock);
    size_t i = find(uuid, name);
    bool fails = fake.is_away || (fake.fail_destroys > 0 && i < FAKE_DOMAINS);
    if (uuid)
        fake.n_destroys++;
    if (fake.fail_destroys > 0 && fails)
        fake.fail_destroys--;
    if (!fails && i < FAKE_DOMAINS)
        fake.destroyed_by = conn;
    if (!fails)
        remove_at(i);
    (void)pthread_mutex_unlock(&fake.lock);
    return fails ? pl_virt_fail(err, "destroy") : 0;
}

int pl_virt_destroy(virConnectPtr conn, const char *uuid, struct vic_err *err)
{
    return destroy(conn, uuid, NULL, err);
}

int pl_virt_destroy_name(virConnectPtr conn, const char *name, struct vic_err *err)
{
    return destroy(conn, NULL, name, err);
}

int pl_virt_unstall(virConnectPtr conn, const char *uuid, struct vic_err *err)
{
    (void)conn, (void)uuid;
    (void)pthread_mutex_lock(&fake.lock);
    fake.n_unstalls++;
    bool fails = fake.fails_unstalls;
    (void)pthread_mutex_unlock(&fake.lock);
    return fails ? pl_virt_fail(err, "resume") : 0;
}

int pl_virt_list(virConnectPtr conn, const char *vch_id, struct pl_virt_domain **ret_domains,
                 size_t *ret_n, struct vic_err *err)
{
    (void)conn, (void)vch_id, (void)err;
    (void)pthread_mutex_lock(&fake.lock);
    struct pl_virt_domain *list = vic_xalloc(sizeof(fake.domains));
    memcpy(list, fake.domains, sizeof(fake.domains));
    *ret_domains = list;
    *ret_n = fake.n_domains;
    if (fake.after_list)
        fake.after_list(&fake);
    (void)pthread_mutex_unlock(&fake.lock);
    return 0;
}

/* ---- guests ---- */

struct pl_channel {
    const struct pl_channel_events *events;
    void *arg;
    bool is_up;
};

struct pl_channel *pl_channel_new(uv_loop_t *loop, const char *socket_path,
                                  const struct pl_channel_events *events, void *arg)
{
    (void)loop, (void)socket_path;
    fake.n_connects++;
    struct pl_channel *ch = vic_new(struct pl_channel);
    *ch = (struct pl_channel){.events = events, .arg = arg};
    return ch;
}

static void break_calls(struct pl_channel *ch)
{
    struct vic_err err = {0};
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "the fake's line broke");
    for (size_t i = 0; i < fake.n_calls; i++) {
        struct fake_call *call = &fake.calls[i];
        if (call->channel == ch && call->done) {
            rpc_done_fn done = call->done;
            call->done = NULL;
            done(&err, NULL, call->arg);
        }
    }
}

void pl_channel_close(struct pl_channel *ch)
{
    if (!ch)
        return;
    ch->is_up = false;
    break_calls(ch);
    free(ch);
}

struct rpc_session *pl_channel_session(const struct pl_channel *ch)
{
    (void)ch;
    return NULL;
}

int pl_channel_call(struct pl_channel *ch, const char *method, const char *path, const cJSON *body,
                    rpc_done_fn done, void *arg, struct vic_err *err)
{
    (void)method;
    if (!ch || !ch->is_up)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "the fake's line is down");
    assert(fake.n_calls < FAKE_CALLS);
    struct fake_call *call = &fake.calls[fake.n_calls++];
    *call = (struct fake_call){.channel = ch, .done = done, .arg = arg};
    (void)snprintf(call->path, sizeof(call->path), "%s", path);
    auto_free char *text = body ? json_print(body) : NULL;
    (void)snprintf(call->body, sizeof(call->body), "%s", text ? text : "");
    return 0;
}

void fake_tether_up(struct pl_container *c)
{
    c->channel->is_up = true;
    c->channel->events->on_up(NULL, c);
}

void fake_tether_down(struct pl_container *c)
{
    c->channel->is_up = false;
    break_calls(c->channel);
}

bool fake_answer(struct pl_container *c, const char *path, const struct vic_err *err,
                 const char *text)
{
    for (size_t i = 0; i < fake.n_calls; i++) {
        struct fake_call *call = &fake.calls[i];
        if (!call->done || call->channel != c->channel || strcmp(call->path, path) != 0)
            continue;
        rpc_done_fn done = call->done;
        call->done = NULL;
        auto_json cJSON *doc = NULL;
        assert(err || json_parse(text, strlen(text), &doc, NULL) == 0);
        done(err, doc, call->arg);
        return true;
    }
    return false;
}

unsigned fake_count(const struct pl_container *c, const char *path, const char *body)
{
    unsigned n = 0;
    for (size_t i = 0; i < fake.n_calls; i++)
        n += fake.calls[i].channel == c->channel && strcmp(fake.calls[i].path, path) == 0 &&
             strstr(fake.calls[i].body, body) != NULL;
    return n;
}

struct pl_watch {
    const struct pl_watch_events *events;
    void *arg;
};

void pl_log_trim(struct pl_container *c)
{
    (void)c;
}

int pl_watch_new(uv_loop_t *loop, const char *path, uint64_t max_bytes,
                 const struct pl_watch_events *events, void *arg, struct pl_watch **ret_watch,
                 struct vic_err *err)
{
    (void)loop, (void)max_bytes;
    if (fake.fails_watches)
        return vic_fail(err, VIC_ERR_INTERNAL, ENOENT, "watch '%s'", path);
    *ret_watch = vic_new(struct pl_watch);
    **ret_watch = (struct pl_watch){events, arg};
    return 0;
}

void pl_watch_close(struct pl_watch *w)
{
    free(w);
}

void pl_watch_scan_all(struct pl_watch *w)
{
    (void)w;
}

uint64_t pl_watch_offset(const struct pl_watch *w)
{
    (void)w;
    return 0;
}

void fake_exit(struct pl_container *c, int exit_code)
{
    const struct pl_exit e = {.exit_code = exit_code};
    c->watch->events->on_exit(&e, c->watch->arg);
}

/* ---- network, storage, journal ---- */

void pl_network_set_connection(struct pl_network *n, virConnectPtr conn)
{
    (void)n, (void)conn;
}

int pl_network_repair(struct pl_network *n, struct vic_err *err)
{
    (void)n, (void)err;
    return 0;
}

int pl_network_reserve(struct pl_network *n, const char *network, const char *container_id,
                       struct pl_endpoint *ret_endpoint, struct vic_err *err)
{
    (void)n, (void)network, (void)container_id, (void)ret_endpoint;
    return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "the fake has no network");
}

int pl_network_restore(struct pl_network *n, const char *container_id,
                       const struct pl_endpoint *endpoint, struct vic_err *err)
{
    (void)n, (void)container_id, (void)endpoint, (void)err;
    return 0;
}

void pl_network_keep_running(struct pl_network *n)
{
    (void)n;
    fake.keeps_addresses = true;
}

void pl_network_release(struct pl_network *n, const char *container_id)
{
    (void)n, (void)container_id;
}

int pl_network_up(struct pl_network *n, const struct pl_endpoint *endpoint,
                  const char *container_id, char *const *names, const char *tap,
                  struct vic_err *err)
{
    (void)n, (void)endpoint, (void)container_id, (void)names, (void)tap, (void)err;
    return 0;
}

int pl_network_down(struct pl_network *n, const struct pl_endpoint *endpoint,
                    const char *container_id, struct vic_err *err)
{
    (void)n, (void)endpoint, (void)container_id, (void)err;
    return 0;
}

void pl_storage_hold(struct pl_storage *s, const char *container_id, const char *image_id,
                     const char *chain_id, bool is_running)
{
    (void)s, (void)image_id, (void)is_running;
    if (fake.n_held < ARRAY_SIZE(fake.held))
        (void)snprintf(fake.held[fake.n_held++], sizeof(fake.held[0]), "%.12s %s", container_id,
                       chain_id);
}

void pl_storage_release(struct pl_storage *s, const char *container_id)
{
    (void)s, (void)container_id;
}

uint64_t pl_storage_revision(const struct pl_storage *s)
{
    (void)s;
    return fake.image_revision;
}

void pl_storage_keep_layers(struct pl_storage *s)
{
    (void)s;
    fake.keeps_layers = true;
}

int pl_storage_image_chain(struct pl_storage *s, const char *image_id, const char **ret_chain_id,
                           struct vic_err *err)
{
    (void)s, (void)ret_chain_id;
    return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "No such image: %s", image_id);
}

int pl_disk_create(const struct pl_config *config, const char *path, const char *chain_id,
                   struct vic_err *err)
{
    (void)config, (void)chain_id;
    return vic_file_replace(path, "", 0, 0600, err);
}

int pl_disk_size(const char *path, uint64_t *ret_bytes, struct vic_err *err)
{
    (void)path, (void)err;
    *ret_bytes = 0;
    return 0;
}

void pl_events_emit(struct pl_events *e, const char *type, const char *action, const char *id,
                    const cJSON *attributes, const cJSON *extra)
{
    (void)e, (void)type, (void)id, (void)attributes, (void)extra;
    if (fake.n_events < ARRAY_SIZE(fake.events))
        (void)snprintf(fake.events[fake.n_events++], sizeof(fake.events[0]), "%s", action);
}

unsigned fake_count_events(const char *action)
{
    unsigned n = 0;
    for (size_t i = 0; i < fake.n_events; i++)
        n += strcmp(fake.events[i], action) == 0;
    return n;
}

/* ---- what talks to a guest that runs: nobody ---- */

#define UNUSED_HANDLER(name)                                                                       \
    void name(struct rpc_stream *st, void *arg)                                                    \
    {                                                                                              \
        (void)st, (void)arg;                                                                       \
    }
UNUSED_HANDLER(pl_attach_handle)
UNUSED_HANDLER(pl_logs_handle)
UNUSED_HANDLER(pl_copy_out_handle)
UNUSED_HANDLER(pl_copy_in_handle)
UNUSED_HANDLER(pl_changes_handle)
UNUSED_HANDLER(pl_export_handle)
UNUSED_HANDLER(pl_processes_handle)
UNUSED_HANDLER(pl_stats_handle)
UNUSED_HANDLER(pl_exec_create_handle)
UNUSED_HANDLER(pl_exec_get_handle)
UNUSED_HANDLER(pl_exec_start_handle)
UNUSED_HANDLER(pl_exec_attach_handle)
UNUSED_HANDLER(pl_exec_resize_handle)

/* As interaction/copy.c, but that nothing is relayed: it is used until the test leaves it. */
void pl_copy_serve(struct pl_container *c, struct rpc_stream *take_st, const char *method,
                   const char *path, const char *action)
{
    struct vic_err err = {0};
    if (c->rec.state == PL_STARTING || c->rec.state == PL_REMOVING) {
        (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "container %s is busy", c->rec.id);
        rpc_reply_error(take_st, &err);
    } else if (pl_container_is_ending(c)) {
        pl_nap_wait_for_end(c, take_st, method, path, action);
    } else if (pl_state_has_vm(c->rec.state) || pl_nap_is_awake(c)) {
        assert(fake.n_served < ARRAY_SIZE(fake.served));
        fake.served[fake.n_served++] = take_st;
        pl_nap_use(c);
    } else {
        pl_nap_wait(c, take_st, method, path, action);
    }
}

void pl_execs_tether_up(struct pl_container *c)
{
    (void)c;
}

void pl_execs_run_ends(struct pl_container *c)
{
    (void)c;
}

void pl_execs_drop(struct pl_container *c)
{
    (void)c;
}

cJSON *pl_execs_ids(const struct pl_container *c)
{
    (void)c;
    return json_new_arr();
}

char *pl_layer_path(const struct pl_config *config, const char *chain_id)
{
    return vic_xasprintf("%s/layers/%s.qcow2", config->datastore, chain_id);
}

/* ---- probes: none ---- */

void pl_probe_run_begins(struct pl_container *c)
{
    (void)c;
}

void pl_probe_told_frozen(struct pl_container *c, bool is_frozen)
{
    (void)c, (void)is_frozen;
}

void pl_probe_run_ends(struct pl_container *c)
{
    (void)c;
}

/* ---- readers of the output: none ---- */

void pl_attach_run_begins(struct pl_container *c)
{
    (void)c;
}

void pl_attach_tether_up(struct pl_container *c)
{
    (void)c;
}

void pl_attach_growth(struct pl_container *c)
{
    (void)c;
}

void pl_attach_run_ends(struct pl_container *c)
{
    (void)c;
}

void pl_logs_growth(struct pl_container *c)
{
    (void)c;
}

void pl_logs_run_ends(struct pl_container *c)
{
    (void)c;
}
