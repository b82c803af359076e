#include "test/unit/flows_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "portlayer/execution/create_doc.h"

struct world w;

int world_init(void **state)
{
    (void)state;
    return setenv("UV_THREADPOOL_SIZE", "16", 1); /* as many workers as the program has */
}

static char *at(const char *file)
{
    return vic_xasprintf("%s/%s", w.dir, file);
}

int world_setup(void **state)
{
    (void)state;
    vic_log_init("test", VIC_ERROR);
    memset(&w, 0, sizeof(w));
    fake_reset();
    (void)snprintf(w.dir, sizeof(w.dir), "/tmp/vic-flows-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    assert_int_equal(uv_loop_init(&w.loop), 0);
    w.pl.loop = &w.loop;
    w.pl.config = (struct pl_config){
        .id = vic_xstrdup(VCH),
        .datastore = vic_xstrdup(w.dir),
        .run_dir = at("run"),
        .iso_dir = vic_xstrdup(w.dir),
        .libvirt_uri = vic_xstrdup("fake:///"),
        .acceleration = vic_xstrdup("tcg"),
        .boot = vic_xstrdup("direct"),
        .default_memory_bytes = 1u << 28,
        .default_cpus = 1,
        .qemu_uid = getuid(),
        .qemu_gid = getgid(),
    };
    auto_free char *cmdline = at("cmdline");
    auto_free char *containers = at("containers");
    assert_int_equal(vic_file_replace(cmdline, "quiet\n", 6, 0600, NULL), 0);
    assert_int_equal(vic_file_mkdir_p(containers, 0700, NULL), 0);
    return 0;
}

void open_execution(void)
{
    struct vic_err err = {0};
    w.conn = virConnectOpen("fake:///");
    if (pl_execution_new(&w.pl, w.conn, &w.pl.execution, &err) < 0)
        fail_msg("%s", err.message);
}

void __real_pl_container_deadline(struct pl_container *c, uint64_t ms,
                                  void (*fn)(struct pl_container *));
void __wrap_pl_container_deadline(struct pl_container *c, uint64_t ms,
                                  void (*fn)(struct pl_container *));

void __wrap_pl_container_deadline(struct pl_container *c, uint64_t ms,
                                  void (*fn)(struct pl_container *))
{
    uint64_t more = c->rec.state == PL_RESTARTING ? RESTART_WAITS_MS : 0;
    __real_pl_container_deadline(c, ms + more, fn);
}

void set_creates_held(bool holds)
{
    (void)pthread_mutex_lock(&fake.lock);
    fake.holds_creates = holds;
    (void)pthread_cond_broadcast(&fake.changed);
    (void)pthread_mutex_unlock(&fake.lock);
}

/* Of a test that failed: the loop would wait for them. */
static void end_starts(void)
{
    struct pl_container *c;
    set_creates_held(false);
    fake.fail_destroys = 0;
    list_for_each(c, &w.pl.execution->containers, link) {
        pl_start_abort(c, "the test is over");
    }
    while (w.loop.active_reqs.count > 0)
        (void)uv_run(&w.loop, UV_RUN_NOWAIT);
}

int world_teardown(void **state)
{
    (void)state;
    end_starts();
    pl_execution_close(w.pl.execution);
    (void)uv_run(&w.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w.loop), 0);
    if (w.conn)
        (void)virConnectClose(w.conn);
    fake_release();
    for (size_t i = 0; i < w.n_streams; i++)
        request_release(&w.streams[i]);
    char *const strings[] = {w.pl.config.id,      w.pl.config.datastore,   w.pl.config.run_dir,
                             w.pl.config.iso_dir, w.pl.config.libvirt_uri, w.pl.config.acceleration,
                             w.pl.config.boot};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    assert_int_equal(vic_file_remove_tree(w.dir, NULL), 0);
    return 0;
}

void id_of(char digit, char ret[VIC_ID_LEN + 1])
{
    memset(ret, digit, VIC_ID_LEN);
    ret[VIC_ID_LEN] = '\0';
}

void uuid_of(char digit, char ret[37])
{
    (void)snprintf(ret, 37, "%c1111111-2222-4333-8444-555555555555", digit);
}

/* A container's folder as an earlier port layer left it; id and VM's uuid are made of digit. */
void write_record(char digit, enum pl_state state, const char *spec_members)
{
    struct pl_record rec = {0};
    struct vic_err err = {0};
    auto_json cJSON *doc = NULL;
    auto_free char *text = vic_xasprintf(
        "{\"name\":\"c%c\",\"image\":\"i\",\"spec\":{\"process\":{\"args\":[\"sh\"]}%s}}", digit,
        spec_members);
    assert_int_equal(json_parse(text, strlen(text), &doc, &err), 0);
    assert_int_equal(pl_create_read(doc, &rec, &err), 0);
    id_of(digit, rec.id);
    rec.chain_id = vic_xstrdup("sha256:chain");
    rec.created_ns = digit;
    rec.state = state;
    if (state != PL_CREATED) {
        rec.run = 1;
        rec.started_ns = 1;
        uuid_of(digit, rec.vm_uuid);
    }
    auto_free char *record = pl_record_to_text(&rec);
    auto_free char *dir = vic_xasprintf("%s/containers/%s", w.dir, rec.id);
    auto_free char *path = vic_xasprintf("%s/container.json", dir);
    assert_int_equal(vic_file_mkdir_p(dir, 0700, NULL), 0);
    assert_int_equal(vic_file_replace(path, record, strlen(record), 0600, NULL), 0);
    pl_record_release(&rec);
}

/* The VM of a container that write_record() made. */
void add_vm(char digit)
{
    char id[VIC_ID_LEN + 1];
    char uuid[37];
    char name[64];
    id_of(digit, id);
    uuid_of(digit, uuid);
    pl_domain_name(VCH, id, name);
    fake_domain_add(name, uuid, id);
}

struct pl_container *container(char digit)
{
    char id[VIC_ID_LEN + 1];
    id_of(digit, id);
    return vic_map_get(&w.pl.execution->by_id, id);
}

/* A container that runs, with a guest that answers. */
struct pl_container *running(char digit, const char *spec_members)
{
    write_record(digit, PL_RUNNING, spec_members);
    add_vm(digit);
    open_execution();
    struct pl_container *c = container(digit);
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, RUNNING));
    return c;
}

struct rpc_stream *ask(const char *method, const char *path, const char *ref, const char *body)
{
    assert_true(w.n_streams < ARRAY_SIZE(w.streams));
    struct rpc_stream *st = &w.streams[w.n_streams++];
    st->param = ref;
    if (body)
        assert_int_equal(json_parse(body, strlen(body), &st->body, NULL), 0);
    request(pl_execution_routes, pl_execution_n_routes, method, path, st, &w.pl);
    return st;
}

struct rpc_stream *post(const char *what, const char *ref, const char *body)
{
    auto_free char *path = vic_xasprintf("/v1/containers/{ref}/%s", what);
    return ask("POST", path, ref, body);
}

struct rpc_stream *remove_by_force(const char *ref)
{
    struct rpc_stream *st = &w.streams[w.n_streams++];
    *st = (struct rpc_stream){.param = ref, .query = {"force", "1"}};
    request(pl_execution_routes, pl_execution_n_routes, "DELETE", "/v1/containers/{ref}", st,
            &w.pl);
    return st;
}

struct rpc_stream *wait_for_end(const char *ref)
{
    return ask("GET", "/v1/containers/{ref}/wait", ref, NULL);
}

void lose_libvirt(void)
{
    fake.conns[0]->on_close(fake.conns[0], 0, fake.conns[0]->close_arg);
}

struct rpc_stream *stop(const char *ref, int timeout_s)
{
    auto_free char *body = vic_xasprintf("{\"timeout_s\":%d}", timeout_s);
    return post("stop", ref, body);
}

/* The exit record, the acknowledgement, and the VM goes. */
void end_run(struct pl_container *c, int exit_code)
{
    fake_exit(c, exit_code);
    unsigned run = c->rec.run;
    assert_true(fake_answer(c, "/v1/ack", NULL, "{}"));
    until(!pl_state_has_vm(c->rec.state) || c->rec.run > run);
}

void comes_back(struct pl_container *c)
{
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, RUNNING));
}

void comes_up(struct pl_container *c)
{
    until(c->channel);
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, IDLE));
    assert_true(fake_answer(c, "/v1/configure", NULL, "{}"));
    assert_true(fake_answer(c, "/v1/start", NULL, "{}"));
    assert_int_equal(c->rec.state, PL_RUNNING);
}
