/*
 * Command lines from a table: one row per option says its name, its argument and its help.
 *
 * "--name value" and "--name=value" are the same; "--" ends the options; an unknown option, a
 * missing value and a value for a flag are errors that name it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/base/err.h"

struct vic_opt {
    const char *name; /* without the dashes */
    const char *arg;  /* what the value is called in the help; NULL for a flag */
    const char *help;
    const char **value; /* where a value goes (borrowed from argv); the last one wins */
    char ***values;     /* instead: every value, appended to an owned string vector */
    bool *flag;         /* for a flag */
};

/* Parses argv[1..]; operands stay in argv order.  ret_operands: owned vector (vic_strv_free). */
int vic_opts_parse(const struct vic_opt *opts, size_t n_opts, int argc, char **argv,
                   char ***ret_operands, struct vic_err *err);

void vic_opts_print_help(const struct vic_opt *opts, size_t n_opts, FILE *out);
