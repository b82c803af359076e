/* Finds a tail by counting the lines, then walking again to the first one wanted. */
#include "portlayer/interaction/tail.h"

#include <string.h>

#include "portlayer/interaction/output.h"

struct walk {
    struct pl_position line_start[PL_TAIL_STREAMS]; /* of the line each stream is in */
    bool is_in_line[PL_TAIL_STREAMS];
    uint64_t n_ended;
    uint64_t stop_after; /* lines */
};

static bool end_line(struct walk *w, size_t stream, struct pl_position next)
{
    w->n_ended++;
    w->is_in_line[stream] = false;
    w->line_start[stream] = next;
    return w->n_ended == w->stop_after;
}

/* True when the last line to leave out has ended. */
static bool walk_record(struct walk *w, unsigned run, uint64_t offset,
                        const struct vic_record *head, const uint8_t *payload)
{
    if (head->type != VIC_RECORD_STDOUT && head->type != VIC_RECORD_STDERR)
        return false;
    size_t stream = (size_t)head->type - 1;
    for (uint32_t at = 0; at < head->len;) {
        if (!w->is_in_line[stream]) {
            w->is_in_line[stream] = true;
            w->line_start[stream] = (struct pl_position){run, offset, at};
        }
        const uint8_t *end = memchr(payload + at, '\n', head->len - at);
        if (!end)
            break;
        at = (uint32_t)(end - payload) + 1;
        if (end_line(w, stream, (struct pl_position){run, offset, at}))
            return true;
    }
    return false;
}

static bool end_run(struct walk *w, unsigned run)
{
    for (size_t i = 0; i < PL_TAIL_STREAMS; i++)
        if (w->is_in_line[i] && end_line(w, i, (struct pl_position){run + 1, 0, 0}))
            return true;
    return false;
}

static bool walk_run(struct walk *w, const char *path, unsigned run)
{
    auto_(pl_output_close_p) struct pl_output *o = NULL;
    struct vic_record head;
    const uint8_t *payload = NULL;
    if (pl_output_open(path, 0, &o, NULL) == 0)
        for (;;) {
            if (pl_output_next(o, &head, &payload, NULL) <= 0)
                break;
            if (walk_record(w, run, pl_output_start(o, &head), &head, payload))
                return true;
        }
    return end_run(w, run);
}

static void walk_all(struct walk *w, char *const *paths, unsigned n_runs)
{
    for (unsigned run = 1; run <= n_runs; run++)
        if (walk_run(w, paths[run - 1], run))
            return;
}

static bool is_before(const struct pl_position *a, const struct pl_position *b)
{
    if (a->run != b->run)
        return a->run < b->run;
    return a->offset != b->offset ? a->offset < b->offset : a->byte < b->byte;
}

void pl_tail_find(char *const *paths, unsigned n_runs, uint64_t n_lines, struct pl_tail *ret_tail)
{
    struct walk count = {0};
    walk_all(&count, paths, n_runs);
    struct pl_tail t = {.first_run = 1};
    if (count.n_ended > n_lines) {
        struct walk w = {.stop_after = count.n_ended - n_lines};
        walk_all(&w, paths, n_runs);
        for (size_t i = 0; i < PL_TAIL_STREAMS; i++)
            t.start[i] = w.line_start[i];
        const struct pl_position *first =
            is_before(&t.start[0], &t.start[1]) ? &t.start[0] : &t.start[1];
        if (first->run > 0) { /* else a stream said nothing yet: nothing to skip of it */
            t.first_run = first->run;
            t.first_offset = first->offset;
        } else {
            const struct pl_position *other = &t.start[first == &t.start[0]];
            t.first_run = other->run;
            t.first_offset = other->offset;
        }
    }
    *ret_tail = t;
}

uint32_t pl_tail_skip(const struct pl_tail *t, unsigned run, uint64_t offset,
                      const struct vic_record *head)
{
    if (head->type != VIC_RECORD_STDOUT && head->type != VIC_RECORD_STDERR)
        return head->len;
    const struct pl_position *start = &t->start[head->type - 1];
    if (run != start->run)
        return run < start->run ? head->len : 0;
    if (offset != start->offset)
        return offset < start->offset ? head->len : 0;
    return start->byte < head->len ? start->byte : head->len;
}
