/* Answers: documents, errors, streams and taken-over connections. */
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <microhttpd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/req.h"
#include "personality/docker/server.h"
#include "personality/docker/version.h"

#define ANSWER_SHORT 4096u
#define STREAM_BLOCK (32u << 10) /* what libmicrohttpd asks for at a time */

/* Without memory or a client there is no answer; the connection is closed. */
static void answer(struct docker_req *r, unsigned status, struct MHD_Response *response)
{
    if (!response)
        return;
    if (r->is_answered || !r->link) {
        MHD_destroy_response(response);
        return;
    }
    r->is_answered = true;
    if (r->header_value)
        (void)MHD_add_response_header(response, r->header_name, r->header_value);
    (void)MHD_add_response_header(response, "Api-Version", DOCKER_API_MAX);
    (void)MHD_add_response_header(response, "Docker-Experimental", "false");
    (void)MHD_add_response_header(response, "Ostype", "linux");
    (void)MHD_add_response_header(response, "Server", DOCKER_SERVER_HEADER);
    docker_server_answer(r, status, response);
}

void docker_reply_header(struct docker_req *r, const char *name, char *value)
{
    free(r->header_value);
    r->header_name = name;
    r->header_value = value;
}

/* The text of an answer until libmicrohttpd has sent it, or given it up. */
struct body {
    struct docker *docker;
    char *text; /* owned */
    size_t len;
};

static void free_body(void *arg)
{
    struct body *b = arg;
    b->docker->n_answer_bytes -= b->len;
    free(b->text);
    free(b);
}

/* text is taken. */
static struct MHD_Response *new_body(struct docker_req *r, const char *content_type, char *text,
                                     size_t len)
{
    struct body *b = vic_new(struct body);
    *b = (struct body){.docker = r->docker, .text = text, .len = len};
    r->docker->n_answer_bytes += len;
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(len, text, free_body, b);
    if (!response) {
        free_body(b);
        return NULL;
    }
    (void)MHD_add_response_header(response, "Content-Type", content_type);
    return response;
}

/* Clients that ask and do not read must not fill the memory; what is short is always told. */
static bool has_room(struct docker_req *r, size_t len)
{
    if (len <= ANSWER_SHORT || r->docker->n_answer_bytes + len <= DOCKER_ANSWERS_MAX)
        return true;
    docker_reply_errorf(r, VIC_ERR_UNAVAILABLE,
                        "too many answers that their clients do not read: they may have %u bytes "
                        "together; try again",
                        DOCKER_ANSWERS_MAX);
    return false;
}

static void reply_document(struct docker_req *r, unsigned status, const cJSON *doc)
{
    char *text = json_print(doc);
    size_t len = strlen(text);
    if (!has_room(r, len)) {
        free(text);
        return;
    }
    text = vic_xrealloc_array(text, len + 2, 1);
    memcpy(text + len, "\n", 2); /* as Docker ends its documents */
    answer(r, status, new_body(r, "application/json", text, len + 1));
}

void docker_reply_json(struct docker_req *r, enum docker_status status, cJSON *doc)
{
    if (!r->is_gone)
        reply_document(r, status, doc);
    cJSON_Delete(doc);
}

void docker_reply_copy(struct docker_req *r, enum docker_status status, const char *json,
                       size_t len)
{
    if (!has_room(r, len))
        return;
    char *text = vic_xalloc(len);
    memcpy(text, json, len);
    answer(r, status, new_body(r, "application/json", text, len));
}

void docker_reply_text(struct docker_req *r, enum docker_status status, const char *text)
{
    struct MHD_Response *response =
        new_body(r, "text/plain; charset=utf-8", vic_xstrdup(text), strlen(text));
    if (response) /* only ping answers so: it must never be remembered by a proxy */
        (void)MHD_add_response_header(response, "Cache-Control",
                                      "no-cache, no-store, must-revalidate");
    if (response)
        (void)MHD_add_response_header(response, "Pragma", "no-cache");
    answer(r, status, response);
}

void docker_reply_empty(struct docker_req *r, enum docker_status status)
{
    answer(r, status, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

static void reply_message(struct docker_req *r, unsigned status, const char *message)
{
    auto_json cJSON *doc = json_new_obj();
    json_add_str(doc, "message", message);
    reply_document(r, status, doc);
}

void docker_reply_error(struct docker_req *r, const struct vic_err *err)
{
    if (err->kind == VIC_ERR_NOT_MODIFIED)
        docker_reply_empty(r, DOCKER_NOT_MODIFIED);
    else
        reply_message(r, docker_status_of_error(err->kind), err->message);
}

void docker_reply_errorf(struct docker_req *r, enum vic_err_kind kind, const char *fmt, ...)
{
    struct vic_err err = {.kind = kind};
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(err.message, sizeof(err.message), fmt, args);
    va_end(args);
    docker_reply_error(r, &err);
}

void docker_reply_moved(struct docker_req *r, const char *location)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response)
        (void)MHD_add_response_header(response, "Location", location);
    answer(r, DOCKER_MOVED, response);
}

void docker_reply_too_large(struct docker_req *r)
{
    auto_free char *message =
        vic_xasprintf("request body too large: at most %u bytes are taken", DOCKER_BODY_MAX);
    reply_message(r, DOCKER_TOO_LARGE, message);
}

void docker_reply_too_busy(struct docker_req *r)
{
    docker_reply_errorf(r, VIC_ERR_UNAVAILABLE,
                        "too many request bodies at once: they may have %u bytes together; try "
                        "again",
                        DOCKER_BODIES_MAX);
}

/* ---- streams ---------------------------------------------------------------------------------- */

static void told_drained(struct docker_req *r)
{
    if (!r->is_throttled || r->out.len >= DOCKER_STREAM_LOW)
        return;
    r->is_throttled = false;
    if (r->events && r->events->on_drain)
        r->events->on_drain(r->events_arg);
}

/* libmicrohttpd wants more of the body. */
static ssize_t on_read(void *arg, uint64_t pos, char *buf, size_t max)
{
    struct docker_req *r = arg;
    (void)pos; /* it only ever moves on */
    if (r->is_gone || r->is_broken)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (r->out.len > 0) {
        size_t n = r->out.len < max ? r->out.len : max;
        memcpy(buf, r->out.data, n);
        vic_buf_consume(&r->out, n);
        told_drained(r);
        return (ssize_t)n;
    }
    if (r->is_ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    docker_server_sleep(r);
    return 0;
}

static void on_read_free(void *arg)
{
    docker_req_unref(arg);
}

void docker_stream_begin(struct docker_req *r, const char *content_type)
{
    if (!r->link || r->is_answered)
        return;
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_read, docker_req_ref(r), on_read_free);
    if (!response) {
        docker_req_unref(r);
        return;
    }
    if (content_type)
        (void)MHD_add_response_header(response, "Content-Type", content_type);
    answer(r, DOCKER_OK, response);
}

bool docker_stream_write(struct docker_req *r, const void *data, size_t len)
{
    if (r->is_gone || r->is_ended)
        return true; /* on_gone has told, or will; nothing is kept */
    vic_buf_add(&r->out, data, len);
    r->is_throttled = r->is_throttled || r->out.len >= DOCKER_STREAM_HIGH;
    docker_server_wake(r);
    return !r->is_throttled;
}

bool docker_stream_json(struct docker_req *r, const cJSON *doc)
{
    if (r->is_gone)
        return true;
    auto_free char *text = json_print(doc);
    (void)docker_stream_write(r, text, strlen(text));
    return docker_stream_write(r, "\r\n", 2);
}

static void finish(struct docker_req *r, bool is_broken)
{
    r->is_ended = true;
    r->is_broken = is_broken;
    r->events = NULL;
    docker_server_wake(r);
}

void docker_stream_end(struct docker_req *r)
{
    finish(r, false);
}

void docker_stream_break(struct docker_req *r)
{
    finish(r, true);
}

/* ---- taking over ------------------------------------------------------------------------------ */

static void on_mhd_upgrade(void *arg, struct MHD_Connection *mhd, void *con_cls, const char *extra,
                           size_t extra_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *urh)
{
    struct docker_req *r = arg;
    (void)mhd;     /* known by the request */
    (void)con_cls; /* the same as arg */
    r->on_upgraded(r, fd, extra, extra_len, urh, r->upgraded_arg);
}

void docker_reply_upgrade(struct docker_req *r, const char *content_type,
                          docker_upgraded_fn on_upgraded, void *arg)
{
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_mhd_upgrade, r);
    if (!response)
        return;
    r->on_upgraded = on_upgraded;
    r->upgraded_arg = arg;
    (void)MHD_add_response_header(response, "Upgrade", "tcp");
    (void)MHD_add_response_header(response, "Content-Type", content_type);
    answer(r, DOCKER_SWITCHING, response);
}
