/* Signals on the loop, and the loop's end. */
#include "lib/host/loop.h"

#include <assert.h>
#include <signal.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"

struct host_signals {
    uv_signal_t handles[2];
    unsigned n_open;
    host_stop_fn stop;
    void *arg;
};

static void on_signal(uv_signal_t *handle, int signum)
{
    struct host_signals *s = handle->data;
    (void)signum;
    host_stop_fn stop = s->stop;
    s->stop = NULL;
    if (stop)
        stop(s->arg);
}

struct host_signals *host_signals_new(uv_loop_t *loop, host_stop_fn stop, void *arg)
{
    static const int signals[] = {SIGTERM, SIGINT};
    struct host_signals *s = vic_new(struct host_signals);
    s->stop = stop;
    s->arg = arg;
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        (void)uv_signal_init(loop, &s->handles[i]);
        s->handles[i].data = s;
        (void)uv_signal_start(&s->handles[i], on_signal, signals[i]);
        uv_unref((uv_handle_t *)&s->handles[i]); /* waiting for a signal is no work */
        s->n_open++;
    }
    return s;
}

static void on_closed(uv_handle_t *handle)
{
    struct host_signals *s = handle->data;
    if (--s->n_open == 0)
        free(s);
}

void host_signals_free(struct host_signals *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(s->handles); i++)
        uv_close((uv_handle_t *)&s->handles[i], on_closed);
}

void host_loop_finish(uv_loop_t *loop)
{
    (void)uv_run(loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(loop);
    assert(r == 0);
    (void)r;
}
