/* The flows of execution over a host of memory: start, stop, end, recovery, and what goes wrong in them. */
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
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/execution/create_doc.h"
#include "portlayer/execution/fingerprint.h"
#include "portlayer/execution/restart.h"
#include "test/unit/fake_vm.h"
#include "test/unit/storage_rpc.h"

#define VCH "01234567"
#define RUNNING "{\"state\":\"running\",\"protocol\":1}"
#define FROZEN "{\"state\":\"running\",\"protocol\":1,\"frozen\":true}"
#define IDLE "{\"state\":\"idle\",\"protocol\":1}"

struct world {
    uv_loop_t loop;
    struct pl pl;
    char dir[64];
    virConnectPtr conn;
    struct rpc_stream streams[64];
    size_t n_streams;
};
static struct world w;

/* ---- the world ---- */

static char *at(const char *file)
{
    return vic_xasprintf("%s/%s", w.dir, file);
}

static int setup(void **state)
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

static void open_execution(void)
{
    struct vic_err err = {0};
    w.conn = virConnectOpen("fake:///");
    if (pl_execution_new(&w.pl, w.conn, &w.pl.execution, &err) < 0)
        fail_msg("%s", err.message);
}

static void set_creates_held(bool holds)
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

static int teardown(void **state)
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

/* Turns the loop until it is so. */
#define until(condition)                                                                           \
    while (!(condition))                                                                           \
    assert_true(uv_run(&w.loop, UV_RUN_ONCE) || (condition))

static void id_of(char digit, char ret[VIC_ID_LEN + 1])
{
    memset(ret, digit, VIC_ID_LEN);
    ret[VIC_ID_LEN] = '\0';
}

static void uuid_of(char digit, char ret[37])
{
    (void)snprintf(ret, 37, "%c1111111-2222-4333-8444-555555555555", digit);
}

/* A container's folder as an earlier port layer left it; id and VM's uuid are made of digit. */
static void write_record(char digit, enum pl_state state, const char *spec_members)
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
static void add_vm(char digit)
{
    char id[VIC_ID_LEN + 1];
    char uuid[37];
    char name[64];
    id_of(digit, id);
    uuid_of(digit, uuid);
    pl_domain_name(VCH, id, name);
    fake_domain_add(name, uuid, id);
}

static struct pl_container *container(char digit)
{
    char id[VIC_ID_LEN + 1];
    id_of(digit, id);
    return vic_map_get(&w.pl.execution->by_id, id);
}

/* A container that runs, with a guest that answers. */
static struct pl_container *running(char digit, const char *spec_members)
{
    write_record(digit, PL_RUNNING, spec_members);
    add_vm(digit);
    open_execution();
    struct pl_container *c = container(digit);
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, RUNNING));
    return c;
}

static struct rpc_stream *ask(const char *method, const char *path, const char *ref,
                              const char *body)
{
    assert_true(w.n_streams < ARRAY_SIZE(w.streams));
    struct rpc_stream *st = &w.streams[w.n_streams++];
    st->param = ref;
    if (body)
        assert_int_equal(json_parse(body, strlen(body), &st->body, NULL), 0);
    request(pl_execution_routes, pl_execution_n_routes, method, path, st, &w.pl);
    return st;
}

static struct rpc_stream *post(const char *what, const char *ref, const char *body)
{
    auto_free char *path = vic_xasprintf("/v1/containers/{ref}/%s", what);
    return ask("POST", path, ref, body);
}

static struct rpc_stream *remove_by_force(const char *ref)
{
    struct rpc_stream *st = &w.streams[w.n_streams++];
    *st = (struct rpc_stream){.param = ref, .query = {"force", "1"}};
    request(pl_execution_routes, pl_execution_n_routes, "DELETE", "/v1/containers/{ref}", st,
            &w.pl);
    return st;
}

static struct rpc_stream *wait_for_end(const char *ref)
{
    return ask("GET", "/v1/containers/{ref}/wait", ref, NULL);
}

/* ---- libvirt comes back ---- */

static void lose_libvirt(void)
{
    fake.conns[0]->on_close(fake.conns[0], 0, fake.conns[0]->close_arg);
}

static bool was_heard;

static void end_unless_heard(struct fake_host *h)
{
    /* The VM ends right after the list was taken: whoever listens by now will hear of it. */
    was_heard = h->conns[1]->on_event != NULL;
    h->n_domains = 0;
    h->after_list = NULL;
}

static void test_a_vm_that_ends_while_domains_are_listed_is_heard_of(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    struct rpc_stream *waiter = wait_for_end("ca");
    char uuid[37];
    uuid_of('a', uuid);
    fake.after_list = end_unless_heard;
    lose_libvirt();
    until(!fake.after_list && !w.pl.execution->is_reconnecting);
    if (was_heard)
        fake_event(VIR_DOMAIN_EVENT_STOPPED, "vic-" VCH "-aaaaaaaaaaaa", uuid);
    assert_int_equal(c->rec.state, PL_EXITED);
    assert_true(waiter->is_over);
}

static void test_a_vm_without_readable_metadata_is_its_containers(void **state)
{
    (void)state;
    (void)running('a', "");
    fake.domains[0].container_id[0] = '\0';
    lose_libvirt();
    until(fake.n_opened == 2 && !w.pl.execution->is_reconnecting);
    assert_int_equal(fake.n_destroys, 0);
    assert_int_equal(w.loop.active_reqs.count, 0);
    assert_int_equal(container('a')->rec.state, PL_RUNNING);
}

static void test_a_start_during_the_listing_is_not_taken_for_an_end(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    struct pl_container *started = container('a');
    pl_recover_expect(w.pl.execution);
    (void)post("start", "ca", NULL);
    until(started->channel);
    fake_tether_up(started);
    assert_true(fake_answer(started, "/v1/hello", NULL, IDLE));
    assert_true(fake_answer(started, "/v1/configure", NULL, "{}"));
    assert_true(fake_answer(started, "/v1/start", NULL, "{}"));
    assert_int_equal(started->rec.state, PL_RUNNING);
    pl_recover_match(w.pl.execution, NULL, 0);
    assert_int_equal(started->rec.state, PL_RUNNING);
}

/* ---- starts that fail ---- */

static void test_an_undo_that_fails_is_tried_until_the_vm_is_gone(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    struct pl_container *c = container('a');
    struct rpc_stream *start = post("start", "ca", NULL);
    until(c->channel);
    fake.fail_destroys = 1;
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, RUNNING)); /* a new VM's guest is idle */
    until(start->is_over);
    assert_int_equal(start->err.kind, VIC_ERR_INTERNAL);
    assert_int_equal(c->rec.state, PL_STARTING); /* its VM is still there */
    assert_int_equal(fake.n_domains, 1);
    lose_libvirt();
    until(c->rec.state != PL_STARTING);
    assert_int_equal(c->rec.state, PL_CREATED);
    assert_int_equal(c->rec.exit_code, PL_CODE_NOT_STARTED);
    assert_int_equal(fake.n_domains, 0);
}

static void test_who_waits_for_a_container_that_cannot_start_is_answered(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    struct pl_container *c = container('a');
    (void)post("start", "ca", NULL);
    struct rpc_stream *not_running = wait_for_end("ca");
    struct rpc_stream *next_exit = &w.streams[w.n_streams++];
    *next_exit = (struct rpc_stream){.param = "ca", .query = {"condition", "next-exit"}};
    request(pl_execution_routes, pl_execution_n_routes, "GET", "/v1/containers/{ref}/wait",
            next_exit, &w.pl);
    assert_false(not_running->is_over);
    pl_start_abort(c, "the test says so");
    until(c->rec.state == PL_CREATED);
    assert_true(not_running->is_over);
    assert_non_null(strstr(vic_buf_str(&not_running->out), "\"exit_code\":128"));
    assert_false(next_exit->is_over); /* nothing has exited */
    assert_false(next_exit->is_cancelled);
}

static void test_a_start_asked_for_during_the_undo_follows_it(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    struct pl_container *c = container('a');
    (void)post("start", "ca", NULL);
    until(c->channel);
    fake.fail_destroys = 1;
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, RUNNING));
    struct rpc_stream *start = post("start", "ca", NULL);
    until(c->channel);
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, IDLE));
    assert_true(fake_answer(c, "/v1/configure", NULL, "{}"));
    assert_true(fake_answer(c, "/v1/start", NULL, "{}"));
    assert_non_null(start->answer);
    assert_int_equal(fake.n_domains, 1);
    assert_int_equal(c->rec.run, 2);
}

static unsigned creating(void)
{
    (void)pthread_mutex_lock(&fake.lock);
    unsigned n = fake.n_creating;
    (void)pthread_mutex_unlock(&fake.lock);
    return n;
}

static void test_creations_that_hang_leave_libvirt_to_others(void **state)
{
    (void)state;
    static const char digits[] = "abcdef0123456789";
    for (const char *d = digits; *d; d++)
        write_record(*d, PL_CREATED, "");
    open_execution();
    set_creates_held(true);
    for (const char *d = digits; *d; d++) {
        char name[] = {'c', *d, '\0'};
        (void)post("start", name, NULL);
    }
    while (creating() < 4)
        (void)uv_run(&w.loop, UV_RUN_NOWAIT);
    assert_int_equal(w.loop.active_reqs.count, 4); /* the others hold no worker either */
    /* One of them is ended, by another connection: its place goes to the next. */
    struct rpc_stream *force = remove_by_force("ca");
    until(force->is_over);
    assert_non_null(force->answer);
    assert_int_equal(fake.n_opened, 2);
    assert_ptr_not_equal(fake.destroyed_by, w.conn);
    while (creating() < 4)
        (void)uv_run(&w.loop, UV_RUN_NOWAIT);
    set_creates_held(false);
    until(w.loop.active_reqs.count == 0);
    assert_int_equal(fake.n_domains, strlen(digits) - 1);
    assert_int_equal(fake.most_creating, 4);
    for (const char *d = digits + 1; *d; d++)
        pl_start_abort(container(*d), "the test is over");
    until(fake.n_domains == 0 && w.loop.active_reqs.count == 0);
}

/* ---- stop and kill ---- */

static struct rpc_stream *stop(const char *ref, int timeout_s)
{
    auto_free char *body = vic_xasprintf("{\"timeout_s\":%d}", timeout_s);
    return post("stop", ref, body);
}

/* The exit record, the acknowledgement, and the VM goes. */
static void end(struct pl_container *c, int exit_code)
{
    fake_exit(c, exit_code);
    unsigned run = c->rec.run;
    assert_true(fake_answer(c, "/v1/ack", NULL, "{}"));
    until(!pl_state_has_vm(c->rec.state) || c->rec.run > run);
}

static void comes_back(struct pl_container *c)
{
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, RUNNING));
}

static void test_a_stop_reaches_a_guest_that_was_not_there(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    fake_tether_down(c);
    struct rpc_stream *st = stop("ca", 3600);
    assert_int_equal(fake_count(c, "/v1/signal", ""), 0);
    comes_back(c);
    assert_int_equal(fake_count(c, "/v1/signal", "15"), 1);
    assert_true(fake_answer(c, "/v1/signal", NULL, "{}"));
    fake_tether_down(c);
    comes_back(c);
    assert_int_equal(fake_count(c, "/v1/signal", "15"), 1); /* once is enough */
    assert_int_equal(fake_count_events("kill"), 1);
    end(c, 3);
    assert_non_null(st->answer);
    assert_int_equal(c->rec.exit_code, 3);
}

static void test_a_stop_whose_answer_is_lost_is_sent_again(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    (void)stop("ca", -1);
    assert_int_equal(fake_count(c, "/v1/signal", "15"), 1);
    fake_tether_down(c);
    assert_int_equal(c->rec.state, PL_STOPPING);
    assert_int_equal(fake.n_destroys, 0); /* -1: never killed */
    comes_back(c);
    assert_int_equal(fake_count(c, "/v1/signal", "15"), 2);
    end(c, 0);
}

static void test_a_kill_waits_for_a_guest_that_is_not_there(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    fake_tether_down(c);
    (void)stop("ca", 3600);
    struct rpc_stream *st = post("signal", "ca", "{\"signal\":\"KILL\"}");
    (void)uv_run(&w.loop, UV_RUN_NOWAIT);
    assert_int_equal(fake.n_destroys, 0);
    assert_true(uv_is_active((uv_handle_t *)&c->timer)); /* not for ever */
    comes_back(c);
    assert_int_equal(fake_count(c, "/v1/signal", "9"), 1); /* it stands above the other */
    assert_int_equal(fake_count(c, "/v1/signal", "15"), 0);
    end(c, 137);
    assert_non_null(st->answer);
}

static void test_a_guest_that_refuses_to_kill_loses_its_vm(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    struct vic_err err = {0};
    (void)vic_fail(&err, VIC_ERR_INTERNAL, 0, "no");
    (void)post("signal", "ca", "{\"signal\":\"KILL\"}");
    assert_true(fake_answer(c, "/v1/signal", &err, NULL));
    until(c->rec.state == PL_EXITED);
    assert_int_equal(fake.n_destroys, 1);
    assert_int_equal(c->rec.exit_code, 137);
}

static void test_a_signal_that_is_due_goes_with_its_run(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    char uuid[37];
    uuid_of('a', uuid);
    fake_tether_down(c);
    (void)stop("ca", 3600);
    assert_int_equal(c->due_signal, 15);
    fake_domain_remove(uuid);
    fake_event(VIR_DOMAIN_EVENT_STOPPED, "", uuid);
    assert_int_equal(c->rec.state, PL_EXITED);
    assert_int_equal(c->due_signal, 0);
}

static void test_a_second_stop_shortens_the_first(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    struct rpc_stream *patient = stop("ca", 3600);
    struct rpc_stream *second = stop("ca", 1);
    assert_true(uv_timer_get_due_in(&c->timer) <= 1000);
    struct rpc_stream *third = stop("ca", 600); /* and a later one does not lengthen it */
    assert_true(uv_timer_get_due_in(&c->timer) <= 1000);
    assert_int_equal(fake_count(c, "/v1/signal", "15"), 3);
    until(fake_count(c, "/v1/signal", "9") == 1);
    (void)stop("ca", 0); /* what is killed gets no weaker signal, and no other deadline */
    assert_int_equal(fake_count(c, "/v1/signal", "15"), 3);
    assert_true(uv_timer_get_due_in(&c->timer) > 1000);
    end(c, 137);
    assert_non_null(patient->answer);
    assert_non_null(second->answer);
    assert_non_null(third->answer);
}

static void test_a_stop_during_a_restart_is_answered_by_the_end_of_the_run(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ",\"auto_remove\":true");
    struct rpc_stream *restart = post("restart", "ca", NULL);
    struct rpc_stream *st = stop("ca", 60);
    end(c, 0);
    until(c->channel);
    assert_non_null(st->answer);
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, IDLE));
    assert_true(fake_answer(c, "/v1/configure", NULL, "{}"));
    assert_true(fake_answer(c, "/v1/start", NULL, "{}"));
    assert_non_null(restart->answer);
    assert_int_equal(c->rec.state, PL_RUNNING);
}

/* ---- pause ---- */

static struct pl_container *paused(char digit, const char *spec_members)
{
    struct pl_container *c = running(digit, spec_members);
    char ref[] = {'c', digit, '\0'};
    struct rpc_stream *st = post("pause", ref, NULL);
    assert_int_equal(c->rec.state, PL_RUNNING); /* until the guest says so */
    assert_true(fake_answer(c, "/v1/freeze", NULL, "{}"));
    assert_non_null(st->answer);
    assert_int_equal(c->rec.state, PL_PAUSED);
    return c;
}

static void test_a_pause_and_its_end(void **state)
{
    (void)state;
    struct pl_container *c = paused('a', "");
    assert_int_equal(fake_count(c, "/v1/freeze", "true"), 1);
    struct rpc_stream *again = post("pause", "ca", NULL);
    assert_int_equal(again->err.kind, VIC_ERR_CONFLICT);
    assert_non_null(strstr(again->err.message, "is already paused"));
    struct rpc_stream *rm = ask("DELETE", "/v1/containers/{ref}", "ca", NULL);
    assert_non_null(strstr(rm->err.message, "is paused: unpause it first"));
    struct rpc_stream *unpause = post("unpause", "ca", NULL);
    assert_true(fake_answer(c, "/v1/freeze", NULL, "{}"));
    assert_non_null(unpause->answer);
    assert_int_equal(c->rec.state, PL_RUNNING);
    unpause = post("unpause", "ca", NULL);
    assert_int_equal(unpause->err.kind, VIC_ERR_CONFLICT);
    assert_non_null(strstr(unpause->err.message, "is not paused"));
    assert_int_equal(fake_count_events("pause"), 1);
    assert_int_equal(fake_count_events("unpause"), 1);
}

static void test_a_pause_that_fails_leaves_it_running(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    struct vic_err err = {0};
    struct rpc_stream *refused = post("pause", "ca", NULL);
    (void)vic_fail(&err, VIC_ERR_INTERNAL, 0, "freeze the container: no");
    assert_true(fake_answer(c, "/v1/freeze", &err, NULL));
    assert_string_equal(refused->err.message, "freeze the container: no");
    struct rpc_stream *late = post("pause", "ca", NULL); /* its process has just ended */
    (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "nothing runs");
    assert_true(fake_answer(c, "/v1/freeze", &err, NULL));
    assert_int_equal(late->err.kind, VIC_ERR_CONFLICT);
    assert_non_null(strstr(late->err.message, "is not running"));
    struct rpc_stream *cut = post("pause", "ca", NULL); /* and so it has when its VM goes */
    end(c, 0);
    assert_int_equal(cut->err.kind, VIC_ERR_CONFLICT);
    assert_int_equal(c->rec.state, PL_EXITED);
    assert_int_equal(fake_count_events("pause"), 0);
}

static void test_a_stop_of_a_paused_container_thaws_it(void **state)
{
    (void)state;
    struct pl_container *c = paused('a', "");
    struct rpc_stream *st = stop("ca", 3600);
    assert_int_equal(fake_count(c, "/v1/signal", "15"), 1);
    assert_int_equal(fake_count(c, "/v1/freeze", "false"), 1);
    assert_true(fake_answer(c, "/v1/freeze", NULL, "{}"));
    assert_int_equal(fake_count_events("unpause"), 1);
    end(c, 0);
    assert_non_null(st->answer);
    assert_int_equal(c->rec.state, PL_EXITED);
}

static void test_a_stop_thaws_what_a_pause_freezes_after_it(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    (void)post("pause", "ca", NULL);
    (void)stop("ca", 3600);
    assert_true(fake_answer(c, "/v1/freeze", NULL, "{}"));
    assert_int_equal(c->rec.state, PL_STOPPING);
    assert_int_equal(fake_count(c, "/v1/freeze", "false"), 1);
    fake_tether_down(c); /* was it thawed?  Hello knows */
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, FROZEN));
    assert_int_equal(fake_count(c, "/v1/freeze", "false"), 2);
    assert_true(fake_answer(c, "/v1/freeze", NULL, "{}"));
    end(c, 0);
}

static void test_signals_of_a_paused_container(void **state)
{
    (void)state;
    struct pl_container *c = paused('a', ",\"stop_signal\":\"SIGINT\"");
    (void)post("signal", "ca", "{\"signal\":\"USR1\"}"); /* waits in the guest */
    assert_int_equal(fake_count(c, "/v1/signal", "10"), 1);
    assert_int_equal(fake_count(c, "/v1/freeze", "false"), 0);
    (void)post("signal", "ca", "{\"signal\":\"INT\"}");
    assert_int_equal(fake_count(c, "/v1/freeze", "false"), 1);
    (void)post("signal", "ca", "{\"signal\":\"KILL\"}");
    assert_int_equal(c->rec.state, PL_STOPPING);
    assert_int_equal(fake_count(c, "/v1/signal", "9"), 1);
    end(c, 137);
}

static void test_what_is_paused_is_what_the_guest_says(void **state)
{
    (void)state;
    write_record('a', PL_PAUSED, "");
    write_record('b', PL_RUNNING, "");
    write_record('c', PL_PAUSED, "");
    for (const char *d = "abc"; *d; d++)
        add_vm(*d);
    open_execution();
    static const char *const hello[] = {FROZEN, FROZEN, RUNNING};
    for (int i = 0; i < 3; i++) {
        fake_tether_up(container("abc"[i]));
        assert_true(fake_answer(container("abc"[i]), "/v1/hello", NULL, hello[i]));
    }
    assert_int_equal(container('a')->rec.state, PL_PAUSED);
    assert_int_equal(container('b')->rec.state, PL_PAUSED);
    assert_int_equal(container('c')->rec.state, PL_RUNNING);
    assert_int_equal(fake_count_events("pause"), 1); /* of b: nobody has told yet */
    assert_int_equal(fake_count_events("unpause"), 1);
}

static void test_a_vm_that_somebody_suspends_is_not_paused(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    fake_event(VIR_DOMAIN_EVENT_SUSPENDED, "", c->rec.vm_uuid);
    assert_int_equal(c->rec.state, PL_RUNNING);
    fake_event(VIR_DOMAIN_EVENT_RESUMED, "", c->rec.vm_uuid);
    assert_false(uv_is_active((uv_handle_t *)&w.pl.execution->stall_timer));
    assert_int_equal(fake_count_events("pause"), 0);
    post("pause", "ca", NULL);
    assert_true(fake_answer(c, "/v1/freeze", NULL, "{}"));
    fake_event(VIR_DOMAIN_EVENT_SUSPENDED, "", c->rec.vm_uuid);
    fake_event(VIR_DOMAIN_EVENT_RESUMED, "", c->rec.vm_uuid);
    assert_int_equal(c->rec.state, PL_PAUSED);
}

/* ---- no room for a disk ---- */

static void stall(struct pl_container *c)
{
    fake.event_detail = VIR_DOMAIN_EVENT_SUSPENDED_IOERROR;
    fake_event(VIR_DOMAIN_EVENT_SUSPENDED, "", c->rec.vm_uuid);
}

/* What the timer does, now. */
static void tick(void)
{
    uv_timer_t *t = &w.pl.execution->stall_timer;
    assert_true(uv_is_active((uv_handle_t *)t));
    (void)uv_timer_stop(t);
    pl_stall_on_timer(t);
    until(w.loop.active_reqs.count == 0);
}

static void test_a_vm_without_room_is_tried_until_there_is(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    stall(c);
    assert_int_equal(c->rec.state, PL_RUNNING);
    tick();
    assert_int_equal(fake.n_unstalls, 1);
    fake_event(VIR_DOMAIN_EVENT_RESUMED, "", c->rec.vm_uuid);
    stall(c); /* still no room */
    fake.fails_unstalls = true;
    tick();
    assert_int_equal(fake.n_unstalls, 2);
    assert_true(c->is_stalled); /* libvirt could not: once more */
    fake.fails_unstalls = false;
    tick();
    assert_int_equal(fake.n_unstalls, 3);
    tick(); /* nothing was heard since: it goes on */
    assert_int_equal(fake.n_unstalls, 3);
    assert_false(uv_is_active((uv_handle_t *)&w.pl.execution->stall_timer));
}

static void test_a_vm_found_without_room_is_tried_too(void **state)
{
    (void)state;
    write_record('a', PL_RUNNING, "");
    add_vm('a');
    fake.domains[0].is_stalled = true;
    open_execution();
    fake_domain_remove(container('a')->rec.vm_uuid);
    fake.fails_unstalls = true;
    tick();
    assert_int_equal(fake.n_unstalls, 1);
    fake_event(VIR_DOMAIN_EVENT_STOPPED, "", container('a')->rec.vm_uuid);
    tick(); /* what has ended is left alone */
    assert_int_equal(fake.n_unstalls, 1);
    assert_false(uv_is_active((uv_handle_t *)&w.pl.execution->stall_timer));
}

static void test_a_restart_of_a_paused_container_keeps_it(void **state)
{
    (void)state;
    struct pl_container *c = paused('a', ",\"auto_remove\":true");
    struct rpc_stream *restart = post("restart", "ca", NULL);
    end(c, 137);
    until(restart->is_over || c->channel);
    assert_int_equal(c->rec.state, PL_STARTING);
    pl_start_abort(c, "the test is over");
    until(container('a') == NULL); /* and --rm holds for the end of the next run */
}

/* ---- naps ---- */

/* libvirt finishes a start whose caller was killed. */
static void add_late_vm(char digit)
{
    char id[VIC_ID_LEN + 1];
    char name[64];
    id_of(digit, id);
    pl_domain_name(VCH, id, name);
    fake_domain_add(name, "99999999-2222-4333-8444-555555555555", id);
}

static struct rpc_stream *copy(struct pl_container *c)
{
    struct rpc_stream *st = &w.streams[w.n_streams++];
    pl_copy_serve(c, st, "GET", "/v1/copy?", NULL);
    return st;
}

static void wake_up(struct pl_container *c)
{
    until(c->channel);
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, IDLE));
    assert_true(fake_answer(c, "/v1/configure", NULL, "{}"));
    assert_true(pl_nap_is_awake(c));
}

/* A container that does not run, and a copy that its nap's guest works on. */
static struct pl_container *napping(void)
{
    write_record('a', PL_EXITED, "");
    open_execution();
    struct pl_container *c = container('a');
    (void)copy(c);
    wake_up(c);
    assert_int_equal(fake.n_served, 1);
    return c;
}

/* The guest does as it was told: its VM ends. */
static void fall_asleep(struct pl_container *c)
{
    char uuid[37];
    memcpy(uuid, c->rec.vm_uuid, sizeof(uuid));
    assert_true(fake_answer(c, "/v1/shutdown", NULL, "{}"));
    fake_domain_remove(uuid);
    fake_event(VIR_DOMAIN_EVENT_STOPPED, "", uuid);
}

static void test_a_copy_wakes_what_does_not_run_and_nothing_else(void **state)
{
    (void)state;
    struct pl_container *c = napping();
    fake_event(VIR_DOMAIN_EVENT_STARTED, "vic-" VCH "-aaaaaaaaaaaa", c->rec.vm_uuid);
    assert_int_equal(c->rec.state, PL_EXITED);
    assert_int_equal(c->rec.run, 1);
    assert_int_equal(fake_count(c, "/v1/start", ""), 0);
    assert_int_equal(fake.n_events, 0);
    (void)copy(c); /* another shares it */
    assert_int_equal(fake.n_served, 2);
    assert_int_equal(fake.n_domains, 1);
    pl_nap_leave(c);
    assert_false(uv_is_active((uv_handle_t *)&c->timer));
    pl_nap_leave(c);
    assert_true(uv_timer_get_due_in(&c->timer) <= 5000); /* one more may follow */
    (void)copy(c);
    assert_false(uv_is_active((uv_handle_t *)&c->timer));
    pl_nap_leave(c);
    c->on_deadline(c);
    struct rpc_stream *late = copy(c); /* it is too late for this one: after the next waking */
    fall_asleep(c);
    until(!c->channel);
    wake_up(c);
    assert_false(late->is_over);
    assert_int_equal(fake.n_served, 4);
    pl_nap_leave(c);
    c->on_deadline(c);
    fall_asleep(c);
    until(!c->nap);
    assert_int_equal(fake.n_domains, 0);
    assert_int_equal(c->rec.state, PL_EXITED);
}

static void test_a_start_waits_for_the_end_of_a_nap(void **state)
{
    (void)state;
    struct pl_container *c = napping();
    struct rpc_stream *start = post("start", "ca", NULL);
    assert_int_equal(c->rec.state, PL_EXITED);
    assert_int_equal(fake_count(c, "/v1/shutdown", ""), 0); /* the copy first */
    pl_nap_leave(c);
    assert_int_equal(fake_count(c, "/v1/shutdown", ""), 1); /* and no other that may follow */
    fall_asleep(c);
    until(!c->nap);
    assert_int_equal(c->rec.state, PL_STARTING);
    until(c->channel);
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, IDLE));
    assert_true(fake_answer(c, "/v1/configure", NULL, "{}"));
    assert_true(fake_answer(c, "/v1/start", NULL, "{}"));
    assert_non_null(start->answer);
    assert_int_equal(fake.n_domains, 1);
    assert_int_equal(c->rec.run, 2);
}

static void test_a_removal_waits_for_the_end_of_a_nap(void **state)
{
    (void)state;
    struct pl_container *c = napping();
    struct rpc_stream *rm = ask("DELETE", "/v1/containers/{ref}", "ca", NULL);
    assert_int_equal(c->rec.state, PL_EXITED);
    struct rpc_stream *force = remove_by_force("ca"); /* does not wait for the copy */
    until(rm->is_over && force->is_over);
    assert_non_null(rm->answer);
    assert_int_equal(fake.n_domains, 0);
    assert_int_equal(fake_count_events("die"), 0);
}

static void test_a_forced_removal_ends_a_nap_that_has_not_begun(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    struct rpc_stream *st = copy(container('a'));
    until(container('a')->channel);
    struct rpc_stream *force = remove_by_force("ca");
    until(force->is_over && st->is_over);
    assert_non_null(force->answer);
    assert_int_equal(st->err.kind, VIC_ERR_CONFLICT);
    assert_int_equal(fake.n_domains, 0);
}

static void test_a_nap_that_cannot_begin_is_answered_and_booked_nowhere(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    struct pl_container *c = container('a');
    struct rpc_stream *st = copy(c);
    until(c->channel);
    fake.fail_destroys = 1;
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, RUNNING)); /* a new VM's guest is idle */
    until(st->is_over);
    assert_int_equal(st->err.kind, VIC_ERR_INTERNAL);
    assert_int_equal(fake.n_domains, 0); /* it was not over before */
    assert_null(c->nap);
    assert_int_equal(c->rec.state, PL_CREATED);
    assert_int_equal(c->rec.exit_code, 0);
    assert_int_equal(fake.n_events, 0);
}

static void test_a_nap_whose_vm_dies_is_over_when_it_is_gone(void **state)
{
    (void)state;
    struct pl_container *c = napping();
    fake.fail_destroys = 1;
    struct rpc_stream *start = post("start", "ca", NULL);
    fake_tether_down(c);
    fake_tether_up(c); /* the line broke, and what was copied with it */
    until(!c->nap);
    assert_int_equal(fake.n_destroys, 2);
    assert_int_equal(c->rec.state, PL_STARTING);
    until(c->channel);
    fake_event(VIR_DOMAIN_EVENT_STOPPED, "", c->rec.vm_uuid);
    until(start->is_over);
}

static void test_a_nap_outlives_the_connection_to_libvirt(void **state)
{
    (void)state;
    struct pl_container *c = napping();
    lose_libvirt();
    until(fake.n_opened == 2 && !w.pl.execution->is_reconnecting);
    until(w.loop.active_reqs.count == 0);
    assert_int_equal(fake.n_domains, 1);
    assert_true(pl_nap_is_awake(c));
    fake.n_domains = 0; /* and this time its VM ends meanwhile */
    fake.conns[1]->on_close(fake.conns[1], 0, fake.conns[1]->close_arg);
    until(!c->nap);
}

static void test_a_nap_of_an_earlier_port_layer_is_ended(void **state)
{
    (void)state;
    write_record('a', PL_EXITED, "");
    add_late_vm('a');
    open_execution();
    until(fake.n_domains == 0);
    assert_int_equal(container('a')->rec.state, PL_EXITED);
}

/* ---- VMs that come late: libvirt finishes a start whose caller was killed ---- */

static void test_a_late_vm_goes_with_its_container(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    add_late_vm('a');
    struct rpc_stream *rm = ask("DELETE", "/v1/containers/{ref}", "ca", NULL);
    until(rm->is_over);
    assert_non_null(rm->answer);
    assert_int_equal(fake.n_domains, 0);
}

static void test_a_container_is_removed_while_libvirt_is_away(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    fake.is_away = true;
    struct rpc_stream *rm = ask("DELETE", "/v1/containers/{ref}", "ca", NULL);
    until(rm->is_over);
    assert_non_null(rm->answer);
}

static void test_a_late_vm_does_not_stand_in_the_way_of_a_start(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    add_late_vm('a');
    struct rpc_stream *start = post("start", "ca", NULL);
    until(container('a')->channel || start->is_over);
    assert_false(start->is_over);
    assert_int_equal(fake.n_domains, 1);
    assert_non_null(fake_domain(container('a')->rec.vm_uuid));
    fake_event(VIR_DOMAIN_EVENT_STOPPED, "", container('a')->rec.vm_uuid);
    until(start->is_over);
}

static void test_a_vm_of_nobody_is_destroyed_at_last(void **state)
{
    (void)state;
    open_execution();
    add_late_vm('a');
    fake.fail_destroys = 2;
    fake_event(VIR_DOMAIN_EVENT_STARTED, fake.domains[0].name, fake.domains[0].uuid);
    until(fake.n_domains == 0);
    assert_int_equal(fake.n_destroys, 3);
}

static void test_closing_drops_what_waits_for_another_try(void **state)
{
    (void)state;
    open_execution();
    add_late_vm('a');
    fake.fail_destroys = 1;
    fake_event(VIR_DOMAIN_EVENT_STARTED, fake.domains[0].name, fake.domains[0].uuid);
    until(!vic_list_is_empty(&w.pl.execution->strays));
}

/* ---- recovery ---- */

static void test_the_vm_of_an_unreadable_record_is_kept(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{\"version\":1,\"id\":\"a", "[]", "{\"version\":2}"};
    char id[VIC_ID_LEN + 1];
    char uuid[37];
    id_of('a', id);
    uuid_of('a', uuid);
    auto_free char *path = vic_xasprintf("%s/containers/%s/container.json", w.dir, id);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        write_record('a', PL_RUNNING, "");
        assert_int_equal(vic_file_replace(path, bad[i], strlen(bad[i]), 0600, NULL), 0);
        fake.n_domains = 0;
        fake.keeps_layers = false;
        add_vm('a');
        if (i > 0)
            fake.domains[0].container_id[0] = '\0';
        add_vm('b'); /* nobody's */
        open_execution();
        fake_event(VIR_DOMAIN_EVENT_STARTED, fake.domains[0].name, uuid);
        until(w.loop.active_reqs.count == 0);
        assert_int_equal(fake.n_domains, 1);
        assert_non_null(fake_domain(uuid));
        assert_true(fake.keeps_layers);
        struct pl_execution_facts facts;
        pl_execution_facts(w.pl.execution, &facts);
        assert_int_equal(vic_strv_len(facts.unreadable), 1);
        assert_string_equal(facts.unreadable[0], id);
        if (i + 1 < ARRAY_SIZE(bad)) {
            pl_execution_close(TAKE_PTR(w.pl.execution));
            (void)virConnectClose(TAKE_PTR(w.conn));
        }
    }
    assert_int_equal(vic_file_exists(path), 1);
}

/* ---- restart policies ---- */

#define ALWAYS ",\"restart\":{\"name\":\"always\"}"
#define UNLESS_STOPPED ",\"restart\":{\"name\":\"unless-stopped\"}"
#define ON_FAILURE ",\"restart\":{\"name\":\"on-failure\",\"max_retries\":2}"

/* The clock is the test's: what waits is due now.  The delay it would have taken. */
static uint64_t fire(struct pl_container *c)
{
    assert_int_equal(c->rec.state, PL_RESTARTING);
    assert_true(uv_is_active((uv_handle_t *)&c->timer));
    uint64_t ms = c->restart_delay_ms;
    assert_true(uv_timer_get_due_in(&c->timer) <= ms);
    (void)uv_timer_stop(&c->timer);
    c->on_deadline(c);
    assert_int_equal(c->rec.state, PL_STARTING);
    return ms;
}

static void comes_up(struct pl_container *c)
{
    until(c->channel);
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, IDLE));
    assert_true(fake_answer(c, "/v1/configure", NULL, "{}"));
    assert_true(fake_answer(c, "/v1/start", NULL, "{}"));
    assert_int_equal(c->rec.state, PL_RUNNING);
}

static void test_it_runs_again_with_delays_that_double(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ALWAYS);
    struct rpc_stream *waiter = wait_for_end("ca");
    c->rec.started_ns = vic_clock_wall_ns();
    static const uint64_t want[] = {100, 200, 400};
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        end(c, 3);
        assert_int_equal(c->rec.exit_code, 3);
        assert_int_equal(c->rec.restarts, i + 1);
        assert_int_equal(fire(c), want[i]);
        assert_int_equal(c->rec.exit_code, 3); /* of the last run, until the next one runs */
        comes_up(c);
        assert_int_equal(c->rec.exit_code, 0);
    }
    assert_true(waiter->is_over); /* by the first end */
    c->rec.started_ns -= PL_RESTART_RAN_LONG_NS;
    end(c, 0);
    assert_int_equal(fire(c), 100);
    assert_int_equal(fake_count_events("die"), 4);
    assert_int_equal(fake_count_events("start"), 3);
    assert_int_equal(fake_count_events("stop"), 0);
}

static void test_retries_on_failure_are_counted(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ON_FAILURE);
    for (unsigned i = 0; i < 2; i++) {
        end(c, 1);
        (void)fire(c);
        comes_up(c);
    }
    end(c, 1);
    assert_int_equal(c->rec.state, PL_EXITED);
    assert_int_equal(c->rec.restarts, 2);
    struct rpc_stream *start = post("start", "ca", NULL); /* counts anew */
    comes_up(c);
    assert_non_null(start->answer);
    assert_int_equal(c->rec.restarts, 0);
    end(c, 1);
    (void)fire(c);
    comes_up(c);
    end(c, 0);
    assert_int_equal(c->rec.state, PL_EXITED);
}

static void test_what_was_stopped_stays_down(void **state)
{
    (void)state;
    static const struct {
        const char *what, *body;
    } rows[] = {
        {"stop", "{}"}, {"signal", "{\"signal\":\"KILL\"}"}, {"signal", "{\"signal\":\"TERM\"}"}};
    struct pl_container *c = running('a', ALWAYS);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        (void)post(rows[i].what, "ca", rows[i].body);
        end(c, 137);
        assert_int_equal(c->rec.state, PL_EXITED);
        assert_true(c->rec.is_stopped);
        (void)post("start", "ca", NULL);
        comes_up(c);
        assert_false(c->rec.is_stopped);
    }
    (void)post("signal", "ca", "{\"signal\":\"HUP\"}"); /* not meant to end it */
    end(c, 129);
    (void)fire(c);
    comes_up(c);
    struct rpc_stream *restart = post("restart", "ca", NULL);
    end(c, 143);
    comes_up(c);
    assert_non_null(restart->answer);
    end(c, 1);
    (void)fire(c);
}

static void test_a_stop_ends_the_waiting(void **state)
{
    (void)state;
    static const struct {
        const char *what, *body;
    } rows[] = {{"stop", NULL}, {"signal", "{\"signal\":\"KILL\"}"}};
    struct pl_container *c = running('a', UNLESS_STOPPED);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        end(c, 5);
        struct rpc_stream *waiter = wait_for_end("ca");
        assert_false(waiter->is_over);
        struct rpc_stream *st = post(rows[i].what, "ca", rows[i].body);
        assert_non_null(st->answer);
        assert_true(waiter->is_over);
        assert_non_null(strstr(vic_buf_str(&waiter->out), "\"exit_code\":5"));
        assert_int_equal(c->rec.state, PL_EXITED);
        assert_true(c->rec.is_stopped);
        assert_false(uv_is_active((uv_handle_t *)&c->timer));
        (void)post("start", "ca", NULL);
        comes_up(c);
    }
    assert_int_equal(fake_count_events("stop"), 1);
}

static void test_a_start_does_not_wait_and_counts_anew(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ALWAYS);
    end(c, 1);
    (void)fire(c);
    comes_up(c);
    end(c, 1);
    assert_int_equal(c->rec.restarts, 2);
    struct rpc_stream *start = post("start", "ca", NULL);
    comes_up(c);
    assert_non_null(start->answer);
    assert_int_equal(c->rec.restarts, 0);
    end(c, 1);
    assert_int_equal(fire(c), 100);
}

static void test_what_waits_can_be_removed_by_force(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ALWAYS);
    end(c, 1);
    assert_int_equal(pl_execution_count(w.pl.execution).running,
                     1); /* no VCH goes unforced with it */
    struct rpc_stream *rm = ask("DELETE", "/v1/containers/{ref}", "ca", NULL);
    assert_int_equal(rm->err.kind, VIC_ERR_CONFLICT);
    assert_non_null(strstr(rm->err.message, "is restarting"));
    assert_int_equal(c->rec.state, PL_RESTARTING);
    struct rpc_stream *force = remove_by_force("ca");
    until(force->is_over);
    assert_non_null(force->answer);
    assert_null(container('a'));
}

static void test_removal_by_force_of_what_runs_begins_no_other_run(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ALWAYS);
    struct rpc_stream *force = remove_by_force("ca");
    fake_exit(c, 137);
    assert_true(fake_answer(c, "/v1/ack", NULL, "{}"));
    until(force->is_over);
    assert_non_null(force->answer);
    assert_null(container('a'));
    assert_int_equal(fake.n_domains, 0);
}

static void test_a_restart_that_fails_is_tried_later(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ALWAYS);
    end(c, 1);
    assert_int_equal(fire(c), 100);
    auto_json cJSON *doc = pl_container_to_json(c);
    assert_true(json_bool(json_member(doc, "state"), "restarting", false));
    until(c->channel);
    pl_start_abort(c, "the test says so");
    until(c->rec.state != PL_STARTING);
    assert_int_equal(c->rec.exit_code, PL_CODE_NOT_STARTED);
    assert_int_equal(fire(c), 200);
    struct rpc_stream *st = post("stop", "ca", NULL); /* while it starts, which fails again */
    until(c->channel);
    pl_start_abort(c, "the test says so");
    until(st->is_over);
    assert_non_null(st->answer);
    assert_int_equal(c->rec.state, PL_EXITED);
    /* One that somebody asked for is not. */
    struct rpc_stream *start = post("start", "ca", NULL);
    until(c->channel);
    pl_start_abort(c, "the test says so");
    until(start->is_over);
    assert_int_equal(c->rec.state, PL_EXITED);
}

static void reopen(void)
{
    until(w.loop.active_reqs.count == 0); /* the record is saved */
    pl_execution_close(TAKE_PTR(w.pl.execution));
    (void)virConnectClose(TAKE_PTR(w.conn));
    open_execution();
}

static void test_what_waited_waits_on_after_our_restart(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ON_FAILURE);
    end(c, 1);
    (void)fire(c);
    comes_up(c);
    end(c, 1); /* its last try waits */
    reopen();
    c = container('a');
    assert_int_equal(c->rec.restarts, 2);
    assert_int_equal(fire(c), 100);
    comes_up(c);
}

static void test_what_ended_meanwhile_runs_again(void **state)
{
    (void)state;
    write_record('a', PL_RUNNING, ALWAYS);
    write_record('b', PL_RUNNING, "");
    write_record('c', PL_RUNNING, ON_FAILURE);
    open_execution();
    assert_int_equal(container('a')->rec.exit_code, 255); /* of another boot */
    assert_int_equal(container('b')->rec.state, PL_EXITED);
    (void)fire(container('a'));
    comes_up(container('a'));
    (void)fire(container('c'));
    comes_up(container('c'));
}

static void test_what_is_down_at_startup(void **state)
{
    (void)state;
    struct pl_container *c = running('a', UNLESS_STOPPED);
    write_record('b', PL_EXITED, ALWAYS);
    write_record('c', PL_EXITED, UNLESS_STOPPED);
    write_record('d', PL_EXITED, ON_FAILURE); /* with 0 */
    write_record('e', PL_CREATED, ALWAYS);
    (void)post("stop", "ca", NULL);
    end(c, 143);
    reopen();
    assert_int_equal(container('a')->rec.state, PL_EXITED);
    (void)fire(container('b'));
    (void)fire(container('c'));
    assert_int_equal(container('d')->rec.state, PL_EXITED);
    assert_int_equal(container('e')->rec.state, PL_CREATED);
}

static void test_a_stop_that_was_asked_for_is_remembered(void **state)
{
    (void)state;
    (void)running('a', UNLESS_STOPPED);
    (void)post("signal", "ca", "{\"signal\":\"TERM\"}");
    reopen(); /* before the end */
    char uuid[37];
    uuid_of('a', uuid);
    fake_domain_remove(uuid);
    pl_run_vm_gone(container('a'));
    assert_int_equal(container('a')->rec.state, PL_EXITED);
}

static void test_a_policy_can_be_changed(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    struct rpc_stream *st =
        post("update", "ca", "{\"restart\":{\"name\":\"on-failure\",\"max_retries\":1}}");
    assert_non_null(st->answer);
    end(c, 1);
    (void)fire(c);
    comes_up(c);
    assert_non_null(post("update", "ca", "{\"restart\":{\"name\":\"no\"}}")->answer);
    end(c, 1);
    assert_int_equal(c->rec.state, PL_EXITED);
    assert_non_null(post("update", "ca", "{\"restart\":{\"name\":\"always\"}}")->answer);
    reopen(); /* it is on record */
    (void)fire(container('a'));
    assert_int_equal(fake_count_events("update"), 3);
    static const char *const bad[] = {"{\"restart\":{}}",
                                      "{\"restart\":{\"name\":\"x\"}}",
                                      "{\"restart\":{\"name\":\"no\",\"x\":1}}",
                                      "{\"restart\":{\"name\":\"always\",\"max_retries\":1}}",
                                      "{\"other\":1}",
                                      "{\"bounds\":{\"privileged\":true}}",
                                      "{\"bounds\":{\"memory_bytes\":-1}}",
                                      "{\"annotations\":{\"a\":1}}"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(post("update", "ca", bad[i])->err.kind, VIC_ERR_INVALID);
}

/* Each step that a list shows is seen, and nothing else is. */
static void test_a_list_has_another_fingerprint_after_each_change(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    uint64_t last = pl_list_fingerprint(w.pl.execution);
#define ANOTHER()                                                                                  \
    do {                                                                                           \
        uint64_t now = pl_list_fingerprint(w.pl.execution);                                        \
        assert_true(now != last);                                                                  \
        last = now;                                                                                \
    } while (0)
    assert_true(pl_list_fingerprint(w.pl.execution) == last);
    (void)post("rename", "ca", "{\"name\":\"other\"}");
    ANOTHER();
    (void)post("update", "other", "{\"restart\":{\"name\":\"on-failure\"}}");
    ANOTHER();
    (void)post("pause", "other", NULL);
    assert_true(fake_answer(c, "/v1/freeze", NULL, "{}"));
    ANOTHER();
    (void)post("unpause", "other", NULL);
    assert_true(fake_answer(c, "/v1/freeze", NULL, "{}"));
    ANOTHER();
    c->rec.health.status = PL_HEALTH_HEALTHY;
    ANOTHER();
    (void)post("stop", "other", "{}");
    ANOTHER();
    end(c, 3);
    ANOTHER();
    struct rpc_stream *st = remove_by_force("other");
    until(st->answer != NULL);
    ANOTHER();
#undef ANOTHER
}

static void test_what_is_removed_at_its_end_has_no_policy(void **state)
{
    (void)state;
    (void)running('a', ",\"auto_remove\":true");
    struct rpc_stream *st = post("update", "ca", "{\"restart\":{\"name\":\"always\"}}");
    assert_int_equal(st->err.kind, VIC_ERR_CONFLICT);
    assert_non_null(post("update", "ca", "{\"restart\":{\"name\":\"no\"}}")->answer);
}

#define BOUNDS                                                                                     \
    "{\"bounds\":{\"memory_bytes\":67108864,\"pids_max\":9},\"annotations\":{\"k\":\"v\"}}"

/* In a VM of 256 MiB and one processor. */
static struct pl_container *running_in_small_vm(void)
{
    struct pl_container *c = running('a', "");
    c->rec.vm_memory_bytes = 1u << 28;
    c->rec.vm_cpus = 1;
    return c;
}

static void test_bounds_are_on_record_once_the_guest_has_them(void **state)
{
    (void)state;
    struct pl_container *c = running_in_small_vm();
    struct rpc_stream *st = post("update", "ca", BOUNDS);
    assert_null(st->answer);
    assert_int_equal(c->rec.spec.confine.memory_bytes, 0);
    assert_int_equal(fake_count(c, "/v1/bounds", "{\"memory_bytes\":67108864,\"pids_max\":9}"), 1);
    assert_true(fake_answer(c, "/v1/bounds", NULL, "{}"));
    assert_non_null(st->answer);
    assert_int_equal(c->rec.spec.confine.pids_max, 9);
    assert_string_equal(json_str(c->rec.annotations, "k", ""), "v");
    reopen();
    c = container('a');
    assert_int_equal(c->rec.spec.confine.memory_bytes, 67108864);
    assert_int_equal(fake_count_events("update"), 1);
}

static void test_bounds_that_cannot_be_change_nothing(void **state)
{
    (void)state;
    struct pl_container *c = running_in_small_vm();
    struct vic_err err;
    struct rpc_stream *st = post("update", "ca", BOUNDS);
    (void)vic_fail(&err, VIC_ERR_INVALID, 0, "said the guest");
    assert_true(fake_answer(c, "/v1/bounds", &err, NULL));
    assert_int_equal(st->err.kind, VIC_ERR_INVALID);
    assert_int_equal(c->rec.spec.confine.memory_bytes, 0);
    assert_null(json_member(c->rec.annotations, "k"));
    st = post("update", "ca", "{\"bounds\":{\"memory_bytes\":268435456}}");
    assert_int_equal(st->err.kind, VIC_ERR_CONFLICT);
    assert_non_null(strstr(st->err.message, "this one has 256 MiB: stop the container first"));
    assert_int_equal(fake_count_events("update"), 0);
    end(c, 0);
    assert_non_null(post("update", "ca", "{\"bounds\":{\"memory_bytes\":268435456}}")->answer);
    assert_int_equal(c->rec.spec.confine.memory_bytes, 268435456);
}

static void test_bounds_meet_the_end_of_the_run(void **state)
{
    (void)state;
    struct pl_container *c = running_in_small_vm();
    struct vic_err err;
    struct rpc_stream *st = post("update", "ca", BOUNDS);
    end(c, 0);
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "gone");
    if (!st->answer)
        (void)fake_answer(c, "/v1/bounds", &err, NULL);
    assert_non_null(st->answer);
    assert_int_equal(c->rec.spec.confine.pids_max, 9); /* of the next run */
}

int main(void)
{
    (void)setenv("UV_THREADPOOL_SIZE", "16", 1); /* as many workers as the program has */
#define FLOW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        FLOW(test_a_vm_that_ends_while_domains_are_listed_is_heard_of),
        FLOW(test_a_vm_without_readable_metadata_is_its_containers),
        FLOW(test_the_vm_of_an_unreadable_record_is_kept),
        FLOW(test_an_undo_that_fails_is_tried_until_the_vm_is_gone),
        FLOW(test_a_start_asked_for_during_the_undo_follows_it),
        FLOW(test_a_late_vm_goes_with_its_container),
        FLOW(test_a_container_is_removed_while_libvirt_is_away),
        FLOW(test_a_late_vm_does_not_stand_in_the_way_of_a_start),
        FLOW(test_a_vm_of_nobody_is_destroyed_at_last),
        FLOW(test_closing_drops_what_waits_for_another_try),
        FLOW(test_creations_that_hang_leave_libvirt_to_others),
        FLOW(test_a_stop_reaches_a_guest_that_was_not_there),
        FLOW(test_a_stop_whose_answer_is_lost_is_sent_again),
        FLOW(test_a_kill_waits_for_a_guest_that_is_not_there),
        FLOW(test_a_guest_that_refuses_to_kill_loses_its_vm),
        FLOW(test_a_signal_that_is_due_goes_with_its_run),
        FLOW(test_who_waits_for_a_container_that_cannot_start_is_answered),
        FLOW(test_a_second_stop_shortens_the_first),
        FLOW(test_a_stop_during_a_restart_is_answered_by_the_end_of_the_run),
        FLOW(test_a_pause_and_its_end),
        FLOW(test_a_pause_that_fails_leaves_it_running),
        FLOW(test_a_stop_of_a_paused_container_thaws_it),
        FLOW(test_a_stop_thaws_what_a_pause_freezes_after_it),
        FLOW(test_signals_of_a_paused_container),
        FLOW(test_what_is_paused_is_what_the_guest_says),
        FLOW(test_a_vm_that_somebody_suspends_is_not_paused),
        FLOW(test_a_vm_without_room_is_tried_until_there_is),
        FLOW(test_a_vm_found_without_room_is_tried_too),
        FLOW(test_a_copy_wakes_what_does_not_run_and_nothing_else),
        FLOW(test_a_start_waits_for_the_end_of_a_nap),
        FLOW(test_a_removal_waits_for_the_end_of_a_nap),
        FLOW(test_a_forced_removal_ends_a_nap_that_has_not_begun),
        FLOW(test_a_nap_that_cannot_begin_is_answered_and_booked_nowhere),
        FLOW(test_a_nap_whose_vm_dies_is_over_when_it_is_gone),
        FLOW(test_a_nap_outlives_the_connection_to_libvirt),
        FLOW(test_a_nap_of_an_earlier_port_layer_is_ended),
        FLOW(test_a_restart_of_a_paused_container_keeps_it),
        FLOW(test_a_start_during_the_listing_is_not_taken_for_an_end),
        FLOW(test_it_runs_again_with_delays_that_double),
        FLOW(test_retries_on_failure_are_counted),
        FLOW(test_what_was_stopped_stays_down),
        FLOW(test_a_stop_ends_the_waiting),
        FLOW(test_a_start_does_not_wait_and_counts_anew),
        FLOW(test_what_waits_can_be_removed_by_force),
        FLOW(test_removal_by_force_of_what_runs_begins_no_other_run),
        FLOW(test_a_restart_that_fails_is_tried_later),
        FLOW(test_what_waited_waits_on_after_our_restart),
        FLOW(test_what_ended_meanwhile_runs_again),
        FLOW(test_what_is_down_at_startup),
        FLOW(test_a_stop_that_was_asked_for_is_remembered),
        FLOW(test_a_policy_can_be_changed),
        FLOW(test_a_list_has_another_fingerprint_after_each_change),
        FLOW(test_bounds_are_on_record_once_the_guest_has_them),
        FLOW(test_bounds_that_cannot_be_change_nothing),
        FLOW(test_bounds_meet_the_end_of_the_run),
        FLOW(test_what_is_removed_at_its_end_has_no_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
