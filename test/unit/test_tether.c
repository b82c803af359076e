/* Containers from their start to their end, as a tether runs them.  Skipped where we are not root. */
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
#include "tether/tether.h"

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_echo(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    run_to_end(&run, "{\"args\":[\"sh\",\"-c\",\"echo hi; echo oops >&2; exit 3\"]}");
    assert_string_equal(vic_buf_str(&run.out), "hi\n");
    assert_string_equal(vic_buf_str(&run.err), "oops\n");
    assert_int_equal(exit_code(&run), 3);
    assert_int_equal(run.pads, 0);
    release(&run);
}

/* What the process sees of itself: one line each. */
static void test_the_inside_is_dockers(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    run_to_end(&run,
               "{\"args\":[\"sh\",\"-c\",\"echo pid $$; hostname; cat /etc/hostname /etc/hosts "
               "/etc/resolv.conf; pwd; umask; ulimit -n; id; env | grep -v SHLVL | grep -v PWD; "
               "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|SigBlk|SigIgn' /proc/self/status; "
               "cat /proc/self/oom_score_adj; ls /dev; ls -l /proc/self/fd | wc -l; "
               "cat /proc/1/mountinfo | cut -d' ' -f5; "
               "echo x 2>/dev/null >/proc/sys/kernel/hostname || echo ro; "
               "wc -c </proc/keys; cat /proc/sys/kernel/domainname\"],"
               "\"cwd\":\"/made/here\",\"env\":[\"A=b\"]}");
    static const char *const want[] = {
        "pid 1\nbox\nbox\n127.0.0.1 localhost\nnameserver 1.2.3.4\n/made/here\n0022\n1000\n",
        "uid=0(root) gid=0(root) groups=0(root),10(wheel)\n",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
        "HOSTNAME=box\n",
        "HOME=/root\n",
        "A=b\n",
        "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n",
        "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\n",
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n",
        "\n0\ncore\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\n"
        "urandom\nzero\n",
        "\n/proc\n",
        "\n/sys/fs/cgroup\n",
        "\n/etc/hosts\n",
        "\nro\n0\nexample\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        if (!strstr(vic_buf_str(&run.out), want[i]))
            fail_msg("not found: '%s' in:\n%s\n%s", want[i], vic_buf_str(&run.out),
                     vic_buf_str(&run.err));
    assert_null(strstr(vic_buf_str(&run.out), dir)); /* the old root is out of sight */
    release(&run);
    /* The image's own files are as they were. */
    auto_free char *hosts = vic_xasprintf("%s/etc/hosts", root);
    struct stat st;
    assert_int_equal(stat(hosts, &st), 0);
    assert_int_equal(st.st_size, 0);
}

static void test_other_users(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    run_to_end(&run, "{\"args\":[\"sh\",\"-c\",\"id; echo $HOME; grep -E 'Cap(Prm|Eff|Bnd)' "
                     "/proc/self/status; echo again >/dev/stdout; echo e >/dev/stderr\"],"
                     "\"user\":\"app\"}");
    assert_string_equal(vic_buf_str(&run.out),
                        "uid=1000(app) gid=1000(app) groups=50(staff),1000(app)\n/home/app\n"
                        "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                        "CapBnd:\t00000000a80425fb\nagain\n");
    assert_string_equal(vic_buf_str(&run.err), "e\n");
    assert_int_equal(exit_code(&run), 0);
    release(&run);
}

static void test_every_exit_code_and_signal(void **state)
{
    (void)state;
    skip_unless_root();
    static const int codes[] = {0, 1, 2, 125, 126, 127, 128, 137, 254, 255};
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        struct run run;
        auto_free char *doc = vic_xasprintf("{\"args\":[\"sh\",\"-c\",\"exit %d\"]}", codes[i]);
        run_to_end(&run, doc);
        assert_int_equal(exit_code(&run), codes[i]);
        release(&run);
    }
    static const struct {
        int signal, exit_code;
        const char *script;
    } cases[] = {
        {9, 137, "echo up; sleep 1000"},
        {15, 7, "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done"},
        {10, 12, "trap 'exit 12' USR1; echo up; while :; do sleep 0.01; done"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct run run;
        begin(&run);
        configure(&run);
        auto_free char *doc = vic_xasprintf("{\"args\":[\"sh\",\"-c\",\"%s\"]}", cases[i].script);
        call_fails(&run, "/v1/signal", "{\"signal\":9}", VIC_ERR_CONFLICT, "nothing runs");
        call(&run, "/v1/start", doc);
        await_output(&run, "up\n"); /* until the trap is set */
        auto_free char *signal = vic_xasprintf("{\"signal\":%d}", cases[i].signal);
        call_fails(&run, "/v1/signal", "{\"signal\":0}", VIC_ERR_INVALID,
                   "signal: expected an integer from 1 to 64");
        call(&run, "/v1/signal", signal);
        end_run(&run);
        assert_int_equal(exit_code(&run), cases[i].exit_code);
        release(&run);
    }
}

static void test_what_cannot_start(void **state)
{
    (void)state;
    skip_unless_root();
    static const struct {
        const char *doc;
        enum vic_err_kind kind;
        const char *message;
    } cases[] = {
        {"{\"args\":[\"foo\"]}", VIC_ERR_NOT_FOUND,
         "exec: \"foo\": executable file not found in $PATH"},
        {"{\"args\":[\"/foo\"]}", VIC_ERR_NOT_FOUND,
         "exec: \"/foo\": stat /foo: no such file or directory"},
        {"{\"args\":[\"/etc/passwd\"]}", VIC_ERR_FORBIDDEN,
         "exec: \"/etc/passwd\": permission denied"},
        {"{\"args\":[\"/etc\"]}", VIC_ERR_FORBIDDEN, "exec: \"/etc\": is a directory"},
        {"{\"args\":[\"/bin/badformat\"]}", VIC_ERR_FORBIDDEN,
         "exec /bin/badformat: exec format error"},
        {"{\"args\":[\"/bin/nointerp\"]}", VIC_ERR_NOT_FOUND,
         "exec /bin/nointerp: no such file or directory"},
        {"{\"args\":[\"sh\"],\"user\":\"nonexistent\"}", VIC_ERR_INVALID,
         "unable to find user nonexistent: no matching entries in passwd file"},
        {"{\"args\":[\"sh\"],\"cwd\":\"/etc/passwd\"}", VIC_ERR_FORBIDDEN,
         "chdir to cwd (\"/etc/passwd\") set in config.json failed: not a directory"},
        {"{\"args\":[\"sh\"],\"tty\":true,\"user\":\"root:none\"}", VIC_ERR_INVALID,
         "unable to find group none: no matching entries in group file"},
    };
    struct run run;
    begin(&run);
    call_fails(&run, "/v1/start", "{\"args\":[\"sh\"]}", VIC_ERR_CONFLICT, "cannot start: idle");
    configure(&run);
    call_fails(&run, "/v1/configure", "{\"disk\":\"rootfs\"}", VIC_ERR_CONFLICT,
               "already configured");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        call_fails(&run, "/v1/start", cases[i].doc, cases[i].kind, cases[i].message);
    call_fails(&run, "/v1/ack", "{\"exit\":true}", VIC_ERR_CONFLICT, "nothing exited");
    call(&run, "/v1/shutdown", NULL);
    finish(&run);
    assert_null(run.exit);
    release(&run);
}

static void test_large_output_and_input(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    size_t len = 10u << 20;
    auto_free char *data = vic_xalloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    begin(&run);
    configure(&run);
    call(&run, "/v1/start", "{\"args\":[\"cat\"],\"stdin\":true}");
    struct vic_err err = {0};
    if (tether_drive_stdin(&run.drive, data, len / 2, false, &err) < 0 ||
        tether_drive_stdin(&run.drive, data + len / 2, len - len / 2, true, &err) < 0)
        fail_msg("%s", err.message);
    end_run(&run);
    assert_int_equal(run.out.len, len);
    assert_memory_equal(run.out.data, data, len);
    release(&run);
}

/* The bytes to the process go in batches: the last ones are fewer, and so may be all. */
static void test_a_copy_reaches_its_process_whole(void **state)
{
    (void)state;
    skip_unless_root();
    static const size_t lengths[] = {0, 1, 65535, 65536, (256u << 10) + 1, (3u << 20) + 7};
    struct run run;
    struct vic_err err = {0};
    auto_free char *data = vic_xalloc(4u << 20);
    for (size_t i = 0; i < 4u << 20; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    auto_free char *path = vic_xasprintf("%s/copied", root);
    begin(&run);
    configure(&run);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        auto_free char *copied = NULL;
        size_t len = 0;
        if (tether_drive_put(&run.drive, "/v1/copy?path=/copied", data, lengths[i], &err) < 0)
            fail_msg("%zu bytes: %s", lengths[i], err.message);
        assert_int_equal(vic_file_read(path, 8u << 20, &copied, &len, &err), 0);
        assert_int_equal(len, lengths[i]);
        assert_memory_equal(copied, data, len);
    }
    assert_true(tether_drive_put(&run.drive, "/v1/copy?path=/refused", data, 3u << 20, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_FORBIDDEN);
    assert_string_equal(err.message, "not this one");
    call(&run, "/v1/start", "{\"args\":[\"true\"]}");
    end_run(&run);
    release(&run);
}

static void test_stdin_that_nobody_reads(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    struct vic_err err = {0};
    static char data[1 << 20];
    begin(&run);
    configure(&run);
    call(&run, "/v1/start", "{\"args\":[\"sleep\",\"0.3\"],\"stdin\":true}");
    assert_true(tether_drive_stdin(&run.drive, data, sizeof(data), true, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_CONFLICT);
    end_run(&run);
    assert_int_equal(exit_code(&run), 0);
    release(&run);
    run_to_end(&run, "{\"args\":[\"sh\",\"-c\",\"cat; readlink /proc/self/fd/0\"]}");
    assert_string_equal(vic_buf_str(&run.out), "/dev/null\n");
    release(&run);
}

static void test_terminal(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    struct vic_err err = {0};
    begin(&run);
    configure(&run);
    call(&run, "/v1/start",
         "{\"args\":[\"sh\",\"-c\",\"tty; ls /dev/console; stty size; echo $TERM; id -u; read l; "
         "stty size; echo got $l >&2; exit 4\"],\"tty\":true,\"stdin\":true,\"user\":\"app\","
         "\"console\":{\"width\":101,\"height\":33}}");
    await_output(&run, "1000\r\n");
    call(&run, "/v1/resize", "{\"width\":77,\"height\":22}");
    if (tether_drive_stdin(&run.drive, "line\n", 5, true, &err) < 0)
        fail_msg("%s", err.message);
    end_run(&run);
    const char *out = vic_buf_str(&run.out);
    if (!vic_str_starts_with(out, "/dev/pts/0\r\n/dev/console\r\n"))
        fail_msg("%s", out);
    assert_non_null(strstr(out, "33 101\r\nxterm\r\n1000\r\n"));
    assert_true(vic_str_ends_with(out, "22 77\r\ngot line\r\n"));
    assert_int_equal(run.err.len, 0);
    assert_int_equal(exit_code(&run), 4);
    release(&run);
}

/* As an init does that closes what it was given and opens the console. */
static void test_a_terminal_may_be_closed_and_opened_again(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    struct vic_err err = {0};
    auto_free char *closed = vic_xasprintf("%s/closed", root);
    auto_free char *open = vic_xasprintf("%s/open", root);
    begin(&run);
    configure(&run);
    call(&run, "/v1/start",
         "{\"args\":[\"sh\",\"-c\",\"exec 0<&- 1>&- 2>&-; : >/closed; until [ -e /open ]; do sleep "
         "0.05; done; exec 0<>/dev/pts/0 1>&0 2>&0; echo again; read l; echo got $l; exit 4\"],"
         "\"tty\":true,\"stdin\":true}");
    while (vic_file_exists(closed) == 0)
        (void)usleep(2000);
    await_state(&run, "running");
    assert_int_equal(vic_file_replace(open, "", 0, 0600, NULL), 0);
    if (tether_drive_stdin(&run.drive, "line\n", 5, true, &err) < 0)
        fail_msg("%s", err.message);
    end_run(&run);
    assert_non_null(strstr(vic_buf_str(&run.out), "again\r\n"));
    assert_true(vic_str_ends_with(vic_buf_str(&run.out), "got line\r\n"));
    assert_int_equal(exit_code(&run), 4);
    release(&run);
    assert_int_equal(unlink(closed), 0);
    assert_int_equal(unlink(open), 0);
}

static void test_an_end_with_nobody_there_is_padded(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    begin(&run);
    configure(&run);
    call(&run, "/v1/start", "{\"args\":[\"sh\",\"-c\",\"sleep 0.1; echo bye; exit 9\"]}");
    (void)close(TAKE_FD(run.drive.fd));
    finish(&run);
    assert_string_equal(vic_buf_str(&run.out), "bye\n");
    assert_int_equal(exit_code(&run), 9);
    release(&run);
}

static void test_shutdown_kills_and_records(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    begin(&run);
    configure(&run);
    call(&run, "/v1/start", "{\"args\":[\"sleep\",\"1000\"]}");
    call_fails(&run, "/v1/resize", "{\"width\":1,\"height\":1}", VIC_ERR_CONFLICT, "no terminal");
    call(&run, "/v1/shutdown", NULL);
    finish(&run);
    assert_int_equal(exit_code(&run), 137);
    release(&run);
}

/* Children that outlive the entrypoint die with it and hold nothing up. */
static void test_orphans_do_not_hold_the_end_up(void **state)
{
    (void)state;
    skip_unless_root();
    struct run run;
    run_to_end(&run, "{\"args\":[\"sh\",\"-c\",\"(sleep 1000 &) ; setsid sleep 1000 & echo x\"]}");
    assert_string_equal(vic_buf_str(&run.out), "x\n");
    assert_int_equal(exit_code(&run), 0);
    release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_the_inside_is_dockers),
        cmocka_unit_test(test_other_users),
        cmocka_unit_test(test_every_exit_code_and_signal),
        cmocka_unit_test(test_what_cannot_start),
        cmocka_unit_test(test_large_output_and_input),
        cmocka_unit_test(test_a_copy_reaches_its_process_whole),
        cmocka_unit_test(test_stdin_that_nobody_reads),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_a_terminal_may_be_closed_and_opened_again),
        cmocka_unit_test(test_an_end_with_nobody_there_is_padded),
        cmocka_unit_test(test_shutdown_kills_and_records),
        cmocka_unit_test(test_orphans_do_not_hold_the_end_up),
    };
    return cmocka_run_group_tests_name("tether", tests, make_root, remove_root);
}
