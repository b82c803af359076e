/*
 * How much of a run's output may go, so that no more than a limit is left.  Pure: a few record starts, evenly spread,
 * are remembered as the file grows; the first one that is near enough to its end is where it begins from then on.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PL_LOG_MARKS 16
/* What a client reads that is slower than its container is kept for it, but no more than this. */
#define PL_LOG_SLACK (64ull << 20)

struct pl_log_limit {
    uint64_t max_bytes; /* 0: none */
    uint64_t first;     /* where the file's records begin */
    uint64_t marks[PL_LOG_MARKS];
    unsigned sparseness; /* times the distance between marks was doubled */
    size_t n_marks;
};

/* A record starts at offset; in rising order. */
void pl_log_limit_pass(struct pl_log_limit *l, uint64_t offset);
/* Where the file shall begin now; l->first: as it is.  end: of its whole records; held: the first byte that somebody
 * is still going to read (UINT64_MAX: nobody). */
uint64_t pl_log_limit_first(const struct pl_log_limit *l, uint64_t end, uint64_t held);
/* It does. */
void pl_log_limit_trimmed(struct pl_log_limit *l, uint64_t first);
