/* FNV-1a over what document.c shows of each container, and the number of changes of what images are called. */
#include "portlayer/execution/fingerprint.h"

#include <string.h>

#include "portlayer/interaction/exec.h"
#include "portlayer/storage/storage.h"

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static void add(uint64_t *h, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        *h = (*h ^ p[i]) * FNV_PRIME;
}

static void add_number(uint64_t *h, int64_t n)
{
    add(h, &n, sizeof(n));
}

static void add_text(uint64_t *h, const char *s)
{
    add(h, s, strlen(s) + 1);
}

static void add_execs(uint64_t *h, const struct pl_container *c)
{
    const struct pl_exec *e;
    list_for_each(e, &c->execs, link) {
        if (e->state != PL_EXEC_EXITED)
            add_text(h, e->id);
    }
}

/* Image, annotations and most of the spec never change; rec.revision counts the changes of the rest. */
static void add_container(uint64_t *h, const struct pl_container *c)
{
    const struct pl_record *rec = &c->rec;
    const int64_t numbers[] = {
        (int64_t)rec->revision,
        rec->state,
        c->pid,
        rec->exit_code,
        rec->oom_killed,
        rec->restarts,
        rec->started_ns,
        rec->finished_ns,
        c->is_by_policy,
        rec->health.status,
        rec->health.failing_streak,
    };
    add_text(h, rec->id);
    add_text(h, rec->name);
    add_text(h, rec->error);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        add_number(h, numbers[i]);
    for (size_t i = 0; i < rec->n_endpoints; i++) {
        add_text(h, rec->endpoints[i].address);
        add_text(h, rec->endpoints[i].mac);
        add_text(h, rec->endpoints[i].network_id);
    }
    add_execs(h, c);
}

uint64_t pl_list_fingerprint(const struct pl_execution *x)
{
    uint64_t h = FNV_OFFSET;
    const struct pl_container *c;
    add_text(&h, x->life.text);
    add_number(&h, (int64_t)pl_storage_revision(x->pl->storage));
    list_for_each(c, &x->containers, link) {
        if (c->is_visible)
            add_container(&h, c);
    }
    return h;
}
