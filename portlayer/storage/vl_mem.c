/* A disk in memory, sparse and copy-on-write, for tests and fuzzing. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "portlayer/storage/vl_dev.h"

#define PAGE_BYTES 4096u

struct mem {
    struct vl_dev dev;
    const struct mem *base; /* borrowed; may be NULL */
    unsigned char **pages;  /* owned; NULL where never written */
    size_t n_pages;
    void *buffer;
};

static const unsigned char ZEROS[PAGE_BYTES];

static struct mem *from_dev(struct vl_dev *d)
{
    return container_of(d, struct mem, dev);
}

static const unsigned char *page_get(const struct mem *m, size_t i)
{
    for (; m; m = m->base)
        if (m->pages[i])
            return m->pages[i];
    return ZEROS;
}

static int check_range(const struct mem *m, uint64_t offset, size_t len, struct vic_err *err)
{
    if (offset > m->dev.size_bytes || len > m->dev.size_bytes - offset)
        return vic_fail(err, VIC_ERR_INTERNAL, EIO, "access past the end of the disk");
    return 0;
}

static int op_read(struct vl_dev *d, void *data, uint64_t offset, size_t len, struct vic_err *err)
{
    struct mem *m = from_dev(d);
    int r = check_range(m, offset, len, err);
    if (r < 0)
        return r;
    for (unsigned char *out = data; len > 0;) {
        size_t in_page = offset % PAGE_BYTES;
        size_t n = len < PAGE_BYTES - in_page ? len : PAGE_BYTES - in_page;
        memcpy(out, page_get(m, offset / PAGE_BYTES) + in_page, n);
        out += n;
        offset += n;
        len -= n;
    }
    return 0;
}

static void *op_buffer(struct vl_dev *d, struct vic_err *err)
{
    (void)err; /* cannot fail */
    struct mem *m = from_dev(d);
    if (!m->buffer)
        m->buffer = vic_xalloc(VL_DEV_BUFFER_BYTES);
    return m->buffer;
}

static int op_write(struct vl_dev *d, void *buffer, uint64_t offset, size_t len,
                    struct vic_err *err)
{
    struct mem *m = from_dev(d);
    int r = check_range(m, offset, len, err);
    if (r < 0)
        return r;
    for (const unsigned char *in = buffer; len > 0;) {
        size_t i = offset / PAGE_BYTES;
        size_t in_page = offset % PAGE_BYTES;
        size_t n = len < PAGE_BYTES - in_page ? len : PAGE_BYTES - in_page;
        if (!m->pages[i]) {
            const unsigned char *old = page_get(m, i);
            m->pages[i] = vic_xalloc(PAGE_BYTES);
            memcpy(m->pages[i], old, PAGE_BYTES);
        }
        memcpy(m->pages[i] + in_page, in, n);
        in += n;
        offset += n;
        len -= n;
    }
    return 0;
}

static int op_drain(struct vl_dev *d, struct vic_err *err)
{
    (void)d;
    (void)err; /* writes are done when they return */
    return 0;
}

static void op_free(struct vl_dev *d)
{
    struct mem *m = from_dev(d);
    for (size_t i = 0; i < m->n_pages; i++)
        free(m->pages[i]);
    free(m->pages);
    free(m->buffer);
    free(m);
}

static const struct vl_dev_ops OPS = {
    .read = op_read,
    .buffer = op_buffer,
    .write = op_write,
    .drain = op_drain,
    .free = op_free,
};

struct vl_dev *vl_mem_new(uint64_t size_bytes, const struct vl_dev *base)
{
    struct mem *m = vic_new(struct mem);
    m->dev.ops = &OPS;
    m->dev.size_bytes = size_bytes;
    m->base = base ? container_of(base, const struct mem, dev) : NULL;
    m->n_pages = (size_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    m->pages = vic_xalloc(m->n_pages * sizeof(*m->pages));
    return &m->dev;
}

int vl_mem_save(const struct vl_dev *d, int fd)
{
    const struct mem *m = container_of(d, const struct mem, dev);
    if (ftruncate(fd, (off_t)d->size_bytes) < 0)
        return -errno;
    for (size_t i = 0; i < m->n_pages; i++) {
        const unsigned char *page = page_get(m, i);
        if (page == ZEROS)
            continue;
        if (pwrite(fd, page, PAGE_BYTES, (off_t)(i * PAGE_BYTES)) != (ssize_t)PAGE_BYTES)
            return errno ? -errno : -EIO;
    }
    return 0;
}
