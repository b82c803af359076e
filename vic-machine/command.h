/* The subcommands of vic-machine: one file each; main.c holds the table. */
#pragma once

#include "lib/base/err.h"
#include "lib/base/opts.h"

struct mach_command {
    const char *name;
    const char *summary;
    /* 0 or -errno with err filled.  argv[0] is the command's name. */
    int (*run)(int argc, char **argv, struct vic_err *err);
    void (*help)(FILE *out);
};

extern const struct mach_command mach_create, mach_start, mach_stop, mach_delete, mach_ls,
    mach_inspect;

/* Parses options that allow no operand. */
int mach_parse(const struct vic_opt *opts, size_t n_opts, int argc, char **argv,
               struct vic_err *err);
