/* The create body: each field served or refused, and merged with the image's configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/confine/confine.h"
#include "personality/docker/confine.h"
#include "personality/docker/convert.h"
#include "personality/docker/exec_doc.h"
#include "personality/docker/fields.h"
#include "personality/docker/log_config.h"
#include "portlayer/api.h"

/* A body of exec or its start, as the port layer's request or read; NULL and err when it is refused. */
static char *exec_request(const char *text, struct vic_err *err)
{
    auto_json cJSON *body = cJSON_Parse(text);
    auto_json cJSON *request = NULL;
    assert_non_null(body);
    return docker_exec_convert(body, &request, err) < 0 ? NULL : json_print(request);
}

static int exec_start(const char *text, const char *exec_text, struct docker_exec_start *ret,
                      struct vic_err *err)
{
    auto_json cJSON *body = text ? cJSON_Parse(text) : NULL;
    auto_json cJSON *exec = cJSON_Parse(exec_text);
    return docker_exec_start_read(body, exec, ret, err);
}

/* Checks a body around a field of a scope. */
static int check_field(enum docker_field_scope scope, const char *name, const char *value,
                       struct vic_err *err)
{
    if (scope == DOCKER_FIELD_EXEC) {
        auto_free char *body = vic_xasprintf("{\"Cmd\":[\"a\"],\"%s\":%s}", name, value);
        auto_free char *request = exec_request(body, err);
        return request ? 0 : -1;
    }
    if (scope == DOCKER_FIELD_UPDATE) {
        auto_free char *member = vic_xasprintf("{\"%s\":%s}", name, value);
        auto_json cJSON *update = cJSON_Parse(member);
        return docker_fields_check(update, scope, err);
    }
    auto_free char *text =
        scope == DOCKER_FIELD_CONFIG ? vic_xasprintf("{\"Image\":\"x\",\"%s\":%s}", name, value)
        : scope == DOCKER_FIELD_HOST
            ? vic_xasprintf("{\"Image\":\"x\",\"HostConfig\":{\"%s\":%s}}", name, value)
            : vic_xasprintf("{\"Image\":\"x\",\"NetworkingConfig\":{\"EndpointsConfig\":"
                            "{\"bridge\":{\"%s\":%s}}}}",
                            name, value);
    auto_json cJSON *body = cJSON_Parse(text);
    assert_non_null(body);
    return docker_convert_check(body, err);
}

static void test_unserved_fields_say_nothing_or_are_refused(void **state)
{
    (void)state;
    static const char *const nothing[] = {"null", "false", "0", "\"\"", "[]", "{}"};
    static const char *const something[] = {"true", "7", "\"x\"", "[\"x\"]", "{\"80/tcp\":[{}]}"};
    for (size_t i = 0; i < docker_n_fields; i++) {
        const struct docker_field *f = &docker_fields[i];
        struct vic_err err = {0};
        if (f->is_served)
            continue;
        assert_non_null(f->instead);
        for (size_t n = 0; n < ARRAY_SIZE(nothing); n++)
            assert_int_equal(check_field(f->scope, f->name, nothing[n], &err), 0);
        for (size_t n = 0; n < ARRAY_SIZE(something); n++) {
            assert_true(check_field(f->scope, f->name, something[n], &err) < 0);
            assert_int_equal(err.kind, VIC_ERR_UNIMPLEMENTED);
            assert_non_null(strstr(err.message, f->name));
            assert_non_null(strstr(err.message, f->instead));
        }
    }
}

static void test_accepted_defaults_pass(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"ShmSize", "67108864"},
        {"MemorySwap", "-1"},
        {"MemorySwappiness", "-1"},
        {"IpcMode", "\"private\""},
        {"CgroupnsMode", "\"private\""},
        {"PidsLimit", "-1"},
        {"Isolation", "\"default\""},
        {"LogConfig", "{\"Type\":\"\",\"Config\":{}}"},
        {"LogConfig", "{\"Type\":\"json-file\"}"},
        {"LogConfig", "{\"Type\":\"none\"}"},
        {"LogConfig",
         "{\"Type\":\"local\",\"Config\":{\"max-size\":\"10m\",\"compress\":\"false\"}}"},
        {"LogConfig",
         "{\"Config\":{\"max-size\":\"1.5 GiB\",\"max-file\":\"3\",\"mode\":\"blocking\","
         "\"labels\":\"a,b\",\"env\":\"c\"}}"},
        {"RestartPolicy", "{\"Name\":\"no\"}"},
        {"RestartPolicy", "{\"Name\":\"\",\"MaximumRetryCount\":3}"},
        {"RestartPolicy", "{\"Name\":\"always\",\"MaximumRetryCount\":0},\"AutoRemove\":false"},
        {"RestartPolicy", "{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}"},
        {"NetworkMode", "\"none\""},
        {"ConsoleSize", "[24,80]"},
        {"Unknown", "{\"x\":1}"},
        {"privileged", "false"},
        {"CapAdd", "[\"all\",\"NET_ADMIN\",\"cap_chown\"]"},
        {"SecurityOpt", "[\"no-new-privileges\",\"no-new-privileges:false\",\"disable\"]"},
        {"SecurityOpt", "[\"seccomp=unconfined\",\"apparmor:unconfined\",\"label=disable\"]"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct vic_err err = {0};
        assert_int_equal(check_field(DOCKER_FIELD_HOST, rows[i][0], rows[i][1], &err), 0);
    }
}

static const struct {
    enum docker_field_scope scope;
    const char *name;
    const char *value;
    enum vic_err_kind kind;
    const char *says;
} bad_values[] = {
    {DOCKER_FIELD_CONFIG, "Env", "[\"=x\"]", VIC_ERR_INVALID, "invalid environment variable: =x"},
    {DOCKER_FIELD_CONFIG, "Env", "\"A=1\"", VIC_ERR_INVALID, "Env: expected an array"},
    {DOCKER_FIELD_CONFIG, "Tty", "\"yes\"", VIC_ERR_INVALID, "Tty"},
    {DOCKER_FIELD_CONFIG, "Cmd", "[1]", VIC_ERR_INVALID, "Cmd"},
    {DOCKER_FIELD_CONFIG, "WorkingDir", "\"rel\"", VIC_ERR_INVALID,
     "the working directory 'rel' is invalid, it needs to be an absolute path"},
    {DOCKER_FIELD_CONFIG, "StopSignal", "\"SIGNOPE\"", VIC_ERR_INVALID, "invalid signal: SIGNOPE"},
    {DOCKER_FIELD_CONFIG, "Hostname", "\"a b\"", VIC_ERR_INVALID, "invalid hostname format"},
    {DOCKER_FIELD_CONFIG, "ExposedPorts", "{\"x/tcp\":{}}", VIC_ERR_INVALID, "invalid port"},
    {DOCKER_FIELD_CONFIG, "Volumes", "{\"/v\":{}}", VIC_ERR_UNIMPLEMENTED, "Volumes"},
    {DOCKER_FIELD_CONFIG, "Image", "\"\"", VIC_ERR_INVALID, ""},
    {DOCKER_FIELD_CONFIG, "HostConfig", "[]", VIC_ERR_INVALID, "HostConfig"},
    {DOCKER_FIELD_HOST, "RestartPolicy", "{\"Name\":\"always\",\"MaximumRetryCount\":1}",
     VIC_ERR_INVALID,
     "invalid restart policy: maximum retry count can only be used with 'on-failure'"},
    {DOCKER_FIELD_HOST, "RestartPolicy", "{\"Name\":\"no\",\"MaximumRetryCount\":-1}",
     VIC_ERR_INVALID, "can only be used with 'on-failure' and cannot be negative"},
    {DOCKER_FIELD_HOST, "RestartPolicy", "{\"Name\":\"on-failure\",\"MaximumRetryCount\":-1}",
     VIC_ERR_INVALID, "invalid restart policy: maximum retry count cannot be negative"},
    {DOCKER_FIELD_HOST, "RestartPolicy", "{\"Name\":\"always\"},\"AutoRemove\":true",
     VIC_ERR_INVALID, "can't create 'AutoRemove' container with restart policy"},
    {DOCKER_FIELD_HOST, "RestartPolicy", "{\"Name\":1}", VIC_ERR_INVALID, "RestartPolicy.Name"},
    {DOCKER_FIELD_HOST, "RestartPolicy", "{\"Name\":\"x\"}", VIC_ERR_INVALID, "unknown policy 'x'"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Type\":\"syslog\"}", VIC_ERR_UNIMPLEMENTED, "json-file"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Config\":{\"max-sizes\":\"1m\"}}", VIC_ERR_INVALID,
     "unknown log opt 'max-sizes' for json-file log driver"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Config\":{\"max-size\":\"1x\"}}", VIC_ERR_INVALID,
     "invalid size: '1x'"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Config\":{\"max-size\":\"0\"}}", VIC_ERR_INVALID,
     "max-size must be a positive number"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Config\":{\"max-size\":\"0x10\"}}", VIC_ERR_INVALID,
     "invalid size"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Config\":{\"max-size\":\"9000p\",\"max-file\":\"9\"}}",
     VIC_ERR_INVALID, "invalid size"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Config\":{\"max-size\":\"1p\",\"max-file\":\"99999\"}}",
     VIC_ERR_INVALID, "too large"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Config\":{\"max-file\":\"0\"}}", VIC_ERR_INVALID,
     "max-file cannot be less than 1"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Config\":{\"max-file\":3}}", VIC_ERR_INVALID,
     "max-file: expected a string"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Config\":{\"mode\":\"non-blocking\"}}",
     VIC_ERR_UNIMPLEMENTED, "mode=non-blocking"},
    {DOCKER_FIELD_HOST, "LogConfig", "{\"Type\":\"none\",\"Config\":{\"max-size\":\"1m\"}}",
     VIC_ERR_INVALID, "none has no option"},
    {DOCKER_FIELD_HOST, "NetworkMode", "\"host\"", VIC_ERR_UNIMPLEMENTED, "bridge or none"},
    {DOCKER_FIELD_HOST, "ExtraHosts", "[\"a\"]", VIC_ERR_INVALID, "bad format for add-host"},
    {DOCKER_FIELD_HOST, "ExtraHosts", "[\"a:b\"]", VIC_ERR_INVALID, "invalid IP address"},
    {DOCKER_FIELD_HOST, "Dns", "[\"x\"]", VIC_ERR_INVALID, "x"},
    {DOCKER_FIELD_HOST, "ConsoleSize", "[1]", VIC_ERR_INVALID, "ConsoleSize"},
    {DOCKER_FIELD_HOST, "PUBLISHALLPORTS", "true", VIC_ERR_UNIMPLEMENTED, "PublishAllPorts"},
    {DOCKER_FIELD_HOST, "CapAdd", "[\"no_such\"]", VIC_ERR_INVALID,
     "invalid CapAdd: unknown capability: \"CAP_no_such\""},
    {DOCKER_FIELD_HOST, "CapDrop", "[1]", VIC_ERR_INVALID, "CapDrop: expected an array"},
    {DOCKER_FIELD_HOST, "Privileged", "1", VIC_ERR_INVALID, "Privileged"},
    {DOCKER_FIELD_HOST, "SecurityOpt", "[\"no-new-privileges=maybe\"]", VIC_ERR_INVALID,
     "invalid --security-opt 2: \"no-new-privileges=maybe\""},
    {DOCKER_FIELD_HOST, "SecurityOpt", "[\"x\"]", VIC_ERR_INVALID,
     "invalid --security-opt 1: \"x\""},
    {DOCKER_FIELD_HOST, "SecurityOpt", "[\"seccomp\"]", VIC_ERR_INVALID,
     "invalid --security-opt 1"},
    {DOCKER_FIELD_HOST, "SecurityOpt", "[\"x=y\"]", VIC_ERR_INVALID,
     "invalid --security-opt 2: \"x=y\""},
    {DOCKER_FIELD_HOST, "SecurityOpt", "[\"seccomp={}\"]", VIC_ERR_UNIMPLEMENTED,
     "SecurityOpt seccomp={} is not served here"},
    {DOCKER_FIELD_HOST, "SecurityOpt", "[\"apparmor=docker-default\"]", VIC_ERR_UNIMPLEMENTED,
     "apparmor=unconfined"},
    {DOCKER_FIELD_HOST, "ShmSize", "-1", VIC_ERR_INVALID, "SHM size can not be less than 0"},
    {DOCKER_FIELD_HOST, "Tmpfs", "{\"run\":\"\"}", VIC_ERR_INVALID,
     "invalid mount path: 'run' mount path must be absolute"},
    {DOCKER_FIELD_HOST, "Tmpfs", "{\"/.\":\"\"}", VIC_ERR_INVALID, "destination can't be '/'"},
    {DOCKER_FIELD_HOST, "Tmpfs", "{\"/run\":\"size=1x\"}", VIC_ERR_INVALID,
     "invalid tmpfs option \"size=1x\""},
    {DOCKER_FIELD_HOST, "Tmpfs", "{\"/run\":1}", VIC_ERR_INVALID, "Tmpfs"},
    {DOCKER_FIELD_HOST, "Ulimits", "[{\"Name\":\"x\",\"Soft\":1,\"Hard\":1}]", VIC_ERR_INVALID,
     "invalid ulimit type: x"},
    {DOCKER_FIELD_HOST, "Ulimits", "[{\"Name\":\"cpu\",\"Soft\":2,\"Hard\":1}]", VIC_ERR_INVALID,
     "ulimit soft limit must be less than or equal to hard limit: cpu=2:1"},
    {DOCKER_FIELD_HOST, "Ulimits", "[{\"Name\":\"cpu\"},{\"Name\":\"cpu\"}]", VIC_ERR_INVALID,
     "cpu is given twice"},
    {DOCKER_FIELD_HOST, "Ulimits", "[1]", VIC_ERR_INVALID, "Ulimits"},
    {DOCKER_FIELD_HOST, "Sysctls", "{\"vm.swappiness\":\"1\"}", VIC_ERR_INVALID,
     "sysctl \"vm.swappiness\" is not in a separate kernel namespace"},
    {DOCKER_FIELD_HOST, "Sysctls", "{\"net./../x\":\"1\"}", VIC_ERR_INVALID, "net./../x"},
    {DOCKER_FIELD_HOST, "Sysctls", "{\"net.x\":1}", VIC_ERR_INVALID, "Sysctls"},
    {DOCKER_FIELD_HOST, "Memory", "6291455", VIC_ERR_INVALID,
     "Minimum memory limit allowed is 6MB"},
    {DOCKER_FIELD_HOST, "Memory", "-1", VIC_ERR_INVALID, "6MB"},
    {DOCKER_FIELD_HOST, "Memory", "\"1g\"", VIC_ERR_INVALID, "Memory"},
    {DOCKER_FIELD_HOST, "Memory", "6291456,\"MemorySwap\":6291457", VIC_ERR_UNIMPLEMENTED,
     "no swap in a VM"},
    {DOCKER_FIELD_HOST, "Memory", "6291457,\"MemorySwap\":6291456", VIC_ERR_INVALID,
     "Minimum memoryswap limit should be larger than memory limit"},
    {DOCKER_FIELD_HOST, "MemorySwap", "6291456", VIC_ERR_INVALID,
     "You should always set the Memory limit when using Memoryswap limit"},
    {DOCKER_FIELD_HOST, "Memory", "6291456,\"MemoryReservation\":6291457", VIC_ERR_INVALID,
     "can not be less than memory reservation limit"},
    {DOCKER_FIELD_HOST, "NanoCpus", "9999999", VIC_ERR_INVALID, "range of CPUs is from 0.01"},
    {DOCKER_FIELD_HOST, "NanoCpus", "10000000,\"CpuPeriod\":1000", VIC_ERR_INVALID,
     "Nano CPUs and CPU Period cannot both be set"},
    {DOCKER_FIELD_HOST, "CpuPeriod", "999", VIC_ERR_INVALID, "CPU cfs period can not be less"},
    {DOCKER_FIELD_HOST, "CpuQuota", "999", VIC_ERR_INVALID, "CPU cfs quota can not be less"},
    {DOCKER_FIELD_HOST, "CpusetCpus", "\"1-0\"", VIC_ERR_INVALID,
     "Invalid value 1-0 for cpuset cpus"},
    {DOCKER_FIELD_HOST, "CpuShares", "512", VIC_ERR_UNIMPLEMENTED, "CpuShares"},
    {DOCKER_FIELD_HOST, "Init", "1", VIC_ERR_INVALID, "Init"},
    {DOCKER_FIELD_HOST, "GroupAdd", "[\"\"]", VIC_ERR_INVALID, "GroupAdd: no group"},
    {DOCKER_FIELD_HOST, "OomScoreAdj", "1001", VIC_ERR_INVALID,
     "Invalid value 1001, range for oom score adj is [-1000, 1000]"},
    {DOCKER_FIELD_HOST, "MaskedPaths", "[\"rel\"]", VIC_ERR_INVALID, "absolute path"},
};

static void test_values_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad_values); i++) {
        struct vic_err err = {0};
        assert_true(
            check_field(bad_values[i].scope, bad_values[i].name, bad_values[i].value, &err) < 0);
        assert_int_equal(err.kind, bad_values[i].kind);
        assert_non_null(strstr(err.message, bad_values[i].says));
    }
}

/* What the merge of two configurations says under Config. */
static char *merged(const char *body_text, const char *image_text, struct vic_err *err)
{
    auto_json cJSON *body = cJSON_Parse(body_text);
    auto_json cJSON *image = cJSON_Parse(image_text);
    struct docker_create c = {0};
    struct vic_err check = {0};
    if (docker_convert_check(body, &check) < 0)
        fail_msg("%s", check.message);
    if (docker_convert_merge(body, image, &c, err) < 0)
        return NULL;
    char *text = json_print(c.config);
    docker_create_release(&c);
    return text;
}

static void test_merging(void **state)
{
    (void)state;
    static const char image[] =
        "{\"Env\":[\"PATH=/bin\",\"A=0\"],\"Cmd\":[\"c\"],\"Entrypoint\":[\"e\"],"
        "\"User\":\"u\",\"WorkingDir\":\"/w\",\"Labels\":{\"l\":\"i\",\"m\":\"i\"},"
        "\"StopSignal\":\"SIGINT\",\"ExposedPorts\":{\"1/tcp\":{}}}";
    static const struct {
        const char *body;
        const char *has;
        const char *has_not;
    } rows[] = {
        {"{\"Image\":\"x\"}", "\"Cmd\":[\"c\"],\"Entrypoint\":[\"e\"]", "?"},
        {"{\"Image\":\"x\",\"Cmd\":[\"d\"]}", "\"Entrypoint\":[\"e\"]", "[\"c\"]"},
        {"{\"Image\":\"x\",\"Entrypoint\":[\"f\"]}", "\"Entrypoint\":[\"f\"]", "Cmd"},
        {"{\"Image\":\"x\",\"Entrypoint\":\"f\",\"Cmd\":\"one\"}", "[\"f\"]", "[\"c\"]"},
        {"{\"Image\":\"x\",\"Entrypoint\":[\"\"],\"Cmd\":[\"d\"]}", "\"Entrypoint\":null", "\"e\""},
        {"{\"Image\":\"x\",\"Env\":[\"A=1\"]}", "\"Env\":[\"A=1\",\"PATH=/bin\"]", "A=0"},
        {"{\"Image\":\"x\",\"User\":\"v\"}", "\"User\":\"v\"", "\"u\""},
        {"{\"Image\":\"x\",\"Labels\":{\"l\":\"mine\"}}", "{\"l\":\"mine\",\"m\":\"i\"}", "?"},
        {"{\"Image\":\"x\"}", "\"WorkingDir\":\"/w\"", "?"},
        {"{\"Image\":\"x\"}", "\"StopSignal\":\"SIGINT\"", "?"},
        {"{\"Image\":\"x\",\"ExposedPorts\":{\"2/udp\":{}}}", "{\"2/udp\":{},\"1/tcp\":{}}", "?"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct vic_err err = {0};
        auto_free char *text = merged(rows[i].body, image, &err);
        assert_non_null(text);
        assert_non_null(strstr(text, rows[i].has));
        assert_null(strstr(text, rows[i].has_not));
    }
    struct vic_err err = {0};
    assert_null(merged("{\"Image\":\"x\"}", "{}", &err));
    assert_string_equal(err.message, "no command specified");
    assert_null(merged("{\"Image\":\"x\",\"Entrypoint\":[\"\"]}", image, &err));
}

/* A configuration with n entries more under the member. */
static cJSON *with_entries(const char *member, size_t n)
{
    cJSON *config = cJSON_Parse("{\"Image\":\"x\",\"Cmd\":[\"a\"]}");
    bool is_list = strcmp(member, "Env") == 0;
    cJSON *entries = is_list ? json_add_arr(config, member) : json_add_obj(config, member);
    for (size_t i = 0; i < n; i++) {
        auto_free char *name = vic_xasprintf("%zu", i);
        if (is_list)
            json_push_str(entries, name);
        else if (strcmp(member, "Labels") == 0)
            json_add_str(entries, name, "v");
        else
            (void)json_add_obj(entries, name);
    }
    return config;
}

static void test_what_is_merged_is_capped(void **state)
{
    (void)state;
    static const char *const members[] = {"Env", "ExposedPorts", "Labels", "Volumes"};
    for (size_t i = 0; i < 2 * ARRAY_SIZE(members); i++) {
        for (size_t n = 1000; n <= 1001; n++) {
            bool is_image = i % 2;
            auto_json cJSON *large = with_entries(members[i / 2], n);
            auto_json cJSON *small = with_entries(members[i / 2], 0);
            struct docker_create c = {0};
            struct vic_err err = {0};
            int r =
                docker_convert_merge(is_image ? small : large, is_image ? large : small, &c, &err);
            assert_int_equal(r == 0, n == 1000);
            docker_create_release(&c);
            if (r == 0)
                continue;
            auto_free char *want = vic_xasprintf("the %s's configuration has more than 1000 "
                                                 "entries in %s",
                                                 is_image ? "image" : "container", members[i / 2]);
            assert_int_equal(err.kind, VIC_ERR_INVALID);
            assert_string_equal(err.message, want);
        }
    }
}

static void test_the_port_layers_request(void **state)
{
    (void)state;
    auto_json cJSON *body = cJSON_Parse(
        "{\"Image\":\"x\",\"Cmd\":[\"a\",\"b\"],\"Tty\":true,\"OpenStdin\":true,\"StopTimeout\":3,"
        "\"Labels\":{\"l\":\"v\",\"image\":\"no\"},\"HostConfig\":{\"NetworkMode\":\"none\","
        "\"ExtraHosts\":[\"h=1.2.3.4\"],\"Dns\":[\"1.1.1.1\"],\"AutoRemove\":true}}");
    struct docker_create c = {0};
    struct vic_err err;
    assert_int_equal(docker_convert_check(body, &err), 0);
    assert_int_equal(docker_convert_merge(body, NULL, &c, &err), 0);
    auto_json cJSON *request = docker_convert_request(&c, "n", "sha256:1", "x", &err);
    auto_json cJSON *want = cJSON_Parse(
        "{\"hostname\":\"\",\"domainname\":\"\",\"process\":{\"args\":[\"a\",\"b\"],\"env\":[],"
        "\"cwd\":\"/\",\"user\":\"\",\"tty\":true,\"stdin\":true,\"stdin_once\":false},"
        "\"stop_signal\":\"SIGTERM\",\"stop_timeout_s\":3,\"networks\":[],\"dns\":[\"1.1.1.1\"],"
        "\"dns_search\":[],\"dns_options\":[],\"extra_hosts\":[\"h:1.2.3.4\"],"
        "\"auto_remove\":true,\"confine\":{}}");
    assert_true(cJSON_Compare(json_member(request, "spec"), want, true));
    auto_json cJSON *attributes = cJSON_Parse("{\"l\":\"v\",\"image\":\"x\"}");
    assert_true(cJSON_Compare(json_member(request, "event_attributes"), attributes, true));
    docker_create_release(&c);
}

/* What becomes of HostConfig's members on the way to the guest. */
static void test_confinement(void **state)
{
    (void)state;
    static const struct {
        const char *host, *want;
    } rows[] = {
        {"", "{}"},
        {"\"CapAdd\":[\"CHOWN\"]", "{}"}, /* has it already */
        {"\"CapAdd\":[\"SYS_TIME\"],\"CapDrop\":[\"ALL\"]",
         "{\"capabilities\":[\"CAP_SYS_TIME\"]}"},
        {"\"CapAdd\":[\"cap_kill\"],\"CapDrop\":[\"kill\",\"all\"]",
         "{\"capabilities\":[\"CAP_KILL\"]}"},
        {"\"CapDrop\":[\"all\"]", "{\"capabilities\":[]}"},
        {"\"Privileged\":true", "{\"privileged\":true}"},
        {"\"ReadonlyRootfs\":true", "{\"readonly_root\":true,\"writable_paths\":[\"/data\"]}"},
        {"\"Tmpfs\":{\"/run\":\"size=1m\"},\"ShmSize\":1024",
         "{\"tmpfs\":{\"/run\":\"size=1m\"},\"shm_bytes\":1024}"},
        {"\"Tmpfs\":{},\"ShmSize\":67108864", "{}"},
        {"\"Ulimits\":[{\"Name\":\"core\",\"Soft\":0,\"Hard\":-1}],\"OomScoreAdj\":-5",
         "{\"rlimits\":[{\"name\":\"core\",\"soft\":0,\"hard\":-1}],\"oom_score_adj\":-5}"},
        {"\"Sysctls\":{\"net.ipv4.ip_forward\":\"1\"},\"GroupAdd\":[\"audio\",\"7\"]",
         "{\"sysctls\":{\"net.ipv4.ip_forward\":\"1\"},\"groups\":[\"audio\",\"7\"]}"},
        {"\"Memory\":6291456,\"MemorySwap\":6291456,\"MemoryReservation\":6291456,\"PidsLimit\":9",
         "{\"memory_bytes\":6291456,\"memory_low_bytes\":6291456,\"pids_max\":9}"},
        {"\"NanoCpus\":1500000000,\"CpusetCpus\":\"0,1\",\"MemorySwap\":-1,\"PidsLimit\":-1",
         "{\"cpu_quota_us\":150000,\"cpuset\":\"0,1\"}"},
        {"\"CpuQuota\":5000,\"CpuPeriod\":10000",
         "{\"cpu_quota_us\":5000,\"cpu_period_us\":10000}"},
        {"\"NanoCpus\":10000000", "{\"cpu_quota_us\":1000}"},
        {"\"CpuQuota\":-1", "{}"},
        {"\"Init\":true", "{\"init\":true}"},
        {"\"Init\":false", "{}"},
        {"\"Sysctls\":{},\"GroupAdd\":[],\"Ulimits\":[]", "{}"},
        {"\"SecurityOpt\":[\"no-new-privileges\"]", "{\"no_new_privileges\":true}"},
        {"\"SecurityOpt\":[\"no-new-privileges=1\",\"no-new-privileges:false\"]", "{}"},
        {"\"MaskedPaths\":[],\"ReadonlyPaths\":[\"/a\"]",
         "{\"masked_paths\":[],\"readonly_paths\":[\"/a\"]}"},
    };
    auto_json cJSON *volumes = cJSON_Parse("{\"/data\":{}}");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *text = vic_xasprintf("{%s}", rows[i].host);
        auto_json cJSON *host = cJSON_Parse(text);
        struct vic_err err = {0};
        assert_non_null(host);
        assert_int_equal(docker_confine_check(host, &err), 0);
        auto_json cJSON *spec = docker_confine_spec(host, volumes);
        auto_free char *have = json_print(spec);
        assert_string_equal(have, rows[i].want);
        struct confine c;
        assert_int_equal(confine_from_json(spec, "c", &c, &err), 0);
        confine_release(&c);
    }
    auto_json cJSON *all = cJSON_Parse("{\"CapAdd\":[\"ALL\"],\"CapDrop\":[\"SYS_ADMIN\"]}");
    auto_json cJSON *spec = docker_confine_spec(all, NULL);
    struct confine c;
    assert_int_equal(confine_from_json(spec, "c", &c, NULL), 0);
    assert_true(c.capabilities == 0x1ffffdfffff);
    confine_release(&c);
}

static void test_the_restart_policy_of_the_request(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}",
         "{\"name\":\"on-failure\",\"max_retries\":3}"},
        {"{\"Name\":\"always\"}", "{\"name\":\"always\",\"max_retries\":0}"},
        {"{\"Name\":\"no\"}", "{\"name\":\"no\",\"max_retries\":0}"},
        {"{\"Name\":\"\"}", NULL},
        {"null", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *text = vic_xasprintf(
            "{\"Image\":\"x\",\"Cmd\":[\"a\"],\"HostConfig\":{\"RestartPolicy\":%s}}", rows[i][0]);
        auto_json cJSON *body = cJSON_Parse(text);
        struct docker_create c = {0};
        struct vic_err err;
        assert_int_equal(docker_convert_check(body, &err), 0);
        assert_int_equal(docker_convert_merge(body, NULL, &c, &err), 0);
        auto_json cJSON *request = docker_convert_request(&c, "n", "sha256:1", "x", &err);
        const cJSON *had = json_member(json_member(request, "spec"), "restart");
        auto_json cJSON *want = rows[i][1] ? cJSON_Parse(rows[i][1]) : NULL;
        assert_true(want ? cJSON_Compare(had, want, true) : had == NULL);
        docker_create_release(&c);
    }
}

static void test_what_is_remembered_is_capped(void **state)
{
    (void)state;
    auto_free char *value = vic_xalloc(PL_ANNOTATIONS_MAX + 1);
    memset(value, 'v', PL_ANNOTATIONS_MAX);
    auto_json cJSON *body = cJSON_Parse("{\"Image\":\"x\",\"Cmd\":[\"a\"]}");
    json_add_str(json_add_obj(body, "Labels"), "l", value);
    struct docker_create c = {0};
    struct vic_err err = {0};
    assert_int_equal(docker_convert_check(body, &err), 0);
    assert_int_equal(docker_convert_merge(body, NULL, &c, &err), 0);
    assert_null(docker_convert_request(&c, "n", "sha256:1", "x", &err));
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    assert_non_null(strstr(err.message, "more than 65536 bytes: shorten"));
    docker_create_release(&c);
}

static void test_image_volumes_are_warned_about(void **state)
{
    (void)state;
    auto_json cJSON *body =
        cJSON_Parse("{\"Image\":\"x\",\"Cmd\":[\"a\"],\"HostConfig\":{\"OomKillDisable\":true}}");
    auto_json cJSON *image = cJSON_Parse("{\"Volumes\":{\"/data\":{}}}");
    struct docker_create c = {0};
    struct vic_err err;
    assert_int_equal(docker_convert_check(body, &err), 0);
    assert_int_equal(docker_convert_merge(body, image, &c, &err), 0);
    assert_non_null(strstr(c.warnings[0], "/data"));
    assert_non_null(strstr(c.warnings[1], "OomKillDisable discarded"));
    assert_null(c.warnings[2]);
    assert_null(json_member(c.host_config, "OomKillDisable"));
    docker_create_release(&c);
}

static void test_exec_bodies(void **state)
{
    (void)state;
    struct vic_err err = {0};
    auto_free char *request = exec_request(
        "{\"cmd\":[\"sh\",\"-c\",\"x\"],\"Env\":[\"A=b\"],\"User\":\"u\",\"WorkingDir\":\"/w\","
        "\"Tty\":true,\"AttachStdin\":true,\"AttachStdout\":true,\"AttachStderr\":false,"
        "\"Privileged\":true,\"DetachKeys\":\"ctrl-p,ctrl-q\",\"ConsoleSize\":[24,80],"
        "\"Detach\":false}",
        &err);
    assert_string_equal(
        request,
        "{\"process\":{\"args\":[\"sh\",\"-c\",\"x\"],\"env\":[\"A=b\"],\"cwd\":\"/w\","
        "\"user\":\"u\",\"tty\":true,\"stdin\":true},\"privileged\":true,\"annotations\":{"
        "\"docker.exec\":\"{\\\"AttachStdin\\\":true,\\\"AttachStdout\\\":true,"
        "\\\"AttachStderr\\\":false,\\\"ConsoleSize\\\":[24,80],\\\"DetachKeys\\\":\\\"ctrl-p,ctrl-q\\\"}\"}}");
    auto_free char *least = exec_request("{\"Cmd\":\"one\"}", &err);
    assert_non_null(strstr(least, "\"args\":[\"one\"],\"cwd\":\"\",\"user\":\"\""));
    static const struct {
        const char *body;
        enum vic_err_kind kind;
        const char *says;
    } bad[] = {
        {"{}", VIC_ERR_INVALID, "No exec command specified"},
        {"{\"Cmd\":null}", VIC_ERR_INVALID, "No exec command specified"},
        {"{\"Cmd\":[{}]}", VIC_ERR_INVALID, "Cmd: expected an array of strings"},
        {"{\"Cmd\":[\"a\"],\"Env\":[\"\"]}", VIC_ERR_INVALID, "invalid environment variable"},
        {"{\"Cmd\":[\"a\"],\"Tty\":\"x\"}", VIC_ERR_INVALID, "Tty"},
        {"{\"Cmd\":[\"a\"],\"User\":1}", VIC_ERR_INVALID, "User"},
        {"{\"Cmd\":[\"a\"],\"WorkingDir\":\"w\"}", VIC_ERR_INVALID, "absolute path"},
        {"{\"Cmd\":[\"a\"],\"ConsoleSize\":[1,-1]}", VIC_ERR_INVALID,
         "ConsoleSize: expected [height, width]"},
        {"{\"Cmd\":[\"a\"],\"DetachKeys\":\"ctrl-,a\"}", VIC_ERR_INVALID,
         "Invalid escape keys (ctrl-,a) provided"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_null(exec_request(bad[i].body, &err));
        assert_int_equal(err.kind, bad[i].kind);
        assert_non_null(strstr(err.message, bad[i].says));
    }
}

#define EXEC(said) "{\"annotations\":{\"docker.exec\":\"" said "\"}}"

static void test_exec_start_bodies(void **state)
{
    (void)state;
    struct vic_err err = {0};
    struct docker_exec_start s;
    assert_int_equal(exec_start(NULL, "{}", &s, &err), 0);
    assert_false(s.is_detached || s.is_raw || s.width);
    assert_int_equal(exec_start("{\"Detach\":true,\"Tty\":true,\"ConsoleSize\":[24,80]}",
                                EXEC("{\\\"ConsoleSize\\\":[1,2]}"), &s, &err),
                     0);
    assert_true(s.is_detached && s.is_raw && s.width == 80 && s.height == 24);
    assert_int_equal(exec_start("{}", EXEC("{\\\"ConsoleSize\\\":[1,2]}"), &s, &err), 0);
    assert_true(s.width == 2 && s.height == 1);
    assert_int_equal(exec_start("{}", EXEC("{\\\"ConsoleSize\\\":\\\"damaged\\\"}"), &s, &err), 0);
    assert_int_equal(s.width, 0);
    assert_true(exec_start("{\"Detach\":1}", "{}", &s, &err) < 0);
    assert_true(exec_start("{\"ConsoleSize\":[1,65536]}", "{}", &s, &err) < 0);
    assert_string_equal(err.message, "ConsoleSize: expected [height, width]");
}

static void test_exec_failures_have_dockers_words(void **state)
{
    (void)state;
    static const struct {
        struct vic_err err;
        const char *words;
    } rows[] = {
        {{.kind = VIC_ERR_NOT_FOUND, .message = "exec: \"x\": executable file not found in $PATH"},
         "OCI runtime exec failed: exec failed: unable to start container process: exec: \"x\": "
         "executable file not found in $PATH: unknown"},
        {{.kind = VIC_ERR_INVALID, .message = "unable to find user u: no matching entries"},
         "unable to find user u: no matching entries"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *words = docker_exec_failure(&rows[i].err);
        assert_string_equal(words, rows[i].words);
    }
    const struct vic_err other = {.kind = VIC_ERR_CONFLICT,
                                  .message = "container x is not running"};
    assert_null(docker_exec_failure(&other));
}

static void test_names_and_signals(void **state)
{
    (void)state;
    static const char *const good[] = {"ab", "a-b.c_d", "0x"};
    static const char *const bad[] = {"", "a", "-ab", "a b", "a/b", "ä1", ".ab"};
    struct vic_err err;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(docker_name_check(good[i], &err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(docker_name_check(bad[i], &err) < 0);
    assert_string_equal(err.message, "Invalid container name (.ab), only "
                                     "[a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    static const char *const signals[] = {"9", "KILL", "SIGKILL", "sigusr1", "RTMIN+3", "64"};
    static const char *const none[] = {"0", "65", "SIG", "", "KILLS", "RTMIN+16", "-9"};
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        assert_true(docker_signal_is_valid(signals[i]));
    for (size_t i = 0; i < ARRAY_SIZE(none); i++)
        assert_false(docker_signal_is_valid(none[i]));
}

static void test_log_options_become_a_limit_and_details(void **state)
{
    (void)state;
    static const struct {
        const char *log, *spec, *details;
    } rows[] = {
        {"{}", NULL, ""},
        {"{\"Type\":\"json-file\",\"Config\":{\"max-file\":\"3\"}}", NULL, ""},
        {"{\"Config\":{\"max-size\":\"10k\",\"max-file\":\"3\"}}", "{\"max_bytes\":30000}", ""},
        {"{\"Config\":{\"max-size\":\"1.5M\"}}", "{\"max_bytes\":1500000}", ""},
        {"{\"Type\":\"local\"}", "{\"max_bytes\":100000000}", ""},
        {"{\"Type\":\"none\"}", "{\"max_bytes\":1000000}", ""},
        {"{\"Config\":{\"labels\":\"b,none,a\",\"env\":\"X,XY\"}}", NULL, "b=2,a=1,X=y,XY=z"},
    };
    auto_json cJSON *config = cJSON_Parse("{\"Labels\":{\"a\":\"1\",\"b\":\"2\"},"
                                          "\"Env\":[\"X=y\",\"XY=z\",\"Z=x\"]}");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_free char *text = vic_xasprintf("{\"LogConfig\":%s}", rows[i].log);
        auto_json cJSON *host = cJSON_Parse(text);
        auto_json cJSON *spec = docker_log_spec(host);
        auto_free char *said = spec ? json_print(spec) : NULL;
        auto_free char *details = docker_log_details(host, config);
        if (!vic_str_eq(said, rows[i].spec) || strcmp(details, rows[i].details) != 0)
            fail_msg("%s: %s '%s'", rows[i].log, said ? said : "none", details);
    }
}

/* They stand before each line: a short label that is named again and again is long too. */
static void test_log_details_are_short(void **state)
{
    (void)state;
    auto_buf struct vic_buf names = {0};
    for (size_t i = 0; i < 15000; i++)
        vic_buf_add_str(&names, i ? ",a" : "a");
    auto_free char *text =
        vic_xasprintf("{\"LogConfig\":{\"Config\":{\"labels\":\"%s\"}}}", vic_buf_str(&names));
    auto_json cJSON *host = cJSON_Parse(text);
    auto_json cJSON *short_host = cJSON_Parse("{\"LogConfig\":{\"Config\":{\"labels\":\"a,a\"}}}");
    auto_json cJSON *config = cJSON_Parse("{\"Labels\":{\"a\":\"1234567890\"}}");
    struct vic_err err = {0};
    assert_int_equal(docker_log_check_details(short_host, config, &err), 0);
    assert_true(docker_log_check_details(host, config, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    auto_free char *details = docker_log_details(host, config); /* of an older container */
    assert_int_equal(strlen(details), DOCKER_LOG_DETAILS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_options_become_a_limit_and_details),
        cmocka_unit_test(test_log_details_are_short),
        cmocka_unit_test(test_unserved_fields_say_nothing_or_are_refused),
        cmocka_unit_test(test_accepted_defaults_pass),
        cmocka_unit_test(test_values_are_checked),
        cmocka_unit_test(test_merging),
        cmocka_unit_test(test_what_is_merged_is_capped),
        cmocka_unit_test(test_the_port_layers_request),
        cmocka_unit_test(test_confinement),
        cmocka_unit_test(test_the_restart_policy_of_the_request),
        cmocka_unit_test(test_what_is_remembered_is_capped),
        cmocka_unit_test(test_image_volumes_are_warned_about),
        cmocka_unit_test(test_exec_bodies),
        cmocka_unit_test(test_exec_start_bodies),
        cmocka_unit_test(test_exec_failures_have_dockers_words),
        cmocka_unit_test(test_names_and_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
