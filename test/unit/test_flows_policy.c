/* Restart policies, updates and what a list shows of them, over a host of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "portlayer/execution/fingerprint.h"
#include "portlayer/execution/restart.h"
#include "test/unit/flows_world.h"

/* ---- restart policies ---- */

#define ALWAYS ",\"restart\":{\"name\":\"always\"}"
#define UNLESS_STOPPED ",\"restart\":{\"name\":\"unless-stopped\"}"
#define ON_FAILURE ",\"restart\":{\"name\":\"on-failure\",\"max_retries\":2}"

/* What waits is due now.  The delay it would have taken. */
static uint64_t fire(struct pl_container *c)
{
    uint64_t ms = c->restart_delay_ms;
    assert_int_equal(c->rec.state, PL_RESTARTING);
    assert_true(uv_is_active((uv_handle_t *)&c->timer));
    assert_in_range(uv_timer_get_due_in(&c->timer), RESTART_WAITS_MS / 2, ms + RESTART_WAITS_MS);
    (void)uv_timer_stop(&c->timer);
    c->on_deadline(c);
    assert_int_equal(c->rec.state, PL_STARTING);
    return ms;
}
static void test_it_runs_again_with_delays_that_double(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ALWAYS);
    struct rpc_stream *waiter = wait_for_end("ca");
    static const uint64_t want[] = {100, 200, 400};
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        c->rec.started_ns = vic_clock_wall_ns() + 3600 * VIC_NS_PER_S; /* it does not run long */
        end_run(c, 3);
        assert_int_equal(c->rec.exit_code, 3);
        assert_int_equal(c->rec.restarts, i + 1);
        assert_int_equal(fire(c), want[i]);
        assert_int_equal(c->rec.exit_code, 3); /* of the last run, until the next one runs */
        comes_up(c);
        assert_int_equal(c->rec.exit_code, 0);
    }
    assert_true(waiter->is_over); /* by the first end */
    c->rec.started_ns = vic_clock_wall_ns() - PL_RESTART_RAN_LONG_NS;
    end_run(c, 0);
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
        end_run(c, 1);
        (void)fire(c);
        comes_up(c);
    }
    end_run(c, 1);
    assert_int_equal(c->rec.state, PL_EXITED);
    assert_int_equal(c->rec.restarts, 2);
    struct rpc_stream *start = post("start", "ca", NULL); /* counts anew */
    comes_up(c);
    assert_non_null(start->answer);
    assert_int_equal(c->rec.restarts, 0);
    end_run(c, 1);
    (void)fire(c);
    comes_up(c);
    end_run(c, 0);
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
        end_run(c, 137);
        assert_int_equal(c->rec.state, PL_EXITED);
        assert_true(c->rec.is_stopped);
        (void)post("start", "ca", NULL);
        comes_up(c);
        assert_false(c->rec.is_stopped);
    }
    (void)post("signal", "ca", "{\"signal\":\"HUP\"}"); /* not meant to end it */
    end_run(c, 129);
    (void)fire(c);
    comes_up(c);
    struct rpc_stream *restart = post("restart", "ca", NULL);
    end_run(c, 143);
    comes_up(c);
    assert_non_null(restart->answer);
    end_run(c, 1);
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
        end_run(c, 5);
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
    end_run(c, 1);
    (void)fire(c);
    comes_up(c);
    end_run(c, 1);
    assert_int_equal(c->rec.restarts, 2);
    struct rpc_stream *start = post("start", "ca", NULL);
    comes_up(c);
    assert_non_null(start->answer);
    assert_int_equal(c->rec.restarts, 0);
    end_run(c, 1);
    assert_int_equal(fire(c), 100);
}

static void test_what_waits_can_be_removed_by_force(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ALWAYS);
    end_run(c, 1);
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
    end_run(c, 1);
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

/* It never ran: the last run's code stands, and of the restarts that are allowed none is gone. */
static void test_a_restart_that_we_interrupted_is_not_counted(void **state)
{
    (void)state;
    write_record('a', PL_STARTING, ON_FAILURE);
    add_vm('a');
    open_execution();
    struct pl_container *c = container('a');
    c->rec.restarts = 2; /* of 2 */
    c->rec.exit_code = 4;
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, IDLE));
    until(c->rec.state != PL_STARTING);
    assert_int_equal(c->rec.state, PL_RESTARTING);
    assert_int_equal(c->rec.restarts, 2);
    assert_int_equal(c->rec.exit_code, 4);
    (void)fire(c);
    comes_up(c);
    end_run(c, 4);
    assert_int_equal(c->rec.state, PL_EXITED);
    assert_int_equal(c->rec.restarts, 2);
}

/* What freed its hanging creation does not keep it from its next run. */
static void test_a_restart_whose_vm_hangs_is_tried_again(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ALWAYS);
    end_run(c, 1);
    set_creates_held(true);
    (void)fire(c);
    pl_start_abort(c, "it hangs");
    set_creates_held(false);
    until(c->rec.state == PL_RESTARTING);
    (void)fire(c);
    comes_up(c);
}

static void test_what_waited_waits_on_after_our_restart(void **state)
{
    (void)state;
    struct pl_container *c = running('a', ON_FAILURE);
    end_run(c, 1);
    (void)fire(c);
    comes_up(c);
    end_run(c, 1); /* its last try waits */
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
    end_run(c, 143);
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
    end_run(c, 1);
    (void)fire(c);
    comes_up(c);
    assert_non_null(post("update", "ca", "{\"restart\":{\"name\":\"no\"}}")->answer);
    end_run(c, 1);
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
    end_run(c, 3);
    ANOTHER();
    struct rpc_stream *st = remove_by_force("other");
    until(st->answer != NULL);
    ANOTHER();
    fake.image_revision++;
    ANOTHER();
#undef ANOTHER
}

/* Who asks anew has its list from a process that is gone. */
static void test_another_port_layer_has_another_fingerprint(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    uint64_t last = pl_list_fingerprint(w.pl.execution);
    reopen();
    assert_true(pl_list_fingerprint(w.pl.execution) != last);
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
    end_run(c, 0);
    assert_non_null(post("update", "ca", "{\"bounds\":{\"memory_bytes\":268435456}}")->answer);
    assert_int_equal(c->rec.spec.confine.memory_bytes, 268435456);
}

static void test_bounds_meet_the_end_of_the_run(void **state)
{
    (void)state;
    struct pl_container *c = running_in_small_vm();
    struct vic_err err;
    struct rpc_stream *st = post("update", "ca", BOUNDS);
    end_run(c, 0);
    (void)vic_fail(&err, VIC_ERR_UNAVAILABLE, 0, "gone");
    if (!st->answer)
        (void)fake_answer(c, "/v1/bounds", &err, NULL);
    assert_non_null(st->answer);
    assert_int_equal(c->rec.spec.confine.pids_max, 9); /* of the next run */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW(test_it_runs_again_with_delays_that_double),
        FLOW(test_retries_on_failure_are_counted),
        FLOW(test_what_was_stopped_stays_down),
        FLOW(test_a_stop_ends_the_waiting),
        FLOW(test_a_start_does_not_wait_and_counts_anew),
        FLOW(test_what_waits_can_be_removed_by_force),
        FLOW(test_removal_by_force_of_what_runs_begins_no_other_run),
        FLOW(test_a_restart_that_fails_is_tried_later),
        FLOW(test_a_restart_whose_vm_hangs_is_tried_again),
        FLOW(test_what_waited_waits_on_after_our_restart),
        FLOW(test_what_ended_meanwhile_runs_again),
        FLOW(test_what_is_down_at_startup),
        FLOW(test_a_stop_that_was_asked_for_is_remembered),
        FLOW(test_a_policy_can_be_changed),
        FLOW(test_a_list_has_another_fingerprint_after_each_change),
        FLOW(test_another_port_layer_has_another_fingerprint),
        FLOW(test_a_restart_that_we_interrupted_is_not_counted),
        FLOW(test_bounds_are_on_record_once_the_guest_has_them),
        FLOW(test_bounds_that_cannot_be_change_nothing),
        FLOW(test_bounds_meet_the_end_of_the_run),
        FLOW(test_what_is_removed_at_its_end_has_no_policy),
    };
    return cmocka_run_group_tests(tests, world_init, NULL);
}
