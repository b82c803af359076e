/* The pure parts of execution: life-cycle table, specs, records, guest files, domain XML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "portlayer/api.h"
#include "portlayer/execution/accel.h"
#include "portlayer/execution/container.h"
#include "portlayer/execution/create_doc.h"
#include "portlayer/execution/domain_xml.h"
#include "portlayer/execution/guest_files.h"
#include "portlayer/execution/internal.h"
#include "portlayer/execution/qemu_log.h"
#include "portlayer/execution/record.h"
#include "portlayer/execution/restart.h"
#include "portlayer/execution/signals.h"
#include "portlayer/execution/vm_size.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- the table ---- */

/* One letter a pair.  Lower case: the event changes nothing.  '!' conflict, '=' not modified,
 * 'w' waits, and what begins: S start, T stop, G signal, K kill, A abort, C cancel, R remove, F finish,
 * Z freeze, z thaw. */
static const char *const expected[PL_STATES] = {
    /* START STARTED FAILED FIRST STOP SIGNAL KILL RM RMF RMFAIL PAUSE UNPAUSE FROZEN THAWED ENDED LATER */
    [PL_CREATED] = "S...=!!RR.!!....",    [PL_STARTING] = "w...www!A.ww..A.",
    [PL_RUNNING] = "=...TGK!K.Z!..F.",    [PL_PAUSED] = "!...TGK!K.!z..F.",
    [PL_STOPPING] = "w...TGK!K.!!z.F.",   [PL_EXITED] = "S...=!!RR.!!....",
    [PL_RESTARTING] = "S...CCC!R.!!....", [PL_REMOVING] = "!...=!!!!.!!....",
    [PL_DEAD] = "!...=!!RR.!!....",
};

static char letter(struct pl_transition t)
{
    static const char letters[] = {
        [PL_DO_NOTHING] = '.', [PL_DO_START] = 'S',  [PL_DO_STOP] = 'T',   [PL_DO_SIGNAL] = 'G',
        [PL_DO_KILL] = 'K',    [PL_DO_ABORT] = 'A',  [PL_DO_WAIT] = 'w',   [PL_DO_REMOVE] = 'R',
        [PL_DO_FINISH] = 'F',  [PL_DO_REFUSE] = '!', [PL_DO_FREEZE] = 'Z', [PL_DO_THAW] = 'z',
        [PL_DO_CANCEL] = 'C',
    };
    return t.action == PL_DO_REFUSE && t.kind == VIC_ERR_NOT_MODIFIED ? '=' : letters[t.action];
}

static enum pl_state next_state(enum pl_state s, enum pl_event e, enum pl_action a)
{
    switch (a) {
    case PL_DO_START:
        return PL_STARTING;
    case PL_DO_STOP:
        return PL_STOPPING;
    case PL_DO_KILL:
        return PL_STOPPING;
    case PL_DO_REMOVE:
        return PL_REMOVING;
    case PL_DO_CANCEL:
    case PL_DO_FINISH:
        return PL_EXITED;
    case PL_DO_NOTHING:
        break;
    case PL_DO_SIGNAL:
    case PL_DO_FREEZE:
    case PL_DO_THAW:
    case PL_DO_ABORT:
    case PL_DO_WAIT:
    case PL_DO_REFUSE:
        return s;
    }
    if (s == PL_STARTING && e == PL_EV_STARTED)
        return PL_RUNNING;
    if (s == PL_STARTING && e == PL_EV_FAILED)
        return PL_EXITED;
    if (s == PL_STARTING && e == PL_EV_FAILED_FIRST)
        return PL_CREATED;
    if (s == PL_RUNNING && e == PL_EV_FROZEN)
        return PL_PAUSED;
    if (s == PL_PAUSED && e == PL_EV_THAWED)
        return PL_RUNNING;
    if (s == PL_EXITED && e == PL_EV_RESTART_LATER)
        return PL_RESTARTING;
    if (s == PL_REMOVING && e == PL_EV_REMOVE_FAILED)
        return PL_DEAD;
    return s;
}

static void test_every_pair_of_state_and_event(void **state)
{
    (void)state;
    for (int s = 0; s < PL_STATES; s++) {
        assert_int_equal(strlen(expected[s]), PL_EVENTS);
        for (int e = 0; e < PL_EVENTS; e++) {
            struct pl_transition t = pl_state_apply((enum pl_state)s, (enum pl_event)e);
            if (letter(t) != expected[s][e])
                fail_msg("state %d event %d: got %c, expected %c", s, e, letter(t), expected[s][e]);
            assert_int_equal(t.next, next_state((enum pl_state)s, (enum pl_event)e, t.action));
            assert_int_equal(t.reason != NULL, t.action == PL_DO_REFUSE);
        }
    }
}

static void test_state_names_round_trip(void **state)
{
    (void)state;
    for (int s = 0; s < PL_STATES; s++) {
        enum pl_state back;
        assert_int_equal(pl_state_from_string(pl_state_to_string((enum pl_state)s), &back), 0);
        assert_int_equal(back, s);
    }
    enum pl_state none;
    assert_true(pl_state_from_string("bogus", &none) < 0);
    assert_true(pl_state_from_string(NULL, &none) < 0);
}

static void test_signals(void **state)
{
    (void)state;
    assert_int_equal(pl_signal_from_string("SIGTERM"), 15);
    assert_int_equal(pl_signal_from_string("term"), 15);
    assert_int_equal(pl_signal_from_string("9"), 9);
    assert_int_equal(pl_signal_from_string("RTMIN+3"), 37);
    assert_int_equal(pl_signal_from_string("SIGRTMAX-1"), 63);
    static const char *const bad[] = {"", "0", "65", "-1", "SIG", "TERMX", "RTMIN+99", "15 "};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(pl_signal_from_string(bad[i]) < 0);
}

static void test_acceleration_wants_cpu_flags(void **state)
{
    (void)state;
    assert_true(pl_accel_cpuinfo_has_virt("x\nflags\t\t: fpu vmx sse\n"));
    assert_true(pl_accel_cpuinfo_has_virt("flags : svm"));
    assert_false(pl_accel_cpuinfo_has_virt("flags : fpu vmxoff svm_lock\nbugs : vmx\n"));
    assert_false(pl_accel_cpuinfo_has_virt(""));
    bool kvm = true;
    assert_int_equal(pl_accel_choose("tcg", &kvm, NULL), 0);
    assert_false(kvm);
}

/* ---- documents ---- */

#define PROCESS "\"process\":{\"args\":[\"sh\"]}"
#define SPEC(more) "{" PROCESS more "}"
#define CREATE(spec) "{\"name\":\"web\",\"image\":\"sha256:x\",\"spec\":" spec "}"

static int create(const char *text, struct pl_record *ret, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    int r = json_parse(text, strlen(text), &doc, err);
    return r < 0 ? r : pl_create_read(doc, ret, err);
}

static void test_create_takes_defaults(void **state)
{
    (void)state;
    struct pl_record rec;
    struct vic_err err = {0};
    assert_int_equal(create(CREATE(SPEC("")), &rec, &err), 0);
    assert_string_equal(rec.name, "web");
    assert_string_equal(rec.spec.cwd, "/");
    assert_string_equal(rec.spec.stop_signal, "SIGTERM");
    assert_int_equal(rec.spec.stop_timeout_s, 10);
    assert_int_equal(rec.state, PL_CREATED);
    pl_record_release(&rec);
}

static void test_create_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    static const struct {
        const char *text, *names;
    } bad[] = {
        {"[]", "expected an object"},
        {"{}", "image"},
        {"{\"image\":\"x\"}", "spec"},
        {"{\"image\":\"x\",\"bogus\":1}", "bogus"},
        {"{\"image\":\"x\",\"name\":\"-x\",\"spec\":" SPEC("") "}", "name"},
        {"{\"image\":\"x\",\"name\":\"a/b\",\"spec\":" SPEC("") "}", "name"},
        {"{\"image\":\"x\",\"annotations\":{\"a\":1},\"spec\":" SPEC("") "}", "annotations.a"},
        {"{\"image\":\"x\",\"event_attributes\":[],\"spec\":" SPEC("") "}", "event_attributes"},
        {CREATE("{}"), "process"},
        {CREATE("{\"process\":{}}"), "args"},
        {CREATE("{\"process\":{\"args\":\"sh\"}}"), "args"},
        {CREATE("{\"process\":{\"args\":[1]}}"), "args"},
        {CREATE("{\"process\":{\"args\":[\"sh\"],\"tty\":1}}"), "tty"},
        {CREATE("{\"process\":{\"args\":[\"sh\"],\"env\":[\"=x\"]}}"), "env"},
        {CREATE("{\"process\":{\"args\":[\"sh\"],\"x\":1}}"), "process.x"},
        {CREATE(SPEC(",\"hostname\":\"a b\"")), "hostname"},
        {CREATE(SPEC(",\"hostname\":\"a\\nb\"")), "hostname"},
        {CREATE(SPEC(",\"domainname\":\"\\n\"")), "domainname"},
        {CREATE(SPEC(",\"stop_signal\":\"SIGFOO\"")), "stop_signal"},
        {CREATE(SPEC(",\"stop_timeout_s\":-2")), "stop_timeout_s"},
        {CREATE(SPEC(",\"stop_timeout_s\":\"1\"")), "stop_timeout_s"},
        {CREATE(SPEC(",\"dns\":[\"x\"]")), "dns"},
        {CREATE(SPEC(",\"dns_search\":[\"a\\nb\"]")), "dns_search"},
        {CREATE(SPEC(",\"dns_options\":[\"\"]")), "dns_options"},
        {CREATE(SPEC(",\"extra_hosts\":[\"a\"]")), "extra_hosts"},
        {CREATE(SPEC(",\"extra_hosts\":[\"a:b\"]")), "extra_hosts"},
        {CREATE(SPEC(",\"networks\":[\"1\",\"2\",\"3\",\"4\",\"5\"]")), "networks"},
        {CREATE(SPEC(",\"auto_remove\":\"yes\"")), "auto_remove"},
        {CREATE(SPEC(",\"restart\":\"always\"")), "restart"},
        {CREATE(SPEC(",\"restart\":{}")), "restart.name"},
        {CREATE(SPEC(",\"restart\":{\"name\":\"x\"}")), "restart.name"},
        {CREATE(SPEC(",\"restart\":{\"name\":\"no\",\"x\":1}")), "restart.x"},
        {CREATE(SPEC(",\"restart\":{\"name\":\"always\",\"max_retries\":1}")), "max_retries"},
        {CREATE(SPEC(",\"restart\":{\"name\":\"on-failure\",\"max_retries\":-1}")), "max_retries"},
        {CREATE(SPEC(",\"auto_remove\":true,\"restart\":{\"name\":\"always\"}")), "auto_remove"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct pl_record rec = {0};
        struct vic_err err = {0};
        if (create(bad[i].text, &rec, &err) >= 0)
            fail_msg("accepted: %s", bad[i].text);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
        if (!strstr(err.message, bad[i].names))
            fail_msg("'%s' does not name %s", err.message, bad[i].names);
    }
}

#define FULL                                                                                       \
    SPEC(",\"hostname\":\"web\",\"domainname\":\"example.org\",\"networks\":[\"bridge\"],"         \
         "\"dns_search\":[\"a.org\",\"b.org\"],\"dns_options\":[\"ndots:2\"],"                     \
         "\"extra_hosts\":[\"db:10.0.0.1\",\"six:fd00::1\",\"host:host-gateway\"],"                \
         "\"auto_remove\":true")

static void make_full(struct pl_record *rec)
{
    struct vic_err err = {0};
    assert_int_equal(create(CREATE(FULL), rec, &err), 0);
    memcpy(rec->id, ID, sizeof(ID));
    rec->chain_id = vic_xstrdup("sha256:chain");
    rec->created_ns = 1795464961584914645;
    rec->started_ns = 1795464961584914646;
    rec->state = PL_RUNNING;
    rec->run = 3;
    rec->exit_code = 137;
    rec->restarts = 4;
    rec->is_stopped = true;
    (void)snprintf(rec->vm_uuid, sizeof(rec->vm_uuid), "11111111-2222-4333-8444-555555555555");
    (void)snprintf(rec->error, sizeof(rec->error), "said \"no\"\n");
    rec->n_endpoints = 1;
    rec->endpoints[0] = (struct pl_endpoint){
        .network = "bridge",
        .network_id = ID,
        .bridge = "vb01234567",
        .address = "172.17.0.2",
        .prefix_len = 16,
        .gateway = "172.17.0.1",
        .mac = "02:42:ac:11:00:02",
    };
}

static void test_record_round_trip(void **state)
{
    (void)state;
    struct pl_record rec;
    struct pl_record back;
    struct vic_err err = {0};
    make_full(&rec);
    auto_free char *text = pl_record_to_text(&rec);
    assert_int_equal(pl_record_from_text(text, strlen(text), &back, &err), 0);
    auto_free char *again = pl_record_to_text(&back);
    assert_string_equal(text, again);
    assert_true(back.created_ns == rec.created_ns); /* to the nanosecond */
    pl_record_release(&rec);
    pl_record_release(&back);
}

static void test_record_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct pl_record rec;
    make_full(&rec);
    auto_free char *text = pl_record_to_text(&rec);
    for (size_t n = 0; n < strlen(text); n++) {
        struct pl_record back = {0};
        assert_true(pl_record_from_text(text, n, &back, NULL) < 0);
    }
    /* Each byte changed: refused or read, never worse. */
    for (size_t n = 0; n < strlen(text); n++) {
        struct pl_record back = {0};
        auto_free char *bad = vic_xstrdup(text);
        bad[n] ^= 0x15;
        if (pl_record_from_text(bad, strlen(text), &back, NULL) == 0)
            pl_record_release(&back);
    }
    pl_record_release(&rec);
}

/* ---- golden texts ---- */

static void check_golden(const char *name, const char *text)
{
    auto_free char *path = vic_xasprintf("test/golden/portlayer/%s", name);
    auto_free char *want = NULL;
    if (getenv("UPDATE_GOLDEN"))
        assert_int_equal(vic_file_replace(path, text, strlen(text), 0644, NULL), 0);
    assert_int_equal(vic_file_read(path, 1u << 20, &want, NULL, NULL), 0);
    assert_string_equal(text, want);
}

static void test_a_vm_lost_in_a_reboot_is_255(void **state)
{
    (void)state;
    const struct pl_record rec = {.boot_id = "5a3c1e0e-0000-4000-8000-000000000001"};
    assert_int_equal(pl_record_code_of_loss(&rec, rec.boot_id), 137);
    assert_int_equal(pl_record_code_of_loss(&rec, "5a3c1e0e-0000-4000-8000-000000000002"), 255);
}

static void test_guest_files(void **state)
{
    (void)state;
    struct pl_record rec;
    make_full(&rec);
    auto_free char *hosts = pl_guest_hosts(&rec);
    auto_free char *resolv = pl_guest_resolv_conf(&rec);
    check_golden("hosts", hosts);
    check_golden("resolv.conf", resolv);
    pl_record_release(&rec);
    assert_int_equal(create(CREATE(SPEC(",\"dns\":[\"9.9.9.9\",\"fd00::9\"]")), &rec, NULL), 0);
    memcpy(rec.id, ID, sizeof(ID));
    auto_free char *alone = pl_guest_hosts(&rec);
    auto_free char *own_dns = pl_guest_resolv_conf(&rec);
    check_golden("hosts-no-network", alone);
    check_golden("resolv.conf-own-dns", own_dns);
    pl_record_release(&rec);
}

static void test_a_vm_has_room_for_its_container(void **state)
{
    (void)state;
    const struct pl_config config = {.default_memory_bytes = 1 << 30, .default_cpus = 2};
    const struct pl_vm_size host = {.memory_bytes = UINT64_C(8) << 30, .cpus = 4};
    static const struct {
        const char *text;
        unsigned cpus;
        const char *says; /* NULL: it is granted */
    } rows[] = {
        {"{}", 2, NULL},
        {"{\"cpu_quota_us\":50000}", 1, NULL},
        {"{\"cpu_quota_us\":150000}", 2, NULL},
        {"{\"cpu_quota_us\":40000,\"cpu_period_us\":10000,\"cpuset\":\"3\"}", 4, NULL},
        {"{\"cpu_quota_us\":400001}", 0,
         "range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"},
        {"{\"cpuset\":\"0-1\"}", 2, NULL},
        {"{\"cpuset\":\"2\"}", 3, NULL},
        {"{\"cpu_quota_us\":100000,\"cpuset\":\"0-1\"}", 2, NULL},
        {"{\"cpuset\":\"4\"}", 0, "Requested CPUs are not available - requested 4, available: 0-3"},
        {"{\"memory_bytes\":8589934593}", 0, "more than this host's 8192 MiB"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_json cJSON *doc = cJSON_Parse(rows[i].text);
        struct confine c;
        struct pl_vm_size room = {0};
        struct vic_err err = {0};
        assert_int_equal(confine_from_json(doc, "c", &c, NULL), 0);
        int r = pl_vm_size_for(&c, &config, &host, &room, &err);
        assert_int_equal(r < 0, rows[i].says != NULL);
        assert_int_equal(room.cpus, rows[i].cpus);
        assert_int_equal(room.memory_bytes, r < 0 ? 0 : 1 << 30);
        if (rows[i].says && !strstr(err.message, rows[i].says))
            fail_msg("%s", err.message);
        confine_release(&c);
    }
    assert_int_equal(pl_vm_default_cpus(true, &host), 2);
    assert_int_equal(pl_vm_default_cpus(true, &(struct pl_vm_size){.cpus = 1}), 1);
    assert_int_equal(pl_vm_default_cpus(false, &host), 1);
    for (int64_t limit = 6 << 20; limit <= INT64_C(8) << 30; limit *= 2) {
        struct confine c = {.memory_bytes = limit};
        struct pl_vm_size room = {0};
        assert_int_equal(pl_vm_size_for(&c, &config, &host, &room, NULL), 0);
        assert_true(room.memory_bytes > (uint64_t)limit + (64 << 20));
        assert_int_equal(room.memory_bytes % 4096, 0);
    }
}

static void test_domain_xml(void **state)
{
    (void)state;
    struct pl_domain_nic nic = {.bridge = "vb01234567", .mac = "02:42:ac:11:00:02"};
    pl_domain_tap(ID, 0, nic.tap);
    assert_int_equal(strlen(nic.tap), 15);
    struct pl_domain d = {
        .vch_id = "01234567",
        .container_id = ID,
        .run = 3,
        .uuid = "11111111-2222-4333-8444-555555555555",
        .memory_bytes = 1ull << 30,
        .cpus = 2,
        .kernel = "/iso/vmlinux",
        .initrd = "/iso/initrd.img",
        .cmdline = "quiet panic=-1",
        .disk = "/data & more/disk.qcow2",
        .image = "/data & more/layers/0.qcow2",
        .channel_path = "/run/vic/01234567/c/0123456789ab.sock",
        .output_path = "/data, 'x'/output.3.log",
        .nics = &nic,
        .n_nics = 1,
    };
    auto_free char *direct = pl_domain_to_xml(&d);
    check_golden("domain-direct-tcg.xml", direct);
    d.kvm = true;
    d.iso = "/iso/bootstrap.iso";
    d.n_nics = 0;
    auto_free char *iso = pl_domain_to_xml(&d);
    check_golden("domain-iso-kvm.xml", iso);
}

static void test_a_list_leaves_out_what_can_be_large(void **state)
{
    (void)state;
    auto_json cJSON *doc = cJSON_Parse(
        "{\"image\":\"x\",\"event_attributes\":{\"l\":\"v\"},\"annotations\":{\"a\":\"b\"},\"spec\":" SPEC(
            "") "}");
    struct pl_container c = {0};
    struct vic_err err;
    vic_list_init(&c.execs);
    assert_int_equal(pl_create_read(doc, &c.rec, &err), 0);
    auto_json cJSON *whole = pl_container_to_json(&c);
    auto_json cJSON *row = pl_container_to_json_row(&c);
    assert_non_null(json_member(whole, "event_attributes"));
    assert_non_null(json_member(json_member(json_member(whole, "spec"), "process"), "env"));
    assert_null(json_member(row, "event_attributes"));
    assert_null(json_member(json_member(json_member(row, "spec"), "process"), "env"));
    assert_non_null(json_member(row, "annotations"));
    assert_non_null(json_member(json_member(json_member(row, "spec"), "process"), "args"));
    pl_record_release(&c.rec);
}

static void test_annotations_are_capped(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        auto_json cJSON *doc = cJSON_Parse("{\"image\":\"x\",\"spec\":" SPEC("") "}");
        auto_free char *value = vic_xalloc(PL_ANNOTATIONS_MAX + more);
        memset(value, 'v', PL_ANNOTATIONS_MAX - 1 + more);
        json_add_str(json_add_obj(doc, "annotations"), "k", value);
        struct pl_record rec = {0};
        struct vic_err err = {0};
        int r = pl_create_read(doc, &rec, &err);
        assert_int_equal(r == 0, more == 0);
        if (r < 0)
            assert_string_equal(err.message, "annotations: more than 65536 bytes");
        pl_record_release(&rec);
    }
}

static void a_container_takes_its_qemu_logs_with_it_and_no_others(void **state)
{
    (void)state;
    static const char *const names[] = {"vic-1-ab.log", "vic-1-ab.log.0", "vic-1-abc.log",
                                        "ubuntu.log"};
    static const bool stays[] = {false, false, true, true};
    char dir[] = "/tmp/vic-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        auto_free char *path = vic_xasprintf("%s/%s", dir, names[i]);
        assert_int_equal(vic_file_replace(path, "x", 1, 0600, NULL), 0);
    }
    pl_qemu_log_remove(dir, "vic-1-ab.");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        auto_free char *path = vic_xasprintf("%s/%s", dir, names[i]);
        assert_int_equal(vic_file_exists(path), stays[i]);
    }
    pl_qemu_log_remove("/nonexistent", "vic-1-ab."); /* no libvirt has been here: nothing to do */
    assert_int_equal(vic_file_remove_tree(dir, NULL), 0);
}

/* ---- restart policies ---- */

static void test_who_runs_again(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        int exit_code;
        unsigned restarts;
        bool is_stopped, at_end, at_startup;
    } rows[] = {
        {"\"no\"", 1, 0, false, false, false},
        {"\"always\"", 0, 99, false, true, true},
        {"\"always\"", 1, 0, true, false, true},
        {"\"unless-stopped\"", 0, 99, false, true, true},
        {"\"unless-stopped\"", 1, 0, true, false, false},
        {"\"on-failure\"", 0, 0, false, false, false},
        {"\"on-failure\"", 1, 1000, false, true, true},
        {"\"on-failure\"", 137, 0, true, false, false},
        {"\"on-failure\",\"max_retries\":2", 1, 1, false, true, true},
        {"\"on-failure\",\"max_retries\":2", 1, 2, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pl_record rec = {0};
        auto_free char *spec =
            vic_xasprintf("{\"name\":\"c1\",\"image\":\"i\",\"spec\":{\"process\":{\"args\":"
                          "[\"sh\"]},\"restart\":{\"name\":%s}}}",
                          rows[i].policy);
        assert_int_equal(create(spec, &rec, NULL), 0);
        rec.exit_code = rows[i].exit_code;
        rec.restarts = rows[i].restarts;
        rec.is_stopped = rows[i].is_stopped;
        assert_int_equal(pl_restart_is_wanted(&rec, false), rows[i].at_end);
        assert_int_equal(pl_restart_is_wanted(&rec, true), rows[i].at_startup);
        pl_record_release(&rec);
    }
}

static void test_delays_double_to_a_minute(void **state)
{
    (void)state;
    static const uint64_t want[] = {100,  200,   400,   800,   1600,  3200,
                                    6400, 12800, 25600, 51200, 60000, 60000};
    uint64_t ms = 0;
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        ms = pl_restart_delay_ms(ms, PL_RESTART_RAN_LONG_NS - 1);
        assert_int_equal(ms, want[i]);
    }
    assert_int_equal(pl_restart_delay_ms(ms, PL_RESTART_RAN_LONG_NS), 100);
    assert_int_equal(pl_restart_delay_ms(ms, -1), 60000); /* the clock was set back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_takes_its_qemu_logs_with_it_and_no_others),
        cmocka_unit_test(test_every_pair_of_state_and_event),
        cmocka_unit_test(test_state_names_round_trip),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_acceleration_wants_cpu_flags),
        cmocka_unit_test(test_create_takes_defaults),
        cmocka_unit_test(test_create_refuses_what_it_does_not_know),
        cmocka_unit_test(test_a_list_leaves_out_what_can_be_large),
        cmocka_unit_test(test_annotations_are_capped),
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_record_cut_anywhere_is_refused),
        cmocka_unit_test(test_a_vm_lost_in_a_reboot_is_255),
        cmocka_unit_test(test_guest_files),
        cmocka_unit_test(test_a_vm_has_room_for_its_container),
        cmocka_unit_test(test_domain_xml),
        cmocka_unit_test(test_who_runs_again),
        cmocka_unit_test(test_delays_double_to_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
