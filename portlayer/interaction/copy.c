/* /v1/containers/{ref}/archive and export: copies in and out of a container, done by its tether. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "portlayer/interaction/relay.h"

static int check(const struct pl_container *c, struct vic_err *err)
{
    if (c->rec.state == PL_REMOVING || c->rec.state == PL_DEAD)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is being removed", c->rec.id);
    if (c->rec.state == PL_STARTING || c->rec.state == PL_RESTARTING)
        return vic_fail(err, VIC_ERR_CONFLICT, 0, "container %s is %s: try it again", c->rec.id,
                        pl_state_to_string(c->rec.state));
    return 0;
}

/* The container, or NULL after an error was answered. */
static struct pl_container *find(struct rpc_stream *st, struct pl *pl)
{
    struct vic_err err;
    struct pl_container *c = NULL;
    if (pl_index_find(pl->execution, rpc_stream_param(st, "ref"), &c, &err) == 0)
        return c;
    rpc_reply_error(st, &err);
    return NULL;
}

void pl_copy_serve(struct pl_container *c, struct rpc_stream *take_st, const char *method,
                   const char *path, const char *action)
{
    struct vic_err err;
    if (rpc_stream_is_closed(take_st))
        rpc_stream_cancel(take_st); /* it waited too long */
    else if (check(c, &err) < 0)
        rpc_reply_error(take_st, &err);
    else if (pl_container_is_ending(c))
        pl_nap_wait_for_end(c, take_st, method, path, action);
    else if (pl_state_has_vm(c->rec.state) || pl_nap_is_awake(c))
        pl_relay(take_st, c, method, path, action);
    else
        pl_nap_wait(c, take_st, method, path, action);
}

/* Adds a parameter of the client's as it is: the tether checks it. */
static void pass_on(struct vic_buf *path, const struct rpc_stream *st, const char *name)
{
    const char *value = rpc_stream_query(st, name);
    auto_free char *encoded = value ? rpc_encode(value) : NULL;
    if (encoded)
        vic_buf_addf(path, "%s=%s&", name, encoded);
}

static bool is_set(const struct rpc_stream *st, const char *name)
{
    return vic_str_eq(rpc_stream_query(st, name), "1");
}

void pl_copy_out_handle(struct rpc_stream *st, void *arg)
{
    struct pl_container *c = find(st, arg);
    if (!c)
        return;
    auto_buf struct vic_buf path = {0};
    vic_buf_add_str(&path, "/v1/copy?");
    pass_on(&path, st, "path");
    pass_on(&path, st, "stat");
    pl_copy_serve(c, st, "GET", vic_buf_str(&path), is_set(st, "stat") ? NULL : "archive-path");
}

void pl_copy_in_handle(struct rpc_stream *st, void *arg)
{
    struct pl_container *c = find(st, arg);
    if (!c)
        return;
    auto_buf struct vic_buf path = {0};
    vic_buf_add_str(&path, "/v1/copy?");
    pass_on(&path, st, "path");
    pass_on(&path, st, "keep_kind");
    if (is_set(st, "as_user")) {
        const char *user = c->rec.spec.user;
        auto_free char *owner = rpc_encode(vic_str_is_empty(user) ? "0:0" : user);
        vic_buf_addf(&path, "owner=%s&", owner);
    }
    pl_copy_serve(c, st, "PUT", vic_buf_str(&path), "extract-to-dir");
}

void pl_changes_handle(struct rpc_stream *st, void *arg)
{
    struct pl_container *c = find(st, arg);
    if (c)
        pl_copy_serve(c, st, "GET", "/v1/changes", NULL);
}

void pl_export_handle(struct rpc_stream *st, void *arg)
{
    struct pl_container *c = find(st, arg);
    if (c)
        pl_copy_serve(c, st, "GET", "/v1/export", "export");
}
