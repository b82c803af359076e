/* File helpers. */
#include "lib/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/cleanup.h"

#define READ_CHUNK 16384
#define COPY_CHUNK (1u << 20)

int vic_file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
                  struct vic_err *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return vic_fail_errno(err, errno, "open '%s'", path);
    auto_buf struct vic_buf b = {0};
    for (;;) {
        vic_buf_reserve(&b, READ_CHUNK);
        ssize_t n = read(fd, b.data + b.len, READ_CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vic_fail_errno(err, errno, "read '%s'", path);
        if (n == 0)
            break;
        b.len += (size_t)n;
        if (b.len > max_bytes)
            return vic_fail_errno(err, EFBIG, "read '%s' (limit %zu bytes)", path, max_bytes);
    }
    if (ret_len)
        *ret_len = b.len;
    *ret_data = vic_buf_take(&b);
    return 0;
}

int vic_file_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

/* By hand, from where the two descriptors stand. */
static int copy_by_hand(int in, int out)
{
    auto_free char *chunk = vic_xalloc(READ_CHUNK);
    for (;;) {
        ssize_t n = read(in, chunk, READ_CHUNK);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        int r = n < 0 ? -errno : vic_file_write_all(out, chunk, (size_t)n);
        if (r < 0)
            return r;
    }
}

int vic_file_copy(const char *from, const char *to, mode_t mode, struct vic_err *err)
{
    auto_close int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return vic_fail_errno(err, errno, "open '%s'", from);
    auto_close int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (out < 0)
        return vic_fail_errno(err, errno, "create '%s'", to);
    ssize_t n;
    while ((n = copy_file_range(in, NULL, out, NULL, COPY_CHUNK, 0)) > 0)
        ;
    int r = n < 0 ? -errno : 0;
    /* Not between these two file systems, or not on this kernel. */
    if (r == -EXDEV || r == -EINVAL || r == -ENOSYS || r == -EOPNOTSUPP)
        r = copy_by_hand(in, out);
    return r < 0 ? vic_fail_errno(err, -r, "copy '%s' to '%s'", from, to) : 0;
}

int vic_file_sync_dir(const char *dir, struct vic_err *err)
{
    auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return vic_fail_errno(err, errno, "sync folder '%s'", dir);
    return 0;
}

static int write_synced(int fd, const void *data, size_t len, mode_t mode)
{
    int r = vic_file_write_all(fd, data, len);
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        r = -errno;
    return r;
}

int vic_file_replace(const char *path, const void *data, size_t len, mode_t mode,
                     struct vic_err *err)
{
    auto_free char *tmp = vic_xasprintf("%s.XXXXXX", path);
    auto_close int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return vic_fail_errno(err, errno, "create '%s'", tmp);
    int r = write_synced(fd, data, len, mode);
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(tmp); /* the first error is the one to tell */
        return vic_fail_errno(err, -r, "write '%s'", path);
    }
    const char *slash = strrchr(path, '/');
    auto_free char *dir = slash ? vic_xstrndup(path, (size_t)(slash - path) + 1) : vic_xstrdup(".");
    return vic_file_sync_dir(dir, err);
}

int vic_file_mkdir_p(const char *path, mode_t mode, struct vic_err *err)
{
    auto_free char *p = vic_xstrdup(path);
    for (char *s = p + 1; *p; s++) {
        if (*s != '/' && *s != '\0')
            continue;
        char saved = *s;
        *s = '\0';
        struct stat st;
        if (mkdir(p, mode) < 0 &&
            (errno != EEXIST || stat(p, &st) < 0 || (!S_ISDIR(st.st_mode) && (errno = ENOTDIR))))
            return vic_fail_errno(err, errno, "create folder '%s'", p);
        if (saved == '\0')
            break;
        *s = saved;
    }
    return 0;
}

/* Empties the folder fd and closes it.  Its depth is bounded by PATH_MAX of what we create. */
static int empty_dir(int fd)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        (void)close(fd);
        return -errno;
    }
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR && errno != EPERM) {
            r = -errno;
            break;
        }
        int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = sub < 0 ? -errno : empty_dir(sub);
        if (r == 0 && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0)
            r = -errno;
    }
    (void)closedir(d);
    return r;
}

int vic_file_remove_tree(const char *path, struct vic_err *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? -errno : empty_dir(fd);
    if (r == 0 && rmdir(path) < 0)
        r = -errno;
    return r < 0 ? vic_fail_errno(err, -r, "remove '%s'", path) : 0;
}

int vic_file_exists(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0)
        return 1;
    return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}
