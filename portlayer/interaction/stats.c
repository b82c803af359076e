/* /v1/containers/{ref}/stats: what a container uses, told by its tether, and what its VM costs the host. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "portlayer/execution/internal.h"

#define STAT_MAX 4096 /* bytes of /proc/<pid>/stat */

/* CPU time and memory of the hypervisor's process; nothing once it is gone. */
static void add_vm(cJSON *doc, long pid)
{
    auto_free char *path = vic_xasprintf("/proc/%ld/stat", pid);
    auto_free char *text = NULL;
    uint64_t user, system;
    int64_t pages;
    const char *end;
    if (pid <= 0 || vic_file_read(path, STAT_MAX, &text, NULL, NULL) < 0 ||
        !(end = strrchr(text, ')')) ||
        sscanf(end + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
               " %*d %*d %*d %*d %*d %*d %*u %*u %" SCNd64,
               &user, &system, &pages) != 3)
        return;
    cJSON *vm = json_add_obj(doc, "vm");
    json_add_i64(vm, "cpu_ns", (int64_t)(user + system) * (VIC_NS_PER_S / sysconf(_SC_CLK_TCK)));
    json_add_i64(vm, "rss_bytes", pages * sysconf(_SC_PAGESIZE));
}

static cJSON *about(const struct pl_container *c)
{
    cJSON *doc = json_new_obj();
    json_add_str(doc, "id", c->rec.id);
    json_add_str(doc, "name", c->rec.name);
    return doc;
}

static cJSON *describe(const struct pl_container *c, const cJSON *guest)
{
    char now[VIC_CLOCK_TEXT_MAX];
    cJSON *doc = about(c);
    vic_clock_format_rfc3339(vic_clock_wall_ns(), now);
    json_add_str(doc, "read_at", now);
    json_add(doc, "guest", json_dup(guest));
    add_vm(doc, c->pid);
    return doc;
}

/* One whose process ended meanwhile has nothing to tell, like all that do not run. */
static void on_answer(const struct vic_err *err, const cJSON *guest, void *arg)
{
    static const struct rpc_stream_events none;
    struct pl_request *req = arg;
    if (err && pl_container_is_over(req->c))
        err = NULL;
    if (!err && req->stream) {
        struct rpc_stream *st = TAKE_PTR(req->stream);
        rpc_stream_set_events(st, &none, NULL);
        rpc_reply_json(st, guest ? describe(req->c, guest) : about(req->c));
    }
    pl_request_reply(req, err);
}

void pl_stats_handle(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err;
    struct pl_container *c = NULL;
    if (pl_index_find(pl->execution, rpc_stream_param(st, "ref"), &c, &err) < 0) {
        rpc_reply_error(st, &err);
        return;
    }
    if (!pl_state_is_up(c->rec.state)) {
        rpc_reply_json(st, about(c));
        return;
    }
    struct pl_request *req = pl_request_new(c, st, PL_EV_SIGNAL);
    if (pl_channel_call(c->channel, "GET", "/v1/stats", NULL, on_answer, req, &err) < 0)
        on_answer(&err, NULL, req);
}
