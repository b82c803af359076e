/* Writes output records to the second virtio port. */
#include "tether/output.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

static void set_events(struct tether_output *o, uint32_t events)
{
    if (o->is_pollable && o->events != events)
        (void)tether_loop_change(o->loop, &o->watch, events);
    o->events = events;
}

/* How much was taken, 0 when the port is full, -errno when it is gone. */
static ssize_t write_some(struct tether_output *o, const void *data, size_t len)
{
    for (;;) {
        ssize_t n = write(o->fd, data, len);
        if (n >= 0)
            return n;
        if (errno == EAGAIN)
            return 0;
        if (errno != EINTR)
            return -errno;
    }
}

/* Writes the queue until it is empty or the port is full. */
static void write_queue(struct tether_output *o)
{
    while (o->len > 0) {
        size_t run = TETHER_OUTPUT_QUEUE - o->start;
        run = run < o->len ? run : o->len;
        run = run < TETHER_PORT_WRITE_MAX ? run : TETHER_PORT_WRITE_MAX;
        ssize_t n = write_some(o, o->queue + o->start, run);
        if (n == 0)
            return;
        if (n < 0) {
            o->is_broken = true;
            o->len = 0;
            return;
        }
        o->start = (o->start + (size_t)n) % TETHER_OUTPUT_QUEUE;
        o->len -= (size_t)n;
    }
}

/* One write per record: each takes a descriptor of the virtqueue. */
static void write_pads(struct tether_output *o)
{
    while (o->pads_left > 0 && !o->is_broken) {
        struct vic_record r = {.type = VIC_RECORD_PAD, .wall_ns = vic_clock_wall_ns()};
        uint8_t header[VIC_RECORD_HEADER];
        vic_record_encode(&r, header);
        ssize_t n = write_some(o, header, sizeof(header));
        if (n == 0)
            return;
        if (n < 0)
            o->is_broken = true;
        o->pads_left--;
    }
}

static void pump(struct tether_output *o)
{
    write_queue(o);
    if (o->is_padding && o->len == 0)
        write_pads(o);
    bool is_waiting = o->len > 0 || (o->is_padding && o->pads_left > 0 && !o->is_broken);
    set_events(o, is_waiting ? EPOLLOUT : 0);
}

static void on_writable(struct tether_watch *w, uint32_t events)
{
    struct tether_output *o = container_of(w, struct tether_output, watch);
    /* With no interest left only a hang-up comes here; asking for an edge keeps it from spinning. */
    if (o->len == 0 && !o->is_padding) {
        if (events & (EPOLLHUP | EPOLLERR))
            set_events(o, EPOLLET);
        return;
    }
    pump(o);
    if (o->is_padding && o->len == 0 && (o->pads_left == 0 || o->is_broken)) {
        o->is_padding = false;
        o->on_padded(o->arg);
        return;
    }
    if (o->was_full && tether_output_has_room(o)) {
        o->was_full = false;
        o->on_room(o->arg);
    }
}

int tether_output_init(struct tether_output *o, struct tether_loop *loop, int fd,
                       void (*on_room)(void *arg), void (*on_padded)(void *arg), void *arg)
{
    o->loop = loop;
    o->fd = fd;
    o->watch = (struct tether_watch){.fd = -1, .on_ready = on_writable};
    o->is_broken = o->was_full = o->is_padding = false;
    o->start = o->len = 0;
    o->pads_left = 0;
    o->events = EPOLLET;
    o->on_room = on_room;
    o->on_padded = on_padded;
    o->arg = arg;
    int r = tether_loop_add(loop, &o->watch, fd, EPOLLET);
    o->is_pollable = r == 0;
    return r == -EPERM ? 0 : r; /* EPERM: a plain file, which always takes everything */
}

void tether_output_release(struct tether_output *o)
{
    if (o->is_pollable)
        tether_loop_remove(o->loop, &o->watch);
}

bool tether_output_has_room(struct tether_output *o)
{
    if (TETHER_OUTPUT_QUEUE - o->len >= TETHER_PORT_WRITE_MAX)
        return true;
    o->was_full = true;
    return false;
}

static void queue_bytes(struct tether_output *o, const void *data, size_t len)
{
    size_t at = (o->start + o->len) % TETHER_OUTPUT_QUEUE;
    size_t first = TETHER_OUTPUT_QUEUE - at;
    first = first < len ? first : len;
    memcpy(o->queue + at, data, first);
    if (len > first)
        memcpy(o->queue, (const uint8_t *)data + first, len - first);
    o->len += len;
}

void tether_output_add(struct tether_output *o, enum vic_record_type type, const void *data,
                       size_t len)
{
    assert(len <= TETHER_CHUNK_MAX && TETHER_OUTPUT_QUEUE - o->len >= TETHER_PORT_WRITE_MAX);
    struct vic_record r = {.type = type, .wall_ns = vic_clock_wall_ns(), .len = (uint32_t)len};
    uint8_t header[VIC_RECORD_HEADER];
    vic_record_encode(&r, header);
    queue_bytes(o, header, sizeof(header));
    queue_bytes(o, data, len);
    pump(o);
}

bool tether_output_is_empty(const struct tether_output *o)
{
    return o->len == 0;
}

void tether_output_pad(struct tether_output *o)
{
    o->is_padding = true;
    o->pads_left = TETHER_OUTPUT_PADS;
    pump(o);
    /* The answer comes from the loop: a pollable port has an event at once, a file cannot wait. */
    if (!o->is_pollable) {
        o->is_padding = false;
        o->on_padded(o->arg);
        return;
    }
    set_events(o, EPOLLOUT);
}
