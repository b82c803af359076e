/* Raw two-way connections on the uv loop. */
#include "personality/docker/hijack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "personality/docker/server.h"

#define READ_BLOCK (32u << 10)
/* A socket that is closed with bytes unread is reset, and the client may lose what it has not read yet: so they are
 * read and dropped until it closes its side, but not for long. */
#define LINGER_MS 5000
/* Docker's own SDK for Python reads the answer's head through a buffer, goes on with the bare socket, and so loses
 * what came together with the head: our first bytes wait until it was taken.  Nothing tells of that, so we look,
 * less and less often: who does not take the head has no use for what follows.  After our end it is no longer waited
 * for than LINGER_MS. */
#define HEAD_POLL_MS 1
#define HEAD_POLL_MAX_MS 1024

struct docker_hijack {
    struct vic_list link;
    struct docker_req *req; /* a reference */
    uv_poll_t poll;
    uv_timer_t timer; /* of the head, then of lingering */
    unsigned poll_ms; /* to the next look at the head */
    uint64_t end_ms;  /* when is_ending was set */
    unsigned n_handles;
    int fd;
    void *handle; /* gives the socket back */
    struct vic_buf out;
    bool is_head_taken; /* until then nothing is sent */
    bool is_paused;     /* the reader of the client's bytes has enough */
    bool has_eof;       /* the client half-closed */
    bool is_ending;     /* close when out is empty */
    bool is_lingering;  /* all is sent, and who listened was told */
    bool is_throttled;  /* told the writer to stop */
    bool is_dead;
    const struct docker_hijack_events *events;
    void *arg;
};

static void on_poll(uv_poll_t *p, int status, int events);

static void on_handle_closed(uv_handle_t *h)
{
    struct docker_hijack *j = h->data;
    if (--j->n_handles > 0)
        return;
    vic_buf_release(&j->out);
    docker_req_unref(j->req);
    free(j);
}

static void teardown(struct docker_hijack *j, bool tell)
{
    if (j->is_dead)
        return;
    j->is_dead = true;
    vic_list_remove(&j->link);
    uv_close((uv_handle_t *)&j->poll, on_handle_closed);
    uv_close((uv_handle_t *)&j->timer, on_handle_closed);
    docker_server_release(j->req, j->handle);
    if (tell && !j->is_lingering)
        j->events->on_close(j->arg);
}

static void on_lingered(uv_timer_t *t)
{
    teardown(t->data, false);
}

static void linger(struct docker_hijack *j)
{
    (void)shutdown(j->fd, SHUT_WR);
    j->events->on_close(j->arg);
    j->is_lingering = true;
    if (j->has_eof)
        teardown(j, false);
    else
        (void)uv_timer_start(&j->timer, on_lingered, LINGER_MS, 0);
}

/* Polls for what is wanted now; a client that half-closed is still watched for its departure. */
static void update(struct docker_hijack *j)
{
    if (j->is_dead)
        return;
    int want = j->out.len > 0 && j->is_head_taken ? UV_WRITABLE : 0;
    if (!j->has_eof && (!j->is_paused || j->is_lingering))
        want |= UV_READABLE;
    if (want == 0)
        want = UV_PRIORITIZED;                    /* a hang-up is reported whatever is asked */
    (void)uv_poll_start(&j->poll, want, on_poll); /* fails only for a descriptor that is none */
}

/* Over TCP nobody knows: what is counted there is what the peer's kernel has not confirmed. */
static bool has_unread(int fd)
{
    int domain = 0;
    socklen_t len = sizeof(domain);
    int unread = 0;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
           ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0;
}

/* Sends what the socket takes.  -errno when the client is gone. */
static int flush(struct docker_hijack *j)
{
    while (j->out.len > 0 && j->is_head_taken) {
        ssize_t n = send(j->fd, j->out.data, j->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        vic_buf_consume(&j->out, (size_t)n);
    }
    return 0;
}

/* What was sent may let the writer go on, or may have been the last. */
static void after_flush(struct docker_hijack *j)
{
    if (j->is_ending && j->out.len == 0) {
        if (!j->is_lingering)
            linger(j);
        update(j);
        return;
    }
    if (j->is_throttled && j->out.len < DOCKER_STREAM_LOW) {
        j->is_throttled = false;
        if (j->events->on_drain)
            j->events->on_drain(j->arg);
    }
    update(j);
}

static void read_some(struct docker_hijack *j)
{
    char block[READ_BLOCK];
    ssize_t n = recv(j->fd, block, sizeof(block), MSG_DONTWAIT);
    if (j->is_lingering) {
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            teardown(j, false);
    } else if (n > 0) {
        j->is_paused = !j->events->on_data(block, (size_t)n, j->arg);
    } else if (n == 0) {
        j->has_eof = true;
        j->events->on_end(j->arg);
    } else if (errno != EAGAIN && errno != EINTR) {
        teardown(j, true);
    }
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct docker_hijack *j = p->data;
    /* What libuv makes of a hang-up (both directions closed) when only that was asked for. */
    bool is_hang_up = status < 0 || events == 0 || (events & UV_PRIORITIZED);
    if (!is_hang_up && (events & UV_READABLE))
        read_some(j);
    if (j->is_dead)
        return;
    if (is_hang_up || flush(j) < 0)
        teardown(j, true);
    else
        after_flush(j);
}

static void on_head_poll(uv_timer_t *t);

static void look_at_head(struct docker_hijack *j)
{
    bool is_late = j->is_ending && vic_clock_monotonic_ms() - j->end_ms > LINGER_MS;
    j->is_head_taken = is_late || !has_unread(j->fd);
    if (j->is_head_taken)
        return;
    (void)uv_timer_start(&j->timer, on_head_poll, j->poll_ms, 0);
    if (j->poll_ms < HEAD_POLL_MAX_MS)
        j->poll_ms *= 2;
}

static void on_head_poll(uv_timer_t *t)
{
    struct docker_hijack *j = t->data;
    look_at_head(j);
    if (!j->is_head_taken)
        return;
    if (flush(j) < 0)
        teardown(j, true);
    else
        after_flush(j);
}

static void on_upgraded(struct docker_req *r, int fd, const void *early, size_t early_len,
                        void *handle, void *arg)
{
    if (r->is_gone) { /* who asked has let go already */
        docker_server_release(r, handle);
        return;
    }
    struct docker_hijack *j = vic_new(struct docker_hijack);
    *j = (struct docker_hijack){
        .req = docker_req_ref(r),
        .fd = fd,
        .handle = handle,
        .poll_ms = HEAD_POLL_MS,
        .events = r->hijack_events,
        .arg = arg,
    };
    docker_req_watch(r, NULL, NULL); /* from here on our own on_close tells */
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    vic_list_append(&r->docker->hijacks, &j->link);
    j->poll.data = j->timer.data = j;
    j->n_handles = 2;
    (void)uv_timer_init(r->docker->loop, &j->timer);
    (void)uv_poll_init(r->docker->loop, &j->poll, fd); /* a socket that was polled before */
    look_at_head(j);
    j->events->on_open(j, j->arg);
    if (!j->is_dead && !j->is_lingering && early_len > 0)
        j->is_paused = !j->events->on_data(early, early_len, j->arg);
    update(j);
}

void docker_hijack_start(struct docker_req *r, const char *content_type,
                         const struct docker_hijack_events *events, void *arg)
{
    r->hijack_events = events;
    docker_reply_upgrade(r, content_type, on_upgraded, arg);
}

bool docker_hijack_write(struct docker_hijack *h, const void *data, size_t len)
{
    if (h->is_dead || h->is_ending)
        return true;
    vic_buf_add(&h->out, data, len);
    /* Once the writer was told to stop, only the poll sends: it is what tells him to go on. */
    if (!h->is_throttled && flush(h) < 0)
        vic_buf_clear(&h->out); /* the poll reports the departure */
    h->is_throttled = h->is_throttled || h->out.len >= DOCKER_STREAM_HIGH;
    update(h);
    return !h->is_throttled;
}

void docker_hijack_read_on(struct docker_hijack *h)
{
    h->is_paused = false;
    update(h);
}

void docker_hijack_end(struct docker_hijack *h)
{
    if (h->is_dead || h->is_ending)
        return;
    h->is_ending = true;
    h->end_ms = vic_clock_monotonic_ms();
    if (flush(h) < 0)
        vic_buf_clear(&h->out);
    after_flush(h);
}

void docker_hijack_abandon(struct docker_hijack *h)
{
    teardown(h, false);
}

void docker_hijack_close_all(struct docker *d)
{
    struct docker_hijack *h;
    struct docker_hijack *next;
    list_for_each_safe(h, next, &d->hijacks, link) {
        teardown(h, true);
    }
}
