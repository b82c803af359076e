/* The event loop of tether: level- or edge-triggered watches on one epoll descriptor. */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

struct tether_loop {
    int epoll_fd; /* owned; -1 when empty */
};

/* Embedded in whatever owns the descriptor; the descriptor itself is borrowed. */
struct tether_watch {
    int fd; /* -1 while not watched */
    void (*on_ready)(struct tether_watch *w, uint32_t events);
};

int tether_loop_init(struct tether_loop *l);
void tether_loop_release(struct tether_loop *l);

/* events as epoll has them, EPOLLET too.  0 or -errno. */
int tether_loop_add(struct tether_loop *l, struct tether_watch *w, int fd, uint32_t events);
int tether_loop_change(struct tether_loop *l, struct tether_watch *w, uint32_t events);
/* No event of w follows.  Call before the descriptor is closed; harmless when not watched. */
void tether_loop_remove(struct tether_loop *l, struct tether_watch *w);

/* Waits for one event and handles it: a watch removed meanwhile is never called.  timeout_ms < 0
 * waits for ever.  1 when an event was handled, 0 on time-out or a signal, -errno. */
int tether_loop_step(struct tether_loop *l, int timeout_ms);
