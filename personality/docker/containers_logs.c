/* GET /containers/{}/logs */
#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/log_config.h"
#include "personality/docker/mux.h"
#include "personality/docker/relay.h"
#include "personality/docker/text.h"
#include "personality/docker/version.h"
#include "portlayer/api.h"

struct logs {
    struct docker_req *req;
    struct pl_records *records;
    struct docker_mux mux;
    char *details;
    struct vic_buf out;
};

static void on_begin(struct docker_relay *l, void *arg)
{
    const struct logs *g = arg;
    struct docker_req *r = docker_relay_req(l);
    docker_stream_begin(r, docker_output_type(r, g->mux.is_raw));
}

static void on_record(const struct vic_record *head, const void *data, void *arg)
{
    struct logs *g = arg;
    if (head->type == VIC_RECORD_STDOUT || head->type == VIC_RECORD_STDERR)
        docker_mux_add(&g->mux, head, data, &g->out);
}

static int on_data(struct docker_relay *l, const void *data, size_t len, void *arg,
                   struct vic_err *err)
{
    struct logs *g = arg;
    (void)l;
    int r = pl_records_feed(g->records, data, len, err);
    if (r < 0)
        return r;
    bool may_go_on = docker_stream_write(g->req, vic_buf_str(&g->out), g->out.len);
    vic_buf_clear(&g->out);
    return may_go_on;
}

static void on_end(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg)
{
    struct docker_req *r = docker_relay_req(l);
    (void)arg;
    if (!has_begun && err)
        docker_reply_container_error(r, err);
    else if (!has_begun)
        docker_reply_empty(r, DOCKER_OK);
    else if (err)
        docker_stream_break(r);
    else
        docker_stream_end(r);
}

static void on_free(void *arg)
{
    struct logs *g = arg;
    pl_records_free(g->records);
    vic_buf_release(&g->out);
    free(g->details);
    free(g);
}

static int add_time(struct vic_buf *path, const struct docker_req *r, const char *query,
                    const char *member, struct vic_err *err)
{
    const char *text = docker_req_query_or(r, query, "");
    int64_t ns = 0;
    if (text[0] == '\0' || strcmp(text, "0") == 0)
        return 0;
    if (docker_text_to_ns(text, &ns) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid value for \"%s\": strconv.ParseInt: parsing \"%.100s\": invalid "
                        "syntax",
                        query, text);
    vic_buf_addf(path, "&%s=%" PRId64, member, ns < 0 ? 0 : ns);
    return 0;
}

/* A tail that is no number means all, as in Docker. */
static int build_path(const struct docker_req *r, const char *id, struct vic_buf *path,
                      struct vic_err *err)
{
    int64_t tail = 0;
    vic_buf_addf(path, "/v1/containers/%s/output?stdout=%d&stderr=%d&follow=%d", id,
                 docker_req_bool(r, "stdout"), docker_req_bool(r, "stderr"),
                 docker_req_bool(r, "follow"));
    if (vic_str_to_i64(docker_req_query_or(r, "tail", "all"), 0, INT32_MAX, &tail) == 0)
        vic_buf_addf(path, "&tail=%" PRId64, tail);
    int res = add_time(path, r, "since", "since_ns", err);
    return res < 0 ? res : add_time(path, r, "until", "until_ns", err);
}

static void on_container(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    static const struct docker_relay_ops ops = {
        .on_begin = on_begin, .on_data = on_data, .on_end = on_end, .on_free = on_free};
    (void)arg;
    auto_buf struct vic_buf path = {0};
    struct vic_err mine;
    if (!err && build_path(r, json_str(doc, "id", ""), &path, &mine) < 0)
        err = &mine;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    auto_json cJSON *said = docker_create_document(doc);
    const cJSON *host = json_member(said, "HostConfig");
    if (docker_log_is_none(host)) {
        docker_reply_errorf(r, VIC_ERR_UNIMPLEMENTED,
                            "configured logging driver does not support reading");
        return;
    }
    struct logs *g = vic_new(struct logs);
    g->req = r;
    g->records = pl_records_new(on_record, g);
    if (docker_req_bool(r, "details"))
        g->details = docker_log_details(host, json_member(said, "Config"));
    g->mux = (struct docker_mux){
        .is_raw = json_bool(json_member(json_member(doc, "spec"), "process"), "tty", false),
        .has_timestamps = docker_req_bool(r, "timestamps"),
        .details = g->details,
    };
    docker_relay_open(r, "GET", vic_buf_str(&path), false, &ops, g);
}

void docker_container_logs(struct docker_req *r)
{
    if (!docker_need_name(r))
        return;
    if (!docker_req_bool(r, "stdout") && !docker_req_bool(r, "stderr"))
        docker_reply_errorf(r, VIC_ERR_INVALID,
                            "Bad parameters: you must choose at least one stream");
    else
        docker_get_container(r, r->name, on_container, NULL);
}
