/* Where the last N lines of a container's output begin. */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/record.h"

#define PL_TAIL_STREAMS 2 /* STDOUT and STDERR, by record type - 1 */

/* A byte of the output: the payload byte `byte` of the record at `offset` of run `run`. */
struct pl_position {
    unsigned run;
    uint64_t offset;
    uint32_t byte;
};

struct pl_tail {
    struct pl_position start[PL_TAIL_STREAMS]; /* of each stream's first byte that counts */
    unsigned first_run;                        /* reading starts here ... */
    uint64_t first_offset;                     /* ... at this record */
};

/* Blocking.  Lines end with '\n' in their own stream, or with their run; they are counted in the
 * order of their ends.  paths: the output files of runs 1..n_runs.  Memory does not grow with them. */
void pl_tail_find(char *const *paths, unsigned n_runs, uint64_t n_lines, struct pl_tail *ret_tail);

/* How many payload bytes of this record stand before the tail: head->len when it is not part of it. */
uint32_t pl_tail_skip(const struct pl_tail *t, unsigned run, uint64_t offset,
                      const struct vic_record *head);
