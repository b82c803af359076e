/* What a container may do and see: read, checked, written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/confine/capability.h"
#include "lib/confine/confine.h"
#include "lib/confine/cpuset.h"

static int read_text(const char *text, struct confine *ret, struct vic_err *err)
{
    auto_json cJSON *doc = cJSON_Parse(text);
    assert_non_null(doc);
    return confine_from_json(doc, "c", ret, err);
}

static void test_nothing_is_dockers_default(void **state)
{
    (void)state;
    struct confine c;
    assert_int_equal(confine_from_json(NULL, "c", &c, NULL), 0);
    assert_true(c.capabilities == CONFINE_CAPABILITIES_DEFAULT);
    assert_false(c.is_privileged || c.no_new_privileges || c.has_masked_paths);
    auto_json cJSON *doc = confine_to_json(&c);
    assert_null(doc->child);
    confine_release(&c);
}

/* What is written is what was read. */
static void test_every_member_survives(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"privileged\":true,\"no_new_privileges\":true,\"init\":true}",
        "{\"capabilities\":[\"CAP_CHOWN\",\"CAP_CHECKPOINT_RESTORE\"]}",
        "{\"capabilities\":[]}",
        "{\"memory_bytes\":6291456,\"memory_low_bytes\":6291457,\"pids_max\":1,\"cpu_quota_us\":1000,"
        "\"cpu_period_us\":1000000,\"cpuset\":\"0-1\"}",
        "{\"masked_paths\":[],\"readonly_paths\":[\"/a\",\"/b\"]}",
        "{\"readonly_root\":true,\"writable_paths\":[\"/v\"],\"tmpfs\":{\"/a\":\"\",\"/a/b\":\"ro\"},"
        "\"shm_bytes\":1}",
        "{\"rlimits\":[{\"name\":\"nofile\",\"soft\":1,\"hard\":-1},{\"name\":\"as\",\"soft\":-1,"
        "\"hard\":-1}],\"sysctls\":{\"kernel.msgmax\":\"1\"},\"groups\":[\"a\",\"5\"],\"oom_score_adj\":-1000}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct confine c;
        struct vic_err err = {0};
        if (read_text(rows[i], &c, &err) < 0)
            fail_msg("%s", err.message);
        auto_json cJSON *doc = confine_to_json(&c);
        auto_free char *text = json_print(doc);
        assert_string_equal(text, rows[i]);
        confine_release(&c);
    }
}

static void test_what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"[]", "c: expected an object"},
        {"{\"priviledged\":true}", "c.priviledged: unknown member"},
        {"{\"privileged\":1}", "c.privileged"},
        {"{\"capabilities\":[\"CAP_X\"]}", "c.capabilities: unknown capability: \"CAP_X\""},
        {"{\"capabilities\":[\"ALL\"]}", "c.capabilities"},
        {"{\"capabilities\":\"CHOWN\"}", "c.capabilities"},
        {"{\"masked_paths\":[\"a\"]}", "c.masked_paths: not an absolute path: 'a'"},
        {"{\"masked_paths\":[1]}", "c.masked_paths"},
        {"{\"tmpfs\":{\"/proc/x\":\"\"}}", "inside /proc"},
        {"{\"tmpfs\":{\"a\":\"\"}}", "c.tmpfs: invalid mount path"},
        {"{\"tmpfs\":{\"/a\":1}}", "c.tmpfs"},
        {"{\"shm_bytes\":0}", "c.shm_bytes"},
        {"{\"rlimits\":[{\"name\":\"x\"}]}", "invalid ulimit type: x"},
        {"{\"rlimits\":[{\"name\":\"as\",\"soft\":-1,\"hard\":1}]}", "as=-1:1"},
        {"{\"rlimits\":[{\"name\":\"as\"},{\"name\":\"as\"}]}", "as is given twice"},
        {"{\"rlimits\":[7]}", "rlimits"},
        {"{\"sysctls\":{\"kernel.hostname\":\"1\"}}", "kernel.hostname"},
        {"{\"sysctls\":{\"net.x\":1}}", "c.sysctls"},
        {"{\"groups\":[\"\"]}", "c.groups"},
        {"{\"oom_score_adj\":-1001}", "c.oom_score_adj"},
        {"{\"memory_bytes\":1}", "c.memory_bytes: less than 6291456"},
        {"{\"pids_max\":-1}", "c.pids_max"},
        {"{\"cpu_period_us\":1000001}", "c.cpu_period_us"},
        {"{\"cpuset\":\"x\"}", "Invalid value x for cpuset cpus"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct confine c;
        struct vic_err err = {0};
        assert_true(read_text(rows[i].text, &c, &err) < 0);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
        if (!strstr(err.message, rows[i].says))
            fail_msg("%s, not %s", err.message, rows[i].says);
        confine_release(&c);
    }
}

static void test_lists_are_capped(void **state)
{
    (void)state;
    static const char *const members[] = {"capabilities", "masked_paths", "readonly_paths",
                                          "groups"};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        for (int n = CONFINE_LIST_MAX; n <= CONFINE_LIST_MAX + 1; n++) {
            auto_json cJSON *doc = json_new_obj();
            cJSON *list = json_add_arr(doc, members[i]);
            for (int k = 0; k < n; k++)
                json_push_str(list, i == 0 ? "CAP_KILL" : "/p");
            struct confine c;
            assert_int_equal(confine_from_json(doc, "c", &c, NULL) == 0, n == CONFINE_LIST_MAX);
            confine_release(&c);
        }
}

static void test_tmpfs_options_are_dockers(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        unsigned long flags;
        const char *data;
    } good[] = {
        {"", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""},
        {"rw,exec,suid,dev,size=64m,mode=1770,uid=1,gid=2", 0, "size=64m,mode=1770,uid=1,gid=2"},
        {"exec,noexec,ro,nr_inodes=1k", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
         "nr_inodes=1k"},
        {"size=50%", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=50%"},
    };
    static const char *const bad[] = {",",
                                      "size",
                                      "size=",
                                      "size=1kk",
                                      "mode=8",
                                      "uid=-1",
                                      "mpol=bind:0",
                                      "exec ",
                                      "size=1,,",
                                      "gid=0x1",
                                      "size=9999999999999999"};
    unsigned long flags;
    bool has_mode;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        auto_free char *data = NULL;
        assert_int_equal(confine_tmpfs_options(good[i].options, &flags, &data, &has_mode, NULL), 0);
        assert_int_equal(flags, good[i].flags);
        assert_string_equal(data, good[i].data);
        assert_int_equal(has_mode, strstr(data, "mode=") != NULL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        auto_free char *data = NULL;
        assert_true(confine_tmpfs_options(bad[i], &flags, &data, &has_mode, NULL) < 0);
    }
}

static void test_lists_of_processors(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ",", "0,", "1-0", "-1", "0-", "a", "1024", "0 1", "0--1"};
    unsigned highest = 0;
    assert_int_equal(confine_cpuset_highest("0-2,7,3", &highest, NULL), 0);
    assert_int_equal(highest, 7);
    assert_int_equal(confine_cpuset_highest("0", &highest, NULL), 0);
    assert_int_equal(highest, 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(confine_cpuset_highest(bad[i], &highest, NULL) < 0);
}

static void test_capabilities_have_names(void **state)
{
    (void)state;
    assert_int_equal(confine_capability_from_name("CAP_SYS_ADMIN"), 21);
    assert_int_equal(confine_capability_from_name("sys_admin"), 21);
    assert_int_equal(confine_capability_from_name("Cap_Checkpoint_Restore"), 40);
    static const char *const bad[] = {"", "CAP_", "ALL", "CAP_CAP_KILL", "SYS_ADMIN "};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(confine_capability_from_name(bad[i]) < 0);
    uint64_t mask = 0;
    for (unsigned i = 0; confine_capability_to_name(i); i++)
        mask |= UINT64_C(1) << confine_capability_from_name(confine_capability_to_name(i));
    assert_true(mask == CONFINE_CAPABILITIES_ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_dockers_default),
        cmocka_unit_test(test_every_member_survives),
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_lists_are_capped),
        cmocka_unit_test(test_tmpfs_options_are_dockers),
        cmocka_unit_test(test_lists_of_processors),
        cmocka_unit_test(test_capabilities_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
