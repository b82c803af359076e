/* lib/host without rpc: the worker pool, helper programs, listening sockets, digests. */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/host/digest.h"
#include "lib/host/listen.h"
#include "lib/host/loop.h"
#include "lib/host/work.h"

static char dir[] = "/tmp/vic-host-XXXXXX";

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

/* ---- work ---- */

static char order[64];

static int work_append(void *arg, struct vic_err *err)
{
    (void)err;
    size_t n = strlen(order);
    order[n] = *(const char *)arg;
    return *(const char *)arg;
}

static int work_fail(void *arg, struct vic_err *err)
{
    return vic_fail(err, VIC_ERR_CONFLICT, 0, "no %s", (const char *)arg);
}

static unsigned n_done;

static void on_appended(void *arg, int result, const struct vic_err *err)
{
    (void)err;
    assert_int_equal(result, *(const char *)arg);
    n_done++;
}

static void on_failed(void *arg, int result, const struct vic_err *err)
{
    (void)arg;
    assert_true(result < 0);
    assert_int_equal(err->kind, VIC_ERR_CONFLICT);
    assert_string_equal(err->message, "no luck");
    n_done++;
}

static void a_queue_keeps_its_order(void **state)
{
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    n_done = 0;
    memset(order, 0, sizeof(order));
    struct host_queue *q = host_queue_new(&loop);
    char letters[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; letters[i]; i++)
        host_queue_add(q, work_append, on_appended, &letters[i]);
    host_queue_free(q);
    host_work(&loop, work_fail, on_failed, (void *)(uintptr_t) "luck");
    host_loop_finish(&loop);
    assert_string_equal(order, letters);
    assert_int_equal(n_done, sizeof(letters));
    host_queue_free(NULL);
}

static void on_stop(void *arg)
{
    host_signals_free(*(struct host_signals **)arg);
}

static void a_signal_stops_the_loop(void **state)
{
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct host_signals *signals = NULL;
    signals = host_signals_new(&loop, on_stop, &signals);
    uv_ref((uv_handle_t *)signals); /* its first member is a handle: keeps the loop alive */
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    host_loop_finish(&loop);
}

/* ---- programs ---- */

#define LONG_MS 600000 /* who waits that long has been killed before */

static void a_program_gives_its_output(void **state)
{
    (void)state;
    const char *const argv[] = {"sh", "-c", "cat; echo out; echo noise >&2", NULL};
    auto_free char *out = NULL;
    assert_int_equal(host_run(argv, -1, LONG_MS, &out, NULL), 0);
    assert_string_equal(out, "out\n");
    auto_free char *path = vic_xasprintf("%s/in", dir);
    assert_int_equal(vic_file_replace(path, "fed ", 4, 0600, NULL), 0);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    auto_free char *fed = NULL;
    assert_int_equal(host_run(argv, fd, LONG_MS, &fed, NULL), 0);
    assert_string_equal(fed, "fed out\n");
}

static void a_failing_program_is_quoted(void **state)
{
    (void)state;
    const char *const argv[] = {
        "sh", "-c", "i=0; while [ $i -lt 500 ]; do echo line $i >&2; i=$((i+1)); done; exit 3",
        NULL};
    struct vic_err err;
    assert_true(host_run(argv, -1, LONG_MS, NULL, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_INTERNAL);
    assert_non_null(strstr(err.message, "(3)"));
    assert_non_null(strstr(err.message, "line 499"));
    assert_null(strstr(err.message, "line 100\n"));
    const char *const killed[] = {"sh", "-c", "kill -9 $$", NULL};
    assert_true(host_run(killed, -1, LONG_MS, NULL, &err) < 0);
    assert_non_null(strstr(err.message, "signal 9"));
    const char *const absent[] = {"/nonexistent/program", NULL};
    assert_true(host_run(absent, -1, LONG_MS, NULL, &err) < 0);
    assert_int_equal(err.code, ENOENT);
}

/* The pipe's end is that of all who have it. */
static void a_program_that_hangs_is_killed_with_its_children(void **state)
{
    (void)state;
    int pipe_of_all[2];
    char byte;
    const char *const argv[] = {"sh", "-c", "sleep 1000 & wait", NULL};
    struct vic_err err;
    assert_int_equal(pipe(pipe_of_all), 0);
    assert_true(host_run(argv, -1, 500, NULL, &err) < 0);
    assert_int_equal(err.code, ETIMEDOUT);
    (void)close(pipe_of_all[1]);
    assert_int_equal(read(pipe_of_all[0], &byte, 1), 0);
    (void)close(pipe_of_all[0]);
}

static void a_grandchild_that_keeps_the_pipe_is_not_waited_for(void **state)
{
    (void)state;
    auto_free char *fifo = vic_xasprintf("%s/until", dir);
    auto_free char *script = vic_xasprintf("read x <%s & echo done", fifo);
    const char *const argv[] = {"sh", "-c", script, NULL};
    auto_free char *out = NULL;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(host_run(argv, -1, LONG_MS, &out, NULL), 0);
    assert_string_equal(out, "done\n");
    auto_close int fd = open(fifo, O_WRONLY | O_CLOEXEC); /* now it may end */
    assert_true(fd >= 0);
}

static void output_past_the_cap_is_dropped(void **state)
{
    (void)state;
    const char *const argv[] = {"head", "-c", "3000000", "/dev/zero", NULL};
    auto_free char *out = NULL;
    assert_int_equal(host_run(argv, -1, LONG_MS, &out, NULL), 0);
}

/* ---- sockets ---- */

static void a_unix_socket_has_its_mode_and_replaces_a_stale_one(void **state)
{
    (void)state;
    auto_free char *path = vic_xasprintf("%s/sock", dir);
    struct vic_err err;
    for (int i = 0; i < 2; i++) { /* the second finds the first one's file */
        auto_close int fd = -1;
        assert_int_equal(host_listen_unix(path, 0660, getuid(), getgid(), &fd, &err), 0);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0660);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        int second = -1;
        assert_true(host_listen_unix(path, 0660, getuid(), getgid(), &second, &err) < 0);
        assert_int_equal(err.kind, VIC_ERR_CONFLICT);
    }
}

static void paths_that_cannot_be_sockets_are_told(void **state)
{
    (void)state;
    struct vic_err err;
    int fd = -1;
    char longest[120];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    assert_true(host_listen_unix(longest, 0600, getuid(), getgid(), &fd, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    auto_free char *file = vic_xasprintf("%s/file", dir);
    assert_int_equal(vic_file_replace(file, "x", 1, 0600, NULL), 0);
    assert_true(host_listen_unix(file, 0600, getuid(), getgid(), &fd, &err) < 0);
    assert_int_equal(err.code, EADDRINUSE);
    assert_int_equal(vic_file_exists(file), 1); /* no socket: not ours to remove */
    assert_true(host_listen_unix("/nonexistent/sock", 0600, getuid(), getgid(), &fd, &err) < 0);
    assert_int_equal(fd, -1);
}

static void tcp_takes_numeric_addresses_only(void **state)
{
    (void)state;
    struct vic_err err;
    auto_close int fd = -1;
    assert_int_equal(host_listen_tcp("127.0.0.1", 0, &fd, &err), 0);
    auto_close int refused = -1;
    assert_true(host_listen_tcp("localhost", 0, &refused, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    assert_true(host_listen_tcp("127.0.0.1.1", 0, &refused, &err) < 0);
}

static void inherited_sockets_are_counted_once(void **state)
{
    (void)state;
    int first = -1;
    assert_int_equal(host_listen_fds(&first), 0);
    static const char *const wrong[] = {"", "x", "-1", "100000", "1 "};
    char pid[16];
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(setenv("LISTEN_PID", pid, 1) | setenv("LISTEN_FDS", wrong[i], 1), 0);
        assert_int_equal(host_listen_fds(&first), 0);
    }
    assert_int_equal(setenv("LISTEN_PID", "1", 1) | setenv("LISTEN_FDS", "1", 1), 0);
    assert_int_equal(host_listen_fds(&first), 0);
    assert_null(getenv("LISTEN_FDS"));
    assert_int_equal(setenv("LISTEN_PID", pid, 1) | setenv("LISTEN_FDS", "0", 1), 0);
    assert_int_equal(host_listen_fds(&first), 0);
}

/* ---- digests ---- */

static void digests_are_known_ones(void **state)
{
    (void)state;
    static const char abc[] =
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char text[HOST_DIGEST_MAX];
    host_digest_of("abc", 3, text);
    assert_string_equal(text, abc);
    struct host_digest *d = host_digest_new();
    for (const char *p = "abc"; *p; p++)
        host_digest_update(d, p, 1);
    host_digest_finish(d, text);
    assert_string_equal(text, abc);
    host_digest_of(NULL, 0, text);
    assert_string_equal(text,
                        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_true(host_digest_is_valid(abc));
    assert_false(host_digest_is_valid(NULL));
    assert_false(host_digest_is_valid(abc + 1));
    assert_false(host_digest_is_valid("sha256:"));
    assert_false(host_digest_is_valid(
        "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"));
    assert_false(host_digest_is_valid(
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad/.."));
    host_digest_free(host_digest_new());
    host_digest_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_keeps_its_order),
        cmocka_unit_test(a_signal_stops_the_loop),
        cmocka_unit_test(a_program_gives_its_output),
        cmocka_unit_test(a_failing_program_is_quoted),
        cmocka_unit_test(a_program_that_hangs_is_killed_with_its_children),
        cmocka_unit_test(a_grandchild_that_keeps_the_pipe_is_not_waited_for),
        cmocka_unit_test(output_past_the_cap_is_dropped),
        cmocka_unit_test(a_unix_socket_has_its_mode_and_replaces_a_stale_one),
        cmocka_unit_test(paths_that_cannot_be_sockets_are_told),
        cmocka_unit_test(tcp_takes_numeric_addresses_only),
        cmocka_unit_test(inherited_sockets_are_counted_once),
        cmocka_unit_test(digests_are_known_ones),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
