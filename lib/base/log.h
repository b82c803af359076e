/*
 * One line per event on stderr: time, level, the thing it is about, its name, what happened.
 *
 * Programs log; libraries return errors and at most log at VIC_DEBUG.  WARN: we carried on.  ERROR:
 * someone must act.  Never a secret, an environment value or a body.  Safe from any thread.
 */
#pragma once

#include <stddef.h>

enum vic_log_level {
    VIC_DEBUG,
    VIC_INFO,
    VIC_WARN,
    VIC_ERROR,
};

/* The program's name stands in each line; call once from main(). */
void vic_log_init(const char *program, enum vic_log_level lowest);

/*
 * Keeps a log file from growing without end: past max_bytes only its last half is kept.  For daemons, whose stderr is
 * a file of their own, opened for reading too and for appending; any other stderr is left alone.
 */
#define VIC_LOG_MAX (16u << 20)
void vic_log_cap(size_t max_bytes);

/* subject: what kind of thing ("container"); id: which (NULL if there is only one). */
void vic_log(enum vic_log_level level, const char *subject, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* "debug", "info", "warn" or "error"; -EINVAL otherwise. */
int vic_log_level_from_string(const char *name, enum vic_log_level *ret_level);
