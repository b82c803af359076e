/* The command's own store.  A blob has its name only when it is whole, right and on disk. */
#include "imagec/content.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/host/work.h"
#include "lib/json/json.h"
#include "lib/oci/oci.h"

#define TEMPORARY ".new-"
#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define REF_NAME "org.opencontainers.image.ref.name"

struct img_content {
    uv_loop_t *loop;
    char *root;   /* owned */
    char *blobs;  /* owned; root/blobs/sha256 */
    int lock;     /* root itself, locked */
    char **added; /* owned; paths of blobs */
    bool made_root;
    struct img_sink sink;
};

static char *blob_path(const struct img_content *c, const char *prefix, const char *digest)
{
    return vic_xasprintf("%s/%s%s", c->blobs, prefix, digest + strlen("sha256:"));
}

static int check_digest(const char *digest, struct vic_err *err)
{
    return host_digest_is_valid(digest)
               ? 0
               : vic_fail(err, VIC_ERR_INVALID, 0, "not a digest: '%.80s'", digest);
}

/* ---- is it there, and its bytes ---- */

struct ask {
    char *path;   /* owned */
    char *digest; /* owned */
    size_t max_bytes;
    bool is_there;
    char *data; /* owned */
    size_t len;
    img_stat_fn on_stat;
    img_read_fn on_read;
    void *arg;
};

static int ask_work(void *arg, struct vic_err *err)
{
    struct ask *a = arg;
    if (a->on_stat) {
        int r = vic_file_exists(a->path);
        a->is_there = r > 0;
        return r < 0 ? vic_fail_errno(err, -r, "look at '%s'", a->path) : 0;
    }
    char digest[HOST_DIGEST_MAX];
    int r = vic_file_read(a->path, a->max_bytes, &a->data, &a->len, err);
    if (r < 0)
        return r;
    host_digest_of(a->data, a->len, digest);
    if (strcmp(digest, a->digest) != 0)
        return vic_fail(err, VIC_ERR_INTERNAL, 0, "'%s' is damaged: remove it", a->path);
    return 0;
}

static void ask_done(void *arg, int result, const struct vic_err *err)
{
    struct ask *a = arg;
    const struct vic_err *why = result < 0 ? err : NULL;
    if (a->on_stat)
        a->on_stat(why, a->is_there, a->arg);
    else
        a->on_read(why, a->data, a->len, a->arg);
    free(a->path);
    free(a->digest);
    free(a->data);
    free(a);
}

static int ask(struct img_content *c, const char *digest, const struct ask *what,
               struct vic_err *err)
{
    int r = check_digest(digest, err);
    if (r < 0)
        return r;
    struct ask *a = vic_new(struct ask);
    *a = *what;
    a->path = blob_path(c, "", digest);
    a->digest = vic_xstrdup(digest);
    host_work(c->loop, ask_work, ask_done, a);
    return 0;
}

static int content_stat(void *arg, const char *digest, img_stat_fn done, void *done_arg,
                        struct vic_err *err)
{
    return ask(arg, digest, &(struct ask){.on_stat = done, .arg = done_arg}, err);
}

static int content_read(void *arg, const char *digest, size_t max_bytes, img_read_fn done,
                        void *done_arg, struct vic_err *err)
{
    return ask(arg, digest, &(struct ask){.on_read = done, .arg = done_arg, .max_bytes = max_bytes},
               err);
}

/* ---- writing ---- */

struct img_writer {
    struct img_content *content;
    char *temporary; /* owned */
    char *path;      /* owned */
    int fd;
    uint64_t size;
    uint64_t n_written;
    int error; /* positive errno; 0 */
    const struct img_writer_events *events;
    void *arg;
    bool is_ending; /* end_work is on its way */
    bool is_aborted;
};

static void writer_free(struct img_writer *w)
{
    vic_close_p(&w->fd);
    (void)unlink(w->temporary); /* gone already if all went well */
    free(w->temporary);
    free(w->path);
    free(w);
}

static int end_work(void *arg, struct vic_err *err)
{
    struct img_writer *w = arg;
    if (w->error)
        return vic_fail_errno(err, w->error, "write '%s'", w->temporary);
    if (w->n_written != w->size)
        return vic_fail(err, VIC_ERR_INVALID, 0, "'%s': expected %llu bytes, got %llu", w->path,
                        (unsigned long long)w->size, (unsigned long long)w->n_written);
    if (fsync(w->fd) < 0)
        return vic_fail_errno(err, errno, "sync '%s'", w->temporary);
    if (rename(w->temporary, w->path) < 0)
        return vic_fail_errno(err, errno, "rename '%s'", w->temporary);
    return vic_file_sync_dir(w->content->blobs, err);
}

static void end_done(void *arg, int result, const struct vic_err *err)
{
    struct img_writer *w = arg;
    if (result == 0)
        w->content->added = vic_strv_append(w->content->added, w->path);
    if (!w->is_aborted)
        w->events->on_done(result < 0 ? err : NULL, w->arg);
    writer_free(w);
}

static void end(struct img_writer *w)
{
    if (w->is_ending)
        return;
    w->is_ending = true;
    host_work(w->content->loop, end_work, end_done, w);
}

static int content_writer_open(void *arg, const char *digest, uint64_t size,
                               const struct img_writer_events *events, void *events_arg,
                               struct img_writer **ret_writer, struct vic_err *err)
{
    struct img_content *c = arg;
    int r = check_digest(digest, err);
    if (r == 0)
        r = vic_file_mkdir_p(c->blobs, 0755, err);
    if (r < 0)
        return r;
    struct img_writer *w = vic_new(struct img_writer);
    *w = (struct img_writer){.content = c,
                             .temporary = blob_path(c, TEMPORARY, digest),
                             .path = blob_path(c, "", digest),
                             .size = size,
                             .events = events,
                             .arg = events_arg};
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (w->fd < 0) {
        r = vic_fail_errno(err, errno, "create '%s'", w->temporary);
        writer_free(w);
        return r;
    }
    *ret_writer = w;
    return 0;
}

static bool content_write(struct img_writer *w, const void *data, size_t len)
{
    if (w->error)
        return false;
    w->error = -vic_file_write_all(w->fd, data, len);
    w->n_written += len;
    if (w->error)
        end(w);
    return !w->error;
}

static void content_finish(struct img_writer *w)
{
    end(w);
}

static void content_abort(struct img_writer *w)
{
    w->is_aborted = true;
    if (!w->is_ending)
        writer_free(w);
}

/* ---- the layout ---- */

/* What a process that was killed had begun; the lock says that nobody writes now. */
static void sweep(const struct img_content *c)
{
    DIR *d = opendir(c->blobs);
    if (!d)
        return;
    for (const struct dirent *e; (e = readdir(d));)
        if (vic_str_starts_with(e->d_name, TEMPORARY))
            (void)unlinkat(dirfd(d), e->d_name, 0);
    (void)closedir(d);
}

int img_content_open(uv_loop_t *loop, const char *root, struct img_content **ret_content,
                     struct vic_err *err)
{
    bool made_root = vic_file_exists(root) == 0;
    int r = vic_file_mkdir_p(root, 0755, err);
    if (r < 0)
        return r;
    auto_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return vic_fail_errno(err, errno, "open '%s'", root);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return vic_fail(err, VIC_ERR_CONFLICT, errno, "another imagec is writing to '%s'", root);
    struct img_content *c = vic_new(struct img_content);
    *c = (struct img_content){.loop = loop,
                              .root = vic_xstrdup(root),
                              .blobs = vic_xasprintf("%s/blobs/sha256", root),
                              .lock = TAKE_FD(fd),
                              .made_root = made_root,
                              .sink = {.arg = c,
                                       .stat = content_stat,
                                       .read = content_read,
                                       .open = content_writer_open,
                                       .write = content_write,
                                       .finish = content_finish,
                                       .abort = content_abort}};
    sweep(c);
    *ret_content = c;
    return 0;
}

void img_content_free(struct img_content *c)
{
    if (!c)
        return;
    vic_close_p(&c->lock);
    vic_strv_free(c->added);
    free(c->root);
    free(c->blobs);
    free(c);
}

const struct img_sink *img_content_sink(struct img_content *c)
{
    return &c->sink;
}

void img_content_undo(struct img_content *c)
{
    auto_free char *parent = vic_xasprintf("%s/blobs", c->root);
    for (size_t i = 0; c->added && c->added[i]; i++)
        (void)unlink(c->added[i]);
    (void)rmdir(c->blobs); /* stays if others' blobs are in it */
    (void)rmdir(parent);
    if (c->made_root)
        (void)rmdir(c->root);
}

/* ---- index.json ---- */

static int read_index(const char *path, cJSON **ret_index, struct vic_err *err)
{
    int r = vic_file_exists(path);
    if (r < 0)
        return vic_fail_errno(err, -r, "look at '%s'", path);
    if (r == 0) {
        cJSON *x = json_new_obj();
        json_add_i64(x, "schemaVersion", 2);
        json_add_str(x, "mediaType", OCI_TYPE_INDEX);
        (void)json_add_arr(x, "manifests");
        *ret_index = x;
        return 0;
    }
    auto_free char *text = NULL;
    size_t len;
    auto_json cJSON *doc = NULL;
    const cJSON *list = NULL;
    r = vic_file_read(path, OCI_DOCUMENT_MAX, &text, &len, err);
    if (r == 0)
        r = json_parse(text, len, &doc, err);
    if (r == 0)
        r = json_get_arr(doc, "", "manifests", &list, err);
    if (r == 0 && !list)
        r = vic_fail(err, VIC_ERR_INVALID, 0, "manifests: missing");
    if (r < 0)
        return vic_fail_wrap(err, r, "'%s'", path);
    *ret_index = TAKE_PTR(doc);
    return 0;
}

static void drop_name(cJSON *list, const char *name)
{
    for (int i = cJSON_GetArraySize(list) - 1; i >= 0; i--) {
        const cJSON *notes = json_member(cJSON_GetArrayItem(list, i), "annotations");
        if (vic_str_eq(json_str(notes, REF_NAME, ""), name))
            cJSON_DeleteItemFromArray(list, i);
    }
}

int img_content_tag(struct img_content *c, const char *name, const char *digest,
                    const char *media_type, struct vic_err *err)
{
    auto_free char *index_path = vic_xasprintf("%s/index.json", c->root);
    auto_free char *layout_path = vic_xasprintf("%s/oci-layout", c->root);
    auto_free char *blob = blob_path(c, "", digest);
    auto_json cJSON *index = NULL;
    struct stat st;
    if (stat(blob, &st) < 0)
        return vic_fail_errno(err, errno, "look at '%s'", blob);
    int r = read_index(index_path, &index, err);
    if (r < 0)
        return r;
    cJSON *list = cJSON_GetObjectItemCaseSensitive(index, "manifests");
    drop_name(list, name);
    cJSON *entry = json_new_obj();
    json_add_str(entry, "mediaType", media_type);
    json_add_str(entry, "digest", digest);
    json_add_i64(entry, "size", st.st_size);
    json_add_str(json_add_obj(entry, "annotations"), REF_NAME, name);
    json_push(list, entry);
    auto_free char *text = json_print(index);
    if (vic_file_exists(layout_path) <= 0)
        r = vic_file_replace(layout_path, LAYOUT, strlen(LAYOUT), 0644, err);
    return r < 0 ? r : vic_file_replace(index_path, text, strlen(text), 0644, err);
}
