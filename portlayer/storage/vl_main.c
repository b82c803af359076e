/* vic-layer: one layer, from a blob to the disk behind an NBD socket; both come as open descriptors. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/opts.h"
#include "lib/base/str.h"
#include "lib/json/json.h"
#include "portlayer/storage/vl_sandbox.h"
#include "portlayer/storage/vl_tar.h"

#define MAX_BYTES_DEFAULT (UINT64_C(64) << 30)
#define PROGRESS_EVERY_MS 200

struct options {
    uint64_t nbd_fd;
    uint64_t blob_fd;
    uint64_t uid;
    uint64_t gid;
    uint64_t max_bytes;
    enum vl_media media;
};

struct progress {
    uint64_t last_ms;
};

struct summary {
    char diff_id[VL_DIGEST_TEXT_MAX];
    uint64_t n_entries;
    uint64_t n_bytes;
};

static int parse_number(const char *name, const char *text, uint64_t max, uint64_t *ret,
                        struct vic_err *err)
{
    if (!text || vic_str_to_u64(text, 0, max, ret) == 0)
        return 0;
    return vic_fail(err, VIC_ERR_INVALID, 0, "--%s: expected a number up to %ju", name,
                    (uintmax_t)max);
}

static int parse_options(int argc, char **argv, struct options *ret, bool *ret_help,
                         struct vic_err *err)
{
    const char *nbd = NULL;
    const char *blob = NULL;
    const char *uid = NULL;
    const char *gid = NULL;
    const char *max = NULL;
    const char *media = "gzip";
    const struct vic_opt opts[] = {
        {.name = "nbd-fd", .arg = "FD", .help = "connected socket of qemu-nbd", .value = &nbd},
        {.name = "blob-fd", .arg = "FD", .help = "the layer's blob", .value = &blob},
        {.name = "media", .arg = "gzip|zstd|none", .help = "packing", .value = &media},
        {.name = "max-bytes", .arg = "N", .help = "refuse more than this unpacked", .value = &max},
        {.name = "uid", .arg = "UID", .help = "become this user", .value = &uid},
        {.name = "gid", .arg = "GID", .help = "and this group", .value = &gid},
        {.name = "help", .help = "this text", .flag = ret_help},
    };
    auto_strv char **operands = NULL;
    int r = vic_opts_parse(opts, ARRAY_SIZE(opts), argc, argv, &operands, err);
    if (r < 0)
        return r;
    if (*ret_help) {
        vic_opts_print_help(opts, ARRAY_SIZE(opts), stdout);
        return 0;
    }
    if (!nbd || !blob || operands)
        return vic_fail(err, VIC_ERR_INVALID, 0, "usage: vic-layer --nbd-fd FD --blob-fd FD …");
    if (!uid != !gid)
        return vic_fail(err, VIC_ERR_INVALID, 0, "--uid and --gid go together");
    if (vl_media_from_string(media, &ret->media) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "unknown media '%s'", media);
    if ((r = parse_number("nbd-fd", nbd, INT_MAX, &ret->nbd_fd, err)) < 0 ||
        (r = parse_number("blob-fd", blob, INT_MAX, &ret->blob_fd, err)) < 0 ||
        (r = parse_number("uid", uid, UINT32_MAX - 1, &ret->uid, err)) < 0 ||
        (r = parse_number("gid", gid, UINT32_MAX - 1, &ret->gid, err)) < 0 ||
        (r = parse_number("max-bytes", max, INT64_MAX, &ret->max_bytes, err)) < 0)
        return r;
    return 0;
}

static ssize_t read_blob(void *arg, void *data, size_t len)
{
    const struct options *o = arg;
    for (;;) {
        ssize_t n = read((int)o->blob_fd, data, len);
        if (n >= 0 || errno != EINTR)
            return n < 0 ? -errno : n;
    }
}

/* One JSON line; a reader that went away shows when the result is written. */
static int print_line(const cJSON *doc)
{
    auto_free char *text = json_print(doc);
    size_t len = strlen(text);
    text[len] = '\n';
    return vic_file_write_all(STDOUT_FILENO, text, len + 1);
}

static void on_progress(uint64_t packed_bytes, void *arg)
{
    struct progress *p = arg;
    uint64_t now = vic_clock_monotonic_ms();
    if (now - p->last_ms < PROGRESS_EVERY_MS)
        return;
    p->last_ms = now;
    auto_json cJSON *doc = json_new_obj();
    json_add_i64(doc, "progress", (int64_t)packed_bytes);
    (void)print_line(doc);
}

static int apply(const struct options *o, struct summary *ret, struct vic_err *err)
{
    struct progress progress = {0};
    const struct vl_tar_events events = {.on_progress = on_progress, .arg = &progress};
    struct options blob = *o;
    auto_(vl_dev_free_p) struct vl_dev *dev = NULL;
    auto_(vl_input_free_p) struct vl_input *in = NULL;
    auto_(vl_fs_free_p) struct vl_fs *fs = NULL;
    int r = vl_input_new(o->media, read_blob, &blob, o->max_bytes, &in, err);
    if (r == 0)
        r = vl_sandbox_enter((uid_t)o->uid, (gid_t)o->gid, err);
    if (r == 0)
        r = vl_nbd_new((int)o->nbd_fd, &dev, err);
    if (r == 0)
        r = vl_fs_open(dev, &fs, err);
    if (r == 0)
        r = vl_tar_apply(fs, in, &events, &ret->n_entries, err);
    if (r == 0)
        r = vl_fs_finish(fs, err);
    if (r == 0)
        r = vl_nbd_finish(dev, err);
    if (r == 0)
        r = vl_input_digest(in, ret->diff_id, err);
    if (r == 0)
        ret->n_bytes = vl_input_bytes(in);
    return r;
}

static int report(int result, const struct summary *s, const struct vic_err *err)
{
    auto_json cJSON *doc = json_new_obj();
    if (result == 0) {
        json_add_str(doc, "diff_id", s->diff_id);
        json_add_i64(doc, "entries", (int64_t)s->n_entries);
        json_add_i64(doc, "bytes", (int64_t)s->n_bytes);
    } else {
        cJSON *e = json_add_obj(doc, "error");
        json_add_str(e, "kind", vic_err_kind_to_string(err->kind));
        json_add_i64(e, "code", err->code);
        json_add_str(e, "message", err->message);
    }
    return print_line(doc) < 0 || result < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct vic_err err = {0};
    struct summary summary = {0};
    struct options o = {
        .max_bytes = MAX_BYTES_DEFAULT, .uid = (uint64_t)(uid_t)-1, .gid = (uint64_t)(gid_t)-1};
    bool help = false;
    int r = parse_options(argc, argv, &o, &help, &err);
    if (r == 0 && help)
        return 0;
    if (r == 0)
        r = apply(&o, &summary, &err);
    return report(r, &summary, &err);
}
