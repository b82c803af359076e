#include "tether/copy_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/banned.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Populated: each page would otherwise be a fault on its first use, at either end. */
static int map(int fd, uint8_t **ret_bytes, struct vic_err *err)
{
    void *bytes =
        mmap(NULL, COPY_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED)
        return vic_fail_errno(err, errno, "map the memory of a copy");
    *ret_bytes = bytes;
    return 0;
}

static uint8_t *slot_start(uint8_t *bytes, unsigned slot)
{
    return bytes + slot * (COPY_RING_HEAD + COPY_RING_SLOT) + COPY_RING_HEAD;
}

static void unmap(uint8_t **bytes)
{
    if (*bytes)
        (void)munmap(*bytes, COPY_RING_BYTES);
    *bytes = NULL;
}

/* ---- tether's end ---- */

int copy_ring_make(struct copy_ring_out *o, int *ret_fd, struct vic_err *err)
{
    auto_close int fd = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    *o = (struct copy_ring_out){0};
    if (fd < 0 || ftruncate(fd, COPY_RING_BYTES) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return vic_fail_errno(err, errno, "make the memory of a copy");
    int r = map(fd, &o->bytes, err);
    if (r == 0)
        *ret_fd = TAKE_FD(fd);
    return r;
}

int copy_ring_next(const struct copy_ring_out *o, int filled, uint8_t **ret_data, size_t *ret_len)
{
    uint32_t len;
    ssize_t n;
    do
        n = read(filled, &len, sizeof(len));
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    if (n != sizeof(len) || len == 0 || len > COPY_RING_SLOT)
        return -EPROTO;
    *ret_data = slot_start(o->bytes, o->slot);
    *ret_len = len;
    return 1;
}

void copy_ring_give_back(struct copy_ring_out *o, int emptied)
{
    o->slot = (o->slot + 1) % COPY_RING_SLOTS;
    (void)vic_file_write_all(emptied, "", 1); /* a process that has ended needs none */
}

void copy_ring_release(struct copy_ring_out *o)
{
    unmap(&o->bytes);
}

/* ---- tether-copy's end ---- */

int copy_ring_open(struct copy_ring_in *in, int fd, int filled, int emptied, struct vic_err *err)
{
    *in = (struct copy_ring_in){.filled = filled, .emptied = emptied, .n_free = COPY_RING_SLOTS};
    return map(fd, &in->bytes, err);
}

int copy_ring_flush(struct copy_ring_in *in, struct vic_err *err)
{
    uint32_t len = (uint32_t)in->len;
    if (len == 0)
        return 0;
    int r = vic_file_write_all(in->filled, &len, sizeof(len));
    in->len = 0;
    in->slot = (in->slot + 1) % COPY_RING_SLOTS;
    in->n_free--;
    return r < 0 ? vic_fail_errno(err, -r, "write") : 0;
}

static int await_slot(struct copy_ring_in *in, struct vic_err *err)
{
    char signs[COPY_RING_SLOTS];
    while (in->n_free == 0) {
        ssize_t n = read(in->emptied, signs, sizeof(signs));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return vic_fail_errno(err, n < 0 ? errno : EPIPE, "write");
        in->n_free = (unsigned)n;
    }
    return 0;
}

int copy_ring_room(struct copy_ring_in *in, uint8_t **ret_data, size_t *ret_room,
                   struct vic_err *err)
{
    int r = in->len == COPY_RING_SLOT ? copy_ring_flush(in, err) : 0;
    if (r < 0 || (r = await_slot(in, err)) < 0)
        return r;
    *ret_data = slot_start(in->bytes, in->slot) + in->len;
    *ret_room = COPY_RING_SLOT - in->len;
    return 0;
}

void copy_ring_wrote(struct copy_ring_in *in, size_t len)
{
    in->len += len;
}

int copy_ring_add(struct copy_ring_in *in, const void *data, size_t len, struct vic_err *err)
{
    const uint8_t *from = data;
    while (len > 0) {
        uint8_t *to;
        size_t room;
        int r = copy_ring_room(in, &to, &room, err);
        if (r < 0)
            return r;
        size_t n = len < room ? len : room;
        memcpy(to, from, n);
        copy_ring_wrote(in, n);
        from += n;
        len -= n;
    }
    return 0;
}

void copy_ring_close(struct copy_ring_in *in)
{
    unmap(&in->bytes);
}
