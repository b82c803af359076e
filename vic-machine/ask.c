/* Waits for answers of the port layer (lib/rpc) and of the Docker API (libcurl). */
#include "vic-machine/ask.h"

#include <errno.h>

#include <curl/curl.h>
#include <uv.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/host/loop.h"
#include "portlayer/api.h"

struct question {
    uv_loop_t loop;
    uv_timer_t timer;
    bool is_answered;
    int result;
    cJSON *doc; /* owned */
    struct vic_err err;
};

static void on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct question *q = arg;
    q->is_answered = true;
    if (err) {
        q->err = *err;
        q->result = -err->code;
    } else if (doc) {
        q->doc = json_dup(doc);
    }
    uv_stop(&q->loop);
}

static void on_timeout(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

int mach_ask_portlayer(const char *socket_path, const char *method, const char *path,
                       unsigned timeout_ms, cJSON **ret_doc, struct vic_err *err)
{
    struct question q = {0};
    int r = uv_loop_init(&q.loop);
    if (r < 0)
        return vic_fail_errno(err, -r, "event loop");
    (void)uv_timer_init(&q.loop, &q.timer);
    (void)uv_timer_start(&q.timer, on_timeout, timeout_ms, 0);
    struct host_rpc_client *client = host_rpc_client_new(&q.loop, socket_path);
    r = host_rpc_call(client, method, path, NULL, on_answer, &q, err);
    if (r == 0)
        (void)uv_run(&q.loop, UV_RUN_DEFAULT);
    bool is_answered = q.is_answered; /* closing the client answers what is still open */
    host_rpc_client_close(client);
    uv_close((uv_handle_t *)&q.timer, NULL);
    host_loop_finish(&q.loop);
    auto_json cJSON *doc = q.doc;
    if (r < 0)
        return r;
    if (!is_answered)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, ETIMEDOUT,
                        "the port layer on '%s' did not answer within %u s", socket_path,
                        timeout_ms / 1000);
    if (q.result < 0) {
        if (err)
            *err = q.err;
        return q.result;
    }
    *ret_doc = TAKE_PTR(doc);
    return 0;
}

static size_t discard(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    return size * n;
}

int mach_ping_docker(const char *listen, unsigned timeout_ms, struct vic_err *err)
{
    static const char unix_scheme[] = "unix://";
    static const char tcp_scheme[] = "tcp://";
    CURL *curl = curl_easy_init();
    if (!curl)
        return vic_fail_errno(err, ENOMEM, "ask '%s'", listen);
    bool is_unix = vic_str_starts_with(listen, unix_scheme);
    auto_free char *url = is_unix
                              ? vic_xstrdup("http://localhost/_ping")
                              : vic_xasprintf("http://%s/_ping", listen + sizeof(tcp_scheme) - 1);
    if (is_unix)
        (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, listen + sizeof(unix_scheme) - 1);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    return code == CURLE_OK ? 0
                            : vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "no answer from '%s': %s",
                                       listen, curl_easy_strerror(code));
}
