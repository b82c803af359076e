/*
 * Reads a container's output file record by record while the VM still appends to it.
 *
 * The guest drives the device behind the file, so every byte is hostile: what is no record ends the
 * reading with an error, and memory is bounded by one record.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/base/record.h"

struct pl_output;

/* offset: where a record starts. */
int pl_output_open(const char *path, uint64_t offset, struct pl_output **ret_output,
                   struct vic_err *err);
void pl_output_close(struct pl_output *o);
VIC_DEFINE_CLEANUP(pl_output_close_p, struct pl_output *, pl_output_close)

/* 1: *ret_head and *ret_payload (borrowed until the next call) are set.  0: no whole record is there
 * yet.  < 0: the file is broken here; every further call says so too. */
int pl_output_next(struct pl_output *o, struct vic_record *ret_head, const uint8_t **ret_payload,
                   struct vic_err *err);
/* Where the next record starts; before it is read that may lie in a gap, which is jumped over then. */
uint64_t pl_output_offset(const struct pl_output *o);
/* Where the record that was read last starts. */
static inline uint64_t pl_output_start(const struct pl_output *o, const struct vic_record *head)
{
    return pl_output_offset(o) - VIC_RECORD_HEADER - head->len;
}
/* Gives the buffer back while there is nothing to read. */
void pl_output_rest(struct pl_output *o);

#define PL_GAP_LEN (VIC_RECORD_HEADER + 8)

/* Where a file's records begin that starts with these bytes: 0, or behind its gap. */
uint64_t pl_output_first(const uint8_t *data, size_t len);
/* Drops what stands before first, a record's start at PL_GAP_LEN or later.  Offsets stay what they are; the
 * file system gets the room back.  Whoever reads there meanwhile goes on at first.  UNIMPLEMENTED: it has no
 * holes; all is still there then. */
int pl_output_trim(const char *path, uint64_t first, struct vic_err *err);

/* The last words of a run. */
struct pl_exit {
    int exit_code;
    char error[256];
    bool oom_killed;
    int64_t wall_ns;
};

/* Reads an EXIT record's payload; a broken one is exit code 137 with an error that says so. */
void pl_exit_from_record(const struct vic_record *head, const uint8_t *payload,
                         struct pl_exit *ret_exit);
/* Looks through a whole file; 1 found, 0 not. */
int pl_output_find_exit(const char *path, struct pl_exit *ret_exit);
