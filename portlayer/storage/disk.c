/*
 * Container disks: an empty qcow2 on top of a layer.
 *
 * The header is written here instead of by qemu-img: it is on the way of every `docker run`, and a
 * process costs 20 ms and more where this costs one write.
 */
#include <endian.h>
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
#include "portlayer/storage/layer.h"
#include "portlayer/storage/storage.h"

#define CLUSTER_BITS 16
#define CLUSTER (UINT64_C(1) << CLUSTER_BITS)
#define L2_SPAN (CLUSTER * (CLUSTER / 8)) /* bytes that one L1 entry maps: 512 MiB */
#define HEADER_LENGTH 104
#define REFCOUNT_ORDER 4 /* 16 bits */
#define EXT_BACKING_FORMAT 0xE2792ACAu
#define BACKING_NAME_MAX 1023 /* of the format */
#define SIZE_MAX_BYTES (UINT64_C(1) << 50)

/* Version 3 of the format; big endian in the file. */
struct qcow2_header {
    uint32_t magic;
    uint32_t version;
    uint64_t backing_file_offset;
    uint32_t backing_file_size;
    uint32_t cluster_bits;
    uint64_t size;
    uint32_t crypt_method;
    uint32_t l1_size;
    uint64_t l1_table_offset;
    uint64_t refcount_table_offset;
    uint32_t refcount_table_clusters;
    uint32_t nb_snapshots;
    uint64_t snapshots_offset;
    uint64_t incompatible_features;
    uint64_t compatible_features;
    uint64_t autoclear_features;
    uint32_t refcount_order;
    uint32_t header_length;
    /* extensions follow: the backing format, then the end mark */
    uint32_t ext_format_type;
    uint32_t ext_format_len;
    char ext_format[8];
    uint32_t ext_end_type;
    uint32_t ext_end_len;
} __attribute__((packed));

/* Cluster 0: header and backing name; 1: refcount table; 2: refcount block; 3...: L1 table, a hole. */
enum {
    CLUSTER_REFTABLE = 1,
    CLUSTER_REFBLOCK,
    CLUSTER_L1
};

static void fill_header(char *image, uint64_t size, const char *backing, uint64_t l1_entries)
{
    size_t name_len = strlen(backing);
    const struct qcow2_header h = {
        .magic = htobe32(0x514649fbu),
        .version = htobe32(3),
        .backing_file_offset = htobe64(sizeof(h)),
        .backing_file_size = htobe32((uint32_t)name_len),
        .cluster_bits = htobe32(CLUSTER_BITS),
        .size = htobe64(size),
        .l1_size = htobe32((uint32_t)l1_entries),
        .l1_table_offset = htobe64(CLUSTER_L1 * CLUSTER),
        .refcount_table_offset = htobe64(CLUSTER_REFTABLE * CLUSTER),
        .refcount_table_clusters = htobe32(1),
        .refcount_order = htobe32(REFCOUNT_ORDER),
        .header_length = htobe32(HEADER_LENGTH),
        .ext_format_type = htobe32(EXT_BACKING_FORMAT),
        .ext_format_len = htobe32(5),
        .ext_format = "qcow2",
    };
    memcpy(image, &h, sizeof(h));
    memcpy(image + sizeof(h), backing, name_len + 1);
}

/* The first three clusters, which is all that is not zero. */
static char *build_image(uint64_t size, const char *backing, size_t *ret_len,
                         uint64_t *ret_file_len)
{
    uint64_t l1_entries = (size + L2_SPAN - 1) / L2_SPAN;
    uint64_t l1_clusters = (l1_entries * 8 + CLUSTER - 1) / CLUSTER;
    size_t len = CLUSTER_L1 * CLUSTER;
    char *image = vic_xalloc(len);
    fill_header(image, size, backing, l1_entries);
    uint64_t block = htobe64(CLUSTER_REFBLOCK * CLUSTER);
    memcpy(image + CLUSTER_REFTABLE * CLUSTER, &block, sizeof(block));
    uint16_t one = htobe16(1);
    for (uint64_t i = 0; i < CLUSTER_L1 + l1_clusters; i++)
        memcpy(image + CLUSTER_REFBLOCK * CLUSTER + i * sizeof(one), &one, sizeof(one));
    *ret_len = len;
    *ret_file_len = (CLUSTER_L1 + l1_clusters) * CLUSTER;
    return image;
}

/* Only the bytes that are not zero are written; the file is sparse from its first day. */
static int write_image(int fd, const char *image, size_t len, uint64_t file_len, uid_t uid,
                       gid_t gid)
{
    static const size_t block = 4096;
    if (ftruncate(fd, (off_t)file_len) < 0)
        return -errno;
    for (size_t at = 0; at < len; at += CLUSTER) {
        ssize_t n = pwrite(fd, image + at, block, (off_t)at);
        if (n != (ssize_t)block)
            return n < 0 ? -errno : -EIO;
    }
    if (fchown(fd, uid, gid) < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

int pl_disk_create(const struct pl_config *config, const char *path, const char *chain_id,
                   struct vic_err *err)
{
    if (!host_digest_is_valid(chain_id))
        return vic_fail(err, VIC_ERR_INVALID, 0, "chain id: expected a digest");
    auto_free char *backing = pl_layer_path(config, chain_id);
    if (strlen(backing) > BACKING_NAME_MAX || config->disk_size_bytes > SIZE_MAX_BYTES)
        return vic_fail(err, VIC_ERR_INVALID, 0, "disk '%s': path or size is too large", path);
    if (vic_file_exists(backing) != 1)
        return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "layer '%s' is gone from the datastore",
                        chain_id);
    size_t len;
    uint64_t file_len;
    auto_free char *image = build_image(config->disk_size_bytes, backing, &len, &file_len);
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return vic_fail_errno(err, errno, "create disk '%s'", path);
    int r = write_image(fd, image, len, file_len, config->qemu_uid, config->qemu_gid);
    if (r < 0) {
        (void)unlink(path); /* the first error is the one to tell */
        return vic_fail_errno(err, -r, "write disk '%s'", path);
    }
    auto_free char *dir = vic_xstrndup(path, (size_t)(strrchr(path, '/') - path));
    return vic_file_sync_dir(dir, err);
}

int pl_disk_size(const char *path, uint64_t *ret_bytes, struct vic_err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return vic_fail_errno(err, errno, "disk '%s'", path);
    *ret_bytes = (uint64_t)st.st_blocks * 512;
    return 0;
}
