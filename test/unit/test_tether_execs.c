/* Processes beside a container's first one.  Skipped where we are not root. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "test/unit/tether_world.h"
#include "tether/exec.h"
#include "tether/tether.h"

/* ---- processes beside the first one ------------------------------------------------------------ */

#define EXEC_ID "e1ec0000000000000000000000000000000000000000000000000000000000"
#define SLEEPER "{\"args\":[\"sleep\",\"1000\"],\"env\":[\"OF=container\"]}"

/* n tells execs apart; members is the rest of the document. */
static char *exec_doc(unsigned n, const char *members)
{
    return vic_xasprintf("{\"id\":\"" EXEC_ID "%02x\",%s}", n, members);
}

static char *exec_path(unsigned n, const char *what)
{
    return vic_xasprintf("/v1/exec/" EXEC_ID "%02x/%s", n, what);
}

static void start_exec(struct run *run, unsigned n, const char *members)
{
    auto_free char *doc = exec_doc(n, members);
    call(run, "/v1/exec", doc);
}

/* Reads all output of it into the run's buffers; its exit code. */
static int read_exec(struct run *run, unsigned n)
{
    auto_free char *path = exec_path(n, "output");
    auto_json cJSON *doc = NULL;
    struct vic_err err = {0};
    vic_buf_clear(&run->out);
    vic_buf_clear(&run->err);
    if (tether_drive_records(&run->drive, path, &run->out, &run->err, &doc, &err) < 0)
        fail_msg("%s: %s", path, err.message);
    return (int)json_i64(doc, "exit_code", -1);
}

static int run_exec(struct run *run, unsigned n, const char *members)
{
    start_exec(run, n, members);
    return read_exec(run, n);
}

static void begin_with(struct run *run, const char *doc)
{
    begin(run);
    configure(run);
    call(run, "/v1/start", doc);
}

static void kill_and_end(struct run *run)
{
    call(run, "/v1/signal", "{\"signal\":9}");
    end_run(run);
    assert_int_equal(exit_code(run), 137);
    release(run);
}

static void test_an_exec_is_inside_the_container(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    begin_with(&run, SLEEPER);
    assert_int_equal(
        run_exec(&run, 1,
                 "\"args\":[\"sh\",\"-c\",\"echo oops >&2; cat /proc/1/cmdline | tr '\\\\0' ' '; "
                 "for i in mnt uts ipc pid cgroup; do [ $(readlink /proc/1/ns/$i) = $(readlink "
                 "/proc/self/ns/$i) ] && echo same $i; done; hostname; cat /etc/hosts; pwd; id; "
                 "echo $A $HOME $HOSTNAME; ls /proc/self/fd | wc -l; ulimit -n; "
                 "readlink /proc/self/fd/0; grep -E 'Cap(Prm|Eff|Bnd)|SigBlk' /proc/self/status; "
                 "cat /proc/self/oom_score_adj; exit 5\"],\"env\":[\"A=b\"],\"cwd\":\"/etc\""),
        5);
    static const char want[] =
        "sleep 1000 same mnt\nsame uts\nsame ipc\nsame pid\nsame cgroup\nbox\n"
        "127.0.0.1 localhost\n/etc\nuid=0(root) gid=0(root) groups=0(root),10(wheel)\n"
        "b /root box\n4\n1000\n/dev/null\nSigBlk:\t0000000000000000\n"
        "CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n0\n";
    assert_string_equal(vic_buf_str(&run.out), want);
    assert_string_equal(vic_buf_str(&run.err), "oops\n");
    assert_int_equal(run_exec(&run, 2, "\"args\":[\"id\"],\"user\":\"app\""), 0);
    assert_string_equal(vic_buf_str(&run.out),
                        "uid=1000(app) gid=1000(app) groups=50(staff),1000(app)\n");
    kill_and_end(&run);
}

static void test_confinement_is_as_asked(void **state)
{
    (void)state;
    skip_unless_root();
    static const struct {
        const char *confine, *script, *want;
    } rows[] = {
        {"\"capabilities\":[\"CAP_KILL\",\"CAP_CHOWN\"],\"no_new_privileges\":true",
         "grep -E 'Cap(Inh|Prm|Eff|Bnd)|NoNewPrivs' /proc/self/status",
         "CapInh:\t0000000000000000\nCapPrm:\t0000000000000021\nCapEff:\t0000000000000021\n"
         "CapBnd:\t0000000000000021\nNoNewPrivs:\t1\n"},
        {"\"capabilities\":[]", "grep CapEff /proc/self/status", "CapEff:\t0000000000000000\n"},
        {"\"masked_paths\":[\"/etc/passwd\",\"/absent\"],\"readonly_paths\":[\"/tmp\"]",
         "wc -c </etc/passwd; touch /tmp/x 2>/dev/null || echo ro", "0\nro\n"},
        {"\"masked_paths\":[],\"readonly_paths\":[]",
         "cut -d' ' -f5 /proc/self/mountinfo | grep -c ^/proc", "1\n"},
        {"\"readonly_root\":true,\"writable_paths\":[\"/data\"],\"tmpfs\":{\"/mnt\":\"size=64k,uid=5\","
         "\"/mnt/in\":\"mode=700\"},\"shm_bytes\":8192",
         "touch /x 2>/dev/null || echo ro; touch /data/x /mnt/x /dev/shm/x && echo rw; "
         "stat -c '%a %u' /mnt /mnt/in; df -k /dev/shm /mnt | tr -s ' ' | cut -d' ' -f2; "
         "grep '/etc/hosts ' /proc/self/mountinfo | grep -c ' ro,'",
         "ro\nrw\n1777 5\n700 0\n1K-blocks\n8\n64\n1\n"},
        {"\"tmpfs\":{\"/etc\":\"\"}", "ls /etc; cat /etc/hosts",
         "hostname\nhosts\nresolv.conf\n127.0.0.1 localhost\n"},
        {"\"rlimits\":[{\"name\":\"core\",\"soft\":0,\"hard\":0},{\"name\":\"nofile\",\"soft\":50,\"hard\":60}],"
         "\"groups\":[\"staff\",\"77\",\"0\"],\"oom_score_adj\":500,\"sysctls\":{\"kernel.msgmax\":\"4321\"}",
         "ulimit -c; ulimit -Sn; ulimit -Hn; id -G; cat /proc/self/oom_score_adj "
         "/proc/sys/kernel/msgmax",
         "0\n50\n60\n0 10 50 77\n500\n4321\n"},
        {"\"privileged\":true",
         "cut -d' ' -f5 /proc/self/mountinfo | grep -c ^/proc; "
         "grep -c '/sys.* ro,' /proc/self/mountinfo; [ -c /dev/kmsg ] && echo kmsg",
         "1\n0\nkmsg\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct run run;
        auto_free char *doc = vic_xasprintf("{\"args\":[\"sh\",\"-c\",\"%s\"],\"confine\":{%s}}",
                                            rows[i].script, rows[i].confine);
        run_to_end(&run, doc);
        assert_string_equal(vic_buf_str(&run.out), rows[i].want);
        release(&run);
    }
}

#define INIT "\"confine\":{\"init\":true}"

static void test_an_init_reaps_and_passes_signals_on(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    run_to_end(
        &run,
        "{\"args\":[\"sh\",\"-c\",\"cat /proc/1/comm; [ $$ != 1 ] && echo beside; cat <&0; "
        "(true &); while grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do :; done; "
        "[ -r /proc/1/mem ] && cat /proc/1/maps; grep SigBlk /proc/self/status; exit 7\"]," INIT
        "}");
    assert_string_equal(vic_buf_str(&run.out), "docker-init\nbeside\nSigBlk:\t0000000000000000\n");
    assert_int_equal(exit_code(&run), 7);
    release(&run);
    run_to_end(&run, "{\"args\":[\"sh\",\"-c\",\"kill -9 $$\"]," INIT "}");
    assert_int_equal(exit_code(&run), 137);
    release(&run);
    /* A program that handles nothing is not immune, as it would be as PID 1. */
    begin(&run);
    configure(&run);
    call(&run, "/v1/start", "{\"args\":[\"sleep\",\"1000\"]," INIT "}");
    call(&run, "/v1/signal", "{\"signal\":15}");
    end_run(&run);
    assert_int_equal(exit_code(&run), 143);
    release(&run);
    begin(&run);
    configure(&run);
    call_fails(&run, "/v1/start", "{\"args\":[\"foo\"]," INIT "}", VIC_ERR_NOT_FOUND,
               "exec: \"foo\": executable file not found in $PATH");
    call_fails(&run, "/v1/start", "{\"args\":[\"/bin/nointerp\"]," INIT "}", VIC_ERR_NOT_FOUND,
               "exec /bin/nointerp: no such file or directory");
    call(&run, "/v1/start",
         "{\"args\":[\"sh\",\"-c\",\"echo on; [ -t 0 ] && tty && exit 3\"],\"tty\":true," INIT "}");
    end_run(&run);
    assert_string_equal(vic_buf_str(&run.out), "on\r\n/dev/pts/0\r\n");
    assert_int_equal(exit_code(&run), 3);
    release(&run);
}

/* Not in what lies below a volume's own mount. */
static void test_a_volume_is_writable_from_within(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    run_to_end(&run, "{\"args\":[\"sh\",\"-c\",\"touch x && echo made >y && cat /data/y\"],"
                     "\"cwd\":\"/data\",\"confine\":{\"readonly_root\":true,"
                     "\"writable_paths\":[\"/data\"]}}");
    assert_string_equal(vic_buf_str(&run.out), "made\n");
    release(&run);
}

static void test_an_exec_is_confined_as_the_container(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    begin(&run);
    configure(&run);
    call_fails(&run, "/v1/start", "{\"args\":[\"sh\"],\"confine\":{\"umask\":1}}", VIC_ERR_INVALID,
               "confine.umask: unknown member");
    call_fails(&run, "/v1/start", "{\"args\":[\"sh\"],\"confine\":{\"groups\":[\"none\"]}}",
               VIC_ERR_INVALID, "unable to find group none: no matching entries in group file");
    call_fails(&run, "/v1/start",
               "{\"args\":[\"sh\"],\"confine\":{\"sysctls\":{\"net.none\":\"1\"}}}",
               VIC_ERR_INVALID, "set sysctl \"net.none\": No such file or directory");
    call(&run, "/v1/start",
         "{\"args\":[\"sleep\",\"1000\"],\"confine\":{\"capabilities\":[\"CAP_KILL\"]}}");
    assert_int_equal(run_exec(&run, 1, "\"args\":[\"grep\",\"CapEff\",\"/proc/self/status\"]"), 0);
    assert_string_equal(vic_buf_str(&run.out), "CapEff:\t0000000000000020\n");
    kill_and_end(&run);
}

static void test_a_privileged_exec_keeps_its_capabilities(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    begin_with(&run, SLEEPER);
    assert_int_equal(run_exec(&run, 1,
                              "\"args\":[\"grep\",\"CapEff\",\"/proc/self/status\"],"
                              "\"privileged\":true"),
                     0);
    auto_free char *own = NULL;
    assert_int_equal(vic_file_read("/proc/self/status", 65536, &own, NULL, NULL), 0);
    const char *line = strstr(own, "CapEff:");
    assert_non_null(line);
    assert_int_equal(strncmp(line, vic_buf_str(&run.out), run.out.len), 0);
    kill_and_end(&run);
}

static void test_execs_that_cannot_start(void **state)
{
    (void)state;
    skip_unless_root();
    static const struct {
        const char *members;
        enum vic_err_kind kind;
        const char *message;
    } cases[] = {
        {"\"args\":[\"foo\"]", VIC_ERR_NOT_FOUND,
         "exec: \"foo\": executable file not found in $PATH"},
        {"\"args\":[\"/etc/passwd\"]", VIC_ERR_FORBIDDEN,
         "exec: \"/etc/passwd\": permission denied"},
        {"\"args\":[\"/bin/nointerp\"]", VIC_ERR_NOT_FOUND,
         "exec /bin/nointerp: no such file or directory"},
        {"\"args\":[\"sh\"],\"user\":\"nonexistent\"", VIC_ERR_INVALID,
         "unable to find user nonexistent: no matching entries in passwd file"},
        {"\"args\":[\"sh\"],\"cwd\":\"/not/made\"", VIC_ERR_INVALID,
         "chdir to cwd (\"/not/made\") set in config.json failed: no such file or directory"},
        {"\"args\":[]", VIC_ERR_INVALID, "args: missing"},
        {"\"args\":[\"sh\"],\"x\":1", VIC_ERR_INVALID, "unknown member 'x'"},
    };
    struct run run;
    begin(&run);
    configure(&run);
    auto_free char *good = exec_doc(1, "\"args\":[\"true\"]");
    call_fails(&run, "/v1/exec", good, VIC_ERR_CONFLICT, "nothing runs");
    call(&run, "/v1/start", SLEEPER);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        auto_free char *doc = exec_doc(i, cases[i].members);
        call_fails(&run, "/v1/exec", doc, cases[i].kind, cases[i].message);
    }
    call_fails(&run, "/v1/exec", "{\"id\":\"x\",\"args\":[\"sh\"]}", VIC_ERR_INVALID,
               "id: expected 64 hex digits");
    auto_free char *resize = exec_path(1, "resize");
    call_fails(&run, resize, "{\"width\":1,\"height\":1}", VIC_ERR_NOT_FOUND,
               "no such process: '" EXEC_ID "01'");
    call(&run, "/v1/exec", good);
    call_fails(&run, "/v1/exec", good, VIC_ERR_CONFLICT, "'" EXEC_ID "01' is started already");
    call_fails(&run, resize, "{\"width\":1,\"height\":1}", VIC_ERR_CONFLICT, "no terminal");
    assert_int_equal(read_exec(&run, 1), 0);
    kill_and_end(&run);
}

static void test_streams_of_an_exec(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    struct vic_err err = {0};
    size_t len = 3u << 20;
    auto_free char *data = vic_xalloc(len);
    memset(data, 'x', len);
    auto_free char *input = exec_path(1, "stdin?close=1");
    begin_with(&run, SLEEPER);
    start_exec(&run, 1, "\"args\":[\"wc\",\"-c\"],\"stdin\":true");
    if (tether_drive_upload(&run.drive, input, data, len, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(read_exec(&run, 1), 0);
    assert_string_equal(vic_buf_str(&run.out), "3145728\n");
    assert_int_equal(run_exec(&run, 2, "\"args\":[\"head\",\"-c\",\"10000000\",\"/dev/zero\"]"), 0);
    assert_int_equal(run.out.len, 10000000);
    /* A terminal of its own, of a size. */
    auto_free char *typed = exec_path(3, "stdin?close=1");
    start_exec(&run, 3,
               "\"args\":[\"sh\",\"-c\",\"stty size; read l; stty size; tty >&2; exit 4\"],"
               "\"tty\":true,\"stdin\":true,\"console\":{\"width\":101,\"height\":33}");
    auto_free char *resize = exec_path(3, "resize");
    call(&run, resize, "{\"width\":77,\"height\":22}");
    if (tether_drive_upload(&run.drive, typed, "line\n", 5, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(read_exec(&run, 3), 4);
    assert_true(vic_str_ends_with(vic_buf_str(&run.out), "22 77\r\n/dev/pts/0\r\n"));
    kill_and_end(&run);
}

/* 64 KiB are in the pipe, the rest is written when somebody reads. */
static void test_output_waits_for_its_reader(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    begin_with(&run, "{\"args\":[\"sh\",\"-c\",\"while [ ! -e /done ]; do sleep 0.01; done; echo "
                     "early\"]}");
    start_exec(&run, 1,
               "\"args\":[\"sh\",\"-c\",\"head -c 200000 /dev/zero; touch /done; sleep 1000\"]");
    start_exec(&run, 2, "\"args\":[\"test\",\"-e\",\"/done\"]");
    assert_int_equal(read_exec(&run, 2), 1);
    /* The container's end is the exec's, which its reader hears. */
    assert_int_equal(read_exec(&run, 1), 137);
    assert_int_equal(run.out.len, 200000);
    end_run(&run);
    assert_int_equal(exit_code(&run), 0);
    auto_free char *mark = vic_xasprintf("%s/done", root);
    assert_int_equal(unlink(mark), 0);
    release(&run);
}

/* As Docker: a child that holds the output open is waited for, but not for ever. */
static void test_children_of_an_exec_do_not_hold_its_end_up(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    exec_grace_ms = 3600000;
    begin_with(&run, SLEEPER);
    assert_int_equal(
        run_exec(&run, 1, "\"args\":[\"sh\",\"-c\",\"(sleep 0.1; echo late) & exit 3\"]"), 3);
    assert_string_equal(vic_buf_str(&run.out), "late\n");
    kill_and_end(&run);
    exec_grace_ms = 1;
    begin_with(&run, SLEEPER);
    assert_int_equal(run_exec(&run, 1, "\"args\":[\"sh\",\"-c\",\"sleep 1000 & exit 3\"]"), 3);
    kill_and_end(&run);
    exec_grace_ms = EXEC_GRACE_MS;
}

/* They write as fast as they are read when nothing more is waited for. */
static void test_children_that_go_on_writing_do_not_either(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    begin_with(&run, SLEEPER);
    assert_int_equal(
        run_exec(&run, 1,
                 "\"args\":[\"sh\",\"-c\",\"(sleep 1.9; exec cat /dev/zero) & (sleep 1.9; "
                 "exec cat /dev/zero) & exit 3\"]"),
        3);
    assert_int_equal(
        run_exec(&run, 2,
                 "\"tty\":true,\"args\":[\"sh\",\"-c\",\"trap '' HUP; (sleep 1.9; exec yes) & "
                 "echo main; exit 5\"]"),
        5);
    assert_true(vic_str_starts_with(vic_buf_str(&run.out), "main\r\n"));
    kill_and_end(&run);
}

static void test_execs_at_once_are_capped(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    begin_with(&run, SLEEPER);
    for (unsigned i = 0; i < TETHER_EXECS_MAX; i++)
        start_exec(&run, i, "\"args\":[\"echo\",\"x\"]");
    auto_free char *doc = exec_doc(TETHER_EXECS_MAX, "\"args\":[\"true\"]");
    call_fails(
        &run, "/v1/exec", doc, VIC_ERR_UNAVAILABLE,
        "128 processes were started beside the container's own and run: wait for one to end");
    for (unsigned i = 0; i < TETHER_EXECS_MAX; i++)
        assert_int_equal(read_exec(&run, i), 0);
    call(&run, "/v1/exec", doc);
    kill_and_end(&run);
}

static bool tells_frozen(struct run *run)
{
    auto_json cJSON *doc = NULL;
    bool flag = false;
    assert_int_equal(tether_drive_call(&run->drive, "GET", "/v1/hello", NULL, &doc, NULL), 0);
    assert_true(cJSON_IsBool(json_member(doc, "frozen")));
    assert_int_equal(json_get_bool(doc, "", "frozen", &flag, NULL), 0);
    return flag;
}

static void test_a_container_is_frozen_and_thawed(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    auto_free char *mark = vic_xasprintf("%s/frozen", dir);
    auto_free char *exec = exec_doc(1, "\"args\":[\"true\"]");
    begin(&run);
    configure(&run);
    call_fails(&run, "/v1/freeze", "{\"frozen\":true}", VIC_ERR_CONFLICT, "nothing runs");
    call(&run, "/v1/start", SLEEPER);
    call_fails(&run, "/v1/freeze", "{}", VIC_ERR_INVALID, "frozen: missing");
    call_fails(&run, "/v1/freeze", "{\"frozen\":true,\"x\":1}", VIC_ERR_INVALID,
               "unknown member 'x'");
    call_fails(&run, "/v1/freeze", "{\"frozen\":false}", VIC_ERR_INTERNAL,
               "thaw the container: No such file or directory");
    assert_false(tells_frozen(&run));
    call(&run, "/v1/freeze", "{\"frozen\":true}");
    assert_int_equal(vic_file_exists(mark), 1);
    assert_true(tells_frozen(&run));
    call_fails(&run, "/v1/exec", exec, VIC_ERR_CONFLICT, "the container is frozen");
    call(&run, "/v1/freeze", "{\"frozen\":false}");
    assert_int_equal(vic_file_exists(mark), 0);
    assert_int_equal(run_exec(&run, 1, "\"args\":[\"true\"]"), 0);
    call(&run, "/v1/freeze", "{\"frozen\":true}");
    call(&run, "/v1/signal", "{\"signal\":9}");
    await_state(&run, "exited");
    assert_false(tells_frozen(&run)); /* what is dead is not frozen */
    call_fails(&run, "/v1/freeze", "{\"frozen\":false}", VIC_ERR_CONFLICT, "nothing runs");
    assert_int_equal(unlink(mark), 0);
    end_run(&run);
    assert_int_equal(exit_code(&run), 137);
    release(&run);
}

/* The port layer goes: what runs goes on with its stdin at its end, and its output nowhere. */
static void test_an_exec_outlives_its_reader(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    begin_with(&run, "{\"args\":[\"sh\",\"-c\",\"while [ ! -e /done ]; do sleep 0.01; done\"]}");
    start_exec(&run, 1,
               "\"args\":[\"sh\",\"-c\",\"cat; head -c 1000000 /dev/zero; touch /done\"],"
               "\"stdin\":true");
    (void)close(TAKE_FD(run.drive.fd));
    finish(&run);
    assert_int_equal(exit_code(&run), 0);
    auto_free char *mark = vic_xasprintf("%s/done", root);
    assert_int_equal(unlink(mark), 0);
    release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_exec_is_inside_the_container),
        cmocka_unit_test(test_confinement_is_as_asked),
        cmocka_unit_test(test_an_init_reaps_and_passes_signals_on),
        cmocka_unit_test(test_a_volume_is_writable_from_within),
        cmocka_unit_test(test_an_exec_is_confined_as_the_container),
        cmocka_unit_test(test_a_privileged_exec_keeps_its_capabilities),
        cmocka_unit_test(test_execs_that_cannot_start),
        cmocka_unit_test(test_streams_of_an_exec),
        cmocka_unit_test(test_output_waits_for_its_reader),
        cmocka_unit_test(test_children_of_an_exec_do_not_hold_its_end_up),
        cmocka_unit_test(test_children_that_go_on_writing_do_not_either),
        cmocka_unit_test(test_execs_at_once_are_capped),
        cmocka_unit_test(test_an_exec_outlives_its_reader),
        cmocka_unit_test(test_a_container_is_frozen_and_thawed),
    };
    return cmocka_run_group_tests_name("tether", tests, make_root, remove_root);
}
