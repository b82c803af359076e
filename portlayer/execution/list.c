/* GET /v1/containers */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/host/work.h"
#include "portlayer/execution/fingerprint.h"
#include "portlayer/execution/internal.h"
#include "portlayer/storage/storage.h"

/* The list with what each container's disk holds: the disks are looked at on the pool. */
struct listing {
    struct rpc_stream *st; /* NULL when the peer has gone */
    cJSON *doc;            /* owned; its rows are in the order of paths */
    char **paths;          /* owned vector */
    uint64_t *bytes;       /* owned; one per path */
};

static const struct rpc_stream_events no_events = {0};

static cJSON *rows_of(cJSON *doc)
{
    return cJSON_GetObjectItemCaseSensitive(doc, "containers");
}

static void on_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct listing *l = arg;
    (void)st;
    (void)err;
    l->st = NULL;
}

static int size_work(void *arg, struct vic_err *err)
{
    struct listing *l = arg;
    (void)err;
    for (size_t i = 0; l->paths && l->paths[i]; i++)
        (void)pl_disk_size(l->paths[i], &l->bytes[i], NULL); /* removed meanwhile: 0 */
    return 0;
}

static void on_sized(void *arg, int result, const struct vic_err *err)
{
    struct listing *l = arg;
    (void)result; /* there is no failure */
    (void)err;
    size_t i = 0;
    cJSON *row;
    cJSON_ArrayForEach(row, rows_of(l->doc))
    {
        json_add_i64(row, "size_bytes", (int64_t)l->bytes[i++]);
    }
    if (l->st) {
        rpc_stream_set_events(l->st, &no_events, NULL);
        rpc_reply_json(l->st, TAKE_PTR(l->doc));
    }
    cJSON_Delete(l->doc);
    vic_strv_free(l->paths);
    free(l->bytes);
    free(l);
}

static void send_sized(struct pl *pl, struct rpc_stream *st, cJSON *doc, char **paths)
{
    static const struct rpc_stream_events events = {.on_close = on_close};
    struct listing *l = vic_new(struct listing);
    *l = (struct listing){.st = st,
                          .doc = doc,
                          .paths = paths,
                          .bytes = vic_xalloc((vic_strv_len(paths) + 1) * sizeof(uint64_t))};
    rpc_stream_set_events(st, &events, l);
    host_work(pl->loop, size_work, on_sized, l);
}

void pl_list_handle(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    const char *text = rpc_stream_query(st, "size");
    bool with_size = false;
    struct vic_err err;
    if (text && vic_str_to_bool(text, &with_size) < 0) {
        (void)vic_fail(&err, VIC_ERR_INVALID, 0, "size: expected 0 or 1");
        rpc_reply_error(st, &err);
        return;
    }
    char fingerprint[17];
    cJSON *doc = json_new_obj();
    (void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
                   (unsigned long long)pl_list_fingerprint(pl->execution));
    json_add_str(doc, "fingerprint", fingerprint);
    if (!with_size && vic_str_eq(rpc_stream_query(st, "unless"), fingerprint)) {
        rpc_reply_json(st, doc);
        return;
    }
    cJSON *rows = json_add_arr(doc, "containers");
    char **paths = NULL;
    const struct vic_list *head = &pl->execution->containers;
    for (struct vic_list *l = head->prev; l != head; l = l->prev) {
        const struct pl_container *c = container_of(l, struct pl_container, link);
        if (!c->is_visible)
            continue;
        json_push(rows, pl_container_to_json_row(c));
        auto_free char *path = with_size ? pl_container_path(c, "disk.qcow2") : NULL;
        if (path)
            paths = vic_strv_append(paths, path);
    }
    if (with_size)
        send_sized(pl, st, doc, paths);
    else
        rpc_reply_json(st, doc);
}
