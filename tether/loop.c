/* One epoll_wait() per event, so that a handler may remove any other watch. */
#include "tether/loop.h"

#include <errno.h>
#include <unistd.h>

int tether_loop_init(struct tether_loop *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return l->epoll_fd < 0 ? -errno : 0;
}

void tether_loop_release(struct tether_loop *l)
{
    if (l->epoll_fd >= 0)
        (void)close(l->epoll_fd);
    l->epoll_fd = -1;
}

int tether_loop_add(struct tether_loop *l, struct tether_watch *w, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        return -errno;
    w->fd = fd;
    return 0;
}

int tether_loop_change(struct tether_loop *l, struct tether_watch *w, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) < 0 ? -errno : 0;
}

void tether_loop_remove(struct tether_loop *l, struct tether_watch *w)
{
    if (w->fd >= 0)
        (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fd = -1;
}

int tether_loop_step(struct tether_loop *l, int timeout_ms)
{
    struct epoll_event ev;
    int n = epoll_wait(l->epoll_fd, &ev, 1, timeout_ms);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    if (n == 0)
        return 0;
    struct tether_watch *w = ev.data.ptr;
    w->on_ready(w, ev.events);
    return 1;
}
