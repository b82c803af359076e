/* tether's parts that need no container: users, programs, environment, documents, records. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tether/command.h"
#include "tether/env.h"
#include "tether/output.h"
#include "tether/processes.h"
#include "tether/spec.h"
#include "tether/stats.h"
#include "tether/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "broken\n"
                             ":x:7:7::/:\n"
                             "evil:x:99999999999:1::/:/bin/sh\n"
                             "neg:x:-1:1::/:/bin/sh\n"
                             "app:x:1000:1001:App:/home/app:/bin/sh\n"
                             "1234:x:5:5::/five:/bin/sh\n"
                             "nohome:x:6:6:::\n"
                             "last:x:8:8::/last:/bin/sh";
static const char group[] = "root:x:0:\nwheel:x:10:root,app\napps:x:1001:\nstaff:x:50:app\n"
                            "odd:x:x:app\nprefix:x:60:ap,appl\n";

static struct tether_user user;

static int resolve(const char *spec, struct vic_err *err)
{
    return tether_user_resolve(spec, passwd, sizeof(passwd) - 1, group, sizeof(group) - 1, &user,
                               err);
}

static void test_user_names_and_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        unsigned uid, gid;
        const char *home;
        size_t n_groups;
    } cases[] = {
        {"", 0, 0, "/root", 2},
        {"root", 0, 0, "/root", 2},
        {"app", 1000, 1001, "/home/app", 3},
        {"1000", 1000, 1001, "/home/app", 3},
        {"app:staff", 1000, 50, "/home/app", 1},
        {"app:77", 1000, 77, "/home/app", 1},
        {"4242", 4242, 0, "/", 1},
        {"4242:4243", 4242, 4243, "/", 1},
        {"1234", 1234, 0, "/", 1}, /* a number is an id, whatever names there are */
        {"nohome", 6, 6, "/", 1},
        {"last", 8, 8, "/last", 1},
        {":staff", 0, 50, "/root", 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct vic_err err = {0};
        assert_int_equal(resolve(cases[i].spec, &err), 0);
        assert_int_equal(user.uid, cases[i].uid);
        assert_int_equal(user.gid, cases[i].gid);
        assert_string_equal(user.home, cases[i].home);
        assert_int_equal(user.n_groups, cases[i].n_groups);
        assert_int_equal(user.groups[0], user.gid);
    }
}

static void test_user_errors_in_dockers_words(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *message;
    } cases[] = {
        {"nobody", "unable to find user nobody: no matching entries in passwd file"},
        {"evil", "unable to find user evil: no matching entries in passwd file"},
        {"ap", "unable to find user ap: no matching entries in passwd file"},
        {"app:none", "unable to find group none: no matching entries in group file"},
        {"-1", "uids and gids must be in range 0-2147483647"},
        {"2147483648", "uids and gids must be in range 0-2147483647"},
        {"0:-5", "uids and gids must be in range 0-2147483647"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct vic_err err = {0};
        assert_true(resolve(cases[i].spec, &err) < 0);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
    }
}

static void test_user_hostile_files(void **state)
{
    (void)state;
    struct vic_err err = {0};
    assert_int_equal(tether_user_resolve("", NULL, 0, NULL, 0, &user, &err), 0);
    assert_int_equal(user.uid, 0);
    assert_string_equal(user.home, "/");
    /* More groups than we hold. */
    auto_buf struct vic_buf many = {0};
    for (int i = 0; i < TETHER_GROUPS_MAX + 5; i++)
        vic_buf_addf(&many, "g%d:x:%d:app\n", i, 5000 + i);
    assert_true(tether_user_resolve("app", passwd, sizeof(passwd) - 1, many.data, many.len, &user,
                                    &err) < 0);
    /* A home that does not fit, bytes without a line end, NUL bytes, every prefix of a good file. */
    auto_buf struct vic_buf home = {0};
    vic_buf_add_str(&home, "u:x:1:1::/");
    for (int i = 0; i < 2 * TETHER_HOME_MAX; i++)
        vic_buf_add_char(&home, 'h');
    assert_int_equal(tether_user_resolve("u", home.data, home.len, NULL, 0, &user, &err), 0);
    assert_string_equal(user.home, "/");
    static const char nul[] = "u\0:x:1\0:1::/\0x:\nv:x:2:2::/v\0:";
    assert_int_equal(tether_user_resolve("v", nul, sizeof(nul) - 1, NULL, 0, &user, &err), 0);
    assert_string_equal(user.home, "/");
    for (size_t len = 0; len < sizeof(passwd); len++) {
        auto_free char *part = malloc(len + 1); /* exact, so that ASan sees an over-read */
        memcpy(part, passwd, len);
        part = realloc(part, len ? len : 1);
        (void)tether_user_resolve("last", part, len, group, sizeof(group) - 1, &user, &err);
    }
}

static void test_env_has_dockers_order_and_replaces_in_place(void **state)
{
    (void)state;
    auto_strv char **asked = vic_strv_split("B=1 PATH=/x B=2 C= TERM NOT", ' ');
    auto_strv char **env = tether_env_build(asked, "box", true);
    static const char *const want[] = {"PATH=/x", "HOSTNAME=box", "B=2", "C="};
    assert_int_equal(vic_strv_len(env), ARRAY_SIZE(want));
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        assert_string_equal(env[i], want[i]);
    assert_string_equal(tether_env_get(env, "B"), "2");
    assert_null(tether_env_get(env, "HOST"));
    auto_strv char **plain = tether_env_build(NULL, "h", true);
    assert_string_equal(plain[2], "TERM=xterm");
}

static void test_command_is_found_or_explained(void **state)
{
    (void)state;
    char file[PATH_MAX];
    struct vic_err err = {0};
    char dir[] = "/tmp/test_tether_XXXXXX";
    assert_non_null(mkdtemp(dir));
    auto_free char *plain = vic_xasprintf("%s/plain", dir);
    auto_free char *good = vic_xasprintf("%s/good", dir);
    auto_free char *sub = vic_xasprintf("%s/sub", dir);
    assert_int_equal(close(open(plain, O_CREAT | O_WRONLY, 0644)), 0);
    assert_int_equal(close(open(good, O_CREAT | O_WRONLY, 0755)), 0);
    assert_int_equal(mkdir(sub, 0755), 0);
    auto_free char *path = vic_xasprintf("/nonexistent:%s", dir);

    assert_int_equal(tether_command_find("good", path, file, &err), 0);
    assert_string_equal(file, good);
    assert_int_equal(tether_command_find(good, NULL, file, &err), 0);
    struct {
        const char *name;
        enum vic_err_kind kind;
        char *message;
    } cases[] = {
        {"foo", VIC_ERR_NOT_FOUND,
         vic_xstrdup("exec: \"foo\": executable file not found in $PATH")},
        {"plain", VIC_ERR_NOT_FOUND,
         vic_xstrdup("exec: \"plain\": executable file not found in $PATH")},
        {"/foo", VIC_ERR_NOT_FOUND,
         vic_xstrdup("exec: \"/foo\": stat /foo: no such file or directory")},
        {plain, VIC_ERR_FORBIDDEN, vic_xasprintf("exec: \"%s\": permission denied", plain)},
        {sub, VIC_ERR_FORBIDDEN, vic_xasprintf("exec: \"%s\": is a directory", sub)},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_true(tether_command_find(cases[i].name, path, file, &err) < 0);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.kind, cases[i].kind);
        free(cases[i].message);
    }
    assert_true(tether_command_fail("/x", ENOEXEC, &err) < 0);
    assert_string_equal(err.message, "exec /x: exec format error");
    assert_true(tether_command_find("good", NULL, file, &err) < 0);
    assert_int_equal(vic_file_remove_tree(dir, &err), 0);
}

static cJSON *parse(const char *text)
{
    cJSON *doc = NULL;
    assert_int_equal(json_parse(text, strlen(text), &doc, NULL), 0);
    return doc;
}

static void test_config_is_read_and_checked(void **state)
{
    (void)state;
    struct vic_err err = {0};
    struct tether_config c;
    auto_json cJSON *good =
        parse("{\"hostname\":\"h\",\"hosts\":\"a\\n\",\"disk\":\"rootfs\",\"interfaces\":[{\"mac\":"
              "\"52:54:00:aB:cd:ef\",\"address\":\"172.17.0.2/16\",\"gateway\":\"172.17.0.1\"}]}");
    assert_int_equal(tether_config_parse(good, &c, &err), 0);
    assert_int_equal(c.n_interfaces, 1);
    assert_int_equal(c.interfaces[0].mac[3], 0xab);
    assert_int_equal(c.interfaces[0].prefix_len, 16);
    assert_string_equal(c.domainname, "");
    assert_null(c.resolv_conf);
    tether_config_release(&c);
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"disk\":\"\"}",
        "{\"disk\":\"r\",\"hostnmae\":\"x\"}",
        "{\"disk\":\"r\",\"interfaces\":[{}]}",
        "{\"disk\":\"r\",\"interfaces\":[{\"mac\":\"52:54:00:ab:cd:e\",\"address\":\"1.2.3.4/8\"}]}",
        "{\"disk\":\"r\",\"interfaces\":[{\"mac\":\"52:54:00:ab:cd:ef\",\"address\":\"1.2.3.4\"}]}",
        "{\"disk\":\"r\",\"interfaces\":[{\"mac\":\"52:54:00:ab:cd:ef\",\"address\":\"1.2.3/8\"}]}",
        "{\"disk\":\"r\",\"interfaces\":[{\"mac\":\"52:54:00:ab:cd:ef\",\"address\":\"1.2.3.4/33\"}]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        auto_json cJSON *doc = parse(bad[i]);
        assert_true(tether_config_parse(doc, &c, &err) < 0);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
        tether_config_release(&c);
    }
    assert_true(tether_config_parse(NULL, &c, &err) < 0);
    tether_config_release(&c);
}

static void test_spec_is_read_and_checked(void **state)
{
    (void)state;
    struct vic_err err = {0};
    struct tether_spec s;
    auto_json cJSON *good = parse("{\"args\":[\"sh\",\"\"],\"env\":[\"A=b\"],\"tty\":true,"
                                  "\"console\":{\"width\":80,\"height\":25}}");
    assert_int_equal(tether_spec_parse(good, &s, &err), 0);
    assert_string_equal(s.cwd, "/");
    assert_string_equal(s.user, "");
    assert_true(s.has_tty);
    assert_int_equal(s.width, 80);
    tether_spec_release(&s);
    static const char *const bad[] = {
        "{}",
        "{\"args\":[]}",
        "{\"args\":[\"\"]}",
        "{\"args\":[1]}",
        "{\"args\":[\"a\"],\"cwd\":\"relative\"}",
        "{\"args\":[\"a\"],\"env\":[\"=x\"]}",
        "{\"args\":[\"a\"],\"tty\":1}",
        "{\"args\":[\"a\"],\"console\":{\"width\":70000}}",
        "{\"args\":[\"a\"],\"umask\":7}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        auto_json cJSON *doc = parse(bad[i]);
        assert_true(tether_spec_parse(doc, &s, &err) < 0);
        tether_spec_release(&s);
    }
}

static bool had_room;
static bool was_padded;

static void on_room(void *arg)
{
    (void)arg;
    had_room = true;
}

static void on_padded(void *arg)
{
    (void)arg;
    was_padded = true;
}

/* A pipe stands for a port: it fills, and drains when the host reads. */
static void test_output_stops_its_sources_and_loses_nothing(void **state)
{
    (void)state;
    static struct tether_output o;
    struct tether_loop loop;
    int fd[2];
    uint8_t chunk[TETHER_CHUNK_MAX];
    assert_int_equal(tether_loop_init(&loop), 0);
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    assert_int_equal(tether_output_init(&o, &loop, fd[1], on_room, on_padded, NULL), 0);
    size_t n_added = 0;
    while (tether_output_has_room(&o)) {
        memset(chunk, (int)n_added, sizeof(chunk));
        tether_output_add(&o, VIC_RECORD_STDOUT, chunk, sizeof(chunk));
        assert_true(++n_added < 100);
    }
    tether_output_pad(&o);
    auto_buf struct vic_buf got = {0};
    uint8_t data[65536];
    while (!was_padded) {
        ssize_t n = read(fd[0], data, sizeof(data));
        if (n > 0)
            vic_buf_add(&got, data, (size_t)n);
        (void)tether_loop_step(&loop, 0);
    }
    ssize_t n;
    while ((n = read(fd[0], data, sizeof(data))) > 0)
        vic_buf_add(&got, data, (size_t)n);
    size_t pads = 0;
    size_t records = 0;
    for (size_t at = 0; at < got.len;) {
        struct vic_record r;
        assert_int_equal(vic_record_decode((uint8_t *)got.data + at, got.len - at, &r), 1);
        at += VIC_RECORD_HEADER + r.len;
        pads += r.type == VIC_RECORD_PAD;
        if (r.type == VIC_RECORD_STDOUT)
            assert_int_equal((uint8_t)got.data[at - 1], (uint8_t)records++);
    }
    assert_int_equal(records, n_added);
    assert_int_equal(pads, TETHER_OUTPUT_PADS);
    (void)close(fd[0]);
    tether_output_add(&o, VIC_RECORD_STDOUT, chunk, sizeof(chunk)); /* the port is gone */
    assert_true(tether_output_is_empty(&o));
    tether_output_release(&o);
    (void)close(fd[1]);
    tether_loop_release(&loop);
}

/* ---- processes ---- */

static void test_processes_are_told_from_proc(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_tether.XXXXXX";
    assert_non_null(mkdtemp(dir));
    auto_free char *list = vic_xasprintf("%s/cgroup.procs", dir);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execlp("sleep", "a (b) 1\n", "600", (char *)NULL);
        _exit(1);
    }
    auto_free char *cmdline = vic_xasprintf("/proc/%d/cmdline", pid);
    auto_free char *args = NULL;
    do { /* until it has become what it is to be; its name is there before its arguments */
        free(TAKE_PTR(args));
        assert_int_equal(vic_file_read(cmdline, 4096, &args, NULL, NULL), 0);
    } while (strcmp(args, "a (b) 1\n") != 0);
    auto_free char *text = vic_xasprintf("%d\n%d\n0\n../1\n2147483647\n", getpid(), pid);
    assert_int_equal(vic_file_replace(list, text, strlen(text), 0600, NULL), 0);
    auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_json cJSON *doc = NULL;
    assert_int_equal(tether_processes("/proc", fd, &doc, NULL), 0);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_true(json_i64(doc, "memory_bytes", 0) > 1 << 20);
    const cJSON *processes = json_member(doc, "processes");
    assert_int_equal(cJSON_GetArraySize(processes), 2);
    const cJSON *me = cJSON_GetArrayItem(processes, 0);
    const cJSON *child = cJSON_GetArrayItem(processes, 1);
    assert_string_equal(json_str(child, "args", ""), "a (b) 1? 600");
    assert_int_equal(json_i64(child, "pid", 0), pid);
    assert_int_equal(json_i64(child, "ppid", 0), getpid());
    assert_int_equal(json_i64(child, "sid", 0), getsid(0));
    assert_int_equal(json_i64(child, "uid", -1), geteuid());
    assert_int_equal(json_i64(child, "gid", -1), getegid());
    assert_int_equal(json_i64(child, "threads", 0), 1);
    assert_true(json_i64(me, "age_ms", -1) < 600000);
    assert_true(json_i64(me, "rss_bytes", 0) >= 4096);
    assert_string_equal(json_str(me, "state", ""), "R");
    assert_int_equal(vic_file_remove_tree(dir, NULL), 0);
}

/* A folder that is no /proc, and files in it that a kernel would not write. */
static void test_processes_that_cannot_be_read_are_left_out(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_tether.XXXXXX";
    assert_non_null(mkdtemp(dir));
    static const char *const files[][2] = {
        {"cgroup.procs", "1\n2\n3\nx\n\n"},
        {"2/stat", "2 (cut"},
        {"3/stat", "3 (x) S 1 1 1 0"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        auto_free char *path = vic_xasprintf("%s/%s", dir, files[i][0]);
        auto_free char *folder = vic_xstrndup(path, (size_t)(strrchr(path, '/') - path));
        assert_int_equal(vic_file_mkdir_p(folder, 0700, NULL), 0);
        assert_int_equal(vic_file_replace(path, files[i][1], strlen(files[i][1]), 0600, NULL), 0);
    }
    auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_json cJSON *doc = NULL;
    assert_int_equal(tether_processes(dir, fd, &doc, NULL), 0);
    assert_int_equal(cJSON_GetArraySize(json_member(doc, "processes")), 0);
    struct vic_err err = {0};
    assert_true(tether_processes("/nowhere", fd, &doc, &err) < 0);
    assert_int_equal(vic_file_remove_tree(dir, NULL), 0);
}

static void test_stats_are_told_from_the_cgroup(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_tether.XXXXXX";
    assert_non_null(mkdtemp(dir));
    static const char *const files[][2] = {
        {"cpu.stat", "usage_usec 12\nuser_usec 9\nbroken\nhuge 99999999999999999999\n"},
        {"memory.current", "4096\n"},
        {"memory.max", "max\n"},
        {"memory.stat", "anon 1\nfile 2\n"},
        {"pids.current", "3\n"},
        {"pids.max", "77\n"},
        {"io.stat", "254:0 rbytes=1 wbytes=2 rios=3\n254:16 \n"},
        {"meminfo", "MemTotal:    8 kB\n"},
        {"self/net/dev", "Inter-|   Receive\n face |bytes\n"
                         "    lo: 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n"
                         "  eth0: 1 2 3 4 5 6 7 8 11 12 13 14 15 16 17 18\n cut: 1 2\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        auto_free char *path = vic_xasprintf("%s/%s", dir, files[i][0]);
        auto_free char *folder = vic_xstrndup(path, (size_t)(strrchr(path, '/') - path));
        assert_int_equal(vic_file_mkdir_p(folder, 0700, NULL), 0);
        assert_int_equal(vic_file_replace(path, files[i][1], strlen(files[i][1]), 0600, NULL), 0);
    }
    auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_json cJSON *doc = NULL;
    assert_int_equal(tether_stats(dir, fd, &doc, NULL), 0);
    assert_true(json_i64(doc, "clock_ns", 0) > 0);
    assert_true(json_i64(doc, "cpus", 0) > 0);
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "clock_ns");
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "cpus");
    auto_free char *text = json_print(doc);
    assert_string_equal(
        text, "{\"cpu\":{\"usage_usec\":12,\"user_usec\":9},"
              "\"memory\":{\"usage\":4096,\"limit\":8192,\"stats\":{\"anon\":1,\"file\":2}},"
              "\"pids\":{\"current\":3,\"limit\":77},"
              "\"io\":[{\"major\":254,\"minor\":0,\"read_bytes\":1,\"written_bytes\":2}],"
              "\"networks\":{\"eth0\":{\"rx_bytes\":1,\"rx_packets\":2,\"rx_errors\":3,"
              "\"rx_dropped\":4,\"tx_bytes\":11,\"tx_packets\":12,\"tx_errors\":13,"
              "\"tx_dropped\":14}}}");
    assert_int_equal(vic_file_remove_tree(dir, NULL), 0);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats_are_told_from_the_cgroup),
        cmocka_unit_test(test_processes_are_told_from_proc),
        cmocka_unit_test(test_processes_that_cannot_be_read_are_left_out),
        cmocka_unit_test(test_user_names_and_numbers),
        cmocka_unit_test(test_user_errors_in_dockers_words),
        cmocka_unit_test(test_user_hostile_files),
        cmocka_unit_test(test_env_has_dockers_order_and_replaces_in_place),
        cmocka_unit_test(test_command_is_found_or_explained),
        cmocka_unit_test(test_config_is_read_and_checked),
        cmocka_unit_test(test_spec_is_read_and_checked),
        cmocka_unit_test(test_output_stops_its_sources_and_loses_nothing),
    };
    return cmocka_run_group_tests_name("tether_parts", tests, NULL, NULL);
}
