/* vic-machine: creates, runs and deletes virtual container hosts. */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "vic-machine/command.h"

#ifndef VIC_VERSION
#define VIC_VERSION "0.1.0"
#endif

static const struct mach_command *const commands[] = {
    &mach_create, &mach_start, &mach_stop, &mach_delete, &mach_ls, &mach_inspect,
};

int mach_parse(const struct vic_opt *opts, size_t n_opts, int argc, char **argv,
               struct vic_err *err)
{
    auto_strv char **operands = NULL;
    int r = vic_opts_parse(opts, n_opts, argc, argv, &operands, err);
    if (r == 0 && operands)
        return vic_fail(err, VIC_ERR_INVALID, 0, "unexpected argument '%s'", operands[0]);
    return r;
}

static int usage(FILE *out)
{
    (void)fprintf(out, "usage: vic-machine COMMAND [OPTION]...\n\n"
                       "Virtual container hosts: Docker endpoints that run each container in a "
                       "virtual machine.\n\ncommands:\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    (void)fprintf(out, "  %-10s %s\n\nvic-machine COMMAND --help tells a command's options.\n",
                  "version", "print the version");
    return out == stdout ? 0 : 2;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run(const struct mach_command *c, int argc, char **argv)
{
    if (asks_help(argc, argv)) {
        printf("usage: vic-machine %s [OPTION]...\n%s\n\n", c->name, c->summary);
        c->help(stdout);
        return 0;
    }
    if (geteuid() != 0) {
        (void)fprintf(stderr, "vic-machine %s: must be run as root (sudo)\n", c->name);
        return 1;
    }
    struct vic_err err = {0};
    int r = c->run(argc, argv, &err);
    if (r < 0) {
        (void)fprintf(stderr, "vic-machine %s: %s\n", c->name, err.message);
        return err.kind == VIC_ERR_INVALID ? 2 : 1;
    }
    return 0;
}

/*
 * The daemons we start outlive us, and must not keep what our caller left open: whoever waits for the end
 * of a pipe or a lock (a test runner, flock(1)) would wait for libvirtd.
 */
static void keep_descriptors_here(void)
{
    (void)syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */); /* since Linux 5.11 */
}

int main(int argc, char **argv)
{
    keep_descriptors_here();
    vic_log_init("vic-machine", VIC_WARN);
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0)
        return printf("vic-machine " VIC_VERSION "\n") < 0;
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i]->name, argv[1]) == 0)
            return run(commands[i], argc - 1, argv + 1);
    (void)fprintf(stderr, "vic-machine: no command '%s'\n", argv[1]);
    return usage(stderr);
}
