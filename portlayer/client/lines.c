/* Splits a stream of lines into JSON documents. */
#include <errno.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "portlayer/api.h"

struct pl_lines {
    pl_doc_fn on_doc;
    void *arg;
    struct vic_buf partial; /* the line whose end has not come yet */
};

struct pl_lines *pl_lines_new(pl_doc_fn on_doc, void *arg)
{
    struct pl_lines *l = vic_new(struct pl_lines);
    l->on_doc = on_doc;
    l->arg = arg;
    return l;
}

static int one_line(struct pl_lines *l, const char *text, size_t len, struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    int r = json_parse(text, len, &doc, err);
    if (r < 0)
        return r;
    if (!cJSON_IsObject(doc))
        return vic_fail(err, VIC_ERR_INVALID, 0, "a line that is no JSON object");
    l->on_doc(doc, l->arg);
    return 0;
}

int pl_lines_feed(struct pl_lines *l, const void *data, size_t len, struct vic_err *err)
{
    const char *p = data;
    while (len > 0) {
        const char *end = memchr(p, '\n', len);
        size_t n = end ? (size_t)(end - p) : len;
        if (l->partial.len + n > RPC_JSON_MAX)
            return vic_fail(err, VIC_ERR_INVALID, EMSGSIZE, "a line longer than %u bytes",
                            RPC_JSON_MAX);
        if (!end || l->partial.len > 0)
            vic_buf_add(&l->partial, p, n);
        if (!end)
            return 0;
        int r = l->partial.len > 0 ? one_line(l, l->partial.data, l->partial.len, err)
                                   : one_line(l, p, n, err);
        if (r < 0)
            return r;
        vic_buf_clear(&l->partial);
        p += n + 1;
        len -= n + 1;
    }
    return 0;
}

void pl_lines_free(struct pl_lines *l)
{
    if (!l)
        return;
    vic_buf_release(&l->partial);
    free(l);
}
