/* vic-docker: serves the Docker Engine API on inherited sockets, from the port layer's intents. */
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/log.h"
#include "lib/base/opts.h"
#include "lib/base/str.h"
#include "lib/host/listen.h"
#include "lib/host/loop.h"
#include "personality/docker/app.h"
#include "personality/docker/version.h"

#define LISTENERS_MAX 16

struct program {
    struct docker_app *app;
    struct host_signals *signals;
};

static void on_stop(void *arg)
{
    struct program *p = arg;
    vic_log(VIC_INFO, "docker", NULL, "stopping");
    docker_app_free(p->app);
    host_signals_free(p->signals);
}

static int serve(const char *config_path, struct vic_err *err)
{
    struct docker_config config = {0};
    int r = docker_config_load(config_path, &config, err);
    if (r < 0)
        return r;
    int first = 0;
    int n = host_listen_fds(&first);
    if (n < 1 || n > LISTENERS_MAX) {
        docker_config_release(&config);
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "no listening sockets were passed in (LISTEN_FDS); vic-machine does that");
    }
    int fds[LISTENERS_MAX];
    for (int i = 0; i < n; i++)
        fds[i] = first + i;
    uv_loop_t loop;
    struct program p = {0};
    (void)uv_loop_init(&loop); /* fails only without descriptors, as the next step would */
    r = docker_app_new(&loop, &config, fds, (size_t)n, &p.app, err);
    if (r >= 0) {
        p.signals = host_signals_new(&loop, on_stop, &p);
        vic_log(VIC_INFO, "docker", NULL, "serving the Docker API %s on %d socket%s",
                DOCKER_API_MAX, n, n == 1 ? "" : "s");
    }
    host_loop_finish(&loop);
    return r;
}

int main(int argc, char **argv)
{
    const char *config = NULL;
    const char *level_name = "info";
    bool help = false;
    bool version = false;
    const struct vic_opt opts[] = {
        {.name = "config", .arg = "FILE", .help = "what vic-machine wrote", .value = &config},
        {.name = "log-level",
         .arg = "LEVEL",
         .help = "debug, info, warn or error",
         .value = &level_name},
        {.name = "help", .help = "show this", .flag = &help},
        {.name = "version", .help = "show the version", .flag = &version},
    };
    auto_strv char **operands = NULL;
    struct vic_err err;
    enum vic_log_level level = VIC_INFO;
    if (vic_opts_parse(opts, ARRAY_SIZE(opts), argc, argv, &operands, &err) < 0) {
        (void)fprintf(stderr, "vic-docker: %s\n", err.message);
        return 2;
    }
    if (help || version) {
        (void)printf(help ? "usage: vic-docker --config FILE [--log-level LEVEL]\n"
                          : "vic-docker " DOCKER_PRODUCT_VERSION "\n");
        if (help)
            vic_opts_print_help(opts, ARRAY_SIZE(opts), stdout);
        return 0;
    }
    if (!config || operands || vic_log_level_from_string(level_name, &level) < 0) {
        (void)fprintf(stderr, "usage: vic-docker --config FILE [--log-level LEVEL]\n");
        return 2;
    }
    vic_log_init("vic-docker", level);
    vic_log_cap(VIC_LOG_MAX);
    if (serve(config, &err) < 0) {
        vic_log(VIC_ERROR, "docker", NULL, "%s", err.message);
        return 1;
    }
    return 0;
}
