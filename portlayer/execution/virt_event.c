/*
 * libvirt's event implementation over uv.
 *
 * libvirt calls add, update and remove from any thread (a worker in the middle of a call changes what
 * the connection's socket waits for), uv handles belong to the loop's thread.  So a request is noted
 * under a lock and an async handle makes the loop apply it.
 */
#include "portlayer/execution/virt_event.h"

#include <fcntl.h>
#include <unistd.h>

#include <libvirt/libvirt.h>

#include "lib/base/alloc.h"
#include "lib/base/list.h"

struct source {
    struct vic_list link;
    int id;
    bool is_timer;
    bool is_changed, is_removed, is_open;
    int fd;     /* libvirt's, as it knows it */
    int own_fd; /* our duplicate: libvirt may close its own before the loop hears of it */
    int events; /* VIR_EVENT_HANDLE_* */
    int timeout_ms;
    union {
        uv_handle_t handle;
        uv_poll_t poll;
        uv_timer_t timer;
    } uv;
    virEventHandleCallback on_handle;
    virEventTimeoutCallback on_timeout;
    void *opaque;
    virFreeCallback free_opaque;
};

/* libvirt's interface carries no argument of ours, so this one object is global. */
static struct {
    uv_loop_t *loop;
    uv_async_t wake;
    uv_mutex_t lock;
    struct vic_list sources;
    int next_id;
} ev;

static struct source *find(int id, bool is_timer)
{
    struct source *s;
    list_for_each(s, &ev.sources, link) {
        if (s->id == id && s->is_timer == is_timer && !s->is_removed)
            return s;
    }
    return NULL;
}

static void on_poll(uv_poll_t *p, int status, int uv_events)
{
    struct source *s = p->data;
    int events = 0;
    uv_mutex_lock(&ev.lock);
    bool is_removed = s->is_removed;
    uv_mutex_unlock(&ev.lock);
    if (is_removed)
        return;
    if (status < 0)
        events = VIR_EVENT_HANDLE_ERROR;
    if (uv_events & UV_READABLE)
        events |= VIR_EVENT_HANDLE_READABLE;
    if (uv_events & UV_WRITABLE)
        events |= VIR_EVENT_HANDLE_WRITABLE;
    if (uv_events & UV_DISCONNECT)
        events |= VIR_EVENT_HANDLE_HANGUP;
    s->on_handle(s->id, s->fd, events, s->opaque);
}

static void on_timer(uv_timer_t *t)
{
    struct source *s = t->data;
    uv_mutex_lock(&ev.lock);
    bool is_removed = s->is_removed;
    uv_mutex_unlock(&ev.lock);
    if (!is_removed)
        s->on_timeout(s->id, s->opaque);
}

static void on_closed(uv_handle_t *h)
{
    struct source *s = h->data;
    if (s->free_opaque)
        s->free_opaque(s->opaque);
    if (s->own_fd >= 0)
        (void)close(s->own_fd);
    free(s);
}

static void open_source(struct source *s)
{
    s->is_open = true;
    if (s->is_timer)
        (void)uv_timer_init(ev.loop, &s->uv.timer);
    else
        (void)uv_poll_init(ev.loop, &s->uv.poll, s->own_fd);
    s->uv.handle.data = s;
}

/* On the loop's thread, under the lock. */
static void apply(struct source *s)
{
    s->is_changed = false;
    if (!s->is_open)
        open_source(s);
    if (s->is_timer) {
        uint64_t ms = (uint64_t)s->timeout_ms;
        if (s->timeout_ms < 0)
            (void)uv_timer_stop(&s->uv.timer);
        else /* uv takes a repeat of 0 for "once": libvirt means "at every turn" */
            (void)uv_timer_start(&s->uv.timer, on_timer, ms, ms ? ms : 1);
        return;
    }
    int events = UV_DISCONNECT;
    if (s->events & VIR_EVENT_HANDLE_READABLE)
        events |= UV_READABLE;
    if (s->events & VIR_EVENT_HANDLE_WRITABLE)
        events |= UV_WRITABLE;
    if (s->events == 0)
        (void)uv_poll_stop(&s->uv.poll);
    else
        (void)uv_poll_start(&s->uv.poll, events, on_poll);
}

static void on_wake(uv_async_t *a)
{
    (void)a;
    uv_mutex_lock(&ev.lock);
    struct source *s;
    struct source *next;
    list_for_each_safe(s, next, &ev.sources, link) {
        if (s->is_removed) {
            if (!s->is_open)
                open_source(s);
            vic_list_remove(&s->link);
            uv_close(&s->uv.handle, on_closed);
        } else if (s->is_changed) {
            apply(s);
        }
    }
    uv_mutex_unlock(&ev.lock);
}

static int add(struct source *s)
{
    uv_mutex_lock(&ev.lock);
    s->id = ++ev.next_id;
    s->is_changed = true;
    vic_list_append(&ev.sources, &s->link);
    int id = s->id;
    uv_mutex_unlock(&ev.lock);
    (void)uv_async_send(&ev.wake);
    return id;
}

static int add_handle(int fd, int events, virEventHandleCallback cb, void *opaque,
                      virFreeCallback free_opaque)
{
    int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own_fd < 0)
        return -1;
    struct source *s = vic_new(struct source);
    s->fd = fd;
    s->own_fd = own_fd;
    s->events = events;
    s->on_handle = cb;
    s->opaque = opaque;
    s->free_opaque = free_opaque;
    return add(s);
}

static int add_timeout(int ms, virEventTimeoutCallback cb, void *opaque,
                       virFreeCallback free_opaque)
{
    struct source *s = vic_new(struct source);
    s->is_timer = true;
    s->own_fd = -1;
    s->timeout_ms = ms;
    s->on_timeout = cb;
    s->opaque = opaque;
    s->free_opaque = free_opaque;
    return add(s);
}

static void update(int id, bool is_timer, int value)
{
    uv_mutex_lock(&ev.lock);
    struct source *s = find(id, is_timer);
    if (s) {
        s->is_changed = true;
        if (is_timer)
            s->timeout_ms = value;
        else
            s->events = value;
    }
    uv_mutex_unlock(&ev.lock);
    (void)uv_async_send(&ev.wake);
}

static void update_handle(int id, int events)
{
    update(id, false, events);
}

static void update_timeout(int id, int ms)
{
    update(id, true, ms);
}

static int remove_source(int id, bool is_timer)
{
    uv_mutex_lock(&ev.lock);
    struct source *s = find(id, is_timer);
    if (s)
        s->is_removed = true;
    uv_mutex_unlock(&ev.lock);
    (void)uv_async_send(&ev.wake);
    return s ? 0 : -1;
}

static int remove_handle(int id)
{
    return remove_source(id, false);
}

static int remove_timeout(int id)
{
    return remove_source(id, true);
}

void pl_virt_event_register(uv_loop_t *loop)
{
    ev.loop = loop;
    vic_list_init(&ev.sources);
    (void)uv_mutex_init(&ev.lock);
    (void)uv_async_init(loop, &ev.wake, on_wake);
    virEventRegisterImpl(add_handle, update_handle, remove_handle, add_timeout, update_timeout,
                         remove_timeout);
}

void pl_virt_event_close(void)
{
    struct source *s;
    list_for_each(s, &ev.sources, link) {
        s->is_removed = true;
    }
    on_wake(&ev.wake);
    uv_close((uv_handle_t *)&ev.wake, NULL);
}
