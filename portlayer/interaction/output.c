/* The incremental reader of output files. */
#include "portlayer/interaction/output.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/json/json.h"

#define BUFFER_MAX (VIC_RECORD_HEADER + VIC_RECORD_PAYLOAD_MAX)
#define EXIT_CODE_UNKNOWN 137
#define FAR_BEHIND (1ll << 30)

struct pl_output {
    int fd;
    uint64_t offset; /* in the file, of buf[start] */
    uint8_t *buf;    /* owned; NULL while at rest */
    size_t start, end;
    bool is_broken;
};

int pl_output_open(const char *path, uint64_t offset, struct pl_output **ret_output,
                   struct vic_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return vic_fail_errno(err, errno, "open '%s'", path);
    struct pl_output *o = vic_new(struct pl_output);
    o->fd = fd;
    o->offset = offset;
    *ret_output = o;
    return 0;
}

void pl_output_close(struct pl_output *o)
{
    if (!o)
        return;
    (void)close(o->fd);
    free(o->buf);
    free(o);
}

uint64_t pl_output_offset(const struct pl_output *o)
{
    return o->offset;
}

void pl_output_rest(struct pl_output *o)
{
    free(o->buf);
    o->buf = NULL;
    o->start = o->end = 0; /* what was buffered is read again */
}

uint64_t pl_output_first(const uint8_t *data, size_t len)
{
    struct vic_record head;
    uint64_t first;
    if (len < PL_GAP_LEN || vic_record_decode(data, len, &head) != 1 ||
        head.type != VIC_RECORD_GAP || head.len != sizeof(first))
        return 0;
    memcpy(&first, data + VIC_RECORD_HEADER, sizeof(first));
    first = le64toh(first);
    return first >= PL_GAP_LEN && first <= INT64_MAX ? first : 0;
}

/* The gap is made known first, so that a crash between leaves nothing that is no record. */
int pl_output_trim(const char *path, uint64_t first, struct vic_err *err)
{
    auto_close int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return vic_fail_errno(err, errno, "open '%s'", path);
    uint8_t gap[PL_GAP_LEN];
    const struct vic_record head = {.type = VIC_RECORD_GAP, .len = sizeof(first)};
    uint64_t raw = htole64(first);
    vic_record_encode(&head, gap);
    memcpy(gap + VIC_RECORD_HEADER, &raw, sizeof(raw));
    /* Behind the file's end there is nothing to lose: it only asks. */
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  lseek(fd, 0, SEEK_END) + FAR_BEHIND, 1) < 0 &&
        errno == EOPNOTSUPP)
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, errno,
                        "the file system of '%s' has no holes: nothing can be dropped of it", path);
    if (pwrite(fd, gap, sizeof(gap), 0) != (ssize_t)sizeof(gap))
        return vic_fail_errno(err, errno, "write '%s'", path);
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PL_GAP_LEN,
                  (off_t)(first - PL_GAP_LEN)) < 0)
        return vic_fail_errno(err, errno, "drop the beginning of '%s'", path);
    return 0;
}

/* What was read stands behind the gap?  Else it is dropped: it may have been punched while it was read. */
static bool jumped(struct pl_output *o)
{
    uint8_t gap[PL_GAP_LEN];
    ssize_t n = pread(o->fd, gap, sizeof(gap), 0);
    uint64_t first = n > 0 ? pl_output_first(gap, (size_t)n) : 0;
    if (first <= o->offset)
        return false;
    o->offset = first;
    o->start = o->end = 0;
    return true;
}

/* 1: more bytes than before, or others; 0: end of the file for now. */
static int fill(struct pl_output *o, struct vic_err *err)
{
    if (!o->buf)
        o->buf = vic_xalloc(BUFFER_MAX);
    size_t have = o->end - o->start;
    memmove(o->buf, o->buf + o->start, have);
    o->start = 0;
    o->end = have;
    if (have == BUFFER_MAX)
        return 0;
    ssize_t n;
    do
        n = pread(o->fd, o->buf + have, BUFFER_MAX - have, (off_t)(o->offset + have));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return vic_fail_errno(err, errno, "read the output file");
    o->end += (size_t)n;
    return jumped(o) || n > 0;
}

static int broken(struct pl_output *o, struct vic_err *err)
{
    o->is_broken = true;
    return vic_fail(err, VIC_ERR_INTERNAL, EBADMSG,
                    "the output file is damaged at byte %llu: no record there",
                    (unsigned long long)o->offset);
}

int pl_output_next(struct pl_output *o, struct vic_record *ret_head, const uint8_t **ret_payload,
                   struct vic_err *err)
{
    if (o->is_broken)
        return broken(o, err);
    for (;;) {
        struct vic_record head;
        size_t have = o->end - o->start;
        int r = have > 0 ? vic_record_decode(o->buf + o->start, have, &head) : 0;
        if (r < 0)
            return broken(o, err);
        if (r == 1 && have - VIC_RECORD_HEADER >= head.len) {
            *ret_head = head;
            *ret_payload = o->buf + o->start + VIC_RECORD_HEADER;
            o->start += VIC_RECORD_HEADER + head.len;
            o->offset += VIC_RECORD_HEADER + head.len;
            return 1;
        }
        r = fill(o, err);
        if (r <= 0)
            return r;
    }
}

void pl_exit_from_record(const struct vic_record *head, const uint8_t *payload,
                         struct pl_exit *ret_exit)
{
    struct pl_exit e = {.exit_code = EXIT_CODE_UNKNOWN, .wall_ns = head->wall_ns};
    auto_json cJSON *doc = NULL;
    int64_t code = -1;
    struct vic_err err = {0};
    int r = json_parse((const char *)payload, head->len, &doc, &err);
    if (r == 0)
        r = json_get_i64(doc, "exit", "exit_code", 0, 255, &code, &err);
    if (r < 0 || code < 0) {
        (void)snprintf(e.error, sizeof(e.error), "the virtual machine left a broken exit record");
    } else {
        e.exit_code = (int)code;
        e.oom_killed = json_bool(doc, "oom_killed", false);
        (void)snprintf(e.error, sizeof(e.error), "%s", json_str(doc, "error", ""));
    }
    *ret_exit = e;
}

int pl_output_find_exit(const char *path, struct pl_exit *ret_exit)
{
    auto_(pl_output_close_p) struct pl_output *o = NULL;
    if (pl_output_open(path, 0, &o, NULL) < 0)
        return 0;
    struct vic_record head;
    const uint8_t *payload = NULL;
    while (pl_output_next(o, &head, &payload, NULL) == 1)
        if (head.type == VIC_RECORD_EXIT) {
            pl_exit_from_record(&head, payload, ret_exit);
            return 1;
        }
    return 0;
}
