/*
 * One line per event on stderr: time, level, the thing it is about, its name, what happened.
 *
 * Programs log; libraries return errors and at most log at VIC_DEBUG.  WARN: we carried on.  ERROR:
 * someone must act.  Never a secret, an environment value or a body.  Safe from any thread.
 */
#pragma once

enum vic_log_level {
    VIC_DEBUG,
    VIC_INFO,
    VIC_WARN,
    VIC_ERROR,
};

/* The program's name stands in each line; call once from main(). */
void vic_log_init(const char *program, enum vic_log_level lowest);

/* subject: what kind of thing ("container"); id: which (NULL if there is only one). */
void vic_log(enum vic_log_level level, const char *subject, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* "debug", "info", "warn" or "error"; -EINVAL otherwise. */
int vic_log_level_from_string(const char *name, enum vic_log_level *ret_level);
