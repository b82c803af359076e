/* Table-driven command lines. */
#include "lib/base/opts.h"

#include <string.h>

#include "lib/base/str.h"

static const struct vic_opt *find(const struct vic_opt *opts, size_t n_opts, const char *name,
                                  size_t len)
{
    for (size_t i = 0; i < n_opts; i++)
        if (strlen(opts[i].name) == len && memcmp(opts[i].name, name, len) == 0)
            return &opts[i];
    return NULL;
}

/* One option at argv[*i]; moves *i past a value given as its own word. */
static int parse_one(const struct vic_opt *opts, size_t n_opts, char **argv, int *i,
                     struct vic_err *err)
{
    const char *word = argv[*i] + 2;
    const char *eq = strchr(word, '=');
    size_t len = eq ? (size_t)(eq - word) : strlen(word);
    const struct vic_opt *o = find(opts, n_opts, word, len);
    if (!o)
        return vic_fail(err, VIC_ERR_INVALID, 0, "unknown option '--%.*s'", (int)len, word);
    if (!o->arg) {
        if (eq)
            return vic_fail(err, VIC_ERR_INVALID, 0, "option '--%s' takes no value", o->name);
        *o->flag = true;
        return 0;
    }
    const char *value = eq ? eq + 1 : argv[*i + 1];
    if (!value)
        return vic_fail(err, VIC_ERR_INVALID, 0, "option '--%s' needs a value: %s", o->name,
                        o->arg);
    if (!eq)
        (*i)++;
    if (o->values)
        *o->values = vic_strv_append(*o->values, value);
    else
        *o->value = value;
    return 0;
}

int vic_opts_parse(const struct vic_opt *opts, size_t n_opts, int argc, char **argv,
                   char ***ret_operands, struct vic_err *err)
{
    auto_strv char **operands = NULL;
    bool done = false;
    for (int i = 1; i < argc; i++) {
        if (!done && strcmp(argv[i], "--") == 0) {
            done = true;
        } else if (!done && vic_str_starts_with(argv[i], "--")) {
            int r = parse_one(opts, n_opts, argv, &i, err);
            if (r < 0)
                return r;
        } else if (!done && argv[i][0] == '-' && argv[i][1]) {
            return vic_fail(err, VIC_ERR_INVALID, 0, "unknown option '%s'", argv[i]);
        } else {
            operands = vic_strv_append(operands, argv[i]);
        }
    }
    *ret_operands = TAKE_PTR(operands);
    return 0;
}

void vic_opts_print_help(const struct vic_opt *opts, size_t n_opts, FILE *out)
{
    for (size_t i = 0; i < n_opts; i++) {
        char left[64];
        (void)snprintf(left, sizeof(left), "--%s%s%s", opts[i].name, opts[i].arg ? " " : "",
                       opts[i].arg ? opts[i].arg : "");
        (void)fprintf(out, "  %-28s %s\n", left, opts[i].help);
    }
}
