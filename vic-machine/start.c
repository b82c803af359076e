/* vic-machine start: brings back what is not running of a VCH. */
#include <stdio.h>

#include "vic-machine/command.h"
#include "vic-machine/deploy.h"

static const char *opt_name;
static const char *opt_root = MACH_DEFAULT_ROOT;

static const struct vic_opt opts[] = {
    {"name", "NAME", "the VCH's name", .value = &opt_name},
    {"root", "DIR", "where VCHs are kept (" MACH_DEFAULT_ROOT ")", .value = &opt_root},
};

static int run(int argc, char **argv, struct vic_err *err)
{
    auto_vch struct mach_vch v = {0};
    int r = mach_parse(opts, ARRAY_SIZE(opts), argc, argv, err);
    if (r == 0)
        r = mach_vch_load(opt_root, opt_name, &v, err);
    if (r == 0)
        r = mach_deploy_start(&v, err);
    if (r == 0)
        printf("DOCKER_HOST=%s\n", v.listen);
    return r;
}

static void help(FILE *out)
{
    vic_opts_print_help(opts, ARRAY_SIZE(opts), out);
}

const struct mach_command mach_start = {"start", "start what is not running of a VCH", run, help};
