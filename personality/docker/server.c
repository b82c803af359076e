/* The HTTP front: one libmicrohttpd daemon per listening socket, without threads of its own. */
#include "personality/docker/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "personality/docker/body.h"
#include "personality/docker/router.h"

#define CONNECTIONS_MAX 2048          /* per socket; each costs its memory limit at most */
#define CONNECTION_MEMORY (64u << 10) /* request line and headers; what is longer gets 431 or 414 */
#define IDLE_TIMEOUT_S 600 /* an idle keep-alive connection, or a client that stopped reading */
#define REQUEST_TIMEOUT_MS 60000 /* from the connection to its first request, and for a body */
#define STREAM_TIMEOUT_MS 300000 /* without a byte of a body that is taken as it comes */
#define SWEEP_MS 5000

struct docker_server {
    struct docker *docker;
    struct MHD_Daemon *mhd;
    uv_poll_t poll;   /* of libmicrohttpd's epoll descriptor */
    uv_timer_t timer; /* of libmicrohttpd's timeouts, and at once after a wake */
    uv_timer_t sweep;
    struct vic_list conns;
    unsigned n_handles; /* open, so that the last one frees */
    bool is_closing;
};

struct docker_conn {
    struct docker_server *server;
    struct vic_list link;
    uv_poll_t poll; /* notices that the client left while libmicrohttpd does not look */
    int fd;
    struct MHD_Connection *mhd;
    struct docker_req *req; /* the request at hand; libmicrohttpd's reference */
    unsigned status;
    struct MHD_Response *response; /* ready, not yet queued */
    bool is_asleep;
    bool has_headers;
    bool takes_stream; /* its handler runs already and takes the body as it comes */
    bool is_dispatched;
    bool has_ended; /* the stream */
    enum {
        BODY_KEPT,
        BODY_TOO_LARGE,
        BODY_NO_ROOM
    } body;               /* what is not kept is dropped */
    size_t n_body;        /* bytes of it that came */
    uint64_t deadline_ms; /* when it must have sent its request, or more of a stream; 0 for none */
};

/* ---- driving libmicrohttpd ---------------------------------------------------------------------- */

static void on_timer(uv_timer_t *t);

static void run(struct docker_server *s)
{
    (void)MHD_run(s->mhd);
    if (s->is_closing)
        return;
    MHD_UNSIGNED_LONG_LONG ms = 0;
    if (MHD_get_timeout(s->mhd, &ms) == MHD_YES)
        (void)uv_timer_start(&s->timer, on_timer, ms, 0);
    else
        (void)uv_timer_stop(&s->timer);
}

static void on_timer(uv_timer_t *t)
{
    run(t->data);
}

static void on_epoll(uv_poll_t *p, int status, int events)
{
    (void)status; /* an epoll descriptor does not fail */
    (void)events;
    run(p->data);
}

static void run_soon(struct docker_server *s)
{
    if (!s->is_closing)
        (void)uv_timer_start(&s->timer, on_timer, 0, 0);
}

/* ---- connections -------------------------------------------------------------------------------- */

/* A stream may take its time, but must go on; one that nobody takes any more has to come to its end. */
static void expect_more(struct docker_conn *c)
{
    uint64_t now = vic_clock_monotonic_ms();
    if (c->req && c->req->body_events)
        c->deadline_ms = now + STREAM_TIMEOUT_MS;
    else if (c->deadline_ms == 0 || c->deadline_ms > now + REQUEST_TIMEOUT_MS)
        c->deadline_ms = now + REQUEST_TIMEOUT_MS;
}

static void wake(struct docker_conn *c)
{
    if (!c->is_asleep)
        return;
    c->is_asleep = false;
    if (c->takes_stream && !c->has_ended)
        expect_more(c);
    (void)uv_poll_stop(&c->poll);
    MHD_resume_connection(c->mhd);
    run_soon(c->server);
}

static void on_disconnect(uv_poll_t *p, int status, int events)
{
    struct docker_conn *c = p->data;
    (void)status; /* an error means the same: nobody is there */
    (void)events;
    (void)uv_poll_stop(p);
    if (c->req)
        docker_req_lost(c->req);
    wake(c);
}

static void fall_asleep(struct docker_conn *c)
{
    if (c->is_asleep)
        return;
    c->is_asleep = true;
    c->deadline_ms = 0; /* it is we who do not read */
    MHD_suspend_connection(c->mhd);
    (void)uv_poll_start(&c->poll, UV_DISCONNECT,
                        on_disconnect); /* else: its departure shows later */
}

static void on_conn_closed(uv_handle_t *h)
{
    struct docker_conn *c = h->data;
    free(c);
}

static void conn_new(struct docker_server *s, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct docker_conn *c = vic_new(struct docker_conn);
    c->server = s;
    c->mhd = mhd;
    c->fd = info->connect_fd;
    c->deadline_ms = vic_clock_monotonic_ms() + REQUEST_TIMEOUT_MS;
    if (uv_poll_init(s->docker->loop, &c->poll, c->fd) < 0) {
        free(c);
        *context = NULL;
        return;
    }
    c->poll.data = c;
    vic_list_append(&s->conns, &c->link);
    *context = c;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_new(arg, mhd, context);
        return;
    }
    struct docker_conn *c = *context;
    if (!c)
        return;
    vic_list_remove(&c->link);
    if (c->response)
        MHD_destroy_response(c->response);
    uv_close((uv_handle_t *)&c->poll, on_conn_closed);
    *context = NULL;
}

static struct docker_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* Closes connections that take too long to say what they want. */
static void on_sweep(uv_timer_t *t)
{
    struct docker_server *s = t->data;
    uint64_t now = vic_clock_monotonic_ms();
    struct docker_conn *c;
    list_for_each(c, &s->conns, link) {
        if (c->deadline_ms && now > c->deadline_ms)
            (void)shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees it and cleans up */
    }
}

/* ---- requests ----------------------------------------------------------------------------------- */

/* The request line is complete: the request begins. */
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    struct docker_server *s = arg;
    struct docker_conn *c = conn_of(mhd);
    if (!c)
        return NULL;
    c->req = docker_req_new(s->docker, uri);
    c->req->link = c;
    c->has_headers = false;
    c->takes_stream = c->has_ended = false;
    c->is_dispatched = false;
    c->body = BODY_KEPT;
    c->n_body = 0;
    c->deadline_ms = vic_clock_monotonic_ms() + REQUEST_TIMEOUT_MS;
    return c->req;
}

static enum docker_method method_of(const char *method)
{
    static const struct {
        const char *name;
        enum docker_method method;
    } methods[] = {
        {"GET", DOCKER_GET}, {"HEAD", DOCKER_HEAD},     {"POST", DOCKER_POST},
        {"PUT", DOCKER_PUT}, {"DELETE", DOCKER_DELETE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (strcmp(methods[i].name, method) == 0)
            return methods[i].method;
    return DOCKER_OTHER;
}

static enum MHD_Result queue(struct docker_conn *c)
{
    struct MHD_Response *response = TAKE_PTR(c->response);
    enum MHD_Result res = MHD_queue_response(c->mhd, c->status, response);
    MHD_destroy_response(response);
    return res;
}

static void forget_body(struct docker_req *r)
{
    r->docker->n_body_bytes -= r->body.len;
    vic_buf_release(&r->body);
}

static bool has_room(const struct docker_req *r, uint64_t n)
{
    return n <= DOCKER_BODIES_MAX - r->docker->n_body_bytes;
}

static void dispatch(struct docker_conn *c)
{
    struct docker_req *r = docker_req_ref(c->req);
    c->is_dispatched = true;
    c->deadline_ms = 0;
    if (c->body == BODY_TOO_LARGE)
        docker_reply_too_large(r);
    else if (c->body == BODY_NO_ROOM)
        docker_reply_too_busy(r);
    else
        docker_route(r);
    forget_body(r); /* parsed by now */
    docker_req_unref(r);
}

static enum MHD_Result take_headers(struct docker_conn *c, const char *method)
{
    c->has_headers = true;
    c->req->method = method_of(method);
    c->takes_stream = docker_route_streams(c->req);
    if (c->takes_stream) {
        dispatch(c);
        if (!c->is_asleep)
            expect_more(c);
        return MHD_YES; /* also when it is answered: an answer has to wait for the body's end */
    }
    const char *length = docker_server_header(c, "Content-Length");
    uint64_t n = 0;
    if (!length || vic_str_to_u64(length, 0, UINT64_MAX, &n) < 0 ||
        (n <= DOCKER_BODY_MAX && has_room(c->req, n)))
        return MHD_YES;
    c->is_dispatched = true;
    if (n > DOCKER_BODY_MAX)
        docker_reply_too_large(c->req);
    else
        docker_reply_too_busy(c->req);
    return c->response ? queue(c) : MHD_NO;
}

static enum MHD_Result take_body(struct docker_conn *c, const char *data, size_t *size)
{
    struct docker_req *r = c->req;
    c->n_body += *size;
    if (c->n_body > DOCKER_BODY_MAX) /* and no length was announced */
        c->body = BODY_TOO_LARGE;
    else if (c->body == BODY_KEPT && !has_room(r, *size))
        c->body = BODY_NO_ROOM;
    if (c->body == BODY_KEPT) {
        vic_buf_add(&r->body, data, *size);
        r->docker->n_body_bytes += *size;
    } else {
        forget_body(r); /* an answer has to wait for its end */
    }
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result take_stream(struct docker_conn *c, const char *data, size_t *size)
{
    struct docker_req *r = c->req;
    size_t n = *size;
    *size = 0;
    expect_more(c);
    if (r->body_events && !r->body_events->on_data(data, n, r->body_arg))
        fall_asleep(c);
    return MHD_YES;
}

static void end_stream(struct docker_conn *c)
{
    struct docker_req *r = c->req;
    const struct docker_body_events *events = r->body_events;
    void *arg = r->body_arg;
    docker_body_take(r, NULL, NULL);
    c->has_ended = true;
    c->deadline_ms = 0;
    if (events)
        events->on_end(arg);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **con_cls)
{
    (void)arg;
    (void)url; /* on_uri had it whole */
    (void)version;
    struct docker_req *r = *con_cls;
    struct docker_conn *c = conn_of(mhd);
    if (!r || !c || r->is_gone)
        return MHD_NO;
    if (!c->has_headers)
        return take_headers(c, method);
    if (*size > 0)
        return c->takes_stream ? take_stream(c, data, size) : take_body(c, data, size);
    if (!c->is_dispatched)
        dispatch(c);
    else if (c->takes_stream)
        end_stream(c);
    if (c->response)
        return queue(c);
    if (r->is_answered)
        return MHD_NO; /* out of memory */
    fall_asleep(c);
    return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)code;
    struct docker_req *r = *con_cls;
    struct docker_conn *c = conn_of(mhd);
    if (!r)
        return;
    if (c)
        c->req = NULL;
    r->link = NULL;
    forget_body(r);
    docker_req_lost(r);
    docker_req_unref(r);
    *con_cls = NULL;
}

/* ---- for handlers that take the body themselves ------------------------------------------------------- */

void docker_body_take(struct docker_req *r, const struct docker_body_events *events, void *arg)
{
    r->body_events = events;
    r->body_arg = arg;
}

void docker_body_resume(struct docker_req *r)
{
    docker_server_wake(r);
}

/* ---- for answers --------------------------------------------------------------------------------- */

const char *docker_server_header(struct docker_conn *c, const char *name)
{
    return MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
}

void docker_server_answer(struct docker_req *r, unsigned status, struct MHD_Response *response)
{
    struct docker_conn *c = r->link;
    c->status = status;
    c->response = response;
    wake(c);
}

void docker_server_wake(struct docker_req *r)
{
    if (r->link)
        wake(r->link);
}

void docker_server_sleep(struct docker_req *r)
{
    if (r->link)
        fall_asleep(r->link);
}

void docker_server_release(struct docker_req *r, void *handle)
{
    struct MHD_UpgradeResponseHandle *urh = handle;
    struct docker_conn *c = r->link;
    (void)MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE); /* fails only for a wrong action */
    if (c)
        run_soon(c->server);
}

/* ---- life ------------------------------------------------------------------------------------------ */

static size_t keep_escapes(void *arg, struct MHD_Connection *mhd, char *s)
{
    (void)arg; /* our own decoder reads the target, where %00 does not cut */
    (void)mhd;
    return strlen(s);
}

static void on_mhd_log(void *arg, const char *fmt, va_list args)
{
    char line[256];
    (void)arg;
    (void)vsnprintf(line, sizeof(line), fmt, args);
    line[strcspn(line, "\n")] = '\0';
    vic_log(VIC_DEBUG, "http", NULL, "%s", line);
}

static struct MHD_Daemon *start_mhd(struct docker_server *s, int listen_fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG, 0, NULL,
        NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, s, MHD_OPTION_LISTEN_SOCKET,
        listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_URI_LOG_CALLBACK,
        on_uri, s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, s, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_END);
}

static int open_handles(struct docker_server *s, struct vic_err *err)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    uv_loop_t *loop = s->docker->loop;
    int r = uv_poll_init(loop, &s->poll, info->listen_fd);
    if (r < 0)
        return vic_fail_errno(err, -r, "watch the http server");
    (void)uv_timer_init(loop, &s->timer);
    (void)uv_timer_init(loop, &s->sweep);
    s->poll.data = s->timer.data = s->sweep.data = s;
    s->n_handles = 3;
    (void)uv_poll_start(&s->poll, UV_READABLE, on_epoll);
    (void)uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return 0;
}

int docker_server_new(struct docker *d, int listen_fd, struct docker_server **ret_server,
                      struct vic_err *err)
{
    struct docker_server *s = vic_new(struct docker_server);
    s->docker = d;
    vic_list_init(&s->conns);
    s->mhd = start_mhd(s, listen_fd);
    if (!s->mhd) {
        free(s);
        (void)close(listen_fd);
        return vic_fail(err, VIC_ERR_INTERNAL, EIO, "start the http server");
    }
    int r = open_handles(s, err);
    if (r < 0) {
        MHD_stop_daemon(s->mhd);
        free(s);
        return r;
    }
    run(s);
    *ret_server = s;
    return 0;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct docker_server *s = h->data;
    if (--s->n_handles == 0)
        free(s);
}

void docker_server_close(struct docker_server *s)
{
    if (!s)
        return;
    s->is_closing = true;
    struct docker_conn *c;
    list_for_each(c, &s->conns, link) {
        if (c->req)
            docker_req_lost(c->req);
        wake(c);
    }
    (void)MHD_run(s->mhd);
    MHD_stop_daemon(s->mhd);
    uv_close((uv_handle_t *)&s->poll, on_handle_closed);
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
    uv_close((uv_handle_t *)&s->sweep, on_handle_closed);
}
