/* vic-machine inspect: one VCH as a JSON document: its configuration, its daemons, what the port layer says. */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "vic-machine/ask.h"
#include "vic-machine/command.h"
#include "vic-machine/daemon.h"
#include "vic-machine/deploy.h"

#define ASK_TIMEOUT_MS 30000

static const char *opt_name;
static const char *opt_root = MACH_DEFAULT_ROOT;

static const struct vic_opt opts[] = {
    {"name", "NAME", "the VCH's name", .value = &opt_name},
    {"root", "DIR", "where VCHs are kept (" MACH_DEFAULT_ROOT ")", .value = &opt_root},
};

static void add_daemons(const struct mach_vch *v, cJSON *doc)
{
    static const char *const programs[] = {"vic-portlayer", "vic-docker"};
    cJSON *daemons = json_add_obj(doc, "daemons");
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        auto_free char *pid_path = mach_vch_pid_file(v, programs[i]);
        auto_free char *log = vic_xasprintf("%s/log/%s.log", v->datastore, programs[i]);
        cJSON *d = json_add_obj(daemons, programs[i]);
        json_add_i64(d, "pid", mach_daemon_find(pid_path));
        json_add_str(d, "log", log);
    }
}

static cJSON *describe(const struct mach_vch *v)
{
    cJSON *doc = json_new_obj();
    json_add_str(doc, "name", v->name);
    json_add_str(doc, "id", v->id);
    json_add_str(doc, "datastore", v->datastore);
    json_add_str(doc, "run_dir", v->run_dir);
    json_add_str(doc, "docker_host", v->listen);
    json_add_str(doc, "acceleration", v->acceleration);
    json_add_str(doc, "boot", v->boot);
    json_add_i64(doc, "default_memory_bytes", (int64_t)v->default_memory_bytes);
    if (v->default_cpus > 0) /* else the port layer's choice, which it tells */
        json_add_i64(doc, "default_cpus", (int64_t)v->default_cpus);
    json_add_i64(doc, "disk_size_bytes", (int64_t)v->disk_size_bytes);
    json_add_strv(doc, "insecure_registries", v->insecure_registries);
    json_add_strv(doc, "registry_mirrors", v->registry_mirrors);
    add_daemons(v, doc);
    return doc;
}

static int run(int argc, char **argv, struct vic_err *err)
{
    auto_vch struct mach_vch v = {0};
    int r = mach_parse(opts, ARRAY_SIZE(opts), argc, argv, err);
    if (r == 0)
        r = mach_vch_load(opt_root, opt_name, &v, err);
    if (r < 0)
        return r;
    auto_json cJSON *doc = describe(&v);
    if (mach_deploy_status(&v).is_portlayer_up) {
        auto_free char *socket_path = mach_vch_portlayer_socket(&v);
        auto_json cJSON *info = NULL;
        r = mach_ask_portlayer(socket_path, "GET", "/v1/info", ASK_TIMEOUT_MS, &info, err);
        if (r < 0)
            return r;
        json_add(doc, "port_layer", TAKE_PTR(info));
    }
    auto_free char *text = cJSON_Print(doc);
    printf("%s\n", text ? text : "");
    return 0;
}

static void help(FILE *out)
{
    vic_opts_print_help(opts, ARRAY_SIZE(opts), out);
}

const struct mach_command mach_inspect = {"inspect", "show one VCH as JSON", run, help};
