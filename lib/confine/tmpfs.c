/* The table of options. */
#include "lib/confine/tmpfs.h"

#include <string.h>
#include <sys/mount.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/confine/confine.h"

static const struct {
    const char *name;
    unsigned long set, clear;
} flags[] = {
    {"defaults", 0, 0},
    {"private", 0, 0}, /* as every mount of a container */
    {"rprivate", 0, 0},
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"relatime", MS_RELATIME, 0},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, 0},
    {"nostrictatime", 0, MS_STRICTATIME},
};

/* The digits of a value, and what may stand behind them. */
static const struct {
    const char *name, *digits, *suffixes;
} values[] = {
    {"size=", "0123456789", "kKmMgG%"},
    {"nr_blocks=", "0123456789", "kKmMgG"},
    {"nr_inodes=", "0123456789", "kKmMgG"},
    {"mode=", "01234567", ""},
    {"uid=", "0123456789", ""},
    {"gid=", "0123456789", ""},
};

#define DIGITS_MAX 15

static bool is_value(const char *option)
{
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        if (!vic_str_starts_with(option, values[i].name))
            continue;
        const char *text = option + strlen(values[i].name);
        size_t n = strspn(text, values[i].digits);
        const char *suffix = text + n;
        return n > 0 && n <= DIGITS_MAX &&
               (!*suffix || (strchr(values[i].suffixes, *suffix) && !suffix[1]));
    }
    return false;
}

static bool apply_flag(const char *option, unsigned long *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (strcmp(flags[i].name, option) == 0) {
            *ret = (*ret | flags[i].set) & ~flags[i].clear;
            return true;
        }
    return false;
}

int confine_tmpfs_options(const char *options, unsigned long *ret_flags, char **ret_data,
                          bool *ret_has_mode, struct vic_err *err)
{
    unsigned long mask = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    auto_strv char **list = vic_strv_split(options, ',');
    auto_buf struct vic_buf data = {0};
    bool has_mode = false;
    if (strlen(options) > CONFINE_PATH_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "tmpfs options longer than %d bytes",
                        CONFINE_PATH_MAX);
    for (char **o = list; o && *o; o++) {
        if (apply_flag(*o, &mask))
            continue;
        if (!is_value(*o))
            return vic_fail(err, VIC_ERR_INVALID, 0, "invalid tmpfs option \"%.100s\"", *o);
        has_mode = has_mode || vic_str_starts_with(*o, "mode=");
        vic_buf_addf(&data, "%s%s", data.len > 0 ? "," : "", *o);
    }
    *ret_flags = mask;
    *ret_data = vic_xstrdup(vic_buf_str(&data));
    *ret_has_mode = has_mode;
    return 0;
}

int confine_tmpfs_path_check(const char *path, struct vic_err *err)
{
    if (path[0] != '/' || strlen(path) > CONFINE_PATH_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "invalid mount path: '%.100s' mount path must be absolute", path);
    if (path[strspn(path, "/.")] == '\0')
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid specification: destination can't be '/'");
    size_t skip = strspn(path, "/");
    if (strncmp(path + skip, "proc", 4) == 0 && (path[skip + 4] == '/' || !path[skip + 4]))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "\"%.100s\" cannot be mounted because it is inside /proc", path);
    return 0;
}
