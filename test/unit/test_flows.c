/* Starts, stops and signals, and what libvirt tells while it is listed, over a host of memory. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "test/unit/flows_world.h"

/* ---- libvirt comes back ---- */

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
    until(w.loop.active_reqs.count == 0); /* its network is up */
    fake.domains[0].container_id[0] = '\0';
    lose_libvirt();
    until(fake.n_opened == 2 && !w.pl.execution->is_reconnecting);
    assert_int_equal(fake.n_destroys, 0);
    assert_int_equal(w.loop.active_reqs.count, 0);
    assert_int_equal(container('a')->rec.state, PL_RUNNING);
}

static void test_a_start_after_the_process_ended_is_a_start_of_the_next_run(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    struct rpc_stream *early = post("start", "ca", NULL);
    assert_true(early->is_over); /* it runs already */
    fake_exit(c, 7);
    unsigned run = c->rec.run;
    struct rpc_stream *st = post("start", "ca", NULL);
    assert_false(st->is_over);
    assert_true(fake_answer(c, "/v1/ack", NULL, "{}"));
    until(c->rec.run > run);
    assert_false(st->is_over);
    comes_up(c);
    assert_non_null(st->answer);
}

static void test_who_asks_a_process_that_has_ended_hears_that_it_does_not_run(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    struct vic_err lost;
    (void)vic_fail(&lost, VIC_ERR_UNAVAILABLE, 0, "the connection was lost");
    struct rpc_stream *during = post("signal", "ca", "{\"signal\":\"USR1\"}");
    assert_true(fake_answer(c, "/v1/signal", &lost, NULL));
    assert_int_equal(during->err.kind, VIC_ERR_UNAVAILABLE); /* nobody knows whether it came */
    struct rpc_stream *across = post("signal", "ca", "{\"signal\":\"USR1\"}");
    fake_exit(c, 0);
    assert_true(fake_answer(c, "/v1/signal", &lost, NULL));
    assert_int_equal(across->err.kind, VIC_ERR_CONFLICT);
    assert_non_null(strstr(across->err.message, "is not running"));
}

static void test_a_second_removal_is_told_of_the_first(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    end_run(c, 0);
    (void)remove_by_force("ca");
    struct rpc_stream *st = remove_by_force("ca");
    assert_int_equal(st->err.kind, VIC_ERR_CONFLICT);
    assert_true(vic_str_starts_with(st->err.message, "removal of container "));
    assert_non_null(strstr(st->err.message, " is already in progress"));
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
    end_run(c, 3);
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
    end_run(c, 0);
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
    end_run(c, 137);
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
    end_run(c, 137);
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
    end_run(c, 0);
    until(c->channel);
    assert_non_null(st->answer);
    fake_tether_up(c);
    assert_true(fake_answer(c, "/v1/hello", NULL, IDLE));
    assert_true(fake_answer(c, "/v1/configure", NULL, "{}"));
    assert_true(fake_answer(c, "/v1/start", NULL, "{}"));
    assert_non_null(restart->answer);
    assert_int_equal(c->rec.state, PL_RUNNING);
}

static void test_who_asked_for_a_start_that_takes_too_long_does_not_wait_for_its_undo(void **state)
{
    (void)state;
    write_record('a', PL_CREATED, "");
    open_execution();
    struct pl_container *c = container('a');
    struct rpc_stream *st = post("start", "ca", NULL);
    until(c->channel); /* the guest never answers */
    c->on_deadline(c);
    assert_int_equal(st->err.kind, VIC_ERR_NONE); /* the undo may be quick */
    c->on_deadline(c);
    assert_int_equal(st->err.kind, VIC_ERR_UNAVAILABLE);
    assert_int_equal(c->rec.state, PL_STARTING); /* until its VM is gone */
    until(c->rec.state == PL_CREATED);
    assert_int_equal(fake.n_domains, 0);
}

/* Any write fails, as where there is no room. */
static void set_file_limit(rlim_t bytes)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_a_removal_needs_no_room(void **state)
{
    (void)state;
    write_record('a', PL_EXITED, "");
    open_execution();
    set_file_limit(0);
    struct rpc_stream *st = remove_by_force("ca");
    until(st->answer || st->err.kind != VIC_ERR_NONE);
    set_file_limit(RLIM_INFINITY);
    assert_non_null(st->answer);
    assert_null(container('a'));
    char id[VIC_ID_LEN + 1];
    id_of('a', id);
    auto_free char *dir = vic_xasprintf("%s/containers/%s", w.dir, id);
    assert_int_equal(vic_file_exists(dir), 0);
}

static void test_output_that_cannot_be_watched_costs_no_second_connection(void **state)
{
    (void)state;
    write_record('a', PL_RUNNING, "");
    add_vm('a');
    fake.fails_watches = true;
    open_execution();
    struct pl_container *c = container('a');
    assert_null(c->watch);
    assert_int_equal(fake.n_connects, 1);
    fake.fails_watches = false;
    lose_libvirt();
    until(c->watch); /* tried again with the connection to libvirt */
    assert_int_equal(fake.n_connects, 1);
    comes_back(c);
    end_run(c, 4);
    assert_int_equal(c->rec.exit_code, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW(test_who_asked_for_a_start_that_takes_too_long_does_not_wait_for_its_undo),
        FLOW(test_a_removal_needs_no_room),
        FLOW(test_output_that_cannot_be_watched_costs_no_second_connection),
        FLOW(test_a_vm_that_ends_while_domains_are_listed_is_heard_of),
        FLOW(test_a_vm_without_readable_metadata_is_its_containers),
        FLOW(test_an_undo_that_fails_is_tried_until_the_vm_is_gone),
        FLOW(test_a_start_asked_for_during_the_undo_follows_it),
        FLOW(test_creations_that_hang_leave_libvirt_to_others),
        FLOW(test_a_stop_reaches_a_guest_that_was_not_there),
        FLOW(test_a_stop_whose_answer_is_lost_is_sent_again),
        FLOW(test_a_kill_waits_for_a_guest_that_is_not_there),
        FLOW(test_a_guest_that_refuses_to_kill_loses_its_vm),
        FLOW(test_a_signal_that_is_due_goes_with_its_run),
        FLOW(test_who_waits_for_a_container_that_cannot_start_is_answered),
        FLOW(test_a_second_stop_shortens_the_first),
        FLOW(test_a_stop_during_a_restart_is_answered_by_the_end_of_the_run),
        FLOW(test_a_start_after_the_process_ended_is_a_start_of_the_next_run),
        FLOW(test_who_asks_a_process_that_has_ended_hears_that_it_does_not_run),
        FLOW(test_a_second_removal_is_told_of_the_first),
        FLOW(test_a_start_during_the_listing_is_not_taken_for_an_end),
    };
    return cmocka_run_group_tests(tests, world_init, NULL);
}
