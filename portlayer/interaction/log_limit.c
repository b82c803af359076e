/* Marks in an output file. */
#include "portlayer/interaction/log_limit.h"

#include <string.h>

#define STEP_MIN 4096 /* less frees nothing: file systems think in blocks */

static uint64_t step(const struct pl_log_limit *l)
{
    uint64_t eighth = l->max_bytes / 8;
    return (eighth > STEP_MIN ? eighth : STEP_MIN) << l->sparseness;
}

/* Every other one is enough where a slow reader keeps more than was thought of. */
static void thin_out(struct pl_log_limit *l)
{
    for (size_t i = 0; i < PL_LOG_MARKS / 2; i++)
        l->marks[i] = l->marks[2 * i + 1];
    l->n_marks = PL_LOG_MARKS / 2;
    l->sparseness++; /* at most 64 MiB / 4 KiB: 14 */
}

void pl_log_limit_pass(struct pl_log_limit *l, uint64_t offset)
{
    uint64_t last = l->n_marks > 0 ? l->marks[l->n_marks - 1] : l->first;
    if (l->max_bytes == 0 || offset < last + step(l))
        return;
    if (l->n_marks == PL_LOG_MARKS)
        thin_out(l);
    l->marks[l->n_marks++] = offset;
}

uint64_t pl_log_limit_first(const struct pl_log_limit *l, uint64_t end, uint64_t held)
{
    uint64_t first = l->first;
    if (l->max_bytes == 0)
        return first;
    if (end > l->max_bytes + PL_LOG_SLACK && held < end - l->max_bytes - PL_LOG_SLACK)
        held = end - l->max_bytes - PL_LOG_SLACK;
    for (size_t i = 0; i < l->n_marks && end - first > l->max_bytes && l->marks[i] <= held; i++)
        first = l->marks[i];
    return first;
}

void pl_log_limit_trimmed(struct pl_log_limit *l, uint64_t first)
{
    size_t n = 0;
    while (n < l->n_marks && l->marks[n] <= first)
        n++;
    l->n_marks -= n;
    memmove(l->marks, l->marks + n, l->n_marks * sizeof(l->marks[0]));
    l->first = first;
    if (l->n_marks < PL_LOG_MARKS / 4) /* else a slow reader is still behind */
        l->sparseness = 0;
}
