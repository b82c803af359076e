/* Splits a stream of output records into whole ones. */
#include <errno.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "portlayer/api.h"

struct pl_records {
    pl_record_fn on_record;
    void *arg;
    struct vic_buf pending; /* less than one record */
};

struct pl_records *pl_records_new(pl_record_fn on_record, void *arg)
{
    struct pl_records *r = vic_new(struct pl_records);
    r->on_record = on_record;
    r->arg = arg;
    return r;
}

/* How long the record at data is: its header's length as long as that is not there.  < 0: no record. */
static ssize_t record_size(const uint8_t *data, size_t len, struct vic_record *ret_head)
{
    int r = vic_record_decode(data, len, ret_head);
    if (r < 0)
        return r;
    return r == 0 ? VIC_RECORD_HEADER : VIC_RECORD_HEADER + (ssize_t)ret_head->len;
}

static int no_records(struct vic_err *err)
{
    return vic_fail(err, VIC_ERR_INVALID, EBADMSG, "the stream holds no output records");
}

/* Adds to a record begun earlier exactly what it lacks.  Returns the bytes used up. */
static ssize_t complete_pending(struct pl_records *r, const uint8_t *data, size_t len)
{
    size_t used = 0;
    for (;;) {
        struct vic_record head = {0};
        ssize_t size = record_size((const uint8_t *)r->pending.data, r->pending.len, &head);
        if (size < 0)
            return size;
        size_t lacks = (size_t)size - r->pending.len;
        if (lacks == 0) {
            r->on_record(&head, r->pending.data + VIC_RECORD_HEADER, r->arg);
            vic_buf_clear(&r->pending);
            return (ssize_t)used;
        }
        if (used == len)
            return (ssize_t)used;
        size_t n = lacks < len - used ? lacks : len - used;
        vic_buf_add(&r->pending, data + used, n);
        used += n;
    }
}

int pl_records_feed(struct pl_records *r, const void *data, size_t len, struct vic_err *err)
{
    const uint8_t *p = data;
    if (r->pending.len > 0) {
        ssize_t used = complete_pending(r, p, len);
        if (used < 0)
            return no_records(err);
        p += used;
        len -= (size_t)used;
    }
    while (len > 0) {
        struct vic_record head = {0};
        ssize_t size = record_size(p, len, &head);
        if (size < 0)
            return no_records(err);
        if (len < (size_t)size || len < VIC_RECORD_HEADER) {
            vic_buf_add(&r->pending, p, len);
            return 0;
        }
        r->on_record(&head, p + VIC_RECORD_HEADER, r->arg);
        p += size;
        len -= (size_t)size;
    }
    return 0;
}

void pl_records_free(struct pl_records *r)
{
    if (!r)
        return;
    vic_buf_release(&r->pending);
    free(r);
}
