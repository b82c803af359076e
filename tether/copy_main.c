/*
 * tether-copy ROOT stat|out|in|export|changes PATH [keep-kind] [sync] [owner=USER]
 *
 * stat and out write a line with copy_stat()'s document, out then the tar; export writes one of what is in PATH;
 * changes writes copy_changes()'s lines, whatever PATH is: all into the memory at descriptor COPY_RING_FD, with
 * stdout and stdin for its signs (copy_ring.h).  in reads a tar from stdin.  Anything that fails is told on stderr as
 * {"kind","message"}, with exit status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/banned.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tether/copy.h"
#include "tether/device.h"
#include "tether/user.h"

#define IMAGE_SERIAL "image" /* of the read-only disk that holds it */
#define IMAGE_DIR "/run/vic/image"

/* Flushed: the client may know it before the first file was read. */
static int do_stat(const char *path, struct copy_ring_in *out, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    int r = copy_stat(path, &doc, err);
    if (r < 0)
        return r;
    auto_free char *text = json_print(doc);
    if ((r = copy_ring_add(out, text, strlen(text), err)) < 0 ||
        (r = copy_ring_add(out, "\n", 1, err)) < 0)
        return r;
    return copy_ring_flush(out, err);
}

static int do_out(const char *path, struct copy_ring_in *out, struct vic_err *err)
{
    int r = do_stat(path, out, err);
    return r < 0 ? r : copy_out(path, out, err);
}

/* As the container's own processes are given their user. */
static int find_owner(const char *user, struct copy_in_options *o, struct vic_err *err)
{
    static struct tether_user found; /* too large for a stack frame */
    int r = tether_user_resolve_here(user, NULL, &found, err);
    o->has_owner = true;
    o->uid = found.uid;
    o->gid = found.gid;
    return r;
}

static int sync_disk(struct vic_err *err)
{
    auto_close int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root < 0 || syncfs(root) < 0 ? vic_fail_errno(err, errno, "sync the disk") : 0;
}

static int do_in(const char *path, char *const *words, struct vic_err *err)
{
    struct copy_in_options o = {0};
    bool syncs = false;
    int r = 0;
    for (; *words && r == 0; words++) {
        if (vic_str_eq(*words, "keep-kind"))
            o.keeps_kind = true;
        else if (vic_str_eq(*words, "sync"))
            syncs = true;
        else if (vic_str_starts_with(*words, "owner="))
            r = find_owner(*words + strlen("owner="), &o, err);
        else
            r = vic_fail(err, VIC_ERR_INVALID, 0, "unknown option: %s", *words);
    }
    if (r == 0)
        r = copy_in(path, STDIN_FILENO, &o, err);
    return r == 0 && syncs ? sync_disk(err) : r;
}

/* In a mount namespace of our own, so that it goes with us. */
static int mount_image(struct vic_err *err)
{
    char device[TETHER_DEVICE_PATH_MAX];
    int r = tether_device_find_disk(IMAGE_SERIAL, device, err);
    if (r < 0 || (r = vic_file_mkdir_p(IMAGE_DIR, 0700, err)) < 0)
        return r;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(device, IMAGE_DIR, "ext4", MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC, "noload") <
            0)
        return vic_fail_errno(err, errno, "mount the image");
    return 0;
}

static int do_changes(const char *root, struct copy_ring_in *out, struct vic_err *err)
{
    int r = mount_image(err);
    if (r < 0)
        return r;
    auto_close int now = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int before = open(IMAGE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (now < 0 || before < 0)
        return vic_fail_errno(err, errno, "open %s", now < 0 ? root : IMAGE_DIR);
    return copy_changes(now, before, out, err);
}

static int enter(const char *root, const char *path, struct vic_err *err)
{
    if (path[0] != '/')
        return vic_fail(err, VIC_ERR_INVALID, 0, "path: not absolute");
    if (chroot(root) < 0 || chdir("/") < 0)
        return vic_fail_errno(err, errno, "enter %s", root);
    (void)umask(0);
    return 0;
}

static const struct outward {
    const char *word;
    int (*copy)(const char *path, struct copy_ring_in *out, struct vic_err *err);
    bool is_outside; /* copy gets ROOT itself, and PATH means nothing */
} outwards[] = {
    {"stat", do_stat, false},
    {"out", do_out, false},
    {"export", copy_export, false},
    {"changes", do_changes, true},
};

static int run_outward(const struct outward *o, char *const *argv, struct vic_err *err)
{
    static struct copy_ring_in ring;
    int r = copy_ring_open(&ring, COPY_RING_FD, STDOUT_FILENO, STDIN_FILENO, err);
    (void)close(COPY_RING_FD);
    if (r == 0 && !o->is_outside)
        r = enter(argv[1], argv[3], err);
    if (r == 0)
        r = o->copy(o->is_outside ? argv[1] : argv[3], &ring, err);
    copy_ring_close(&ring);
    return r;
}

static int run(char *const *argv, struct vic_err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(outwards); i++)
        if (vic_str_eq(argv[2], outwards[i].word))
            return run_outward(&outwards[i], argv, err);
    if (!vic_str_eq(argv[2], "in"))
        return vic_fail(err, VIC_ERR_INVALID, 0, "unknown word: %s", argv[2]);
    int r = enter(argv[1], argv[3], err);
    return r < 0 ? r : do_in(argv[3], argv + 4, err);
}

int main(int argc, char **argv)
{
    struct vic_err err = {0};
    int r = argc >= 4 ? run(argv, &err)
                      : vic_fail(&err, VIC_ERR_INVALID, 0,
                                 "usage: tether-copy ROOT stat|out|in|export|changes PATH");
    if (r == 0)
        return 0;
    auto_json cJSON *doc = json_new_obj();
    json_add_str(doc, "kind", vic_err_kind_to_string(err.kind));
    json_add_str(doc, "message", err.message);
    auto_free char *text = json_print(doc);
    (void)vic_file_write_all(STDERR_FILENO, text, strlen(text));
    return 1;
}
