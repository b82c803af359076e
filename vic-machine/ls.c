/* vic-machine ls: the VCHs below a folder. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "vic-machine/command.h"
#include "vic-machine/deploy.h"

static const char *opt_root = MACH_DEFAULT_ROOT;

static const struct vic_opt opts[] = {
    {"root", "DIR", "where VCHs are kept (" MACH_DEFAULT_ROOT ")", .value = &opt_root},
};

static const char *state_name(struct mach_status s)
{
    if (s.is_portlayer_up && s.is_docker_up)
        return "running";
    return s.is_portlayer_up || s.is_docker_up ? "degraded" : "stopped";
}

static void print_one(const char *root, const char *name)
{
    auto_vch struct mach_vch v = {0};
    struct vic_err err;
    if (mach_vch_load(root, name, &v, &err) < 0)
        printf("%-24s %-10s %-10s %s\n", name, "-", "broken", err.message);
    else
        printf("%-24s %-10s %-10s %s\n", v.name, v.id, state_name(mach_deploy_status(&v)),
               v.listen);
}

static int only_vch(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int run(int argc, char **argv, struct vic_err *err)
{
    int r = mach_parse(opts, ARRAY_SIZE(opts), argc, argv, err);
    if (r < 0)
        return r;
    auto_free char *root = mach_absolute(opt_root);
    struct dirent **names = NULL;
    int n = scandir(root, &names, only_vch, alphasort);
    if (n < 0 && errno != ENOENT)
        return vic_fail_errno(err, errno, "list '%s'", root);
    printf("%-24s %-10s %-10s %s\n", "NAME", "ID", "STATE", "ENDPOINT");
    for (int i = 0; i < n; i++) {
        auto_free char *config = vic_xasprintf("%s/%s/vch.json", root, names[i]->d_name);
        if (vic_file_exists(config) == 1)
            print_one(root, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return 0;
}

static void help(FILE *out)
{
    vic_opts_print_help(opts, ARRAY_SIZE(opts), out);
}

const struct mach_command mach_ls = {"ls", "list VCHs", run, help};
