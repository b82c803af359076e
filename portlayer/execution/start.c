/*
 * The start of a container, from a reservation to a running process; or everything undone.
 *
 *   reserve endpoints -> [record, output file, VM] -> connect, hello, configure --+-> start
 *                                                 \-> [names and firewall] -------+
 *
 * Brackets run on the container's queue.  A failure anywhere queues one undo item behind whatever is
 * still queued, so it needs not know how far things got.  An undo that fails is tried again until the VM
 * is gone: only then is the container created or exited again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/execution/guest_files.h"
#include "portlayer/execution/internal.h"
#include "portlayer/execution/restart.h"
#include "portlayer/execution/vm_size.h"
#include "portlayer/storage/layer.h"
#include "portlayer/storage/storage.h"

/* libvirtd works on 5 calls of one connection at a time (max_client_requests), a creation is the one that
 * may hang, and there are 16 workers: one call is always left to look, stop and destroy with. */
#define CREATIONS_MAX 4
/* libvirt needs 0.4 s to start QEMU, and waits for ever for one that hangs.  What waits for a worker is
 * not counted. */
#define CREATE_S 60
/* From there the guest answers within 1 s with KVM and 3 s without.  When 50 start at once on two
 * processors the last of them needs 75 s. */
#define ANSWER_KVM_S 30
#define ANSWER_TCG_S 120
#define RETRY_UNDO_MS 1000
#define HURRY_MS 30000 /* libvirt lets a QEMU that hangs take 15 s for its end */

struct pl_start {
    struct vic_list link;   /* in x->creations while it waits for its turn */
    struct pl_container *c; /* a reference */
    struct pl_request *req; /* owned until answered; NULL afterwards */
    unsigned n_calls;       /* in flight: each will come back */
    bool is_over;           /* c->start is no longer this */
    bool is_nap;            /* nothing is started in the VM, and nothing booked */
    bool is_creating;       /* vm_work is out */
    bool is_configured, is_net_up, is_asked;
    _Atomic bool has_failed;      /* a worker looks too */
    _Atomic uint64_t creating_ms; /* since when the worker is in libvirt; 0: it is not */
    struct vic_err err;
    int exit_code;
    long pid;
    virConnectPtr conn; /* a reference */
    struct pl_network *network;
    struct pl_vm_size size;
    struct pl_endpoint endpoints[PL_NETWORKS_MAX];
    size_t n_endpoints;
    char id[VIC_ID_LEN + 1], uuid[37], domain[64];
    char **names;
    char *xml, *output_path, *socket_path, *record_path, *record_text, *uri;
    uid_t uid;
    gid_t gid;
};

static void start_free(struct pl_start *s)
{
    if (s->n_calls > 0 || !s->is_over)
        return;
    if (s->conn)
        (void)virConnectClose(s->conn);
    vic_strv_free(s->names);
    char *const strings[] = {s->xml,         s->output_path, s->socket_path,
                             s->record_path, s->record_text, s->uri};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    pl_container_unref(s->c);
    free(s);
}

/* ---- undo ---- */

static int undo_work(void *arg, struct vic_err *err)
{
    struct pl_start *s = arg;
    int r = s->conn ? pl_virt_destroy(s->conn, s->uuid, err) : 0;
    for (size_t i = 0; i < s->n_endpoints; i++)
        (void)pl_network_down(s->network, &s->endpoints[i], s->id, NULL); /* as far as it got */
    (void)unlink(s->socket_path);
    return r;
}

static void undo(struct pl_container *c);

static void undo_again(struct pl_container *c)
{
    pl_container_deadline(c, RETRY_UNDO_MS, undo);
}

/* The client need not wait for the undo; the container stays in its start until there is no VM. */
static void on_undone(void *arg, int result, const struct vic_err *err)
{
    struct pl_start *s = arg;
    struct pl_container *c = s->c;
    struct pl_execution *x = c->x;
    s->n_calls--;
    pl_container_no_deadline(c);
    if (result < 0 && !x->is_closed) {
        vic_log(VIC_WARN, "container", c->rec.id, "undo of a failed start: %s; trying again",
                err->message);
        if (s->req)
            pl_request_reply(TAKE_PTR(s->req), &s->err);
        undo_again(c);
        return;
    }
    s->is_over = true;
    c->start = NULL;
    if (s->is_nap) {
        pl_nap_failed(c, &s->err);
        start_free(s);
        return;
    }
    c->pid = 0;
    c->rec.exit_code = s->exit_code;
    (void)snprintf(c->rec.error, sizeof(c->rec.error), "%s", s->err.message);
    (void)pl_container_apply(c, c->rec.started_ns ? PL_EV_FAILED : PL_EV_FAILED_FIRST);
    if (c->is_by_policy && !x->is_closed)
        pl_restart_after(c, 0);
    if (x->pl->storage)
        pl_storage_hold(x->pl->storage, c->rec.id, c->rec.image, c->rec.chain_id, false);
    pl_container_save(c);
    pl_wait_not_started(c);
    pl_attach_run_ends(c);
    pl_logs_run_ends(c);
    if (s->req)
        pl_request_reply(TAKE_PTR(s->req), &s->err);
    if (c->rec.spec.auto_remove && pl_container_apply(c, PL_EV_REMOVE) == PL_DO_REMOVE)
        pl_remove_begin(c, NULL);
    pl_container_wake(c);
    start_free(s);
}

/* By the connection of now: the start's own may be the reason for the failure. */
static void undo(struct pl_container *c)
{
    struct pl_start *s = c->start;
    if (s->conn && !c->x->conn) {
        undo_again(c);
        return;
    }
    if (s->conn) {
        (void)virConnectRef(c->x->conn);
        (void)virConnectClose(s->conn);
        s->conn = c->x->conn;
    }
    s->n_calls++;
    host_queue_add(c->queue, undo_work, on_undone, s);
}

/* On a connection of its own: libvirtd takes 5 calls of one at a time, and the others may hang too. */
static int unblock_work(void *arg, struct vic_err *err)
{
    struct pl_start *s = arg;
    virConnectPtr conn = virConnectOpen(s->uri);
    if (!conn)
        return pl_virt_fail(err, "connect");
    int r = pl_virt_destroy(conn, s->uuid, err);
    (void)virConnectClose(conn);
    return r;
}

static void on_unblocked(void *arg, int result, const struct vic_err *err)
{
    struct pl_start *s = arg;
    s->n_calls--;
    if (result < 0)
        vic_log(VIC_WARN, "container", s->id, "end a virtual machine that hangs: %s", err->message);
    start_free(s);
}

static void begin_creations(struct pl_execution *x);

/* A worker that is stuck in libvirt, and the undo behind it, come back only by QEMU's end. */
static void free_worker(struct pl_start *s)
{
    if (!s->is_creating || !s->creating_ms)
        return;
    s->n_calls++;
    host_work(s->c->x->pl->loop, unblock_work, on_unblocked, s);
}

/* The undo takes long.  The client has waited enough; and the worker may have got stuck since, or libvirt did not
 * listen. */
static void hurry(struct pl_container *c)
{
    struct pl_start *s = c->start;
    if (!s || !s->has_failed)
        return;
    if (s->req)
        pl_request_reply(TAKE_PTR(s->req), &s->err);
    free_worker(s);
    pl_container_deadline(c, HURRY_MS, hurry);
}

static void fail(struct pl_start *s, const struct vic_err *err, int exit_code)
{
    if (s->has_failed || s->is_over)
        return;
    s->has_failed = true;
    s->err = *err;
    s->exit_code = exit_code;
    pl_container_deadline(s->c, HURRY_MS, hurry);
    pl_run_release(s->c);
    vic_list_remove(&s->link);
    free_worker(s);
    s->n_calls++;
    host_queue_add(s->c->queue, undo_work, on_undone, s);
}

void pl_start_abort(struct pl_container *c, const char *why)
{
    struct vic_err err = {0};
    if (!c->start)
        return;
    (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "container %s was not started: %s", c->rec.id, why);
    fail(c->start, &err, PL_CODE_NOT_STARTED);
}

void pl_start_vm_gone(struct pl_container *c)
{
    struct vic_err err = {0};
    (void)vic_fail(&err, VIC_ERR_INTERNAL, 0, "the virtual machine ended before it answered");
    fail(c->start, &err, PL_CODE_NOT_STARTED);
}

static void on_late(struct pl_container *c)
{
    struct vic_err err = {0};
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, ETIMEDOUT,
                   "the virtual machine did not answer within %u s",
                   pl_guest_timeout_s(c->x, ANSWER_KVM_S, ANSWER_TCG_S));
    if (c->start)
        fail(c->start, &err, PL_CODE_NOT_STARTED);
}

static void on_creation_tick(struct pl_container *c)
{
    struct pl_start *s = c->start;
    struct vic_err err = {0};
    if (!s || s->has_failed)
        return;
    uint64_t since = s->creating_ms;
    uint64_t elapsed = since ? vic_clock_monotonic_ms() - since : 0;
    if (elapsed < CREATE_S * 1000ull) {
        pl_container_deadline(c, CREATE_S * 1000ull - elapsed, on_creation_tick);
        return;
    }
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, ETIMEDOUT,
                   "the virtual machine did not start within %d s", CREATE_S);
    fail(s, &err, PL_CODE_NOT_STARTED);
}

/* ---- the guest's side ---- */

static int code_of_refusal(enum vic_err_kind kind)
{
    return kind == VIC_ERR_NOT_FOUND ? 127 : kind == VIC_ERR_FORBIDDEN ? 126 : PL_CODE_NOT_STARTED;
}

static void on_started(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    struct pl_start *s = arg;
    struct pl_container *c = s->c;
    s->n_calls--;
    if (s->has_failed) {
        start_free(s);
        return;
    }
    if (err) {
        fail(s, err, code_of_refusal(err->kind));
        return;
    }
    pl_container_no_deadline(c);
    (void)pl_container_apply(c, PL_EV_STARTED);
    c->rec.started_ns = vic_clock_wall_ns();
    c->rec.exit_code = 0;
    c->start = NULL;
    s->is_over = true;
    pl_container_emit_networks(c, "connect");
    pl_container_emit(c, "start", NULL, NULL);
    pl_container_save(c);
    pl_probe_run_begins(c);
    pl_request_reply(TAKE_PTR(s->req), NULL);
    pl_attach_tether_up(c);
    pl_container_wake(c);
    pl_run_check_exit(c); /* a short process may be over already */
    start_free(s);
}

static void start_process(struct pl_start *s)
{
    if (s->has_failed || s->is_asked || !s->is_configured || !s->is_net_up)
        return;
    if (s->is_nap) {
        pl_container_no_deadline(s->c);
        s->c->start = NULL;
        s->is_over = true;
        pl_nap_awake(s->c);
        return;
    }
    const struct pl_spec *spec = &s->c->rec.spec;
    auto_json cJSON *doc = json_new_obj();
    json_add_strv(doc, "args", spec->args);
    json_add_strv(doc, "env", spec->env);
    json_add_str(doc, "cwd", spec->cwd);
    json_add_str_or_empty(doc, "user", spec->user);
    json_add_bool(doc, "tty", spec->tty);
    json_add_bool(doc, "stdin", spec->has_stdin);
    json_add(doc, "confine", confine_to_json(&spec->confine));
    if (s->req->width > 0 && s->req->height > 0) {
        cJSON *console = json_add_obj(doc, "console");
        json_add_i64(console, "width", s->req->width);
        json_add_i64(console, "height", s->req->height);
    }
    struct vic_err err = {0};
    s->is_asked = true;
    s->n_calls++;
    if (pl_channel_call(s->c->channel, "POST", "/v1/start", doc, on_started, s, &err) < 0) {
        s->n_calls--;
        fail(s, &err, PL_CODE_NOT_STARTED);
    }
}

static void on_configured(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)doc;
    struct pl_start *s = arg;
    s->n_calls--;
    vic_log(VIC_DEBUG, "container", s->id, "start: the guest is configured");
    if (s->has_failed) {
        start_free(s);
        return;
    }
    if (err) {
        fail(s, err, PL_CODE_NOT_STARTED);
        return;
    }
    s->is_configured = true;
    start_process(s);
    start_free(s); /* a nap's is over */
}

static cJSON *configuration(const struct pl_start *s)
{
    const struct pl_record *rec = &s->c->rec;
    char hostname[64];
    pl_guest_hostname(rec, hostname);
    auto_free char *hosts = pl_guest_hosts(rec);
    auto_free char *resolv_conf = pl_guest_resolv_conf(rec);
    cJSON *doc = json_new_obj();
    json_add_str(doc, "hostname", hostname);
    json_add_str_or_empty(doc, "domainname", rec->spec.domainname);
    json_add_str(doc, "hosts", hosts);
    json_add_str(doc, "resolv_conf", resolv_conf);
    cJSON *arr = json_add_arr(doc, "interfaces");
    for (size_t i = 0; i < s->n_endpoints; i++) {
        const struct pl_endpoint *e = &s->endpoints[i];
        cJSON *o = json_new_obj();
        json_add_str(o, "mac", e->mac);
        json_addf(o, "address", "%s/%u", e->address, e->prefix_len);
        json_add_str(o, "gateway", e->gateway);
        json_push(arr, o);
    }
    json_add_str(doc, "disk", "rootfs");
    return doc;
}

static void on_hello(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct pl_start *s = arg;
    struct vic_err why = {0};
    s->n_calls--;
    vic_log(VIC_DEBUG, "container", s->id, "start: the guest answers");
    if (s->has_failed) {
        start_free(s);
        return;
    }
    if (err && err->kind == VIC_ERR_UNAVAILABLE)
        return; /* the line broke: the channel comes back, or the deadline comes */
    if (!err && !vic_str_eq(json_str(doc, "state", ""), "idle"))
        (void)vic_fail(&why, VIC_ERR_INTERNAL, 0, "the guest of a new virtual machine is not idle");
    else if (!err && json_i64(doc, "protocol", 0) != 1)
        (void)vic_fail(&why, VIC_ERR_INTERNAL, 0, "the guest speaks another protocol");
    if (err || why.kind != VIC_ERR_NONE) {
        fail(s, err ? err : &why, PL_CODE_NOT_STARTED);
        return;
    }
    struct pl_execution *x = s->c->x;
    if (!x->kernel_version)
        x->kernel_version = vic_xstrdup_or_null(json_str(doc, "kernel", NULL));
    auto_json cJSON *body = configuration(s);
    s->n_calls++;
    if (pl_channel_call(s->c->channel, "POST", "/v1/configure", body, on_configured, s, &why) < 0) {
        s->n_calls--;
        fail(s, &why, PL_CODE_NOT_STARTED);
    }
}

void pl_start_tether_up(struct pl_container *c)
{
    struct pl_start *s = c->start;
    struct vic_err err = {0};
    if (s->has_failed)
        return;
    if (s->is_configured || s->is_asked) {
        (void)vic_fail(&err, VIC_ERR_INTERNAL, 0,
                       "the connection to the guest broke while it started");
        fail(s, &err, PL_CODE_NOT_STARTED);
        return;
    }
    s->n_calls++;
    if (pl_channel_call(c->channel, "GET", "/v1/hello", NULL, on_hello, s, &err) < 0) {
        s->n_calls--;
        fail(s, &err, PL_CODE_NOT_STARTED);
    }
}

/* ---- the host's side ---- */

static int network_work(void *arg, struct vic_err *err)
{
    struct pl_start *s = arg;
    for (size_t i = 0; i < s->n_endpoints; i++) {
        char tap[PL_TAP_MAX];
        pl_domain_tap(s->id, i, tap);
        int r = pl_network_up(s->network, &s->endpoints[i], s->id, s->names, tap, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void on_network(void *arg, int result, const struct vic_err *err)
{
    struct pl_start *s = arg;
    s->n_calls--;
    vic_log(VIC_DEBUG, "container", s->id, "start: the network lets it pass");
    if (s->has_failed) {
        start_free(s);
        return;
    }
    if (result < 0) {
        fail(s, err, PL_CODE_NOT_STARTED);
        return;
    }
    s->is_net_up = true;
    start_process(s);
}

static int make_output(const struct pl_start *s, struct vic_err *err)
{
    auto_close int fd =
        open(s->output_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fchown(fd, s->uid, s->gid) < 0)
        return vic_fail_errno(err, errno, "create '%s'", s->output_path);
    return 0;
}

static int vm_work(void *arg, struct vic_err *err)
{
    struct pl_start *s = arg;
    if (s->has_failed) /* while it waited for a worker */
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "given up");
    int r = s->is_nap ? 0
                      : vic_file_replace(s->record_path, s->record_text, strlen(s->record_text),
                                         0600, err);
    if (r == 0)
        r = make_output(s, err);
    if (r < 0)
        return r;
    if (unlink(s->socket_path) < 0 && errno != ENOENT)
        return vic_fail_errno(err, errno, "remove '%s'", s->socket_path);
    s->creating_ms = vic_clock_monotonic_ms();
    /* One of an earlier run may have come late: a creation whose caller was killed. */
    r = pl_virt_destroy_name(s->conn, s->domain, err);
    return r < 0 ? r : pl_virt_create(s->conn, s->xml, &s->pid, err);
}

static void on_vm(void *arg, int result, const struct vic_err *err)
{
    struct pl_start *s = arg;
    struct pl_container *c = s->c;
    struct vic_err why = {0};
    s->n_calls--;
    s->is_creating = false;
    s->creating_ms = 0;
    c->x->n_creating--;
    begin_creations(c->x);
    vic_log(VIC_DEBUG, "container", s->id, "start: the VM runs");
    if (s->has_failed) {
        start_free(s);
        return;
    }
    if (result == 0 && !s->is_nap) {
        c->pid = s->pid;
        result = pl_run_watch(c, &why);
        err = &why;
    }
    if (result < 0) {
        fail(s, err, PL_CODE_NOT_STARTED);
        return;
    }
    unsigned limit_s = pl_guest_timeout_s(c->x, ANSWER_KVM_S, ANSWER_TCG_S);
    pl_container_deadline(c, limit_s * 1000ull, on_late);
    if (!s->is_nap)
        pl_attach_run_begins(c);
    s->is_net_up = s->n_endpoints == 0;
    if (!s->is_net_up) {
        s->names = pl_container_names(c);
        s->n_calls++;
        host_queue_add(c->queue, network_work, on_network, s);
    }
    pl_run_connect(c);
}

static void begin_creations(struct pl_execution *x)
{
    while (!x->is_closed && x->n_creating < CREATIONS_MAX && !vic_list_is_empty(&x->creations)) {
        struct pl_start *s = container_of(x->creations.next, struct pl_start, link);
        vic_list_remove(&s->link);
        x->n_creating++;
        s->is_creating = true;
        s->record_text = pl_record_to_text(&s->c->rec); /* it may have changed while it waited */
        s->n_calls++;
        host_queue_add(s->c->queue, vm_work, on_vm, s);
    }
}

static char *make_xml(struct pl_start *s)
{
    const struct pl_execution *x = s->c->x;
    const struct pl_config *config = &x->pl->config;
    bool is_iso = vic_str_eq(config->boot, "iso");
    auto_free char *iso = vic_xasprintf("%s/bootstrap.iso", config->iso_dir);
    auto_free char *kernel = vic_xasprintf("%s/vmlinux", config->iso_dir);
    auto_free char *bzimage = vic_xasprintf("%s/vmlinuz", config->iso_dir);
    auto_free char *initrd = vic_xasprintf("%s/initrd.img", config->iso_dir);
    auto_free char *disk = pl_container_path(s->c, "disk.qcow2");
    auto_free char *image = pl_layer_path(config, s->c->rec.chain_id);
    /* The decompressed kernel saves half a second without KVM; either will do. */
    bool has_elf = access(kernel, R_OK) == 0;
    struct pl_domain_nic nics[PL_NETWORKS_MAX];
    for (size_t i = 0; i < s->n_endpoints; i++) {
        nics[i].bridge = s->endpoints[i].bridge;
        nics[i].mac = s->endpoints[i].mac;
        pl_domain_tap(s->id, i, nics[i].tap);
    }
    struct pl_domain d = {
        .vch_id = config->id,
        .container_id = s->id,
        .run = s->c->rec.run,
        .uuid = s->uuid,
        .kvm = x->kvm,
        .memory_bytes = s->size.memory_bytes,
        .cpus = s->size.cpus,
        .iso = is_iso ? iso : NULL,
        .kernel = has_elf ? kernel : bzimage,
        .initrd = initrd,
        .cmdline = x->cmdline,
        .disk = disk,
        .image = image,
        .channel_path = s->socket_path,
        .output_path = s->output_path,
        .nics = nics,
        .n_nics = s->n_endpoints,
    };
    return pl_domain_to_xml(&d);
}

static int reserve(struct pl_container *c, struct vic_err *err)
{
    struct pl_record *rec = &c->rec;
    for (size_t i = 0; i < vic_strv_len(rec->spec.networks); i++) {
        int r = pl_network_reserve(c->x->pl->network, rec->spec.networks[i], rec->id,
                                   &rec->endpoints[i], err);
        if (r < 0)
            return r;
        rec->n_endpoints = i + 1;
    }
    return 0;
}

/* Random (version 4), as libvirt wants it. */
static void new_uuid(char ret[37])
{
    struct vic_id id;
    vic_id_new(&id);
    const char *h = id.text;
    (void)snprintf(ret, 37, "%.8s-%.4s-4%.3s-8%.3s-%.12s", h, h + 8, h + 12, h + 15, h + 18);
}

static void begin_run(struct pl_container *c)
{
    struct pl_record *rec = &c->rec;
    rec->run++;
    if (!c->is_by_policy) /* restarting: it still tells of the last run */
        rec->exit_code = 0;
    rec->error[0] = '\0';
    rec->oom_killed = false;
    pl_health_begin(&rec->health, &rec->spec.health);
    memcpy(rec->boot_id, c->x->boot_id, sizeof(rec->boot_id));
    rec->vm_memory_bytes = c->start->size.memory_bytes;
    rec->vm_cpus = c->start->size.cpus;
    c->due_signal = 0;
    c->is_killed = c->is_frozen = c->is_stalled = c->is_tried = false;
    c->has_exit = c->is_ending = c->is_stop_asked = c->is_recovering = false;
}

static void prepare(struct pl_start *s)
{
    struct pl_container *c = s->c;
    struct pl_record *rec = &c->rec;
    new_uuid(rec->vm_uuid);
    if (!s->is_nap)
        begin_run(c);
    memcpy(s->id, rec->id, sizeof(s->id));
    memcpy(s->uuid, rec->vm_uuid, sizeof(s->uuid));
    pl_domain_name(c->x->pl->config.id, s->id, s->domain);
    memcpy(s->endpoints, rec->endpoints, sizeof(s->endpoints));
    s->n_endpoints = s->is_nap ? 0 : rec->n_endpoints;
    s->uri = vic_xstrdup(c->x->pl->config.libvirt_uri);
    s->output_path =
        s->is_nap ? pl_container_path(c, "nap.log") : pl_container_output_path(c, rec->run);
    s->socket_path = pl_container_socket_path(c);
    s->record_path = pl_container_path(c, "container.json");
    s->xml = make_xml(s);
}

static void begin(struct pl_container *c, struct pl_request *take_req, bool is_nap)
{
    struct pl_execution *x = c->x;
    struct pl_start *s = vic_new(struct pl_start);
    struct vic_err err = {0};
    pl_container_ref(c);
    vic_list_init(&s->link);
    s->c = c;
    s->req = take_req;
    s->is_nap = is_nap;
    s->uid = x->pl->config.qemu_uid;
    s->gid = x->pl->config.qemu_gid;
    s->network = x->pl->network;
    c->start = s;
    if (!is_nap)
        pl_execs_drop(c);
    struct pl_vm_size host;
    pl_vm_size_of_host(&host);
    int r = pl_vm_size_for(&c->rec.spec.confine, &x->pl->config, &host, &s->size, &err);
    if (r == 0 && !is_nap)
        r = reserve(c, &err);
    prepare(s);
    if (r == 0 && !x->conn)
        r = vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "libvirt does not answer");
    if (r < 0) {
        fail(s, &err, PL_CODE_NOT_STARTED);
        return;
    }
    (void)virConnectRef(x->conn);
    s->conn = x->conn;
    pl_storage_hold(x->pl->storage, c->rec.id, c->rec.image, c->rec.chain_id, true);
    pl_container_deadline(c, CREATE_S * 1000ull, on_creation_tick);
    vic_list_append(&x->creations, &s->link);
    begin_creations(x);
}

void pl_start_begin(struct pl_container *c, struct pl_request *take_req)
{
    begin(c, take_req, false);
}

void pl_start_nap(struct pl_container *c)
{
    begin(c, NULL, true);
}
