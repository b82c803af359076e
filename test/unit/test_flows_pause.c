/* VMs that stand still or are nobody's: paused, without room, awake for a nap, late; over a host of memory. */
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
#include "lib/base/str.h"
#include "test/unit/flows_world.h"

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
    end_run(c, 0);
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
    end_run(c, 0);
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
    end_run(c, 0);
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
    end_run(c, 137);
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
    end_run(c, 137);
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

static void test_a_nap_during_the_listing_is_not_taken_for_an_end(void **state)
{
    (void)state;
    write_record('a', PL_EXITED, "");
    open_execution();
    struct pl_container *c = container('a');
    pl_recover_expect(w.pl.execution);
    (void)copy(c);
    wake_up(c);
    pl_recover_match(w.pl.execution, NULL, 0);
    assert_true(pl_nap_is_awake(c));
    pl_recover_expect(w.pl.execution);
    pl_recover_match(w.pl.execution, NULL, 0); /* now it is missed */
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

static void test_a_copy_asked_for_as_the_process_ends_is_served_afterwards(void **state)
{
    (void)state;
    struct pl_container *c = running('a', "");
    fake_exit(c, 0);
    struct rpc_stream *st = copy(c);
    struct rpc_stream *start = post("start", "ca", NULL);
    assert_int_equal(fake.n_served, 0);
    assert_true(fake_answer(c, "/v1/ack", NULL, "{}"));
    until(!pl_state_has_vm(c->rec.state));
    wake_up(c);
    assert_int_equal(fake.n_served, 1);
    assert_ptr_equal(fake.served[0], st);
    assert_false(start->is_over); /* its turn comes after the copy */
    pl_nap_leave(c);
    fall_asleep(c);
    until(c->rec.run == 2);
    comes_up(c);
    assert_non_null(start->answer);
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
        fake.keeps_layers = fake.keeps_addresses = false;
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
        assert_true(fake.keeps_addresses);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW(test_a_copy_asked_for_as_the_process_ends_is_served_afterwards),
        FLOW(test_the_vm_of_an_unreadable_record_is_kept),
        FLOW(test_a_late_vm_goes_with_its_container),
        FLOW(test_a_container_is_removed_while_libvirt_is_away),
        FLOW(test_a_late_vm_does_not_stand_in_the_way_of_a_start),
        FLOW(test_a_vm_of_nobody_is_destroyed_at_last),
        FLOW(test_closing_drops_what_waits_for_another_try),
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
        FLOW(test_a_nap_during_the_listing_is_not_taken_for_an_end),
        FLOW(test_a_nap_of_an_earlier_port_layer_is_ended),
        FLOW(test_a_restart_of_a_paused_container_keeps_it),
    };
    return cmocka_run_group_tests(tests, world_init, NULL);
}
