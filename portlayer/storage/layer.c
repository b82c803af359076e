/* Makes layers with qemu-img, qemu-nbd and vic-layer, and puts them in place when they are complete. */
#include "portlayer/storage/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/id.h"
#include "lib/base/str.h"
#include "lib/json/json.h"
#include "portlayer/storage/room.h"
#include "portlayer/storage/spawn.h"

#define STALE_PREFIX "tmp-"
#define TOOL_TIMEOUT_MS 60000u
/* vic-layer says something five times a second; its last writes may take a while. */
#define STALL_TIMEOUT_MS 120000u
#define ROOM_EVERY_MS 200 /* is looked for while a layer is written */
#define LINE_MAX_BYTES 4096u
#define LAYER_OPTIONS "cluster_size=64k"
/* A new disk reads as zeros, so the tables count as cleared and the guest has none to clear.  Identifiers
 * are fixed: the same size gives the same bytes. */
#define BASE_FORMAT                                                                                \
    "mke2fs -q -F -t ext4 -b 4096 -I 256 -i 16384 -m 0 -J size=64 -L vic "                         \
    "-O 64bit,metadata_csum,^resize_inode -U 7669632d-6c61-4965-8273-000000000001 "                \
    "-E assume_storage_prezeroed=1,root_owner=0:0,"                                                \
    "hash_seed=7669632d-6c61-4965-8273-000000000002"

void pl_chain_id(const char *parent, const char *diff_id, char ret_chain[HOST_DIGEST_MAX])
{
    if (!parent) {
        (void)snprintf(ret_chain, HOST_DIGEST_MAX, "%s", diff_id);
        return;
    }
    auto_free char *both = vic_xasprintf("%s %s", parent, diff_id);
    host_digest_of(both, strlen(both), ret_chain);
}

/* A file's name has no colon: QEMU would take what is before it for a protocol. */
static char *layer_name(const struct pl_config *config, const char *chain_id)
{
    if (!chain_id)
        return vic_xasprintf("base-%ju.qcow2", (uintmax_t)config->disk_size_bytes);
    const char *colon = strchr(chain_id, ':');
    return vic_xasprintf("%s.qcow2", colon ? colon + 1 : chain_id);
}

char *pl_layer_path(const struct pl_config *config, const char *chain_id)
{
    auto_free char *name = layer_name(config, chain_id);
    return vic_xasprintf("%s/layers/%s", config->datastore, name);
}

/* Makes a finished temporary file everybody's to read and nobody's to change, then visible. */
static int put_in_place(const struct pl_config *config, const char *tmp, const char *path,
                        struct vic_err *err)
{
    auto_close int fd = open(tmp, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    auto_free char *dir = vic_xasprintf("%s/layers", config->datastore);
    if (fd < 0)
        return vic_fail_errno(err, errno, "open '%s'", tmp);
    if ((geteuid() == 0 && fchown(fd, 0, 0) < 0) || fchmod(fd, 0444) < 0 || fsync(fd) < 0)
        return vic_fail_errno(err, errno, "finish '%s'", tmp);
    if (rename(tmp, path) < 0)
        return vic_fail_errno(err, errno, "rename '%s'", tmp);
    return vic_file_sync_dir(dir, err);
}

static void unlink_p(char **path)
{
    if (*path)
        (void)unlink(*path);
    free(*path);
}
#define auto_unlink auto_(unlink_p)

/* ---- the base -------------------------------------------------------------------------------- */

static int format_base(const struct pl_config *config, const char *raw, const char *tmp,
                       struct vic_err *err)
{
    auto_free char *kib = vic_xasprintf("%juk", (uintmax_t)config->disk_size_bytes / 1024);
    auto_strv char **mke2fs = vic_strv_split(BASE_FORMAT, ' ');
    mke2fs = vic_strv_append(mke2fs, raw);
    mke2fs = vic_strv_append(mke2fs, kib);
    /* Images have none, and Docker shows none; e2fsck makes one when it needs it. */
    const char *const debugfs[] = {"debugfs", "-w", "-R", "rmdir lost+found", raw, NULL};
    const char *const convert[] = {"qemu-img", "convert",     "-f", "raw", "-O", "qcow2",
                                   "-o",       LAYER_OPTIONS, raw,  tmp,   NULL};
    int r = pl_spawn_run((const char *const *)mke2fs, "mke2fs", TOOL_TIMEOUT_MS, err);
    if (r == 0)
        r = pl_spawn_run(debugfs, "debugfs", TOOL_TIMEOUT_MS, err);
    if (r == 0)
        r = pl_spawn_run(convert, "qemu-img convert", TOOL_TIMEOUT_MS, err);
    return r;
}

int pl_layer_create_base(const struct pl_config *config, struct vic_err *err)
{
    auto_free char *path = pl_layer_path(config, NULL);
    int there = vic_file_exists(path);
    if (there != 0)
        return there > 0 ? 0 : vic_fail_errno(err, -there, "look for '%s'", path);
    /* Two jobs may come here at once: each makes its own. */
    struct vic_id id;
    vic_id_new(&id);
    auto_unlink char *raw =
        vic_xasprintf("%s/layers/" STALE_PREFIX "%.12s.raw", config->datastore, id.text);
    auto_unlink char *tmp =
        vic_xasprintf("%s/layers/" STALE_PREFIX "%.12s.qcow2", config->datastore, id.text);
    int r = format_base(config, raw, tmp, err);
    return r < 0 ? vic_fail_wrap(err, r, "make the base layer")
                 : put_in_place(config, tmp, path, err);
}

/* ---- one layer ------------------------------------------------------------------------------- */

struct job {
    const struct pl_config *config;
    const struct pl_layer_apply *apply;
    pid_t nbd_pid;
    pid_t worker_pid;
    int nbd_stderr;
    int worker_stdout;
    int worker_stderr;
    cJSON *result; /* vic-layer's last line */
};

static void job_release(struct job *j)
{
    pl_spawn_kill(j->worker_pid);
    pl_spawn_kill(j->nbd_pid);
    vic_close_p(&j->nbd_stderr);
    vic_close_p(&j->worker_stdout);
    vic_close_p(&j->worker_stderr);
    cJSON_Delete(j->result);
}

/* A listening socket and one connection waiting in it.  The name lives in a private folder for as long
 * as it takes, so nobody else can be first. */
static int make_sockets(const char *tmp, int *ret_listen, int *ret_client, struct vic_err *err)
{
    auto_free char *dir = vic_xasprintf("%s.d", tmp);
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return vic_fail_errno(err, errno, "make folder '%s'", dir);
    auto_close int dir_fd = open(dir, O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    auto_close int listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto_close int client_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/nbd", dir_fd);
    bool ok = dir_fd >= 0 && listen_fd >= 0 && client_fd >= 0 &&
              bind(listen_fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listen_fd, 1) == 0 &&
              connect(client_fd, (struct sockaddr *)&a, sizeof(a)) == 0;
    int code = errno;
    (void)unlinkat(dir_fd, "nbd", 0);
    (void)rmdir(dir);
    if (!ok)
        return vic_fail_errno(err, code, "connect to qemu-nbd");
    *ret_listen = TAKE_FD(listen_fd);
    *ret_client = TAKE_FD(client_fd);
    return 0;
}

static int create_file(const struct pl_config *config, const struct pl_layer_apply *apply,
                       const char *tmp, struct vic_err *err)
{
    auto_free char *backing = layer_name(config, apply->parent);
    (void)unlink(tmp);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f",          "qcow2", "-F", "qcow2",
                                "-b",       backing,  "-o", LAYER_OPTIONS, tmp,     NULL};
    int r = pl_spawn_run(argv, "qemu-img create", TOOL_TIMEOUT_MS, err);
    if (r < 0)
        return r;
    if (geteuid() == 0 && config->layer_uid != (uid_t)-1 &&
        chown(tmp, config->layer_uid, config->layer_gid) < 0)
        return vic_fail_errno(err, errno, "chown '%s'", tmp);
    return 0;
}

static int start_nbd(struct job *j, const char *tmp, int listen_fd, struct vic_err *err)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0)
        return vic_fail_errno(err, errno, "pipe");
    j->nbd_stderr = p[0];
    /* Unsafe while it is written: the file is flushed once, before it gets its name. */
    const char *const argv[] = {"qemu-nbd", "-f", "qcow2", "--cache=unsafe", tmp, NULL};
    const struct pl_spawn s = {
        .argv = argv,
        .fds = {-1, -1, p[1], listen_fd},
        .n_fds = 4,
        .uid = geteuid() == 0 ? j->config->layer_uid : (uid_t)-1,
        .gid = j->config->layer_gid,
        .is_activated = true,
    };
    pid_t pid = pl_spawn(&s, err);
    (void)close(p[1]);
    if (pid < 0)
        return pid;
    j->nbd_pid = pid;
    return 0;
}

static int start_worker(struct job *j, int blob_fd, int nbd_fd, struct vic_err *err)
{
    static const char *const media[] = {
        [OCI_TAR] = "none", [OCI_TAR_GZIP] = "gzip", [OCI_TAR_ZSTD] = "zstd"};
    int out[2];
    int log[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return vic_fail_errno(err, errno, "pipe");
    j->worker_stdout = out[0];
    if (pipe2(log, O_CLOEXEC) < 0) {
        (void)close(out[1]);
        return vic_fail_errno(err, errno, "pipe");
    }
    j->worker_stderr = log[0];
    auto_free char *program = vic_xasprintf("%s/vic-layer", j->config->libexec_dir);
    auto_free char *max = vic_xasprintf("%ju", (uintmax_t)j->config->disk_size_bytes);
    auto_free char *uid = vic_xasprintf("%u", j->config->layer_uid);
    auto_free char *gid = vic_xasprintf("%u", j->config->layer_gid);
    bool has_user = j->config->layer_uid != (uid_t)-1;
    const char *const argv[] = {program,
                                "--nbd-fd",
                                "3",
                                "--blob-fd",
                                "4",
                                "--media",
                                media[j->apply->compression],
                                "--max-bytes",
                                max,
                                has_user ? "--uid" : NULL,
                                uid,
                                "--gid",
                                gid,
                                NULL};
    const struct pl_spawn s = {
        .argv = argv,
        .fds = {-1, out[1], log[1], nbd_fd, blob_fd},
        .n_fds = 5,
        .uid = (uid_t)-1, /* it changes itself, once its libraries are loaded */
    };
    pid_t pid = pl_spawn(&s, err);
    (void)close(out[1]);
    (void)close(log[1]);
    if (pid < 0)
        return pid;
    j->worker_pid = pid;
    return 0;
}

/* A line of vic-layer's: progress, or the result, which is kept. */
static int take_line(struct job *j, const char *line, size_t len, struct vic_err *err)
{
    cJSON *doc;
    int r = json_parse(line, len, &doc, err);
    if (r < 0)
        return vic_fail_wrap(err, r, "vic-layer's answer");
    int64_t progress = json_i64(doc, "progress", -1);
    if (progress >= 0 && j->apply->on_progress)
        j->apply->on_progress((uint64_t)progress, j->apply->arg);
    if (progress < 0) {
        cJSON_Delete(j->result);
        j->result = TAKE_PTR(doc);
    }
    cJSON_Delete(doc);
    return 0;
}

/* Until vic-layer says something.  What it writes, and others beside it, must not fill the datastore. */
static int await_line(struct job *j, struct vic_err *err)
{
    uint64_t deadline = vic_clock_monotonic_ms() + STALL_TIMEOUT_MS;
    for (;;) {
        int r = pl_room_check(j->config->datastore, 0, err);
        if (r < 0)
            return r;
        struct pollfd p = {.fd = j->worker_stdout, .events = POLLIN};
        r = poll(&p, 1, ROOM_EVERY_MS);
        if (r != 0)
            return 0; /* the read says what is wrong */
        if (vic_clock_monotonic_ms() > deadline)
            return vic_fail(err, VIC_ERR_INTERNAL, ETIMEDOUT, "vic-layer makes no progress");
    }
}

/* Reads what vic-layer says until it closes its end. */
static int follow_worker(struct job *j, struct vic_err *err)
{
    char text[LINE_MAX_BYTES];
    size_t have = 0;
    for (;;) {
        int r = await_line(j, err);
        if (r < 0)
            return r;
        ssize_t n = read(j->worker_stdout, text + have, sizeof(text) - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vic_fail_errno(err, errno, "read from vic-layer");
        if (n == 0)
            return 0;
        have += (size_t)n;
        char *end;
        while ((end = memchr(text, '\n', have))) {
            size_t len = (size_t)(end - text);
            r = take_line(j, text, len, err);
            if (r < 0)
                return r;
            have -= len + 1;
            memmove(text, end + 1, have);
        }
        if (have == sizeof(text))
            return vic_fail(err, VIC_ERR_INTERNAL, EPROTO, "vic-layer's answer is too long");
    }
}

/* vic-layer's own words, or how it died. */
static int check_result(struct job *j, int exit_result, const struct vic_err *exit_err,
                        uint64_t *ret_size, struct vic_err *err)
{
    const cJSON *failure = json_member(j->result, "error");
    if (failure)
        return vic_fail(err, vic_err_kind_from_string(json_str(failure, "kind", "internal")),
                        (int)json_i64(failure, "code", 0), "%s", json_str(failure, "message", ""));
    if (exit_result < 0 || !j->result) {
        if (exit_result < 0 && err)
            *err = *exit_err;
        return exit_result < 0 ? exit_result
                               : vic_fail(err, VIC_ERR_INTERNAL, EPROTO, "no answer of vic-layer");
    }
    const char *diff_id = json_str(j->result, "diff_id", "");
    if (!vic_str_eq(diff_id, j->apply->diff_id))
        return vic_fail(err, VIC_ERR_INVALID, 0, "the layer unpacks to '%s', its image says '%s'",
                        diff_id, j->apply->diff_id);
    *ret_size = (uint64_t)json_i64(j->result, "bytes", 0);
    return 0;
}

static int wait_both(struct job *j, uint64_t *ret_size, struct vic_err *err)
{
    struct vic_err exit_err = {0};
    int r = follow_worker(j, err);
    if (r < 0)
        return r;
    pid_t pid = j->worker_pid;
    j->worker_pid = 0;
    int exited = pl_spawn_wait(pid, "vic-layer", j->worker_stderr, TOOL_TIMEOUT_MS, &exit_err);
    r = check_result(j, exited, &exit_err, ret_size, err);
    if (r < 0 && r != -EIO && r != -ECONNRESET && r != -EPIPE && r != -ENOTCONN)
        return r;
    /* qemu-nbd knows better why a disk failed. */
    pid = j->nbd_pid;
    j->nbd_pid = 0;
    struct vic_err nbd_err = {0};
    int nbd = pl_spawn_wait(pid, "qemu-nbd", j->nbd_stderr, TOOL_TIMEOUT_MS, &nbd_err);
    if (nbd < 0 && err)
        *err = nbd_err;
    return nbd < 0 ? nbd : r;
}

int pl_layer_apply(const struct pl_config *config, const struct pl_layer_apply *apply,
                   uint64_t *ret_size, struct vic_err *err)
{
    auto_free char *path = pl_layer_path(config, apply->chain_id);
    auto_free char *name = layer_name(config, apply->chain_id);
    auto_unlink char *tmp = vic_xasprintf("%s/layers/" STALE_PREFIX "%s", config->datastore, name);
    auto_(job_release) struct job j = {.config = config,
                                       .apply = apply,
                                       .nbd_stderr = -EBADF,
                                       .worker_stdout = -EBADF,
                                       .worker_stderr = -EBADF};
    uint64_t size = 0;
    auto_close int blob_fd = open(apply->blob_path, O_RDONLY | O_CLOEXEC);
    if (blob_fd < 0)
        return vic_fail_errno(err, errno, "open '%s'", apply->blob_path);
    int r = pl_room_check(config->datastore, 0, err);
    if (r == 0)
        r = create_file(config, apply, tmp, err);
    if (r < 0)
        return r;
    auto_close int listen_fd = -EBADF;
    auto_close int nbd_fd = -EBADF;
    r = make_sockets(tmp, &listen_fd, &nbd_fd, err);
    if (r == 0)
        r = start_nbd(&j, tmp, listen_fd, err);
    if (r == 0)
        r = start_worker(&j, blob_fd, nbd_fd, err);
    if (r < 0)
        return r;
    /* Only the children hold them now: each sees when the other is gone. */
    vic_close_p(&listen_fd);
    vic_close_p(&nbd_fd);
    listen_fd = nbd_fd = -EBADF;
    r = wait_both(&j, &size, err);
    if (r == 0)
        r = put_in_place(config, tmp, path, err);
    if (r == 0)
        *ret_size = size;
    return r;
}

int pl_layer_remove_stale(const char *layers_dir, struct vic_err *err)
{
    DIR *d = opendir(layers_dir);
    if (!d)
        return errno == ENOENT ? 0 : vic_fail_errno(err, errno, "open folder '%s'", layers_dir);
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        if (!vic_str_starts_with(e->d_name, STALE_PREFIX))
            continue;
        auto_free char *path = vic_xasprintf("%s/%s", layers_dir, e->d_name);
        r = vic_file_remove_tree(path, err);
    }
    (void)closedir(d);
    return r;
}
