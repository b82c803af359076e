/* Puts the personality together. */
#include "personality/docker/app.h"

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "personality/docker/hijack.h"
#include "personality/docker/list_cache.h"
#include "personality/docker/server.h"
#include "personality/docker/sink.h"
#include "personality/docker/sweep.h"
#include "personality/docker/version.h"

struct docker_app {
    struct docker docker;
    struct docker_server **servers; /* owned, one per listening socket */
    size_t n_servers;
};

static int open_registry(struct docker *d, struct vic_err *err)
{
    const struct img_options options = {
        .insecure_registries = d->config.insecure_registries,
        .mirrors = d->config.registry_mirrors,
        .user_agent = "vic-docker/" DOCKER_PRODUCT_VERSION,
    };
    docker_sink_init(d);
    return img_client_new(d->loop, &options, &d->registry, err);
}

int docker_app_new(uv_loop_t *loop, struct docker_config *config, const int *listen_fds, size_t n,
                   struct docker_app **ret_app, struct vic_err *err)
{
    struct docker_app *app = vic_new(struct docker_app);
    app->docker.loop = loop;
    app->docker.config = *config;
    *config = (struct docker_config){0};
    vic_list_init(&app->docker.hijacks);
    vic_list_init(&app->docker.updates);
    app->docker.list = docker_list_cache_new();
    app->docker.pl = host_rpc_client_new(loop, app->docker.config.portlayer);
    app->servers = vic_xrealloc_array(NULL, n + 1, sizeof(struct docker_server *));
    int r = open_registry(&app->docker, err);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        r = docker_server_new(&app->docker, listen_fds[i], &app->servers[i], err);
        app->n_servers += r >= 0;
    }
    if (r < 0) {
        docker_app_free(app);
        return r;
    }
    *ret_app = app;
    return 0;
}

void docker_app_free(struct docker_app *app)
{
    docker_hijack_close_all(&app->docker);
    for (size_t i = 0; i < app->n_servers; i++)
        docker_server_close(app->servers[i]);
    img_client_free(app->docker.registry);
    host_rpc_client_close(app->docker.pl);
    docker_sweep_release(&app->docker);
    docker_list_cache_free(app->docker.list);
    docker_config_release(&app->docker.config);
    free(app->servers);
    free(app);
}
