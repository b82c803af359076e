/* vic-portlayer: joins the rooms of the port layer, serves their intents, and ends when asked to. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/opts.h"
#include "lib/base/str.h"
#include "lib/host/listen.h"
#include "lib/host/loop.h"
#include "lib/host/rpc_uv.h"
#include "portlayer/events.h"
#include "portlayer/execution/execution.h"
#include "portlayer/execution/virt_event.h"
#include "portlayer/info.h"
#include "portlayer/network/network.h"
#include "portlayer/pl.h"
#include "portlayer/storage/storage.h"
#include "portlayer/wipe.h"

#define WORKERS "16" /* blocking libvirt calls of as many containers side by side */
#define ARENAS 2     /* glibc gives each worker a heap of its own, and none of them shrinks */
#define CONNECTIONS_MAX 256
#define CLOSE_TURNS 50 /* of the loop, for what is being closed */

struct program {
    struct pl pl;
    uv_loop_t loop;
    int lock_fd;
    virConnectPtr conn;
    struct rpc_route *routes;
    size_t n_routes;
    struct host_rpc_server *server;
    struct host_signals *signals;
};

static int take_lock(struct program *p, struct vic_err *err)
{
    auto_free char *path = vic_xasprintf("%s/lock", p->pl.config.datastore);
    p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (p->lock_fd < 0)
        return vic_fail_errno(err, errno, "open '%s'", path);
    if (flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return vic_fail(err, VIC_ERR_CONFLICT, EBUSY, "another vic-portlayer serves '%s'",
                        p->pl.config.datastore);
    return 0;
}

static void add_routes(struct program *p, const struct rpc_route *routes, size_t n)
{
    p->routes = vic_xrealloc_array(p->routes, p->n_routes + n, sizeof(*p->routes));
    memcpy(p->routes + p->n_routes, routes, n * sizeof(*routes));
    p->n_routes += n;
}

static void on_libvirt_error(void *arg, virErrorPtr e)
{
    (void)arg;
    (void)e; /* callers report what failed; libvirt's own printing would double it */
}

static int open_rooms(struct program *p, struct vic_err *err)
{
    struct pl *pl = &p->pl;
    virSetErrorFunc(NULL, on_libvirt_error);
    int r = pl_events_new(pl, &pl->events, err);
    if (r < 0)
        return r;
    p->conn = virConnectOpen(pl->config.libvirt_uri);
    if (!p->conn)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "connect to libvirt at '%s': %s",
                        pl->config.libvirt_uri, virGetLastErrorMessage());
    if ((r = pl_storage_new(pl, &pl->storage, err)) < 0 ||
        (r = pl_network_new(pl, p->conn, &pl->network, err)) < 0 ||
        (r = pl_execution_new(pl, p->conn, &pl->execution, err)) < 0)
        return r;
    return 0;
}

static bool is_all_closed(struct program *p)
{
    for (unsigned i = 0; i < CLOSE_TURNS; i++)
        if (!uv_run(&p->loop, UV_RUN_NOWAIT))
            break;
    return uv_loop_close(&p->loop) == 0;
}

/* False when calls are still in flight (libvirt may take its time): the process then ends without them,
 * as it may at any other moment. */
static bool close_rooms(struct program *p)
{
    if (p->server)
        host_rpc_server_close(p->server);
    if (p->signals)
        host_signals_free(p->signals);
    pl_execution_close(p->pl.execution);
    for (unsigned i = 0; i < CLOSE_TURNS; i++)
        (void)uv_run(&p->loop, UV_RUN_NOWAIT);
    if (p->loop.active_reqs.count > 0)
        return false; /* a worker still uses the rooms */
    if (p->conn)
        (void)virConnectClose(p->conn);
    if (p->pl.network)
        pl_network_free(p->pl.network);
    pl_events_free(p->pl.events);
    for (unsigned i = 0; i < CLOSE_TURNS; i++)
        (void)uv_run(&p->loop, UV_RUN_NOWAIT); /* what libvirt lets go of */
    pl_virt_event_close();
    if (!is_all_closed(p))
        return false;
    if (p->pl.storage)
        pl_storage_free(p->pl.storage);
    pl_config_release(&p->pl.config);
    free(p->routes);
    (void)close(p->lock_fd);
    return true;
}

static void on_stop(void *arg)
{
    struct program *p = arg;
    vic_log(VIC_INFO, "portlayer", p->pl.config.id, "stopping; the virtual machines run on");
    uv_stop(&p->loop);
}

static int serve(struct program *p, struct vic_err *err)
{
    int fd = -1;
    if (host_listen_fds(&fd) < 1)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "no listening socket was passed in (LISTEN_FDS): use vic-machine");
    int r = open_rooms(p, err);
    if (r < 0)
        return r;
    add_routes(p, pl_info_routes, pl_info_n_routes);
    add_routes(p, pl_events_routes, pl_events_n_routes);
    add_routes(p, pl_execution_routes, pl_execution_n_routes);
    add_routes(p, pl_storage_routes, pl_storage_n_routes);
    add_routes(p, pl_network_routes, pl_network_n_routes);
    r = host_rpc_listen(&p->loop, fd, p->routes, p->n_routes, &p->pl, CONNECTIONS_MAX, &p->server,
                        err);
    if (r < 0)
        return r;
    p->signals = host_signals_new(&p->loop, on_stop, p);
    vic_log(VIC_INFO, "portlayer", p->pl.config.id, "serving '%s'", p->pl.config.datastore);
    (void)uv_run(&p->loop, UV_RUN_DEFAULT);
    return 0;
}

static int wipe(struct program *p, struct vic_err *err)
{
    virSetErrorFunc(NULL, on_libvirt_error);
    p->conn = virConnectOpen(p->pl.config.libvirt_uri);
    if (!p->conn)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "connect to libvirt at '%s': %s",
                        p->pl.config.libvirt_uri, virGetLastErrorMessage());
    int r = pl_wipe(&p->pl.config, p->conn, err);
    (void)virConnectClose(p->conn);
    return r;
}

static int run(const char *datastore, bool only_wipe, struct vic_err *err)
{
    struct program p = {.lock_fd = -1};
    auto_free char *path = vic_xasprintf("%s/vch.json", datastore);
    int r = pl_config_load(path, &p.pl.config, err);
    if (r == 0)
        r = take_lock(&p, err);
    if (r == 0 && only_wipe)
        r = wipe(&p, err);
    if (r < 0 || only_wipe) {
        pl_config_release(&p.pl.config);
        if (p.lock_fd >= 0)
            (void)close(p.lock_fd);
        return r;
    }
    (void)uv_loop_init(&p.loop);
    p.pl.loop = &p.loop;
    pl_virt_event_register(&p.loop);
    r = serve(&p, err);
    if (!close_rooms(&p)) {
        if (r < 0)
            vic_log(VIC_ERROR, "portlayer", datastore, "%s", err->message);
        _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    return r;
}

int main(int argc, char **argv)
{
    const char *datastore = NULL;
    const char *level_name = "info";
    bool help = false;
    bool only_wipe = false;
    const struct vic_opt opts[] = {
        {.name = "datastore",
         .arg = "DIR",
         .help = "the VCH's folder; holds vch.json",
         .value = &datastore},
        {.name = "log-level",
         .arg = "LEVEL",
         .help = "debug, info, warn or error",
         .value = &level_name},
        {.name = "wipe",
         .help = "do not serve: end the VCH's VMs, remove its networks and packet filter",
         .flag = &only_wipe},
        {.name = "help", .help = "print this help", .flag = &help},
    };
    auto_strv char **operands = NULL;
    struct vic_err err = {0};
    enum vic_log_level level = VIC_INFO;
    int r = vic_opts_parse(opts, ARRAY_SIZE(opts), argc, argv, &operands, &err);
    if (r == 0 && help) {
        printf("usage: vic-portlayer --datastore DIR [--log-level LEVEL] [--wipe]\n");
        vic_opts_print_help(opts, ARRAY_SIZE(opts), stdout);
        return EXIT_SUCCESS;
    }
    if (r == 0 && (operands || !datastore || vic_log_level_from_string(level_name, &level) < 0))
        r = vic_fail(&err, VIC_ERR_INVALID, 0,
                     "usage: vic-portlayer --datastore DIR "
                     "[--log-level debug|info|warn|error]");
    if (r < 0) {
        (void)fprintf(stderr, "vic-portlayer: %s\n", err.message);
        return 2;
    }
    vic_log_init("vic-portlayer", level);
    vic_log_cap(VIC_LOG_MAX);
    (void)setenv("UV_THREADPOOL_SIZE", WORKERS, 0);
    (void)mallopt(M_ARENA_MAX, ARENAS);
    r = run(datastore, only_wipe, &err);
    if (r < 0)
        vic_log(VIC_ERROR, "portlayer", datastore, "%s", err.message);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
