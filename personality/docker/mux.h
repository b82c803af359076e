/*
 * Docker's framing of a container's output, and the log options that change its lines.
 *
 * A frame is the stream (1 stdout, 2 stderr), three zero bytes, the length in big endian, the bytes.
 * A container with a terminal has no frames: its output goes out as it came.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/record.h"

#define DOCKER_MUX_HEADER 8

struct docker_mux {
    bool is_raw;
    bool has_timestamps;
    const char *details; /* before each line, with a blank; NULL: none */
    bool in_line[2];     /* the last byte of stdout, stderr was no newline */
};

/* Appends what a client gets for one record of output. */
void docker_mux_add(struct docker_mux *m, const struct vic_record *head, const void *data,
                    struct vic_buf *out);
