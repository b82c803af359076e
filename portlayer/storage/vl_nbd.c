/* A layer's disk over NBD: many writes in flight, reads one at a time. */
#include <errno.h>
#include <libnbd.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "portlayer/storage/vl_dev.h"

/* Enough to keep qemu-nbd busy while we inflate; 16 MiB in all. */
#define N_BUFFERS 16

struct slot {
    struct nbd *owner;
    void *data;
    bool is_busy;
};

struct nbd {
    struct vl_dev dev;
    struct nbd_handle *handle;
    struct slot slots[N_BUFFERS];
    unsigned n_busy; /* buffers handed out */
    unsigned n_sent; /* of those, on their way to the disk */
    int write_errno; /* of the first write that failed */
};

static struct nbd *from_dev(struct vl_dev *d)
{
    return container_of(d, struct nbd, dev);
}

static int fail_nbd(struct vic_err *err, const char *what)
{
    int code = nbd_get_errno();
    const char *why = nbd_get_error();
    return vic_fail(err, VIC_ERR_INTERNAL, code ? code : EIO, "%s: %s", what, why ? why : "failed");
}

static int on_written(void *arg, int *error)
{
    struct slot *s = arg;
    if (*error && !s->owner->write_errno)
        s->owner->write_errno = *error;
    s->is_busy = false;
    s->owner->n_busy--;
    s->owner->n_sent--;
    return 1; /* retire it */
}

static int check_writes(const struct nbd *n, struct vic_err *err)
{
    if (n->write_errno)
        return vic_fail_errno(err, n->write_errno, "write to the disk");
    return 0;
}

static int wait_some(struct nbd *n, struct vic_err *err)
{
    if (nbd_poll(n->handle, -1) < 0)
        return fail_nbd(err, "wait for the disk");
    return check_writes(n, err);
}

static int op_read(struct vl_dev *d, void *data, uint64_t offset, size_t len, struct vic_err *err)
{
    if (nbd_pread(from_dev(d)->handle, data, len, offset, 0) < 0)
        return fail_nbd(err, "read from the disk");
    return 0;
}

static void *op_buffer(struct vl_dev *d, struct vic_err *err)
{
    struct nbd *n = from_dev(d);
    while (n->n_busy == N_BUFFERS)
        if (wait_some(n, err) < 0)
            return NULL;
    for (size_t i = 0; i < N_BUFFERS; i++) {
        struct slot *s = &n->slots[i];
        if (s->is_busy)
            continue;
        if (!s->data)
            s->data = vic_xalloc(VL_DEV_BUFFER_BYTES);
        s->is_busy = true;
        n->n_busy++;
        return s->data;
    }
    (void)vic_fail(err, VIC_ERR_INTERNAL, 0, "no write buffer");
    return NULL;
}

static int op_write(struct vl_dev *d, void *buffer, uint64_t offset, size_t len,
                    struct vic_err *err)
{
    struct nbd *n = from_dev(d);
    struct slot *s = NULL;
    for (size_t i = 0; i < N_BUFFERS; i++)
        if (n->slots[i].data == buffer)
            s = &n->slots[i];
    nbd_completion_callback done = {.callback = on_written, .user_data = s};
    n->n_sent++;
    if (nbd_aio_pwrite(n->handle, buffer, len, offset, done, 0) < 0)
        return fail_nbd(err, "write to the disk");
    return check_writes(n, err);
}

static int op_poll(struct vl_dev *d, struct vic_err *err)
{
    struct nbd *n = from_dev(d);
    if (n->n_sent > 0 && nbd_poll(n->handle, 0) < 0)
        return fail_nbd(err, "write to the disk");
    return check_writes(n, err);
}

static int op_drain(struct vl_dev *d, struct vic_err *err)
{
    struct nbd *n = from_dev(d);
    while (n->n_sent > 0) {
        int r = wait_some(n, err);
        if (r < 0)
            return r;
    }
    return check_writes(n, err);
}

static void op_free(struct vl_dev *d)
{
    struct nbd *n = from_dev(d);
    nbd_close(n->handle);
    for (size_t i = 0; i < N_BUFFERS; i++)
        free(n->slots[i].data);
    free(n);
}

static const struct vl_dev_ops OPS = {
    .read = op_read,
    .buffer = op_buffer,
    .write = op_write,
    .poll = op_poll,
    .drain = op_drain,
    .free = op_free,
};

int vl_nbd_new(int fd, struct vl_dev **ret_dev, struct vic_err *err)
{
    struct nbd *n = vic_new(struct nbd);
    n->dev.ops = &OPS;
    for (size_t i = 0; i < N_BUFFERS; i++)
        n->slots[i].owner = n;
    n->handle = nbd_create();
    auto_(vl_dev_free_p) struct vl_dev *dev = &n->dev;
    if (!n->handle)
        return fail_nbd(err, "nbd");
    if (nbd_connect_socket(n->handle, fd) < 0)
        return fail_nbd(err, "connect to qemu-nbd");
    int64_t size = nbd_get_size(n->handle);
    if (size < 0)
        return fail_nbd(err, "size of the disk");
    dev->size_bytes = (uint64_t)size;
    *ret_dev = TAKE_PTR(dev);
    return 0;
}

int vl_nbd_finish(struct vl_dev *d, struct vic_err *err)
{
    struct nbd *n = from_dev(d);
    if (nbd_flush(n->handle, 0) < 0)
        return fail_nbd(err, "flush the disk");
    if (nbd_shutdown(n->handle, 0) < 0)
        return fail_nbd(err, "close the disk");
    return 0;
}

void vl_dev_free(struct vl_dev *d)
{
    if (d)
        d->ops->free(d);
}
