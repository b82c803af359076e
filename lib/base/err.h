/*
 * What went wrong, as a plain value on the caller's stack.
 *
 * A function returns 0 (or a useful value >= 0) or a negative errno; where the reason matters above
 * the caller, `struct vic_err *err` is the last parameter.  It is untouched on success, NULL is
 * allowed, and nothing in it has to be freed, so it works out of memory too.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

/* Long enough for a path (4096 would be wasteful) or a registry's own words around it. */
#define VIC_ERR_MAX 512

/* What the failure means to whoever asked.  Set where that is known; a stray errno is INTERNAL. */
enum vic_err_kind {
    VIC_ERR_NONE,
    VIC_ERR_INVALID,       /* the request is wrong and will be wrong again */
    VIC_ERR_NOT_FOUND,     /* the thing named does not exist */
    VIC_ERR_CONFLICT,      /* not in this state, or the name is taken */
    VIC_ERR_NOT_MODIFIED,  /* it already is as asked */
    VIC_ERR_UNAVAILABLE,   /* a peer is away; may work later */
    VIC_ERR_FORBIDDEN,     /* refused by policy or credentials */
    VIC_ERR_UNIMPLEMENTED, /* known, and not served */
    VIC_ERR_INTERNAL,      /* our fault or the host's */
};

struct vic_err {
    enum vic_err_kind kind;
    int code; /* a positive errno */
    char message[VIC_ERR_MAX];
};

/* Fills err (if not NULL) and returns -code; a code of 0 takes the errno that fits the kind. */
int vic_fail(struct vic_err *err, enum vic_err_kind kind, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with kind INTERNAL and strerror(code) appended: "open 'x': permission denied". */
int vic_fail_errno(struct vic_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before an error that a callee has filled in; returns result, which is < 0. */
int vic_fail_wrap(struct vic_err *err, int result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Analyzers see one file at a time: tell them that a failure is never 0. */
#if defined(__clang_analyzer__) || defined(VIC_ANALYZE)
#define vic_fail(...) ((void)vic_fail(__VA_ARGS__), -1)
#define vic_fail_errno(...) ((void)vic_fail_errno(__VA_ARGS__), -1)
#endif

/* The wire's name of a kind ("not_found") and back; an unknown name is INTERNAL. */
const char *vic_err_kind_to_string(enum vic_err_kind kind);
enum vic_err_kind vic_err_kind_from_string(const char *name);
