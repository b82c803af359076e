/* POST /v1/containers: checks the document, takes the name, makes folder, disk and record. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "portlayer/execution/create_doc.h"
#include "portlayer/execution/internal.h"
#include "portlayer/execution/vm_size.h"
#include "portlayer/storage/storage.h"

#define FOLDER_MODE 0711 /* QEMU's user reaches its files by name, and lists nothing */

struct creation {
    struct pl_container *c;
    struct pl_request *req;
    const struct pl_config *config;
    char *dir, *parent, *disk, *chain_id, *record_path, *record_text;
};

/* The record comes last: a folder without one is a half-made container and is removed on start-up. */
static int create_work(void *arg, struct vic_err *err)
{
    struct creation *w = arg;
    if (mkdir(w->dir, FOLDER_MODE) < 0)
        return vic_fail_errno(err, errno, "create folder '%s'", w->dir);
    int r = chmod(w->dir, FOLDER_MODE) < 0 ? vic_fail_errno(err, errno, "chmod '%s'", w->dir) : 0;
    if (r == 0)
        r = pl_disk_create(w->config, w->disk, w->chain_id, err);
    if (r == 0)
        r = vic_file_replace(w->record_path, w->record_text, strlen(w->record_text), 0600, err);
    if (r == 0)
        r = vic_file_sync_dir(w->parent, err);
    if (r < 0)
        (void)vic_file_remove_tree(w->dir, NULL);
    return r;
}

static void answer(struct creation *w, const struct vic_err *err)
{
    if (!err && w->req->stream) {
        static const struct rpc_stream_events none = {0};
        struct rpc_stream *st = TAKE_PTR(w->req->stream);
        cJSON *doc = json_new_obj();
        json_add_str(doc, "id", w->c->rec.id);
        rpc_stream_set_events(st, &none, NULL);
        rpc_reply_json(st, doc);
    }
    pl_request_reply(w->req, err);
}

static void on_created(void *arg, int result, const struct vic_err *err)
{
    struct creation *w = arg;
    struct pl_container *c = w->c;
    if (result < 0) {
        pl_index_remove(c);
        pl_storage_release(c->x->pl->storage, c->rec.id);
        answer(w, err);
    } else {
        c->is_visible = true;
        pl_container_emit(c, "create", NULL, NULL);
        answer(w, NULL);
    }
    if (result < 0)
        pl_container_unref(c); /* the index's */
    pl_container_unref(c);
    char *const strings[] = {w->dir,      w->parent,      w->disk,
                             w->chain_id, w->record_path, w->record_text};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    free(w);
}

static void begin(struct pl_container *c, struct rpc_stream *st)
{
    struct creation *w = vic_new(struct creation);
    pl_container_ref(c);
    w->c = c;
    w->req = pl_request_new(c, st, PL_EV_START);
    w->config = &c->x->pl->config;
    w->dir = pl_container_path(c, NULL);
    w->parent = vic_xasprintf("%s/containers", w->config->datastore);
    w->disk = pl_container_path(c, "disk.qcow2");
    w->chain_id = vic_xstrdup(c->rec.chain_id);
    w->record_path = pl_container_path(c, "container.json");
    w->record_text = pl_record_to_text(&c->rec);
    host_queue_add(c->queue, create_work, on_created, w);
}

static int check_networks(const struct pl_record *rec, struct vic_err *err)
{
    for (char **v = rec->spec.networks; v && *v; v++)
        for (char **u = rec->spec.networks; u < v; u++)
            if (vic_str_eq(*u, *v))
                return vic_fail(err, VIC_ERR_INVALID, 0, "spec.networks: '%s' twice", *v);
    return 0;
}

static int check_size(const struct pl_record *rec, const struct pl_config *config,
                      struct vic_err *err)
{
    struct pl_vm_size host;
    struct pl_vm_size room;
    pl_vm_size_of_host(&host);
    return pl_vm_size_for(&rec->spec.confine, config, &host, &room, err);
}

void pl_create_handle(struct rpc_stream *st, void *arg)
{
    struct pl *pl = arg;
    struct vic_err err = {0};
    struct pl_record rec = {0};
    const char *chain_id = NULL;
    int r = pl_create_read(rpc_stream_json(st), &rec, &err);
    if (r == 0)
        r = check_networks(&rec, &err);
    if (r == 0)
        r = check_size(&rec, &pl->config, &err);
    if (r == 0)
        r = pl_storage_image_chain(pl->storage, rec.image, &chain_id, &err);
    if (r < 0) {
        pl_record_release(&rec);
        rpc_reply_error(st, &err);
        return;
    }
    rec.chain_id = vic_xstrdup(chain_id);
    struct pl_container *c = pl_container_new(pl->execution, &rec);
    r = pl_index_add(pl->execution, c, &err);
    if (r < 0) {
        pl_container_unref(c);
        rpc_reply_error(st, &err);
        return;
    }
    pl_storage_hold(pl->storage, c->rec.id, c->rec.image, c->rec.chain_id, false);
    begin(c, st);
}
