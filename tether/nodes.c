/* Walks /sys/dev: a link per device number, to a folder whose uevent file names the node. */
#include "tether/nodes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define UEVENT_MAX 4096

static void close_dir(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

/* "DEVNAME=input/event0" -> "input/event0"; NULL when the device has no node. */
static char *name_of(const char *type, const char *number)
{
    auto_free char *path = vic_xasprintf("/sys/dev/%s/%s/uevent", type, number);
    auto_free char *text = NULL;
    if (vic_file_read(path, UEVENT_MAX, &text, NULL, NULL) < 0)
        return NULL; /* gone meanwhile */
    auto_strv char **lines = vic_strv_split(text, '\n');
    for (char **l = lines; l && *l; l++)
        if (vic_str_starts_with(*l, "DEVNAME="))
            return vic_xstrdup(*l + strlen("DEVNAME="));
    return NULL;
}

static int make(const char *type, mode_t mode, const char *number, struct vic_err *err)
{
    unsigned major;
    unsigned minor;
    auto_free char *name = name_of(type, number);
    if (!name || strstr(name, "..") || sscanf(number, "%u:%u", &major, &minor) != 2)
        return 0;
    auto_free char *node = vic_xasprintf("/dev/%s", name);
    auto_free char *parent = vic_xstrdup(node);
    *strrchr(parent, '/') = '\0';
    int r = vic_file_mkdir_p(parent, 0755, err);
    if (r < 0)
        return r;
    if (mknod(node, mode, makedev(major, minor)) < 0 && errno != EEXIST)
        return vic_fail_errno(err, errno, "make %s", node);
    return 0;
}

int tether_nodes_make(struct vic_err *err)
{
    static const struct {
        const char *type;
        mode_t mode;
    } types[] = {{"char", S_IFCHR | 0600}, {"block", S_IFBLK | 0600}};
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(types) && r >= 0; i++) {
        auto_free char *path = vic_xasprintf("/sys/dev/%s", types[i].type);
        auto_(close_dir) DIR *dir = opendir(path);
        const struct dirent *e;
        if (!dir)
            return vic_fail_errno(err, errno, "open %s", path);
        while (r >= 0 && (e = readdir(dir)))
            if (e->d_name[0] != '.')
                r = make(types[i].type, types[i].mode, e->d_name, err);
    }
    return r;
}
