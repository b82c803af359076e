/* Moves bytes between the first virtio port and the rpc session on it. */
#include "tether/port.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"

static const struct rpc_session_events session_events; /* flush asks the session itself */

static void forget_output(struct tether_port *p)
{
    p->out_start = p->out_len = 0;
    p->part = (struct rpc_part){0};
    vic_buf_release(&p->kept);
}

static void drop_session(struct tether_port *p)
{
    if (!p->session)
        return;
    struct rpc_session *s = p->session;
    p->session = NULL;
    rpc_session_free(s);
    rpc_sync_guest_start(&p->sync);
    vic_buf_clear(&p->echo);
    forget_output(p);
    p->on_hangup(p->arg);
}

static bool feed_sync(struct tether_port *p, const uint8_t *data, size_t len, size_t *ret_used)
{
    bool is_done = false;
    *ret_used = rpc_sync_guest_feed(&p->sync, data, len, &p->echo, &is_done);
    if (is_done)
        p->session = rpc_session_new_server(p->routes, p->n_routes, p->arg, &session_events, NULL);
    return is_done;
}

/* A peer that comes back without the hang-up having been seen writes its sync line into the old
 * session, which breaks; so what broke a session is searched for a line. */
static void feed(struct tether_port *p, const uint8_t *data, size_t len)
{
    while (len > 0) {
        if (!p->session) {
            size_t used;
            (void)feed_sync(p, data, len, &used);
            data += used;
            len -= used;
            continue;
        }
        struct vic_err err = {0};
        if (rpc_session_feed(p->session, data, len, &err) >= 0)
            return;
        vic_log(VIC_WARN, "port", NULL, "session dropped: %s", err.message);
        tether_port_flush(p);
        drop_session(p);
    }
}

/* Fills data as far as there are bytes now: the driver gives a page at a time, and each part that is handed on
 * has its cost.  0 when there is no more for now, -1 when the host's end was closed, 1 when data is full. */
static int gather(int fd, uint8_t *data, size_t cap, size_t *ret_len)
{
    for (*ret_len = 0; *ret_len < cap;) {
        ssize_t n = read(fd, data + *ret_len, cap - *ret_len);
        if (n > 0)
            *ret_len += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            return 0;
        else if (n == 0 || errno != EINTR)
            return -1;
    }
    return 1;
}

/* 0 when there is no more for now, -1 when the host's end was closed. */
static int read_all(struct tether_port *p)
{
    for (;;) {
        size_t len;
        int r = gather(p->fd, p->in, sizeof(p->in), &len);
        if (len > 0) {
            feed(p, p->in, len);
            tether_port_flush(p);
        }
        if (r <= 0)
            return r;
    }
}

static void on_port_ready(struct tether_watch *w, uint32_t events)
{
    (void)events; /* an edge of any kind: look at everything */
    struct tether_port *p = container_of(w, struct tether_port, watch);
    if (read_all(p) < 0) {
        bool had_session = p->session != NULL;
        drop_session(p);
        rpc_sync_guest_start(&p->sync);
        vic_buf_clear(&p->echo);
        forget_output(p);
        if (had_session)
            rpc_sync_guest_lost(&p->echo);
    }
    tether_port_flush(p);
}

int tether_port_init(struct tether_port *p, struct tether_loop *loop, int fd,
                     const struct rpc_route *routes, size_t n_routes, void (*on_hangup)(void *arg),
                     void *arg)
{
    p->loop = loop;
    p->fd = fd;
    p->watch = (struct tether_watch){.fd = -1, .on_ready = on_port_ready};
    p->routes = routes;
    p->n_routes = n_routes;
    p->on_hangup = on_hangup;
    p->arg = arg;
    p->session = NULL;
    p->echo = (struct vic_buf){0};
    p->kept = (struct vic_buf){0};
    forget_output(p);
    rpc_sync_guest_start(&p->sync);
    return tether_loop_add(loop, &p->watch, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

void tether_port_release(struct tether_port *p)
{
    drop_session(p);
    tether_loop_remove(p->loop, &p->watch);
    vic_buf_release(&p->echo);
    forget_output(p);
}

void tether_port_keep(struct tether_port *p, const uint8_t *data, size_t len)
{
    if (p->part.len == 0 || p->part.data < data || p->part.data >= data + len)
        return;
    vic_buf_clear(&p->kept);
    vic_buf_add(&p->kept, p->part.data, p->part.len);
    p->part.data = (const uint8_t *)vic_buf_str(&p->kept);
}

/* Takes the next bytes to send into p->out and p->part; false when there are none. */
static bool fill(struct tether_port *p)
{
    if (p->out_len > 0 || p->part.len > 0)
        return true;
    forget_output(p);
    if (p->echo.len > 0) {
        p->out_len = p->echo.len < sizeof(p->out) ? p->echo.len : sizeof(p->out);
        memcpy(p->out, p->echo.data, p->out_len);
        vic_buf_consume(&p->echo, p->out_len);
    } else if (p->session) {
        p->out_len = rpc_session_pull_part(p->session, p->out, sizeof(p->out), &p->part);
    }
    return p->out_len > 0 || p->part.len > 0;
}

/* < 0: the port takes no more for now, or is gone. */
static ssize_t send_some(struct tether_port *p)
{
    bool is_part = p->out_len == 0;
    ssize_t n = is_part ? write(p->fd, p->part.data, p->part.len)
                        : write(p->fd, p->out + p->out_start, p->out_len);
    if (n <= 0)
        return n < 0 && errno == EINTR ? 0 : -1;
    if (is_part) {
        p->part.data += n;
        p->part.len -= (size_t)n;
    } else {
        p->out_start += (size_t)n;
        p->out_len -= (size_t)n;
    }
    return n;
}

void tether_port_flush(struct tether_port *p)
{
    while (fill(p))
        if (send_some(p) < 0)
            return; /* full: an edge follows; gone: the read side hears of it */
    if (p->session && rpc_session_is_over(p->session))
        drop_session(p);
}

bool tether_port_is_connected(const struct tether_port *p)
{
    return p->session != NULL;
}

bool tether_port_is_flushed(const struct tether_port *p)
{
    return !p->session || (p->out_len == 0 && p->part.len == 0 && p->echo.len == 0 &&
                           !rpc_session_wants_write(p->session));
}
