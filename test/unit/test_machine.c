/* vic-machine without a host: names, endpoints, configurations, pid files, AppArmor's rule. */
#include <errno.h>
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
#include "vic-machine/apparmor.h"
#include "vic-machine/daemon.h"
#include "vic-machine/forward.h"
#include "vic-machine/listen_url.h"
#include "vic-machine/vch.h"

static char dir[] = "/tmp/test-machine.XXXXXX";

static char *write_in_dir(const char *name, const char *text)
{
    char *path = vic_xasprintf("%s/%s", dir, name);
    struct vic_err err;
    assert_int_equal(vic_file_replace(path, text, strlen(text), 0644, &err), 0);
    return path;
}

static void names_are_short_and_plain(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "work-1", "a.b_c", "0123456789012345678901234567890"};
    static const char *const bad[] = {"",   "-a",  ".a",       "a/b",
                                      "..", "a b", "\xc3\xa4", "01234567890123456789012345678901"};
    struct vic_err err;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(mach_name_check(good[i], &err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(mach_name_check(bad[i], &err), -EINVAL);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
    }
    assert_int_equal(mach_name_check(NULL, &err), -EINVAL);
}

static void endpoints_are_unix_or_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum vic_err_kind kind;
    } cases[] = {
        {"unix:///run/x.sock", VIC_ERR_NONE},
        {"unix://run/x.sock", VIC_ERR_INVALID},
        {"unix://", VIC_ERR_INVALID},
        {"tcp://127.0.0.1:2375", VIC_ERR_NONE},
        {"tcp://127.1.2.3:1", VIC_ERR_NONE},
        {"tcp://[::1]:2375", VIC_ERR_NONE},
        {"tcp://127.0.0.1", VIC_ERR_INVALID},
        {"tcp://127.0.0.1:0", VIC_ERR_INVALID},
        {"tcp://127.0.0.1:65536", VIC_ERR_INVALID},
        {"tcp://:2375", VIC_ERR_INVALID},
        {"tcp://0.0.0.0:2375", VIC_ERR_FORBIDDEN},
        {"tcp://localhost.example.org:2375", VIC_ERR_FORBIDDEN},
        {"tcp://[::]:2375", VIC_ERR_FORBIDDEN},
        {"http://127.0.0.1:1", VIC_ERR_INVALID},
        {"", VIC_ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct vic_err err = {0};
        (void)mach_listen_check(cases[i].url, &err);
        assert_int_equal(err.kind, cases[i].kind);
    }
    struct vic_err err;
    char longest[200] = "unix:///";
    memset(longest + 8, 'a', 107 - 1);
    assert_int_equal(mach_listen_check(longest, &err), 0);
    longest[8 + 107 - 1] = 'a';
    assert_int_equal(mach_listen_check(longest, &err), -EINVAL);
}

static void a_configuration_comes_back_as_it_was_saved(void **state)
{
    (void)state;
    struct vic_err err;
    auto_free char *datastore = vic_xasprintf("%s/v", dir);
    assert_int_equal(vic_file_mkdir_p(datastore, 0755, &err), 0);
    auto_vch struct mach_vch v = {
        .name = vic_xstrdup("v"),
        .id = vic_xstrdup("0123abcd"),
        .root = vic_xstrdup(dir),
        .datastore = vic_xstrdup(datastore),
        .run_dir = vic_xstrdup("/run/vic/0123abcd"),
        .listen = vic_xstrdup("unix:///run/vic/0123abcd/docker.sock"),
        .acceleration = vic_xstrdup("tcg"),
        .boot = vic_xstrdup("iso"),
        .default_memory_bytes = 1ull << 40,
        .disk_size_bytes = 1ull << 36,
        .default_cpus = 3,
        .insecure_registries = vic_strv_append(NULL, "reg:5000"),
    };
    assert_int_equal(mach_vch_save(&v, &err), 0);
    auto_vch struct mach_vch back = {0};
    assert_int_equal(mach_vch_load(dir, "v", &back, &err), 0);
    assert_string_equal(back.id, v.id);
    assert_string_equal(back.listen, v.listen);
    assert_string_equal(back.boot, "iso");
    assert_int_equal(back.default_memory_bytes, v.default_memory_bytes);
    assert_string_equal(back.insecure_registries[0], "reg:5000");
    assert_null(back.registry_mirrors);
    assert_int_equal(mach_vch_load(dir, "w", &back, &err), -ENOENT);
}

static void a_damaged_configuration_is_named(void **state)
{
    (void)state;
    struct vic_err err;
    struct mach_vch v;
    static const char *const texts[] = {"", "{", "[]", "{\"id\":\"zz\"}", "{\"id\":5}"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        auto_free char *path = write_in_dir("v/vch.json", texts[i]);
        assert_true(mach_vch_load(dir, "v", &v, &err) < 0);
        assert_non_null(strstr(err.message, "v/vch.json"));
    }
}

static void a_pid_file_names_one_process_and_no_other(void **state)
{
    (void)state;
    char text[64];
    (void)snprintf(text, sizeof(text), "%d 1\n", getpid()); /* our pid, somebody else's start */
    auto_free char *path = write_in_dir("x.pid", text);
    assert_int_equal(mach_daemon_find(path), 0);
    static const char *const wrong[] = {"", "x", "1 1", "-5 7", "99999999 5"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        auto_free char *p = write_in_dir("x.pid", wrong[i]);
        assert_int_equal(mach_daemon_find(p), 0);
    }
    struct vic_err err;
    assert_int_equal(mach_daemon_stop(path, 10, &err), 0); /* nothing runs: no error */
    assert_int_equal(vic_file_exists(path), 0);
}

static void apparmor_is_asked_for_its_rule_only_where_it_is_on(void **state)
{
    (void)state;
    auto_free char *on = write_in_dir("on", "Y\n");
    auto_free char *off = write_in_dir("off", "N\n");
    auto_free char *with = write_in_dir("with", "# ours\n  " MACH_APPARMOR_RULE "\n");
    auto_free char *without = write_in_dir("without", "# " MACH_APPARMOR_RULE "\n");
    assert_true(mach_apparmor_lacks_rule(on, without));
    assert_true(mach_apparmor_lacks_rule(on, "/nonexistent"));
    assert_false(mach_apparmor_lacks_rule(on, with));
    assert_false(mach_apparmor_lacks_rule(off, without));
    assert_false(mach_apparmor_lacks_rule("/nonexistent", without));
}

static void filters_that_drop_what_is_forwarded_are_named(void **state)
{
    (void)state;
#define CHAIN(family, table, hook, policy)                                                         \
    "{\"chain\":{\"family\":\"" family "\",\"table\":\"" table                                     \
    "\",\"name\":\"FORWARD\",\"hook\":\"" hook "\",\"policy\":\"" policy "\"}}"
    static const struct {
        const char *json;
        const char *wanted; /* NULL: nothing to say */
    } rows[] = {
        {"{\"nftables\":[{\"metainfo\":{}}," CHAIN("ip", "filter", "forward", "drop") "]}",
         "nft insert rule ip filter FORWARD iifname \"vb*\" accept"},
        {"{\"nftables\":[" CHAIN("inet", "fw", "forward", "drop") "]}", "'inet fw FORWARD'"},
        {"{\"nftables\":[" CHAIN("ip", "filter", "forward", "accept") "]}", NULL},
        {"{\"nftables\":[" CHAIN("ip", "filter", "input", "drop") "]}", NULL},
        {"{\"nftables\":[" CHAIN("ip6", "filter", "forward", "drop") "]}", NULL},
        {"{\"nftables\":[" CHAIN("inet", "vic_0123abcd", "forward", "drop") "]}", NULL},
        {"{\"nftables\":[{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"mine\"}}]}",
         NULL},
        {"{\"nftables\":{\"chain\":5}}", NULL},
        {"[]", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        auto_strv char **warnings = NULL;
        mach_forward_warnings(rows[i].json, &warnings);
        if (!rows[i].wanted) {
            assert_null(warnings);
            continue;
        }
        assert_int_equal(vic_strv_len(warnings), 1);
        assert_non_null(strstr(warnings[0], rows[i].wanted));
    }
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vic_file_remove_tree(dir, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_short_and_plain),
        cmocka_unit_test(endpoints_are_unix_or_loopback),
        cmocka_unit_test(a_configuration_comes_back_as_it_was_saved),
        cmocka_unit_test(a_damaged_configuration_is_named),
        cmocka_unit_test(a_pid_file_names_one_process_and_no_other),
        cmocka_unit_test(apparmor_is_asked_for_its_rule_only_where_it_is_on),
        cmocka_unit_test(filters_that_drop_what_is_forwarded_are_named),
    };
    return cmocka_run_group_tests_name("machine", tests, make_dir, remove_dir);
}
