/* The documents that vic-docker makes of what the port layer says: containers, images, events, ps, stats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "personality/docker/containers.h"
#include "personality/docker/events.h"
#include "personality/docker/exec_doc.h"
#include "personality/docker/filters.h"
#include "personality/docker/image_json.h"
#include "personality/docker/images.h"
#include "personality/docker/ps.h"
#include "personality/docker/router.h"
#include "personality/docker/stats_doc.h"
#include "personality/docker/version.h"

/* ---- documents ------------------------------------------------------------------------------------------------- */

static void assert_golden(cJSON *doc, const char *name)
{
    auto_free char *text = cJSON_Print(doc);
    auto_free char *path = vic_xasprintf("test/golden/docker/%s.json", name);
    if (getenv("UPDATE_GOLDEN")) {
        auto_free char *file = vic_xasprintf("%s\n", text);
        assert_int_equal(vic_file_replace(path, file, strlen(file), 0644, NULL), 0);
    }
    auto_free char *want = NULL;
    size_t len = 0;
    assert_int_equal(vic_file_read(path, 1u << 20, &want, &len, NULL), 0);
    assert_int_equal(len, strlen(text) + 1);
    want[len - 1] = '\0';
    assert_string_equal(text, want);
    cJSON_Delete(doc);
}

static cJSON *load(const char *name)
{
    auto_free char *path = vic_xasprintf("test/golden/docker/%s.json", name);
    auto_free char *text = NULL;
    size_t len = 0;
    assert_int_equal(vic_file_read(path, 1u << 20, &text, &len, NULL), 0);
    cJSON *doc = cJSON_ParseWithLength(text, len);
    assert_non_null(doc);
    return doc;
}

static void test_container_documents(void **state)
{
    (void)state;
    auto_json cJSON *running = load("in-running");
    auto_json cJSON *exited = load("in-exited");
    int64_t now = 0;
    assert_int_equal(vic_clock_parse_rfc3339("2026-11-23T10:00:00Z", &now), 0);
    assert_golden(docker_inspect_json(running, false), "inspect-running");
    assert_golden(docker_inspect_json(exited, true), "inspect-exited");
    assert_golden(docker_summary_json(running, NULL, now, false), "summary-running");
    assert_golden(docker_summary_json(exited, NULL, now, true), "summary-exited");
}

static void test_a_list_shows_the_name_only_while_it_means_the_image(void **state)
{
    (void)state;
    static const char *const id =
        "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    static const struct {
        const char *owner, *ref, *shown;
    } rows[] = {
        {"1", "docker.io/library/busybox:latest", "busybox"},
        {"2", "docker.io/library/busybox:latest", NULL},
        {"1", "docker.io/library/other:latest", NULL},
    };
    auto_json cJSON *container = load("in-running");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *owner = vic_xstrdup(id);
        for (char *c = strchr(owner, ':') + 1; *c; c++)
            *c = rows[i].owner[0];
        auto_free char *text =
            vic_xasprintf("[{\"id\":\"%s\",\"refs\":[\"%s\"]}]", owner, rows[i].ref);
        auto_json cJSON *images = cJSON_Parse(text);
        auto_json cJSON *row = docker_summary_json(container, images, 0, false);
        assert_string_equal(json_str(row, "Image", ""), rows[i].shown ? rows[i].shown : id);
    }
}

static void test_what_restarts_runs_for_docker(void **state)
{
    (void)state;
    auto_json cJSON *container = cJSON_Parse(
        "{\"id\":\"c\",\"state\":{\"status\":\"restarting\",\"restarting\":true,\"exit_code\":3,"
        "\"restarts\":7,\"started_at\":\"1970-01-01T00:01:30Z\"}}");
    auto_json cJSON *doc = docker_inspect_json(container, false);
    const cJSON *told = json_member(doc, "State");
    assert_string_equal(json_str(told, "Status", ""), "restarting");
    assert_true(json_bool(told, "Running", false) && json_bool(told, "Restarting", false));
    assert_int_equal(json_i64(told, "ExitCode", 0), 3);
    assert_int_equal(json_i64(told, "Pid", -1), 0);
    assert_int_equal(json_i64(doc, "RestartCount", 0), 7);
}

static void test_exec_documents(void **state)
{
    (void)state;
    static const char of[] =
        "{\"id\":\"e1\",\"container\":\"c1\",\"state\":\"%s\",\"exit_code\":%d,\"pid\":%d,"
        "\"process\":{\"args\":[\"sh\",\"-c\",\"x\"],\"user\":\"%s\",\"tty\":true},"
        "\"privileged\":true,\"annotations\":{\"docker.exec\":\"{\\\"AttachStdout\\\":true}\"}}";
    auto_free char *running_text = vic_xasprintf(of, "running", 0, 42, "u");
    auto_free char *exited_text = vic_xasprintf(of, "exited", 7, 0, "");
    auto_json cJSON *running = cJSON_Parse(running_text);
    auto_json cJSON *exited = cJSON_Parse(exited_text);
    auto_json cJSON *nothing = cJSON_Parse("{\"annotations\":{\"docker.exec\":\"[\"}}");
    assert_golden(docker_exec_json(running), "exec-running");
    assert_golden(docker_exec_json(exited), "exec-exited");
    assert_golden(docker_exec_json(nothing), "exec-nothing");
}

static void test_exec_events(void **state)
{
    (void)state;
    auto_json cJSON *in = cJSON_Parse(
        "{\"type\":\"container\",\"action\":\"exec_start\",\"id\":\"abc\",\"time_ns\":1500000000,"
        "\"attributes\":{\"name\":\"n\",\"image\":\"busybox:1\",\"exec_id\":\"e1\",\"exec_command\":"
        "\"sh -c a:b\"}}");
    auto_json cJSON *event = docker_event_json(in);
    assert_golden(json_dup(event), "event-exec");
    static const struct {
        const char *filters;
        bool matches;
    } rows[] = {
        {"{\"event\":[\"exec_start\"]}", true},
        {"{\"event\":[\"exec_start: sh -c a:b\"]}", true},
        {"{\"event\":[\"exec_start: sh\"]}", false},
        {"{\"event\":[\"exec_create\"]}", false},
        {"{\"event\":[\"exec\"]}", false},
        {"{\"event\":[\"start\"]}", false},
    };
    static const char *const names[] = {"event", NULL};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_filters struct docker_filters f = {0};
        assert_int_equal(docker_filters_parse(rows[i].filters, names, &f, NULL), 0);
        assert_int_equal(docker_event_matches(&f, event), rows[i].matches);
    }
}

/* Whatever the port layer leaves out, there is a document and no crash. */
static void test_documents_of_nothing(void **state)
{
    (void)state;
    static const char *const rows[] = {"{}", "{\"state\":1,\"networks\":{},\"annotations\":[]}",
                                       "{\"refs\":[1,{}],\"config\":[],\"id\":5}"};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_json cJSON *in = cJSON_Parse(rows[i]);
        cJSON_Delete(docker_inspect_json(in, true));
        cJSON_Delete(docker_summary_json(in, in, 0, true));
        cJSON_Delete(docker_image_inspect_json(in, DOCKER_API(1, 41)));
        cJSON_Delete(docker_image_summary_json(in, in, DOCKER_API(1, 41)));
        cJSON_Delete(docker_image_history_json(in, DOCKER_API(1, 41)));
        cJSON_Delete(docker_event_json(in));
    }
}

static void test_image_documents(void **state)
{
    (void)state;
    auto_json cJSON *image = load("in-image");
    assert_golden(docker_image_inspect_json(image, DOCKER_API(1, 50)), "image-inspect");
    assert_golden(docker_image_inspect_json(image, DOCKER_API(1, 43)), "image-inspect-old");
    assert_golden(docker_image_summary_json(image, NULL, DOCKER_API(1, 50)), "image-summary");
    assert_golden(docker_image_history_json(image, DOCKER_API(1, 50)), "image-history");
}

static void test_images_are_found(void **state)
{
    (void)state;
    auto_json cJSON *image = load("in-image");
    auto_json cJSON *images = json_new_arr();
    json_push(images, json_dup(image));
    static const struct {
        const char *text;
        bool is_found;
    } rows[] = {
        {"busybox", true},
        {"busybox:latest", true},
        {"docker.io/library/busybox", true},
        {"busybox:1", false},
        {"sha256:1111", true},
        {"1111", true},
        {"2222", false},
        {"busybox@sha256:2222222222222222222222222222222222222222222222222222222222222222", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const cJSON *found = NULL;
        struct vic_err err = {0};
        int r = docker_image_find(images, rows[i].text, &found, &err);
        assert_int_equal(r == 0, rows[i].is_found);
        if (r < 0)
            assert_int_equal(err.kind, VIC_ERR_NOT_FOUND);
    }
    struct vic_err err;
    const cJSON *found;
    assert_true(docker_image_find(images, "nosuch", &found, &err) < 0);
    assert_string_equal(err.message, "No such image: nosuch:latest");
}

static void test_events(void **state)
{
    (void)state;
    auto_json cJSON *in = cJSON_Parse(
        "{\"type\":\"container\",\"action\":\"die\",\"id\":\"abc\",\"time_ns\":1500000000,"
        "\"attributes\":{\"name\":\"n\",\"image\":\"busybox:1\",\"exit_code\":\"3\",\"l\":\"v\"}}");
    auto_json cJSON *event = docker_event_json(in);
    assert_golden(json_dup(event), "event-die");
    static const struct {
        const char *filters;
        bool matches;
    } rows[] = {
        {"{}", true},
        {"{\"type\":[\"container\"]}", true},
        {"{\"type\":[\"image\"]}", false},
        {"{\"event\":[\"die\",\"start\"]}", true},
        {"{\"event\":[\"start\"]}", false},
        {"{\"container\":[\"n\"]}", true},
        {"{\"container\":[\"ab\"]}", true},
        {"{\"container\":[\"x\"]}", false},
        {"{\"image\":[\"busybox\"]}", true},
        {"{\"image\":[\"busybox:2\"]}", false},
        {"{\"label\":[\"l=v\"]}", true},
        {"{\"label\":[\"l=w\"]}", false},
        {"{\"network\":[\"x\"]}", false},
        {"{\"daemon\":[\"x\"]}", false},
    };
    static const char *const names[] = {"type",  "event",   "container", "image",
                                        "label", "network", "daemon",    NULL};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_filters struct docker_filters f = {0};
        assert_int_equal(docker_filters_parse(rows[i].filters, names, &f, NULL), 0);
        assert_int_equal(docker_event_matches(&f, event), rows[i].matches);
    }
}

static void test_events_of_health_prunes_and_labels(void **state)
{
    (void)state;
    static const char *const names[] = {"event", NULL};
    static const struct {
        const char *event, *filters;
        bool matches;
        const char *want;
    } rows[] = {
        {"{\"type\":\"container\",\"action\":\"health_status\",\"id\":\"a\",\"attributes\":"
         "{\"health_status\":\"healthy\",\"image\":\"i\"}}",
         "{\"event\":[\"health_status\"]}", true,
         "{\"status\":\"health_status: healthy\",\"id\":\"a\",\"from\":\"i\",\"Type\":"
         "\"container\",\"Action\":\"health_status: healthy\",\"Actor\":{\"ID\":\"a\","
         "\"Attributes\":{\"image\":\"i\"}},\"scope\":\"local\",\"time\":0,\"timeNano\":0}"},
        {"{\"type\":\"container\",\"action\":\"health_status\",\"id\":\"a\",\"attributes\":"
         "{\"health_status\":\"unhealthy\"}}",
         "{\"event\":[\"health_status: healthy\"]}", false, NULL},
        {"{\"type\":\"container\",\"action\":\"prune\",\"id\":\"\",\"attributes\":"
         "{\"reclaimed\":\"7\"}}",
         "{\"event\":[\"prune\"]}", true,
         "{\"status\":\"prune\",\"Type\":\"container\",\"Action\":\"prune\",\"Actor\":"
         "{\"ID\":\"\",\"Attributes\":{\"reclaimed\":\"7\"}},\"scope\":\"local\",\"time\":0,"
         "\"timeNano\":0}"},
        {"{\"type\":\"container\",\"action\":\"start\",\"id\":\"a\",\"attributes\":"
         "{\"exec_id\":\"x\",\"exit_code\":\"y\",\"oldName\":\"z\"}}",
         "{}", true,
         "{\"status\":\"start\",\"id\":\"a\",\"from\":\"\",\"Type\":\"container\",\"Action\":"
         "\"start\",\"Actor\":{\"ID\":\"a\",\"Attributes\":{\"exec_id\":\"x\",\"exit_code\":"
         "\"y\",\"oldName\":\"z\"}},\"scope\":\"local\",\"time\":0,\"timeNano\":0}"},
        {"{\"type\":\"container\",\"action\":\"die\",\"id\":\"a\",\"attributes\":"
         "{\"exit_code\":\"1\",\"duration_s\":\"2\"}}",
         "{}", true,
         "{\"status\":\"die\",\"id\":\"a\",\"from\":\"\",\"Type\":\"container\",\"Action\":"
         "\"die\",\"Actor\":{\"ID\":\"a\",\"Attributes\":{\"exitCode\":\"1\",\"execDuration\":"
         "\"2\"}},\"scope\":\"local\",\"time\":0,\"timeNano\":0}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_filters struct docker_filters f = {0};
        auto_json cJSON *in = cJSON_Parse(rows[i].event);
        auto_json cJSON *event = docker_event_json(in);
        auto_free char *text = json_print(event);
        if (rows[i].want)
            assert_string_equal(text, rows[i].want);
        assert_int_equal(docker_filters_parse(rows[i].filters, names, &f, NULL), 0);
        assert_int_equal(docker_event_matches(&f, event), rows[i].matches);
    }
}

static cJSON *ps_document(void)
{
    return cJSON_Parse(
        "{\"memory_bytes\":1000000,\"processes\":["
        "{\"pid\":40,\"ppid\":1,\"sid\":40,\"uid\":0,\"gid\":0,\"state\":\"S\",\"tty\":\"pts/0\","
        "\"is_foreground\":true,\"nice\":0,\"threads\":2,\"age_ms\":100000,\"cpu_ms\":50000,"
        "\"vsz_bytes\":4096,\"rss_bytes\":125000,\"comm\":\"sh\",\"args\":\"sh -c x\"},"
        "{\"pid\":41,\"ppid\":40,\"sid\":40,\"uid\":1000,\"gid\":5,\"state\":\"Z\",\"tty\":\"\","
        "\"nice\":5,\"threads\":1,\"age_ms\":90061000,\"cpu_ms\":90061000,\"comm\":\"x\",\"args\":\"\"}]}");
}

static void test_ps_prints_what_was_asked_for(void **state)
{
    (void)state;
    (void)setenv("TZ", "UTC", 1);
    tzset();
    static const char *const rows[][3] = {
        {"-ef", "UID,PID,PPID,C,STIME,TTY,TIME,CMD", "root,40,1,50,11:58,pts/0,00:00:50,sh -c x"},
        {"-e -f", "UID,PID,PPID,C,STIME,TTY,TIME,CMD", "root,40,1,50,11:58,pts/0,00:00:50,sh -c x"},
        {"aux", "USER,PID,%CPU,%MEM,VSZ,RSS,TTY,STAT,START,TIME,COMMAND",
         "root,40,50.0,12.5,4,122,pts/0,Ssl+,11:58,0:50,sh -c x"},
        {"-A", "PID,TTY,TIME,CMD", "40,pts/0,00:00:50,sh"},
        {"ax", "PID,TTY,STAT,TIME,COMMAND", "40,pts/0,Ssl+,0:50,sh -c x"},
        {"-o pid,etime -o uid", "PID,ELAPSED,UID", "40,01:40,0"},
        {"-eopid,comm,nlwp", "PID,COMMAND,NLWP", "40,sh,2"},
        {"axo pid,tty", "PID,TT", "40,pts/0"},
    };
    auto_json cJSON *doc = ps_document();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct docker_ps ps;
        assert_int_equal(docker_ps_parse(rows[i][0], &ps, NULL), 0);
        auto_json cJSON *out = docker_ps_json(&ps, doc, 1767268800); /* 2026-01-01 12:00 */
        for (int k = 0; k < 2; k++) {
            auto_strv char **want = vic_strv_split(rows[i][1 + k], ',');
            const cJSON *had = json_member(out, k ? "Processes" : "Titles");
            had = k ? cJSON_GetArrayItem(had, 0) : had;
            assert_int_equal(cJSON_GetArraySize(had), vic_strv_len(want));
            for (int n = 0; want[n]; n++)
                assert_string_equal(cJSON_GetArrayItem(had, n)->valuestring, want[n]);
        }
    }
}

static void test_ps_of_the_dead_and_the_old(void **state)
{
    (void)state;
    static const char *const want[] = {"41", "1000",  "?", "[x] <defunct>", "1-01:01:01", "2025",
                                       "99", "100.0", "ZN"};
    struct docker_ps ps;
    auto_json cJSON *doc = ps_document();
    assert_int_equal(docker_ps_parse("-o pid,user,tt,args,etime,stime,c,pcpu,stat", &ps, NULL), 0);
    auto_json cJSON *out = docker_ps_json(&ps, doc, 1767268800 + 3600);
    const cJSON *row = cJSON_GetArrayItem(json_member(out, "Processes"), 1);
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        assert_string_equal(cJSON_GetArrayItem(row, (int)i)->valuestring, want[i]);
}

static void test_ps_refuses_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        enum vic_err_kind kind;
        const char *says;
    } rows[] = {
        {"-o user", VIC_ERR_INVALID, "Couldn't find PID field"},
        {"-o", VIC_ERR_INVALID, "needs a list"},
        {"-", VIC_ERR_INVALID, "'-'"},
        {"-o pid,pid", VIC_ERR_INVALID, "'pid' is given twice"},
        {"-o pid -f", VIC_ERR_INVALID, "conflicting"},
        {"-o pid,_uid", VIC_ERR_INVALID, "'_uid'"},
        {"-o pid=", VIC_ERR_UNIMPLEMENTED, "'pid='"},
        {"-o pid,wchan", VIC_ERR_UNIMPLEMENTED, "'wchan'"},
        {"-efH", VIC_ERR_UNIMPLEMENTED, "'-efH'"},
        {"--forest", VIC_ERR_UNIMPLEMENTED, "'--forest'"},
        {"auxf", VIC_ERR_UNIMPLEMENTED, "'auxf'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct docker_ps ps;
        struct vic_err err = {0};
        assert_true(docker_ps_parse(rows[i].args, &ps, &err) < 0);
        assert_int_equal(err.kind, rows[i].kind);
        assert_non_null(strstr(err.message, rows[i].says));
    }
}

/* ---- stats ------------------------------------------------------------------------------------------------- */

static void test_stats_in_dockers_form(void **state)
{
    (void)state;
    auto_json cJSON *before = cJSON_Parse(
        "{\"read_at\":\"then\",\"guest\":{\"clock_ns\":1000,\"cpus\":2,\"cpu\":{\"usage_usec\":3}}}");
    auto_json cJSON *sample = cJSON_Parse(
        "{\"id\":\"c0\",\"name\":\"n\",\"read_at\":\"now\",\"guest\":{\"clock_ns\":5000,\"cpus\":2,"
        "\"cpu\":{\"usage_usec\":7,\"user_usec\":4,\"system_usec\":3},"
        "\"memory\":{\"usage\":100,\"limit\":200,\"stats\":{\"file\":5,\"b\\nad\":6,\"odd\":\"x\","
        "\"neg\":-1}},\"pids\":{\"current\":2,\"limit\":9},"
        "\"io\":[{\"major\":254,\"minor\":1,\"read_bytes\":10,\"written_bytes\":-20}],"
        "\"networks\":{\"eth0\":{\"rx_bytes\":7},\"../x\":{}}},"
        "\"vm\":{\"cpu_ns\":11,\"rss_bytes\":12}}");
    static const char expected[] =
        "{\"name\":\"/n\",\"id\":\"c0\",\"os_type\":\"linux\",\"read\":\"now\",\"preread\":\"then\","
        "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":7000,\"usage_in_kernelmode\":3000,"
        "\"usage_in_usermode\":4000},\"system_cpu_usage\":10000,\"online_cpus\":2,"
        "\"throttling_data\":{\"periods\":0,\"throttled_periods\":0,\"throttled_time\":0}},"
        "\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":3000,\"usage_in_kernelmode\":0,"
        "\"usage_in_usermode\":0},\"system_cpu_usage\":2000,\"online_cpus\":2,"
        "\"throttling_data\":{\"periods\":0,\"throttled_periods\":0,\"throttled_time\":0}},"
        "\"memory_stats\":{\"usage\":100,\"limit\":200,\"stats\":{\"file\":5,\"neg\":0}},"
        "\"blkio_stats\":{\"io_service_bytes_recursive\":["
        "{\"major\":254,\"minor\":1,\"op\":\"read\",\"value\":10},"
        "{\"major\":254,\"minor\":1,\"op\":\"write\",\"value\":0}],"
        "\"io_serviced_recursive\":null,\"io_queue_recursive\":null,"
        "\"io_service_time_recursive\":null,\"io_wait_time_recursive\":null,"
        "\"io_merged_recursive\":null,\"io_time_recursive\":null,\"sectors_recursive\":null},"
        "\"pids_stats\":{\"current\":2,\"limit\":9},\"num_procs\":0,\"storage_stats\":{},"
        "\"networks\":{\"eth0\":{\"rx_bytes\":7,\"rx_packets\":0,\"rx_errors\":0,\"rx_dropped\":0,"
        "\"tx_bytes\":0,\"tx_packets\":0,\"tx_errors\":0,\"tx_dropped\":0}},"
        "\"vm_stats\":{\"cpu_usage\":11,\"memory_usage\":12}}";
    auto_json cJSON *out = docker_stats_json(sample, before);
    auto_free char *text = json_print(out);
    assert_string_equal(text, expected);
}

static void test_stats_of_a_guest_that_lies_stay_numbers(void **state)
{
    (void)state;
    auto_json cJSON *sample = cJSON_Parse(
        "{\"guest\":{\"clock_ns\":9000000000000000000,\"cpus\":9000000000000000000,"
        "\"cpu\":{\"usage_usec\":9000000000000000000},\"memory\":{\"stats\":{\"file\":1e300}}}}");
    auto_json cJSON *out = docker_stats_json(sample, sample);
    const cJSON *cpu = json_member(out, "cpu_stats");
    assert_true(json_i64(cpu, "system_cpu_usage", -1) >= 0);
    assert_true(json_i64(json_member(cpu, "cpu_usage"), "total_usage", -1) >= 0);
    assert_true(json_i64(json_member(json_member(out, "memory_stats"), "stats"), "file", -1) >= 0);
}

static void test_stats_of_what_does_not_run_are_zero(void **state)
{
    (void)state;
    auto_json cJSON *sample = cJSON_Parse("{\"id\":\"c0\",\"name\":\"n\"}");
    auto_json cJSON *out = docker_stats_json(sample, NULL);
    assert_string_equal(json_str(out, "read", ""), "0001-01-01T00:00:00Z");
    assert_string_equal(json_str(out, "preread", ""), "0001-01-01T00:00:00Z");
    const cJSON *usage = json_member(json_member(out, "cpu_stats"), "cpu_usage");
    assert_int_equal(json_i64(usage, "total_usage", -1), 0);
    assert_null(json_member(out, "memory_stats")->child);
    assert_null(json_member(out, "networks"));
    assert_null(json_member(out, "vm_stats"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats_in_dockers_form),
        cmocka_unit_test(test_stats_of_a_guest_that_lies_stay_numbers),
        cmocka_unit_test(test_stats_of_what_does_not_run_are_zero),
        cmocka_unit_test(test_ps_prints_what_was_asked_for),
        cmocka_unit_test(test_ps_of_the_dead_and_the_old),
        cmocka_unit_test(test_ps_refuses_by_name),
        cmocka_unit_test(test_container_documents),
        cmocka_unit_test(test_a_list_shows_the_name_only_while_it_means_the_image),
        cmocka_unit_test(test_what_restarts_runs_for_docker),
        cmocka_unit_test(test_documents_of_nothing),
        cmocka_unit_test(test_image_documents),
        cmocka_unit_test(test_images_are_found),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_exec_documents),
        cmocka_unit_test(test_exec_events),
        cmocka_unit_test(test_events_of_health_prunes_and_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
