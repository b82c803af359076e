/* vic-machine delete: removes a VCH with all its VMs, networks, packet filters, files and daemons. */
#include <stdio.h>

#include "vic-machine/ask.h"
#include "vic-machine/command.h"
#include "vic-machine/deploy.h"

#define ASK_TIMEOUT_MS 30000

static const char *opt_name;
static const char *opt_root = MACH_DEFAULT_ROOT;
static bool opt_force;

static const struct vic_opt opts[] = {
    {"name", "NAME", "the VCH's name", .value = &opt_name},
    {"root", "DIR", "where VCHs are kept (" MACH_DEFAULT_ROOT ")", .value = &opt_root},
    {"force", NULL, "even if containers run in it", .flag = &opt_force},
};

/* Without --force the port layer is asked, so it is started if it is down. */
static int refuse_if_in_use(const struct mach_vch *v, struct vic_err *err)
{
    int r = mach_deploy_start(v, err);
    if (r < 0)
        return vic_fail_wrap(err, r,
                             "cannot tell whether containers run (--force deletes all the same)");
    auto_free char *socket_path = mach_vch_portlayer_socket(v);
    auto_json cJSON *info = NULL;
    r = mach_ask_portlayer(socket_path, "GET", "/v1/info", ASK_TIMEOUT_MS, &info, err);
    if (r < 0)
        return r;
    const cJSON *counts = json_member(info, "containers");
    int64_t running = json_i64(counts, "running", 0) + json_i64(counts, "paused", 0);
    if (running > 0)
        return vic_fail(err, VIC_ERR_CONFLICT, 0,
                        "%lld container%s of '%s' still run%s: stop them, or say --force",
                        (long long)running, running == 1 ? "" : "s", v->name,
                        running == 1 ? "s" : "");
    return 0;
}

static int run(int argc, char **argv, struct vic_err *err)
{
    auto_vch struct mach_vch v = {0};
    int r = mach_parse(opts, ARRAY_SIZE(opts), argc, argv, err);
    if (r == 0)
        r = mach_vch_load(opt_root, opt_name, &v, err);
    if (r == 0 && !opt_force)
        r = refuse_if_in_use(&v, err);
    if (r == 0)
        r = mach_deploy_wipe(&v, err);
    if (r == 0)
        printf("VCH '%s' is deleted.\n", v.name);
    return r;
}

static void help(FILE *out)
{
    vic_opts_print_help(opts, ARRAY_SIZE(opts), out);
}

const struct mach_command mach_delete = {"delete", "delete a VCH and all that is in it", run, help};
