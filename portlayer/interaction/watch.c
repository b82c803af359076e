/* Watches an output file: only headers are read, payloads are jumped over. */
#include "portlayer/interaction/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "portlayer/interaction/log_limit.h"

#define POLL_MS 200            /* where inotify has no room for us */
#define SCAN_BUFFER 4096       /* holds the headers of many short records */
#define RECORDS_PER_TURN 10000 /* then other work of the loop gets its turn */

struct pl_watch {
    uv_fs_event_t fs;
    uv_timer_t timer;
    unsigned n_closing;
    int fd;
    char *path;
    uint64_t offset;
    struct pl_log_limit limit;
    bool cannot_trim;
    bool is_over; /* the exit record was found, or the file is broken */
    bool is_polling;
    bool is_closed;
    const struct pl_watch_events *events;
    void *arg;
};

static void read_exit(struct pl_watch *w, const struct vic_record *head)
{
    auto_free uint8_t *payload = vic_xalloc(VIC_RECORD_PAYLOAD_MAX);
    ssize_t n = pread(w->fd, payload, head->len, (off_t)(w->offset + VIC_RECORD_HEADER));
    struct vic_record h = *head;
    h.len = n < 0 ? 0 : (uint32_t)n;
    struct pl_exit e;
    pl_exit_from_record(&h, payload, &e);
    w->is_over = true;
    w->events->on_exit(&e, w->arg);
}

/* Looks at the records wholly in data, which stands at w->offset.  Returns true when it moved. */
static bool scan_buffer(struct pl_watch *w, const uint8_t *data, size_t len, uint64_t size,
                        unsigned *budget)
{
    const uint64_t base = w->offset;
    while (!w->is_over && *budget > 0 && w->offset - base < len) {
        struct vic_record head;
        int r = vic_record_decode(data + (w->offset - base), len - (w->offset - base), &head);
        if (r < 0) {
            vic_log(VIC_WARN, "output", NULL, "damaged at byte %llu, not read any further",
                    (unsigned long long)w->offset);
            w->is_over = true;
        }
        if (r <= 0 || size - w->offset < VIC_RECORD_HEADER + (uint64_t)head.len)
            break;
        if (head.type == VIC_RECORD_EXIT)
            read_exit(w, &head);
        pl_log_limit_pass(&w->limit, w->offset);
        w->offset += VIC_RECORD_HEADER + head.len;
        (*budget)--;
    }
    return w->offset != base;
}

/* Over the gap that the file begins with since it was trimmed in an earlier life of ours. */
static bool jump(struct pl_watch *w, const uint8_t *data, size_t len)
{
    uint64_t first = pl_output_first(data, len);
    if (first == 0)
        return false;
    w->offset = first;
    pl_log_limit_trimmed(&w->limit, first);
    return true;
}

static void scan(struct pl_watch *w, unsigned budget)
{
    struct stat st;
    if (fstat(w->fd, &st) < 0)
        return;
    uint64_t size = (uint64_t)st.st_size;
    while (!w->is_over && budget > 0 && w->offset < size) {
        uint8_t buf[SCAN_BUFFER];
        ssize_t n = pread(w->fd, buf, sizeof(buf), (off_t)w->offset);
        if (w->offset == 0 && n > 0 && jump(w, buf, (size_t)n))
            continue;
        if (n <= 0 || !scan_buffer(w, buf, (size_t)n, size, &budget))
            return;
    }
}

static void look(struct pl_watch *w)
{
    uint64_t before = w->offset;
    scan(w, RECORDS_PER_TURN);
    if (w->offset != before && !w->is_closed)
        w->events->on_growth(w->arg);
}

static void on_timer(uv_timer_t *t)
{
    struct pl_watch *w = t->data;
    uint64_t before = w->offset;
    look(w);
    if (!w->is_closed && !w->is_over && (w->offset != before || w->is_polling))
        (void)uv_timer_start(&w->timer, on_timer, w->offset != before ? 0 : POLL_MS, 0);
}

static void on_change(uv_fs_event_t *fs, const char *name, int events, int status)
{
    (void)name;
    (void)events;
    (void)status;
    struct pl_watch *w = fs->data;
    look(w);
    if (!w->is_closed && !w->is_over && !uv_is_active((uv_handle_t *)&w->timer))
        (void)uv_timer_start(&w->timer, on_timer, 0, 0); /* what a full turn left over */
}

int pl_watch_new(uv_loop_t *loop, const char *path, uint64_t max_bytes,
                 const struct pl_watch_events *events, void *arg, struct pl_watch **ret_watch,
                 struct vic_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return vic_fail_errno(err, errno, "open '%s'", path);
    struct pl_watch *w = vic_new(struct pl_watch);
    w->fd = fd;
    w->path = vic_xstrdup(path);
    w->limit.max_bytes = max_bytes;
    w->events = events;
    w->arg = arg;
    w->fs.data = w->timer.data = w;
    (void)uv_fs_event_init(loop, &w->fs);
    (void)uv_timer_init(loop, &w->timer);
    w->is_polling = uv_fs_event_start(&w->fs, on_change, path, 0) < 0;
    (void)uv_timer_start(&w->timer, on_timer, 0, 0);
    *ret_watch = w;
    return 0;
}

static void on_closed(uv_handle_t *h)
{
    struct pl_watch *w = h->data;
    if (--w->n_closing > 0)
        return;
    (void)close(w->fd);
    free(w->path);
    free(w);
}

void pl_watch_close(struct pl_watch *w)
{
    if (!w)
        return;
    w->is_closed = true;
    w->n_closing = 2;
    uv_close((uv_handle_t *)&w->fs, on_closed);
    uv_close((uv_handle_t *)&w->timer, on_closed);
}

void pl_watch_scan_all(struct pl_watch *w)
{
    scan(w, UINT32_MAX);
}

uint64_t pl_watch_trim(struct pl_watch *w, uint64_t held)
{
    struct vic_err err;
    uint64_t first = pl_log_limit_first(&w->limit, w->offset, held);
    if (first == w->limit.first || w->cannot_trim)
        return w->offset - w->limit.first;
    if (pl_output_trim(w->path, first, &err) == 0) {
        pl_log_limit_trimmed(&w->limit, first);
    } else {
        w->cannot_trim = err.kind == VIC_ERR_UNIMPLEMENTED;
        vic_log(VIC_WARN, "output", NULL, "the limit of a log does not hold: %s", err.message);
    }
    return w->offset - w->limit.first;
}

uint64_t pl_watch_offset(const struct pl_watch *w)
{
    return w->offset;
}
