/* Blobs on disk: ingest with hashing, and reading back. */
#include "portlayer/storage/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/host/digest.h"

#define LAYOUT_FILE "{\"imageLayoutVersion\":\"1.0.0\"}"
#define DIGEST_PREFIX_LEN 7 /* "sha256:" */

struct pl_ingest {
    char *dir;
    char digest[HOST_DIGEST_MAX];
    uint64_t size;
    uint64_t written;
    char *tmp; /* NULL once the blob is in place */
    int fd;
    struct host_digest *hash; /* NULL once finished */
};

int pl_content_init(const char *dir, struct vic_err *err)
{
    auto_free char *blobs = vic_xasprintf("%s/blobs/sha256", dir);
    auto_free char *ingest = vic_xasprintf("%s/ingest", dir);
    auto_free char *layout = vic_xasprintf("%s/oci-layout", dir);
    int r = vic_file_remove_tree(ingest, err);
    if (r == 0)
        r = vic_file_mkdir_p(blobs, 0711, err);
    if (r == 0)
        r = vic_file_mkdir_p(ingest, 0700, err);
    if (r == 0 && vic_file_exists(layout) == 0)
        r = vic_file_replace(layout, LAYOUT_FILE, strlen(LAYOUT_FILE), 0644, err);
    return r;
}

char *pl_content_path(const char *dir, const char *digest)
{
    return vic_xasprintf("%s/blobs/sha256/%s", dir, digest + DIGEST_PREFIX_LEN);
}

static int fail_missing(int code, const char *digest, struct vic_err *err)
{
    if (code == ENOENT)
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "no such content '%s'", digest);
    return vic_fail_errno(err, code, "open content '%s'", digest);
}

int pl_content_stat(const char *dir, const char *digest, uint64_t *ret_size, struct vic_err *err)
{
    auto_free char *path = pl_content_path(dir, digest);
    struct stat st;
    if (lstat(path, &st) < 0)
        return fail_missing(errno, digest, err);
    if (!S_ISREG(st.st_mode))
        return vic_fail_errno(err, EINVAL, "content '%s' is no file", digest);
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

int pl_content_open(const char *dir, const char *digest, int *ret_fd, uint64_t *ret_size,
                    struct vic_err *err)
{
    auto_free char *path = pl_content_path(dir, digest);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail_missing(errno, digest, err);
    *ret_size = (uint64_t)st.st_size;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int pl_content_read(const char *dir, const char *digest, size_t max_bytes, char **ret_data,
                    size_t *ret_len, struct vic_err *err)
{
    uint64_t size = 0;
    int r = pl_content_stat(dir, digest, &size, err);
    if (r < 0)
        return r;
    if (size > max_bytes)
        return vic_fail(err, VIC_ERR_INVALID, 0, "content '%s' is larger than %zu bytes", digest,
                        max_bytes);
    auto_free char *path = pl_content_path(dir, digest);
    auto_free char *data = NULL;
    size_t len = 0;
    r = vic_file_read(path, max_bytes, &data, &len, err);
    if (r < 0)
        return r;
    char actual[HOST_DIGEST_MAX];
    host_digest_of(data, len, actual);
    if (strcmp(actual, digest) != 0)
        return vic_fail(err, VIC_ERR_INTERNAL, EIO, "content '%s' has changed on disk", digest);
    *ret_data = TAKE_PTR(data);
    *ret_len = len;
    return 0;
}

int pl_ingest_open(const char *dir, const char *digest, uint64_t size,
                   struct pl_ingest **ret_ingest, struct vic_err *err)
{
    auto_free char *tmp = vic_xasprintf("%s/ingest/%.12s.XXXXXX", dir, digest + DIGEST_PREFIX_LEN);
    int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return vic_fail_errno(err, errno, "create '%s'", tmp);
    struct pl_ingest *in = vic_new(struct pl_ingest);
    *in = (struct pl_ingest){
        .dir = vic_xstrdup(dir),
        .size = size,
        .tmp = TAKE_PTR(tmp),
        .fd = fd,
        .hash = host_digest_new(),
    };
    memcpy(in->digest, digest, strlen(digest) + 1);
    *ret_ingest = in;
    return 0;
}

int pl_ingest_write(struct pl_ingest *in, const void *data, size_t len, struct vic_err *err)
{
    if (len > in->size - in->written)
        return vic_fail(err, VIC_ERR_INVALID, 0, "content '%s': more than the %llu bytes announced",
                        in->digest, (unsigned long long)in->size);
    int r = vic_file_write_all(in->fd, data, len);
    if (r < 0)
        return vic_fail_errno(err, -r, "write content '%s'", in->digest);
    host_digest_update(in->hash, data, len);
    in->written += len;
    return 0;
}

/* fsync before rename: after a crash a name never stands for bytes that were not written. */
static int publish(struct pl_ingest *in, struct vic_err *err)
{
    auto_free char *path = pl_content_path(in->dir, in->digest);
    auto_free char *folder = vic_xasprintf("%s/blobs/sha256", in->dir);
    if (fchmod(in->fd, 0644) < 0 || fsync(in->fd) < 0 || rename(in->tmp, path) < 0)
        return vic_fail_errno(err, errno, "store content '%s'", in->digest);
    free(in->tmp);
    in->tmp = NULL;
    return vic_file_sync_dir(folder, err);
}

int pl_ingest_finish(struct pl_ingest *in, struct vic_err *err)
{
    if (in->written != in->size)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "content '%s': %llu bytes came of the %llu announced", in->digest,
                        (unsigned long long)in->written, (unsigned long long)in->size);
    char actual[HOST_DIGEST_MAX];
    host_digest_finish(TAKE_PTR(in->hash), actual);
    if (strcmp(actual, in->digest) != 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "content does not match its digest: '%s' is '%s'",
                        in->digest, actual);
    return publish(in, err);
}

void pl_ingest_free(struct pl_ingest *in)
{
    if (!in)
        return;
    if (in->tmp)
        (void)unlink(in->tmp); /* else the next start removes it */
    if (in->fd >= 0)
        (void)close(in->fd);
    host_digest_free(in->hash);
    free(in->tmp);
    free(in->dir);
    free(in);
}
