/* Pumps an rpc client session over a descriptor until an answer is there. */
#include "test/lib/tether_drive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/record.h"

#define ANSWER_TIMEOUT_MS 60000
#define SYNC_RETRY_MS 2000
#define OUTPUT_MAX (512u << 20)

static const struct rpc_session_events no_session_events;

static int write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            (void)poll(&p, 1, ANSWER_TIMEOUT_MS);
            continue;
        }
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Bytes read, 0 at the end of time_ms, -errno (EPIPE at the end of the stream). */
static ssize_t read_within(int fd, void *data, size_t cap, int time_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, time_ms) <= 0)
        return 0;
    ssize_t n = read(fd, data, cap);
    return n > 0 ? n : n == 0 ? -EPIPE : errno == EAGAIN ? 0 : -errno;
}

int tether_drive_open(struct tether_drive *d, int fd, struct vic_err *err)
{
    *d = (struct tether_drive){.fd = fd};
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    struct rpc_sync sync;
    uint64_t deadline = vic_clock_monotonic_ms() + ANSWER_TIMEOUT_MS;
    for (bool is_retry = false; vic_clock_monotonic_ms() < deadline; is_retry = true) {
        auto_buf struct vic_buf out = {0};
        rpc_sync_host_start(&sync, is_retry, &out);
        int r = write_all(fd, (const uint8_t *)out.data, out.len);
        if (r < 0)
            return vic_fail_errno(err, -r, "sync");
        uint8_t data[4096];
        ssize_t n;
        while ((n = read_within(fd, data, sizeof(data), SYNC_RETRY_MS)) > 0) {
            bool is_done = false;
            size_t used = rpc_sync_host_feed(&sync, data, (size_t)n, &is_done);
            if (!is_done)
                continue;
            d->session = rpc_session_new_client(RPC_GUEST_WINDOW, &no_session_events, NULL);
            return used < (size_t)n
                       ? rpc_session_feed(d->session, data + used, (size_t)n - used, err)
                       : 0;
        }
        if (n < 0)
            return vic_fail_errno(err, (int)-n, "sync");
    }
    return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "no answer to the sync line");
}

void tether_drive_close(struct tether_drive *d)
{
    rpc_session_free(d->session);
    d->session = NULL;
    vic_close_p(&d->fd);
    d->fd = -1;
}

int tether_drive_pump(struct tether_drive *d, const bool *is_done, struct vic_err *err)
{
    uint64_t deadline = vic_clock_monotonic_ms() + ANSWER_TIMEOUT_MS;
    while (!*is_done && vic_clock_monotonic_ms() < deadline) {
        uint8_t data[65536];
        size_t len;
        while ((len = rpc_session_pull(d->session, data, sizeof(data))) > 0) {
            int r = write_all(d->fd, data, len);
            if (r < 0)
                return vic_fail_errno(err, -r, "send");
        }
        ssize_t n = read_within(d->fd, data, sizeof(data), 1000);
        if (n < 0)
            return vic_fail_errno(err, (int)-n, "receive");
        int r = n > 0 ? rpc_session_feed(d->session, data, (size_t)n, err) : 0;
        if (r < 0)
            return r;
    }
    return *is_done ? 0 : vic_fail(err, VIC_ERR_UNAVAILABLE, ETIMEDOUT, "no answer");
}

struct answer {
    bool is_done;
    struct vic_err err;
    cJSON *doc;
};

static void on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct answer *a = arg;
    a->is_done = true;
    if (err)
        a->err = *err;
    a->doc = doc ? json_dup(doc) : NULL;
}

static int finish(struct answer *a, cJSON **ret_doc, struct vic_err *err)
{
    auto_json cJSON *doc = a->doc;
    if (a->err.kind != VIC_ERR_NONE) {
        if (err)
            *err = a->err;
        return -(a->err.code ? a->err.code : EPROTO);
    }
    if (ret_doc)
        *ret_doc = TAKE_PTR(doc);
    return 0;
}

int tether_drive_call(struct tether_drive *d, const char *method, const char *path,
                      const char *body, cJSON **ret_doc, struct vic_err *err)
{
    struct answer a = {0};
    auto_json cJSON *doc = NULL;
    int r = body ? json_parse(body, strlen(body), &doc, err) : 0;
    if (r < 0 || (r = rpc_call(d->session, method, path, doc, on_answer, &a, NULL, err)) < 0 ||
        (r = tether_drive_pump(d, &a.is_done, err)) < 0)
        return r;
    return finish(&a, ret_doc, err);
}

struct upload {
    struct answer answer;
    const uint8_t *data;
    size_t left;
};

static void send_more(struct rpc_stream *st, void *arg)
{
    struct upload *u = arg;
    while (u->left > 0) {
        size_t n = u->left < 16384 ? u->left : 16384;
        size_t queued = rpc_stream_write(st, u->data, n);
        u->data += n;
        u->left -= n;
        if (queued >= RPC_HIGH_WATER && u->left > 0)
            return;
    }
    rpc_stream_end(st);
}

static void on_upload_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    (void)data;
    (void)arg;
    rpc_stream_consume(st, len);
}

static void on_upload_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    on_answer(err, NULL, &((struct upload *)arg)->answer);
}

static int upload(struct tether_drive *d, const char *method, const char *path, const void *data,
                  size_t len, struct vic_err *err)
{
    static const struct rpc_stream_events events = {
        .on_data = on_upload_data, .on_drain = send_more, .on_close = on_upload_close};
    struct upload u = {.data = data, .left = len};
    struct rpc_stream *st;
    int r = rpc_open(d->session, method, path, &events, &u, &st, err);
    if (r < 0)
        return r;
    send_more(st, &u);
    r = tether_drive_pump(d, &u.answer.is_done, err);
    return r < 0 ? r : finish(&u.answer, NULL, err);
}

int tether_drive_upload(struct tether_drive *d, const char *path, const void *data, size_t len,
                        struct vic_err *err)
{
    return upload(d, "POST", path, data, len, err);
}

int tether_drive_put(struct tether_drive *d, const char *path, const void *data, size_t len,
                     struct vic_err *err)
{
    return upload(d, "PUT", path, data, len, err);
}

int tether_drive_stdin(struct tether_drive *d, const void *data, size_t len, bool with_close,
                       struct vic_err *err)
{
    return tether_drive_upload(d, with_close ? "/v1/stdin?close=1" : "/v1/stdin?close=0", data, len,
                               err);
}

static int split(const char *data, size_t len, struct vic_buf *out, struct vic_buf *err_out,
                 cJSON **ret_exit, size_t *ret_pads)
{
    int r = 0;
    *ret_exit = NULL;
    *ret_pads = 0;
    for (size_t at = 0; r >= 0 && at < len;) {
        struct vic_record rec;
        r = vic_record_decode((const uint8_t *)data + at, len - at, &rec);
        if (r <= 0 || rec.len > len - at - VIC_RECORD_HEADER)
            return r < 0 ? r : 0; /* the rest is still to come */
        const char *payload = data + at + VIC_RECORD_HEADER;
        if (rec.type == VIC_RECORD_STDOUT)
            vic_buf_add(out, payload, rec.len);
        else if (rec.type == VIC_RECORD_STDERR)
            vic_buf_add(err_out, payload, rec.len);
        else if (rec.type == VIC_RECORD_PAD)
            (*ret_pads)++;
        else if (json_parse(payload, rec.len, ret_exit, NULL) < 0)
            return -EBADMSG;
        at += VIC_RECORD_HEADER + rec.len;
    }
    return r < 0 ? r : 0;
}

struct download {
    struct answer answer;
    struct vic_buf *bytes;
};

static void on_download_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    vic_buf_add(((struct download *)arg)->bytes, data, len);
    rpc_stream_consume(st, len);
}

static void on_download_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    on_answer(err, NULL, &((struct download *)arg)->answer);
}

int tether_drive_get(struct tether_drive *d, const char *path, struct vic_buf *out,
                     struct vic_err *err)
{
    static const struct rpc_stream_events events = {.on_data = on_download_data,
                                                    .on_close = on_download_close};
    struct download down = {.bytes = out};
    struct rpc_stream *st;
    int r = rpc_open(d->session, "GET", path, &events, &down, &st, err);
    if (r < 0)
        return r;
    rpc_stream_end(st);
    r = tether_drive_pump(d, &down.answer.is_done, err);
    return r < 0 ? r : finish(&down.answer, NULL, err);
}

int tether_drive_records(struct tether_drive *d, const char *path, struct vic_buf *out,
                         struct vic_buf *err_out, cJSON **ret_exit, struct vic_err *err)
{
    auto_buf struct vic_buf bytes = {0};
    size_t pads;
    int r = tether_drive_get(d, path, &bytes, err);
    return r < 0 ? r : split(vic_buf_str(&bytes), bytes.len, out, err_out, ret_exit, &pads);
}

int tether_drive_read_output(const char *path, struct vic_buf *out, struct vic_buf *err_out,
                             cJSON **ret_exit, size_t *ret_pads)
{
    auto_free char *data = NULL;
    size_t len = 0;
    int r = vic_file_read(path, OUTPUT_MAX, &data, &len, NULL);
    *ret_exit = NULL;
    *ret_pads = 0;
    return r < 0 ? r : split(data, len, out, err_out, ret_exit, ret_pads);
}
