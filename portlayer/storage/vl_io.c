/* A write-back block cache with read-ahead, and the libext2fs io_manager in front of it. */
#include "portlayer/storage/vl_io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define N_BUCKETS 16384u
/* 64 MiB of metadata: the inode tables of 260,000 files fit. */
#define MAX_PAGES 16384u
/* Metadata lies close together: one round trip brings its neighbours too. */
#define READ_AHEAD_PAGES 16u

struct page {
    struct page *next;
    uint64_t block;
    bool is_dirty;
    unsigned char data[VL_BLOCK_BYTES];
};

struct vl_io {
    struct vl_dev *dev; /* borrowed */
    struct struct_io_manager manager;
    char name[32];
    struct page *buckets[N_BUCKETS];
    size_t n_pages;
    size_t n_dirty;
    unsigned char *stream; /* a buffer of dev's; NULL when nothing waits in it */
    uint64_t stream_block;
    size_t stream_len;
    bool is_fenced;
    struct vic_err err;
};

static size_t bucket_of(uint64_t block)
{
    return (size_t)((block * UINT64_C(0x9e3779b97f4a7c15)) >> 50);
}
_Static_assert(N_BUCKETS == 1u << 14, "bucket_of() yields 14 bits");

static struct page *find(const struct vl_io *io, uint64_t block)
{
    for (struct page *p = io->buckets[bucket_of(block)]; p; p = p->next)
        if (p->block == block)
            return p;
    return NULL;
}

static struct page *add(struct vl_io *io, uint64_t block)
{
    struct page *p = malloc(sizeof(*p));
    if (!p)
        return NULL;
    p->block = block;
    p->is_dirty = false;
    size_t b = bucket_of(block);
    p->next = io->buckets[b];
    io->buckets[b] = p;
    io->n_pages++;
    return p;
}

static void drop(struct vl_io *io, uint64_t block)
{
    for (struct page **link = &io->buckets[bucket_of(block)]; *link; link = &(*link)->next) {
        struct page *p = *link;
        if (p->block != block)
            continue;
        *link = p->next;
        io->n_pages--;
        io->n_dirty -= p->is_dirty;
        free(p);
        return;
    }
}

/* ---- streamed content ---- */

static int stream_submit(struct vl_io *io, struct vic_err *err)
{
    if (!io->stream)
        return 0;
    if (io->is_fenced) {
        int r = io->dev->ops->drain(io->dev, err);
        if (r < 0)
            return r;
        io->is_fenced = false;
    }
    void *buffer = TAKE_PTR(io->stream);
    return io->dev->ops->write(io->dev, buffer, io->stream_block * VL_BLOCK_BYTES, io->stream_len,
                               err);
}

int vl_io_put(struct vl_io *io, uint64_t block, const void *data, struct vic_err *err)
{
    drop(io, block); /* what a freed block held before */
    if (io->stream && (block != io->stream_block + io->stream_len / VL_BLOCK_BYTES ||
                       io->stream_len == VL_DEV_BUFFER_BYTES)) {
        int r = stream_submit(io, err);
        if (r < 0)
            return r;
    }
    if (!io->stream) {
        io->stream = io->dev->ops->buffer(io->dev, err);
        if (!io->stream)
            return -EIO;
        io->stream_block = block;
        io->stream_len = 0;
    }
    memcpy(io->stream + io->stream_len, data, VL_BLOCK_BYTES);
    io->stream_len += VL_BLOCK_BYTES;
    return 0;
}

void vl_io_fence(struct vl_io *io)
{
    io->is_fenced = true;
}

int vl_io_poll(struct vl_io *io, struct vic_err *err)
{
    return io->dev->ops->poll ? io->dev->ops->poll(io->dev, err) : 0;
}

/* ---- metadata ---- */

static int compare_pages(const void *a, const void *b)
{
    uint64_t x = (*(struct page *const *)a)->block;
    uint64_t y = (*(struct page *const *)b)->block;
    return x < y ? -1 : x > y;
}

static int write_sorted(struct vl_io *io, struct page **pages, size_t n, struct vic_err *err)
{
    for (size_t i = 0; i < n; i++) {
        int r = 0;
        if (io->stream && (pages[i]->block != io->stream_block + io->stream_len / VL_BLOCK_BYTES ||
                           io->stream_len == VL_DEV_BUFFER_BYTES))
            r = stream_submit(io, err);
        if (r < 0)
            return r;
        if (!io->stream) {
            io->stream = io->dev->ops->buffer(io->dev, err);
            if (!io->stream)
                return -EIO;
            io->stream_block = pages[i]->block;
            io->stream_len = 0;
        }
        memcpy(io->stream + io->stream_len, pages[i]->data, VL_BLOCK_BYTES);
        io->stream_len += VL_BLOCK_BYTES;
        pages[i]->is_dirty = false;
        io->n_dirty--;
    }
    return stream_submit(io, err);
}

int vl_io_flush(struct vl_io *io, struct vic_err *err)
{
    int r = stream_submit(io, err);
    if (r < 0)
        return r;
    r = io->dev->ops->drain(io->dev, err);
    if (r < 0 || io->n_dirty == 0)
        return r;
    auto_free struct page **dirty = malloc(io->n_dirty * sizeof(struct page *));
    if (!dirty)
        return vic_fail_errno(err, ENOMEM, "flush");
    size_t n = 0;
    for (size_t b = 0; b < N_BUCKETS; b++)
        for (struct page *p = io->buckets[b]; p; p = p->next)
            if (p->is_dirty)
                dirty[n++] = p;
    qsort(dirty, n, sizeof(struct page *), compare_pages);
    r = write_sorted(io, dirty, n, err);
    if (r < 0)
        return r;
    return io->dev->ops->drain(io->dev, err);
}

/* Room for one read-ahead: when the cache is full, everything is written and forgotten. */
static int make_room(struct vl_io *io, struct vic_err *err)
{
    if (io->n_pages + READ_AHEAD_PAGES <= MAX_PAGES)
        return 0;
    int r = vl_io_flush(io, err);
    if (r < 0)
        return r;
    for (size_t b = 0; b < N_BUCKETS; b++)
        while (io->buckets[b])
            drop(io, io->buckets[b]->block);
    return 0;
}

static int load(struct vl_io *io, uint64_t block, struct page **ret_page, struct vic_err *err)
{
    *ret_page = find(io, block);
    if (*ret_page)
        return 0;
    int r = make_room(io, err);
    if (r < 0)
        return r;
    uint64_t first = block - block % READ_AHEAD_PAGES;
    uint64_t end = io->dev->size_bytes / VL_BLOCK_BYTES;
    size_t n = READ_AHEAD_PAGES;
    if (block >= end)
        return vic_fail(err, VIC_ERR_INTERNAL, EIO, "block past the end of the disk");
    if (first + n > end)
        n = (size_t)(end - first);
    unsigned char data[READ_AHEAD_PAGES * VL_BLOCK_BYTES];
    r = io->dev->ops->read(io->dev, data, first * VL_BLOCK_BYTES, n * VL_BLOCK_BYTES, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (find(io, first + i))
            continue;
        struct page *p = add(io, first + i);
        if (!p)
            return vic_fail_errno(err, ENOMEM, "read");
        memcpy(p->data, data + i * VL_BLOCK_BYTES, VL_BLOCK_BYTES);
    }
    *ret_page = find(io, block);
    return 0;
}

static int cache_read(struct vl_io *io, uint64_t offset, size_t len, unsigned char *data,
                      struct vic_err *err)
{
    while (len > 0) {
        struct page *p;
        int r = load(io, offset / VL_BLOCK_BYTES, &p, err);
        if (r < 0)
            return r;
        size_t in_page = offset % VL_BLOCK_BYTES;
        size_t n = len < VL_BLOCK_BYTES - in_page ? len : VL_BLOCK_BYTES - in_page;
        memcpy(data, p->data + in_page, n);
        data += n;
        offset += n;
        len -= n;
    }
    return 0;
}

static int cache_write(struct vl_io *io, uint64_t offset, size_t len, const unsigned char *data,
                       struct vic_err *err)
{
    while (len > 0) {
        uint64_t block = offset / VL_BLOCK_BYTES;
        size_t in_page = offset % VL_BLOCK_BYTES;
        size_t n = len < VL_BLOCK_BYTES - in_page ? len : VL_BLOCK_BYTES - in_page;
        struct page *p = find(io, block);
        bool is_known = p != NULL;
        int r = 0;
        if (!p && n < VL_BLOCK_BYTES) {
            r = load(io, block, &p, err);
            is_known = true;
        } else if (!p) {
            r = make_room(io, err);
            if (r == 0 && !(p = add(io, block)))
                r = vic_fail_errno(err, ENOMEM, "write");
        }
        if (r < 0 || !p)
            return r;
        /* A block rewritten as it was (most bitmaps, each flush) need not go to the new layer. */
        if (!is_known || p->is_dirty || memcmp(p->data + in_page, data, n) != 0) {
            memcpy(p->data + in_page, data, n);
            io->n_dirty += !p->is_dirty;
            p->is_dirty = true;
        }
        data += n;
        offset += n;
        len -= n;
    }
    return 0;
}

/* ---- the io_manager ---- */

static struct vl_io *from_channel(io_channel channel)
{
    return channel->private_data;
}

/* libext2fs passes on a number; the reason waits in io->err. */
static errcode_t report(struct vl_io *io, int r, const struct vic_err *err)
{
    if (r >= 0)
        return 0;
    if (io->err.kind == VIC_ERR_NONE)
        io->err = *err;
    return -r;
}

/* A count below zero is a length in bytes. */
static size_t length_of(io_channel channel, int count)
{
    return count < 0 ? (size_t) - (int64_t)count : (size_t)count * (size_t)channel->block_size;
}

static errcode_t mgr_read64(io_channel channel, unsigned long long block, int count, void *data)
{
    struct vic_err err;
    struct vl_io *io = from_channel(channel);
    int r = cache_read(io, block * (uint64_t)channel->block_size, length_of(channel, count), data,
                       &err);
    return report(io, r, &err);
}

static errcode_t mgr_write64(io_channel channel, unsigned long long block, int count,
                             const void *data)
{
    struct vic_err err;
    struct vl_io *io = from_channel(channel);
    int r = cache_write(io, block * (uint64_t)channel->block_size, length_of(channel, count), data,
                        &err);
    return report(io, r, &err);
}

static errcode_t mgr_read(io_channel channel, unsigned long block, int count, void *data)
{
    return mgr_read64(channel, block, count, data);
}

static errcode_t mgr_write(io_channel channel, unsigned long block, int count, const void *data)
{
    return mgr_write64(channel, block, count, data);
}

static errcode_t mgr_write_byte(io_channel channel, unsigned long offset, int count,
                                const void *data)
{
    struct vic_err err;
    struct vl_io *io = from_channel(channel);
    return report(io, cache_write(io, offset, (size_t)count, data, &err), &err);
}

static errcode_t mgr_set_blksize(io_channel channel, int blksize)
{
    channel->block_size = blksize;
    return 0;
}

/* The caller of libext2fs flushes with vl_io_flush(), once, at the end. */
static errcode_t mgr_flush(io_channel channel)
{
    (void)channel;
    return 0;
}

static errcode_t mgr_close(io_channel channel)
{
    if (--channel->refcount > 0)
        return 0;
    free(channel->name);
    free(channel);
    return 0;
}

/* The name is the cache's address: libext2fs hands a manager's open() nothing else. */
static errcode_t mgr_open(const char *name, int flags, io_channel *ret_channel)
{
    (void)flags; /* always read and write */
    uint64_t address;
    if (vic_str_to_u64(name, 1, UINTPTR_MAX, &address) < 0)
        return EXT2_ET_BAD_DEVICE_NAME;
    struct vl_io *io = (struct vl_io *)(uintptr_t)address;
    io_channel channel = vic_xalloc(sizeof(*channel));
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = &io->manager;
    channel->name = vic_xstrdup(name);
    channel->block_size = 1024;
    channel->refcount = 1;
    channel->private_data = io;
    *ret_channel = channel;
    return 0;
}

struct vl_io *vl_io_new(struct vl_dev *dev)
{
    struct vl_io *io = vic_new(struct vl_io);
    io->dev = dev;
    (void)snprintf(io->name, sizeof(io->name), "%ju", (uintmax_t)(uintptr_t)io);
    io->manager = (struct struct_io_manager){
        .magic = EXT2_ET_MAGIC_IO_MANAGER,
        .name = "vic-layer",
        .open = mgr_open,
        .close = mgr_close,
        .set_blksize = mgr_set_blksize,
        .read_blk = mgr_read,
        .write_blk = mgr_write,
        .read_blk64 = mgr_read64,
        .write_blk64 = mgr_write64,
        .write_byte = mgr_write_byte,
        .flush = mgr_flush,
    };
    return io;
}

void vl_io_free(struct vl_io *io)
{
    if (!io)
        return;
    for (size_t b = 0; b < N_BUCKETS; b++)
        while (io->buckets[b])
            drop(io, io->buckets[b]->block);
    free(io);
}

struct struct_io_manager *vl_io_manager(struct vl_io *io)
{
    return &io->manager;
}

const char *vl_io_name(const struct vl_io *io)
{
    return io->name;
}

const struct vic_err *vl_io_error(const struct vl_io *io)
{
    return io->err.kind == VIC_ERR_NONE ? NULL : &io->err;
}
