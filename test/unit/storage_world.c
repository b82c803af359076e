#include "test/unit/storage_world.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/host/digest.h"
#include "lib/oci/oci.h"
#include "portlayer/storage/content.h"
#include "portlayer/storage/index.h"
#include "portlayer/storage/layer.h"
#include "portlayer/storage/storage.h"
#include "test/unit/storage_rpc.h"

/* ---- stand-ins ------------------------------------------------------------------------------------ */

_Atomic unsigned applied;
const char *bad_diff_id;
const char *bad_blob;

int __wrap_pl_layer_create_base(const struct pl_config *config, struct vic_err *err);
int __wrap_pl_layer_apply(const struct pl_config *config, const struct pl_layer_apply *apply,
                          uint64_t *ret_size, struct vic_err *err);
void __wrap_pl_events_emit(struct pl_events *e, const char *type, const char *action,
                           const char *id, const cJSON *attributes, const cJSON *extra);

int __wrap_pl_layer_create_base(const struct pl_config *config, struct vic_err *err)
{
    (void)config;
    (void)err;
    return 0;
}

int __wrap_pl_layer_apply(const struct pl_config *config, const struct pl_layer_apply *apply,
                          uint64_t *ret_size, struct vic_err *err)
{
    applied++;
    usleep(20000); /* long enough for a second commit to come and wait */
    bool is_bad = bad_blob && strstr(apply->blob_path, bad_blob + strlen("sha256:"));
    if (is_bad || vic_str_eq(apply->diff_id, bad_diff_id))
        return vic_fail(err, VIC_ERR_INVALID, 0, "layer does not match its diff id");
    apply->on_progress(3, apply->arg);
    auto_free char *path = pl_layer_path(config, apply->chain_id);
    *ret_size = 1000;
    return vic_file_replace(path, "layer", 5, 0444, err);
}

unsigned rooms_left;

int __wrap_statvfs(const char *path, struct statvfs *v);

int __wrap_statvfs(const char *path, struct statvfs *v)
{
    (void)path;
    bool has_room = rooms_left > 0;
    rooms_left -= has_room;
    *v = (struct statvfs){.f_frsize = 1 << 20, .f_blocks = 10000, .f_bavail = has_room ? 9000 : 9};
    return 0;
}

char events[512];

void __wrap_pl_events_emit(struct pl_events *e, const char *type, const char *action,
                           const char *id, const cJSON *attributes, const cJSON *extra)
{
    (void)e;
    (void)type;
    (void)extra;
    size_t n = strlen(events);
    (void)snprintf(events + n, sizeof(events) - n, "%s %.12s %s;", action, id,
                   json_str(attributes, "name", "-"));
}

/* ---- the fixture ---------------------------------------------------------------------------------- */

void open_storage(struct fixture *f)
{
    struct vic_err err = {0};
    if (pl_storage_new(&f->pl, &f->pl.storage, &err) < 0)
        fail_msg("%s", err.message);
}

int setup(void **state)
{
    struct fixture *f = vic_new(struct fixture);
    (void)snprintf(f->root, sizeof(f->root), "/tmp/vic-storage-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->pl.loop = &f->loop;
    f->pl.config = (struct pl_config){.datastore = f->root,
                                      .disk_size_bytes = UINT64_C(64) << 30,
                                      .qemu_uid = geteuid(),
                                      .qemu_gid = getegid()};
    f->content = vic_xasprintf("%s/content", f->root);
    open_storage(f);
    applied = 0;
    bad_diff_id = NULL;
    rooms_left = UINT_MAX;
    events[0] = '\0';
    *state = f;
    return 0;
}

int teardown(void **state)
{
    struct fixture *f = *state;
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    pl_storage_free(f->pl.storage);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(vic_file_remove_tree(f->root, NULL), 0);
    free(f->content);
    free(f);
    return 0;
}

void ask(struct fixture *f, const char *method, const char *path, struct rpc_stream *st)
{
    request(pl_storage_routes, pl_storage_n_routes, method, path, st, &f->pl);
}

void run(struct fixture *f)
{
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
}

int count_files(const char *root, const char *folder)
{
    auto_free char *path = vic_xasprintf("%s/%s", root, folder);
    DIR *d = opendir(path);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        (void)closedir(d);
    return n;
}

void put_blob(struct fixture *f, const void *data, size_t len, char digest[HOST_DIGEST_MAX])
{
    struct pl_ingest *in;
    host_digest_of(data, len, digest);
    assert_int_equal(pl_ingest_open(f->content, digest, len, &in, NULL), 0);
    assert_int_equal(pl_ingest_write(in, data, len, NULL), 0);
    assert_int_equal(pl_ingest_finish(in, NULL), 0);
    pl_ingest_free(in);
}

/* ---- images --------------------------------------------------------------------------------------- */

/* An image whose layers are the given texts (blob = text, diff id = digest of text and "!").  Of
 * "base=lie" the diff id is that of "base". */
struct made make_image(struct fixture *f, const char *const *layers, size_t n)
{
    struct made m;
    cJSON *config = json_new_obj();
    json_add_str(config, "os", "linux");
    json_add_str(config, "architecture", "amd64");
    json_add_str(config, "created", "2026-01-02T03:04:05Z");
    json_add_str(json_add_obj(json_add_obj(config, "config"), "Labels"), "l", "v");
    cJSON *ids = json_add_arr(json_add_obj(config, "rootfs"), "diff_ids");
    cJSON *manifest = json_new_obj();
    json_add_i64(manifest, "schemaVersion", 2);
    cJSON *blobs = json_new_arr();
    for (size_t i = 0; i < n; i++) {
        char diff[HOST_DIGEST_MAX];
        int n_name = (int)strcspn(layers[i], "=");
        auto_free char *text = vic_xasprintf("%.*s!", n_name, layers[i]);
        host_digest_of(text, strlen(text), diff);
        json_push_str(ids, diff);
        put_blob(f, layers[i], strlen(layers[i]), m.blob[i]);
        cJSON *b = json_new_obj();
        json_add_str(b, "mediaType", "application/vnd.oci.image.layer.v1.tar");
        json_add_str(b, "digest", m.blob[i]);
        json_add_i64(b, "size", (int64_t)strlen(layers[i]));
        json_push(blobs, b);
    }
    auto_free char *config_text = json_print(config);
    put_blob(f, config_text, strlen(config_text), m.id);
    cJSON *c = json_add_obj(manifest, "config");
    json_add_str(c, "mediaType", "application/vnd.oci.image.config.v1+json");
    json_add_str(c, "digest", m.id);
    json_add_i64(c, "size", (int64_t)strlen(config_text));
    json_add(manifest, "layers", blobs);
    auto_free char *manifest_text = json_print(manifest);
    put_blob(f, manifest_text, strlen(manifest_text), m.manifest);
    cJSON_Delete(config);
    cJSON_Delete(manifest);
    return m;
}

void begin_commit(struct fixture *f, const struct made *m, const char *ref, struct rpc_stream *st)
{
    *st = (struct rpc_stream){.body = json_new_obj()};
    json_add_str(st->body, "manifest", m->manifest);
    json_add_str(st->body, "media_type", OCI_TYPE_MANIFEST);
    if (ref)
        json_push_str(json_add_arr(st->body, "refs"), ref);
    ask(f, "POST", "/v1/images", st);
}

struct made commit(struct fixture *f, const char *const *layers, size_t n, const char *ref)
{
    struct made m = make_image(f, layers, n);
    struct rpc_stream st;
    begin_commit(f, &m, ref, &st);
    run(f);
    assert_true(st.is_over);
    if (!strstr(vic_buf_str(&st.out), "\"id\""))
        fail_msg("%s", vic_buf_str(&st.out));
    request_release(&st);
    return m;
}
