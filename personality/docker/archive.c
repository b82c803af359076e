/* HEAD, GET and PUT /containers/{}/archive: copies out of and into a container. */
#include "personality/docker/archive.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/body.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/relay.h"
#include "personality/docker/router.h"

#define STAT_HEADER "X-Docker-Container-Path-Stat"
#define STAT_LINE_MAX (32u << 10) /* bytes: two paths, each character escaped */

/* ---- pure: what Docker says in other words ----------------------------------------------------------- */

/* The bits of Go's os.FileMode. */
uint32_t docker_archive_mode(uint32_t st_mode)
{
    static const struct {
        mode_t type;
        uint32_t bits;
    } types[] = {
        {S_IFDIR, 1u << 31}, {S_IFLNK, 1u << 27},
        {S_IFBLK, 1u << 26}, {S_IFCHR, 1u << 26 | 1u << 21},
        {S_IFIFO, 1u << 25}, {S_IFSOCK, 1u << 24},
    };
    uint32_t mode = st_mode & 0777;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if ((st_mode & S_IFMT) == types[i].type)
            mode |= types[i].bits;
    mode |= st_mode & S_ISUID ? 1u << 23 : 0;
    mode |= st_mode & S_ISGID ? 1u << 22 : 0;
    mode |= st_mode & S_ISVTX ? 1u << 20 : 0;
    return mode;
}

char *docker_archive_stat_header(const cJSON *stat)
{
    auto_json cJSON *doc = json_new_obj();
    json_add_str(doc, "name", json_str(stat, "name", ""));
    json_add_i64(doc, "size", json_i64(stat, "size", 0));
    json_add_i64(doc, "mode", docker_archive_mode((uint32_t)json_i64(stat, "mode", 0)));
    json_add_str(doc, "mtime", json_str(stat, "mtime", ""));
    json_add_str(doc, "linkTarget", json_str(stat, "link_target", ""));
    auto_free char *text = json_print(doc);
    size_t len = strlen(text);
    char *encoded = vic_xalloc(len / 3 * 4 + 5); /* whole groups, a padded one, NUL */
    (void)EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)text, (int)len);
    return encoded;
}

/* Absolute and without "." and "..", but for a last "/" or "/.", which ask for what a link leads to. */
char *docker_archive_path(const char *path)
{
    auto_free char *absolute = vic_xasprintf("/%s", path);
    char *clean = docker_route_clean(absolute);
    if (!clean)
        clean = vic_xstrdup(absolute);
    if (!vic_str_ends_with(absolute, "/.") || strcmp(clean, "/") == 0)
        return clean;
    auto_free char *bare = clean;
    return vic_xasprintf("%s/.", bare);
}

/* ---- shared ---------------------------------------------------------------------------------------- */

struct copy {
    struct docker_req *r;
    char *id;   /* of the container */
    char *path; /* in the container */
    /* out */
    struct vic_buf line; /* the first one, until it is complete */
    bool has_line;
    /* in */
    struct docker_relay *relay; /* NULL while there is none yet, or no more */
    struct vic_buf early; /* came before there was one; at most what a client sends at a time */
    bool has_ended;
};

static void copy_free(void *arg)
{
    struct copy *c = arg;
    docker_body_take(c->r, NULL, NULL);
    docker_req_unref(c->r);
    vic_buf_release(&c->line);
    vic_buf_release(&c->early);
    free(c->id);
    free(c->path);
    free(c);
}

static void reply_copy_error(const struct copy *c, const struct vic_err *err)
{
    if (err->kind == VIC_ERR_NOT_FOUND)
        docker_reply_errorf(c->r, VIC_ERR_NOT_FOUND, "Could not find the file %s in container %s",
                            docker_req_query_or(c->r, "path", ""), c->r->name);
    else
        docker_reply_error(c->r, err);
}

/* NULL when the request is answered already. */
static struct copy *copy_new(struct docker_req *r)
{
    const char *path = docker_req_query_or(r, "path", "");
    if (!docker_need_name(r))
        return NULL;
    if (path[0] == '\0' || strlen(path) >= PATH_MAX) {
        docker_reply_errorf(r, VIC_ERR_INVALID, "bad parameter: path %s",
                            path[0] ? "is too long" : "cannot be empty");
        return NULL;
    }
    struct copy *c = vic_new(struct copy);
    c->r = docker_req_ref(r);
    c->path = docker_archive_path(path);
    return c;
}

static char *intent_path(const struct copy *c)
{
    auto_free char *path = rpc_encode(c->path);
    return vic_xasprintf("/v1/containers/%s/archive?path=%s", c->id, path);
}

/* ---- out ---------------------------------------------------------------------------------------------- */

static void on_out_begin(struct docker_relay *l, void *arg)
{
    (void)l; /* the answer begins with the first line, which its headers need */
    (void)arg;
}

static int take_line(struct copy *c, struct vic_err *err)
{
    auto_json cJSON *stat = NULL;
    int r = json_parse(c->line.data, c->line.len, &stat, err);
    if (r < 0)
        return r;
    c->has_line = true;
    docker_reply_header(c->r, STAT_HEADER, docker_archive_stat_header(stat));
    if (c->r->method != DOCKER_HEAD)
        docker_stream_begin(c->r, "application/x-tar");
    return 0;
}

static int on_out_data(struct docker_relay *l, const void *data, size_t len, void *arg,
                       struct vic_err *err)
{
    (void)l;
    struct copy *c = arg;
    const char *rest = data;
    if (!c->has_line) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - rest) : len;
        if (c->line.len + n > STAT_LINE_MAX)
            return vic_fail(err, VIC_ERR_INTERNAL, 0, "the guest's answer is too long");
        vic_buf_add(&c->line, data, n);
        int r = end ? take_line(c, err) : 1;
        if (r != 0)
            return r;
        rest = end + 1;
        len -= n + 1;
    }
    if (c->r->method == DOCKER_HEAD)
        return 1; /* there is no stream that could drain */
    return docker_stream_write(c->r, rest, len);
}

static void on_out_end(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg)
{
    (void)l;
    (void)has_begun;
    const struct copy *c = arg;
    if (!c->has_line && err)
        reply_copy_error(c, err);
    else if (!c->has_line)
        docker_reply_errorf(c->r, VIC_ERR_INTERNAL, "the guest did not answer");
    else if (c->r->method == DOCKER_HEAD)
        docker_reply_empty(c->r, DOCKER_OK);
    else if (err)
        docker_stream_break(c->r);
    else
        docker_stream_end(c->r);
}

static const struct docker_relay_ops out_ops = {
    .on_begin = on_out_begin, .on_data = on_out_data, .on_end = on_out_end, .on_free = copy_free};

static void on_container_out(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                             void *arg)
{
    struct copy *c = arg;
    if (err) {
        docker_reply_error(r, err);
        copy_free(c);
        return;
    }
    c->id = vic_xstrdup(json_str(doc, "id", ""));
    auto_free char *path = intent_path(c);
    auto_free char *whole = vic_xasprintf("%s&stat=%d", path, r->method == DOCKER_HEAD);
    docker_relay_open(r, "GET", whole, false, &out_ops, c);
}

void docker_archive_get(struct docker_req *r)
{
    struct copy *c = copy_new(r);
    if (c)
        docker_get_container(r, r->name, on_container_out, c);
}

/* ---- in ------------------------------------------------------------------------------------------------ */

static bool on_body_data(const void *data, size_t len, void *arg)
{
    struct copy *c = arg;
    struct rpc_stream *st = c->relay ? docker_relay_stream(c->relay) : NULL;
    if (st)
        return rpc_stream_write(st, data, len) < RPC_HIGH_WATER;
    vic_buf_add(&c->early, data, len);
    return false;
}

static void on_body_end(void *arg)
{
    struct copy *c = arg;
    struct rpc_stream *st = c->relay ? docker_relay_stream(c->relay) : NULL;
    c->has_ended = true;
    if (st)
        rpc_stream_end(st);
}

static const struct docker_body_events body_events = {.on_data = on_body_data,
                                                      .on_end = on_body_end};

static void on_in_begin(struct docker_relay *l, void *arg)
{
    (void)l; /* it is unpacked; the end answers */
    (void)arg;
}

static int on_in_data(struct docker_relay *l, const void *data, size_t len, void *arg,
                      struct vic_err *err)
{
    (void)l; /* an empty document */
    (void)data;
    (void)len;
    (void)arg;
    (void)err;
    return 1;
}

static void on_in_drain(struct docker_relay *l, void *arg)
{
    (void)l;
    const struct copy *c = arg;
    docker_body_resume(c->r);
}

static void on_in_end(struct docker_relay *l, const struct vic_err *err, bool has_begun, void *arg)
{
    (void)l;
    (void)has_begun;
    struct copy *c = arg;
    c->relay = NULL;
    if (err)
        reply_copy_error(c, err);
    else
        docker_reply_empty(c->r, DOCKER_OK);
    docker_body_resume(c->r); /* the rest is dropped */
}

static const struct docker_relay_ops in_ops = {.on_begin = on_in_begin,
                                               .on_data = on_in_data,
                                               .on_input_drain = on_in_drain,
                                               .on_end = on_in_end,
                                               .on_free = copy_free};

static void on_container_in(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                            void *arg)
{
    struct copy *c = arg;
    if (err || r->is_gone) {
        if (err)
            docker_reply_error(r, err);
        copy_free(c);
        docker_body_resume(r);
        return;
    }
    auto_json cJSON *said = docker_create_document(doc);
    if (json_bool(json_member(said, "HostConfig"), "ReadonlyRootfs", false)) {
        docker_reply_errorf(r, VIC_ERR_FORBIDDEN, "container rootfs is marked read-only");
        copy_free(c);
        docker_body_resume(r);
        return;
    }
    c->id = vic_xstrdup(json_str(doc, "id", ""));
    auto_free char *path = intent_path(c);
    auto_free char *whole =
        vic_xasprintf("%s&keep_kind=%d&as_user=%d", path,
                      docker_req_bool(r, "noOverwriteDirNonDir"), docker_req_bool(r, "copyUIDGID"));
    struct docker_relay *relay = docker_relay_open(r, "PUT", whole, true, &in_ops, c);
    if (!relay) { /* r is answered and c gone: the rest of the body is dropped */
        docker_body_resume(r);
        return;
    }
    c->relay = relay;
    struct rpc_stream *st = docker_relay_stream(relay);
    if (c->early.len > 0)
        (void)rpc_stream_write(st, c->early.data, c->early.len);
    vic_buf_release(&c->early);
    if (c->has_ended)
        rpc_stream_end(st);
    docker_body_resume(r);
}

void docker_archive_put(struct docker_req *r)
{
    struct copy *c = copy_new(r);
    if (!c)
        return;
    docker_body_take(r, &body_events, c);
    docker_get_container(r, r->name, on_container_in, c);
}
