#include "test/unit/tether_world.h"

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
#include "test/lib/tether_drive.h"
#include "tether/tether.h"

#define BUSYBOX "/bin/busybox"
#define NOFILE 1000 /* raising it would need CAP_SYS_RESOURCE */

char dir[] = "/tmp/test_tether_XXXXXX";
char *root;
char *output_path;
unsigned exec_grace_ms = EXEC_GRACE_MS;

/* ---- the tether under test, in a process of its own ------------------------------------------ */

static int prepare(const struct tether_config *c, struct vic_err *err)
{
    (void)c;
    (void)err;
    return 0;
}

static int confine(int cgroup_fd, const struct confine *c, struct vic_err *err)
{
    (void)cgroup_fd;
    (void)c;
    (void)err;
    return 0;
}

static bool was_oom_killed(void)
{
    return false;
}

/* Leaves a mark that the test looks for as soon as the acknowledgement is answered. */
static void settle(void)
{
    auto_free char *mark = vic_xasprintf("%s/settled", dir);
    auto_close int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        abort();
}

/* As the freezer of a cgroup, for the one process of the tests: 0, or it is not there. */
static int freeze(bool is_frozen)
{
    auto_free char *mark = vic_xasprintf("%s/frozen", dir);
    if (!is_frozen)
        return unlink(mark) < 0 ? -errno : 0;
    auto_close int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : 0;
}

static _Noreturn void be_tether(int rpc_fd)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves none behind */
    auto_free char *state = vic_xasprintf("%s/state", dir);
    auto_free char *copier = vic_xasprintf("%s/bin/copier", root);
    struct tether_machine machine = {.root = root,
                                     .copier = copier,
                                     .state_dir = state,
                                     .nofile = NOFILE,
                                     .cgroup_fd = -1,
                                     .exec_grace_ms = exec_grace_ms,
                                     .prepare = prepare,
                                     .confine = confine,
                                     .was_oom_killed = was_oom_killed,
                                     .freeze = freeze,
                                     .settle = settle};
    struct vic_err err = {0};
    struct tether *t = NULL;
    int out = open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    int r = unshare(CLONE_NEWNS) < 0 ? -errno : 0;
    (void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (r >= 0)
        r = tether_new(&machine, rpc_fd, out, &t, &err);
    if (r >= 0)
        r = tether_run(t);
    if (r < 0)
        (void)fprintf(stderr, "tether: %s\n", err.message);
    tether_free(t);
    free(root);
    free(output_path);
    exit(r < 0);
}

void begin(struct run *run)
{
    int pair[2];
    struct vic_err err = {0};
    *run = (struct run){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    run->pid = fork();
    if (run->pid == 0) {
        (void)close(pair[1]);
        (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
        be_tether(pair[0]);
    }
    (void)close(pair[0]);
    if (tether_drive_open(&run->drive, pair[1], &err) < 0)
        fail_msg("%s", err.message);
}

void call(struct run *run, const char *path, const char *body)
{
    struct vic_err err = {0};
    if (tether_drive_call(&run->drive, "POST", path, body, NULL, &err) < 0)
        fail_msg("%s: %s", path, err.message);
}

void call_fails(struct run *run, const char *path, const char *body, enum vic_err_kind kind,
                const char *message)
{
    struct vic_err err = {0};
    assert_true(tether_drive_call(&run->drive, "POST", path, body, NULL, &err) < 0);
    assert_string_equal(err.message, message);
    assert_int_equal(err.kind, kind);
}

void configure(struct run *run)
{
    call(run, "/v1/configure",
         "{\"hostname\":\"box\",\"domainname\":\"example\",\"disk\":\"rootfs\","
         "\"hosts\":\"127.0.0.1 localhost\\n\",\"resolv_conf\":\"nameserver 1.2.3.4\\n\"}");
}

/* Waits for tether to end and reads what it wrote. */
void finish(struct run *run)
{
    int status;
    assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    vic_buf_clear(&run->out);
    vic_buf_clear(&run->err);
    assert_int_equal(
        tether_drive_read_output(output_path, &run->out, &run->err, &run->exit, &run->pads), 0);
}

/* hello until the state is that. */
void await_state(struct run *run, const char *want)
{
    for (;;) {
        auto_json cJSON *doc = NULL;
        assert_int_equal(tether_drive_call(&run->drive, "GET", "/v1/hello", NULL, &doc, NULL), 0);
        if (vic_str_eq(json_str(doc, "state", ""), want))
            return;
        assert_string_equal(json_str(doc, "state", ""), "running");
        (void)usleep(2000); /* polling; what is tested has no event for it */
    }
}

/* Until that stands in the output file. */
void await_output(struct run *run, const char *want)
{
    do {
        (void)usleep(2000);
        vic_buf_clear(&run->out);
        vic_buf_clear(&run->err);
        assert_int_equal(
            tether_drive_read_output(output_path, &run->out, &run->err, &run->exit, &run->pads), 0);
    } while (!strstr(vic_buf_str(&run->out), want));
}

void end_run(struct run *run)
{
    await_state(run, "exited");
    auto_free char *mark = vic_xasprintf("%s/settled", dir);
    (void)unlink(mark);
    call(run, "/v1/ack", "{\"exit\":true}");
    assert_int_equal(vic_file_exists(mark),
                     1); /* the disk is clean before the host may pull the plug */
    finish(run);
}

void release(struct run *run)
{
    tether_drive_close(&run->drive);
    vic_buf_release(&run->out);
    vic_buf_release(&run->err);
    cJSON_Delete(run->exit);
}

/* args: the members of start's document, "args" among them. */
void run_to_end(struct run *run, const char *doc)
{
    begin(run);
    configure(run);
    call(run, "/v1/start", doc);
    end_run(run);
}

int exit_code(const struct run *run)
{
    return (int)json_i64(run->exit, "exit_code", -1);
}

void skip_unless_root(void)
{
    if (geteuid() != 0 || !root)
        skip();
}

/* ---- the root -------------------------------------------------------------------------------- */

static void write_file(const char *name, const char *text, mode_t mode)
{
    auto_free char *path = vic_xasprintf("%s%s", root, name);
    struct vic_err err = {0};
    if (vic_file_replace(path, text, strlen(text), mode, &err) < 0)
        fail_msg("%s", err.message);
}

int make_root(void **state)
{
    (void)state;
    struct vic_err err = {0};
    if (geteuid() != 0 || access(BUSYBOX, X_OK) < 0)
        return 0;
    if (!mkdtemp(dir))
        return -1;
    root = vic_xasprintf("%s/root", dir);
    output_path = vic_xasprintf("%s/output", dir);
    auto_free char *bin = vic_xasprintf("%s/bin", root);
    auto_free char *etc = vic_xasprintf("%s/etc", root);
    auto_free char *state_dir = vic_xasprintf("%s/state", dir);
    if (vic_file_mkdir_p(bin, 0755, &err) < 0 || vic_file_mkdir_p(etc, 0755, &err) < 0 ||
        vic_file_mkdir_p(state_dir, 0755, &err) < 0 || chmod(dir, 0755) < 0)
        return -1;
    auto_free char *command =
        vic_xasprintf("cp " BUSYBOX " %s/busybox && for i in $(" BUSYBOX
                      " --list); do ln -s busybox %s/$i; done 2>/dev/null; true",
                      bin, bin);
    if (system(command) != 0)
        return -1;
    write_file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
               0644);
    write_file("/etc/group", "root:x:0:\nwheel:x:10:root\napp:x:1000:\nstaff:x:50:app\n", 0644);
    write_file("/bin/badformat", "\1\2\3 no program\n", 0755);
    write_file(
        "/bin/copier",
        "#!" BUSYBOX " sh\n"
        "[ $3 != /refused ] || { echo '{\"kind\":\"forbidden\",\"message\":\"not this one\"}' >&2; "
        "exit 1; }\n"
        "exec " BUSYBOX " cat >$1$3\n",
        0755);
    write_file("/bin/nointerp", "#!/no/such/shell\n", 0755);
    /* As systemd leaves it: a link to where nothing is. */
    auto_free char *resolv = vic_xasprintf("%s/etc/resolv.conf", root);
    return symlink("../run/resolve/stub.conf", resolv);
}

int remove_root(void **state)
{
    (void)state;
    int r = root ? vic_file_remove_tree(dir, NULL) : 0;
    free(root);
    free(output_path);
    return r;
}
