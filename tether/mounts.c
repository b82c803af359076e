/*
 * Mounts as Docker has them.  Every path of the image is resolved after pivot_root: a hostile link in
 * it can lead only to another place in the container.  No code of the image runs before this is done.
 */
#include "tether/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tether/nodes.h"

#define QUIET (MS_NOSUID | MS_NOEXEC | MS_NODEV)

static const struct {
    const char *target, *type, *options;
    unsigned long flags;
} mounts[] = {
    {"/proc", "proc", NULL, QUIET},
    {"/dev", "tmpfs", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME},
    {"/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC},
    {"/sys", "sysfs", NULL, QUIET | MS_RDONLY},
    {"/sys/fs/cgroup", "cgroup2", NULL, QUIET | MS_RDONLY},
    {"/dev/mqueue", "mqueue", NULL, QUIET},
};

static const struct {
    const char *path;
    unsigned major, minor;
} nodes[] = {
    {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

static const struct {
    const char *target, *path;
} links[] = {
    {"/proc/self/fd", "/dev/fd"},       {"/proc/self/fd/0", "/dev/stdin"},
    {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
    {"pts/ptmx", "/dev/ptmx"},          {"/proc/kcore", "/dev/core"},
};

/* A mount of a file that can be attached after its own tree is out of reach. */
static int clone_file(const char *path, int *ret_fd, struct vic_err *err)
{
    if (!path)
        return 0;
    *ret_fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return *ret_fd < 0 ? vic_fail_errno(err, errno, "clone %s", path) : 0;
}

static int pivot(const char *root, struct vic_err *err)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return vic_fail_errno(err, errno, "make mounts private");
    if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0)
        return vic_fail_errno(err, errno, "bind %s", root);
    if (chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return vic_fail_errno(err, errno, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return vic_fail_errno(err, errno, "detach the old root");
    return 0;
}

static int mount_all(const struct confine *c, struct vic_err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        const char *target = mounts[i].target;
        unsigned long flags = c->is_privileged ? mounts[i].flags & ~MS_RDONLY : mounts[i].flags;
        int r = vic_file_mkdir_p(target, 0755, err);
        if (r < 0)
            return vic_fail_wrap(err, r, "mount point %s", target);
        if (mount(mounts[i].type, target, mounts[i].type, flags, mounts[i].options) < 0)
            return vic_fail_errno(err, errno, "mount %s", target);
    }
    return 0;
}

static int mount_shm(const struct confine *c, struct vic_err *err)
{
    auto_free char *options = vic_xasprintf("mode=1777,size=%" PRId64, c->shm_bytes);
    int r = vic_file_mkdir_p("/dev/shm", 0755, err);
    if (r < 0)
        return r;
    return mount("shm", "/dev/shm", "tmpfs", QUIET, options) < 0
               ? vic_fail_errno(err, errno, "mount /dev/shm")
               : 0;
}

/* One over a folder of the image has that folder's mode. */
static int mount_tmpfs(const struct confine_tmpfs *t, struct vic_err *err)
{
    unsigned long flags;
    auto_free char *data = NULL;
    bool has_mode;
    struct stat st;
    int r = confine_tmpfs_options(t->options, &flags, &data, &has_mode, err);
    if (r < 0)
        return r;
    bool is_there = stat(t->path, &st) == 0;
    if ((r = vic_file_mkdir_p(t->path, 0755, err)) < 0)
        return r;
    auto_free char *with_mode =
        vic_xasprintf("%s%smode=%o", data, *data ? "," : "", is_there ? st.st_mode & 07777 : 01777);
    if (mount("tmpfs", t->path, "tmpfs", flags, has_mode ? data : with_mode) < 0)
        return vic_fail_errno(err, errno, "mount %s", t->path);
    return 0;
}

static int mount_more(const struct confine *c, struct vic_err *err)
{
    int r = mount_shm(c, err);
    for (size_t i = 0; i < c->n_tmpfs && r >= 0; i++)
        r = mount_tmpfs(&c->tmpfs[i], err);
    return r;
}

static int make_nodes(struct vic_err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
        if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0 ||
            chmod(nodes[i].path, 0666) < 0)
            return vic_fail_errno(err, errno, "make %s", nodes[i].path);
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        if (symlink(links[i].target, links[i].path) < 0)
            return vic_fail_errno(err, errno, "make %s", links[i].path);
    return 0;
}

static int open_point(const char *path)
{
    return open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
}

/* An image's resolv.conf is often a link to where some daemon would write it. */
static int make_link_parent(const char *path)
{
    char link[PATH_MAX];
    ssize_t n = readlink(path, link, sizeof(link) - 1);
    if (n < 0)
        return -errno;
    link[n] = '\0';
    auto_free char *target = link[0] == '/' ? vic_xstrdup(link) : vic_xasprintf("/etc/%s", link);
    *strrchr(target, '/') = '\0';
    return *target ? vic_file_mkdir_p(target, 0755, NULL) : 0;
}

/* Lays a cloned file over path, whose mount point is made when the image has none. */
static int attach(int fd, const char *path, struct vic_err *err)
{
    if (fd < 0)
        return 0;
    int r = vic_file_mkdir_p("/etc", 0755, err);
    if (r < 0)
        return r;
    auto_close int point = open_point(path);
    if (point < 0 && errno == ENOENT && make_link_parent(path) >= 0)
        point = open_point(path);
    if (point < 0 && errno != EISDIR)
        return vic_fail_errno(err, errno, "make %s", path);
    if (move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return vic_fail_errno(err, errno, "mount %s", path);
    return 0;
}

static int mask(const char *path, struct vic_err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return 0; /* this kernel has none */
    int r = S_ISDIR(st.st_mode) ? mount("tmpfs", path, "tmpfs", MS_RDONLY, "size=0")
                                : mount("/dev/null", path, NULL, MS_BIND, NULL);
    return r < 0 ? vic_fail_errno(err, errno, "mask %s", path) : 0;
}

static int make_read_only(const char *path, struct vic_err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return 0;
    if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0 ||
        mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | QUIET, NULL) < 0)
        return vic_fail_errno(err, errno, "make %s read-only", path);
    return 0;
}

static int each(const char *const *paths, size_t n, int (*apply)(const char *, struct vic_err *),
                struct vic_err *err)
{
    int r = 0;
    for (size_t i = 0; i < n && r >= 0; i++)
        r = apply(paths[i], err);
    return r;
}

static int each_own(char *const *paths, int (*apply)(const char *, struct vic_err *),
                    struct vic_err *err)
{
    int r = 0;
    for (; paths && *paths && r >= 0; paths++)
        r = apply(*paths, err);
    return r;
}

static int keep_writable(const char *path, struct vic_err *err)
{
    int r = vic_file_mkdir_p(path, 0755, err);
    if (r < 0)
        return r;
    return mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0
               ? vic_fail_errno(err, errno, "keep %s writable", path)
               : 0;
}

/* What tether has laid over the image's files is part of the root. */
static int seal_root(const struct confine *c, struct vic_err *err)
{
    static const char *const overlays[] = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"};
    int r = each(overlays, ARRAY_SIZE(overlays), make_read_only, err);
    if (r < 0 || (r = each_own(c->writable_paths, keep_writable, err)) < 0)
        return r;
    if (mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_RELATIME, NULL) < 0)
        return vic_fail_errno(err, errno, "make the root read-only");
    return 0;
}

int tether_mounts_hide(const struct confine *c, struct vic_err *err)
{
    int r = c->has_readonly_root ? seal_root(c, err) : 0;
    if (r < 0 || c->is_privileged)
        return r;
    r = c->has_readonly_paths
            ? each_own(c->readonly_paths, make_read_only, err)
            : each(confine_readonly_paths, confine_n_readonly_paths, make_read_only, err);
    if (r < 0)
        return r;
    return c->has_masked_paths ? each_own(c->masked_paths, mask, err)
                               : each(confine_masked_paths, confine_n_masked_paths, mask, err);
}

int tether_mounts_enter(const char *root, const struct tether_overlays *o, const struct confine *c,
                        struct vic_err *err)
{
    auto_close int hostname = -1;
    auto_close int hosts = -1;
    auto_close int resolv_conf = -1;
    int r;
    if ((r = clone_file(o->hostname, &hostname, err)) < 0 ||
        (r = clone_file(o->hosts, &hosts, err)) < 0 ||
        (r = clone_file(o->resolv_conf, &resolv_conf, err)) < 0 || (r = pivot(root, err)) < 0 ||
        (r = mount_all(c, err)) < 0 || (r = make_nodes(err)) < 0 || (r = mount_more(c, err)) < 0 ||
        (r = attach(hostname, "/etc/hostname", err)) < 0 ||
        (r = attach(hosts, "/etc/hosts", err)) < 0 ||
        (r = attach(resolv_conf, "/etc/resolv.conf", err)) < 0)
        return r;
    return c->is_privileged ? tether_nodes_make(err) : 0;
}

int tether_mounts_terminal(int *ret_master, int *ret_slave, unsigned *ret_number,
                           struct vic_err *err)
{
    auto_close int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int unlock = 0;
    unsigned number;
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
        ioctl(master, TIOCGPTN, &number) < 0)
        return vic_fail_errno(err, errno, "allocate a terminal");
    auto_close int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return vic_fail_errno(err, errno, "open the terminal");
    *ret_master = TAKE_FD(master);
    *ret_slave = TAKE_FD(slave);
    *ret_number = number;
    return 0;
}

int tether_mounts_console(unsigned number, struct vic_err *err)
{
    char path[32];
    (void)snprintf(path, sizeof(path), "/dev/pts/%u", number);
    auto_close int point = open("/dev/console", O_RDONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0620);
    if (point < 0 || mount(path, "/dev/console", NULL, MS_BIND, NULL) < 0)
        return vic_fail_errno(err, errno, "mount /dev/console");
    return 0;
}
