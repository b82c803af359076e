/* Foreign bytes to a server (first byte even) or to a client with requests open; the handlers do what
 * handlers do, at moments the input chooses. */
#include <string.h>

#include "lib/base/list.h"
#include "lib/rpc/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HELD_MAX 64

static struct rpc_stream *held[HELD_MAX];
static unsigned n_held;

static void on_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    (void)arg;
    if (data[0] == 'c')
        rpc_stream_cancel(st);
    else if (data[0] == 'w')
        (void)rpc_stream_write(st, data, len);
    else
        rpc_stream_consume(st, len);
}

static void on_end(struct rpc_stream *st, void *arg)
{
    (void)arg;
    rpc_stream_end(st);
}

static void on_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)err;
    (void)arg;
    rpc_stream_cancel(st);
}

static const struct rpc_stream_events events = {
    .on_data = on_data, .on_end = on_end, .on_close = on_close};

static void handle_echo(struct rpc_stream *st, void *arg)
{
    (void)arg;
    const cJSON *doc = rpc_stream_json(st);
    rpc_reply_json(st, doc ? json_dup(doc) : NULL);
}

static void handle_pipe(struct rpc_stream *st, void *arg)
{
    rpc_stream_set_events(st, &events, arg);
    rpc_reply_begin(st);
}

static void handle_hold(struct rpc_stream *st, void *arg)
{
    (void)arg;
    if (n_held < HELD_MAX)
        held[n_held++] = st;
    else
        rpc_stream_cancel(st);
}

static const struct rpc_route routes[] = {
    {"POST", "/v1/echo/{id}", RPC_BODY_NONE_OR_JSON, handle_echo},
    {"POST", "/v1/pipe", RPC_BODY_STREAM, handle_pipe},
    {"POST", "/v1/hold", RPC_BODY_NONE_OR_JSON, handle_hold},
    {"POST", "/v1/hold-stream", RPC_BODY_STREAM, handle_hold},
};

static void on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)err;
    (void)doc;
    (void)arg;
}

static struct rpc_session *new_client(void)
{
    struct rpc_session *s = rpc_session_new_client(RPC_STREAM_WINDOW, NULL, NULL);
    struct rpc_stream *st = NULL;
    for (int i = 0; i < 4; i++) {
        (void)rpc_call(s, "GET", "/v1/echo/x", NULL, on_answer, NULL, NULL, NULL);
        if (rpc_open(s, "POST", "/v1/pipe", &events, NULL, &st, NULL) == 0)
            (void)rpc_stream_write(st, "hello", 5);
    }
    return s;
}

static void drain(struct rpc_session *s)
{
    static uint8_t out[4096];
    for (int i = 0; i < 1000 && rpc_session_pull(s, out, sizeof(out)) > 0; i++)
        ;
}

/* Lets go of what is held, in ways the byte chooses. */
static void let_go(uint8_t how)
{
    struct vic_err err;
    (void)vic_fail(&err, VIC_ERR_CONFLICT, 0, "no");
    while (n_held > 0) {
        struct rpc_stream *st = held[--n_held];
        switch ((how + n_held) % 4) {
        case 0:
            rpc_reply_json(st, NULL);
            break;
        case 1:
            rpc_reply_error(st, &err);
            break;
        case 2:
            rpc_stream_cancel(st);
            break;
        default:
            if (rpc_stream_is_closed(st))
                rpc_stream_cancel(st);
            else
                handle_pipe(st, NULL);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    if (len < 2)
        return 0;
    bool is_server = data[0] % 2 == 0;
    size_t step = data[1] ? data[1] : len;
    struct rpc_session *s =
        is_server ? rpc_session_new_server(routes, ARRAY_SIZE(routes), NULL, NULL, NULL)
                  : new_client();
    drain(s);
    int r = is_server ? rpc_session_feed(s, preface, sizeof(preface) - 1, NULL) : 0;
    for (size_t i = 2; r == 0 && i < len; i += step) {
        r = rpc_session_feed(s, data + i, len - i < step ? len - i : step, NULL);
        if (data[0] & 2)
            drain(s);
        if (data[0] & 4)
            let_go(data[i]);
    }
    drain(s);
    if (data[0] & 8)
        let_go(data[1]);
    rpc_session_free(s);
    let_go(data[1]);
    return 0;
}
