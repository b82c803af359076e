/* Fills error values and names their kinds. */
#include "lib/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"

static const struct {
    const char *name;
    int code;
} kinds[] = {
    [VIC_ERR_NONE] = {"none", EIO},
    [VIC_ERR_INVALID] = {"invalid", EINVAL},
    [VIC_ERR_NOT_FOUND] = {"not_found", ENOENT},
    [VIC_ERR_CONFLICT] = {"conflict", EBUSY},
    [VIC_ERR_NOT_MODIFIED] = {"not_modified", EALREADY},
    [VIC_ERR_UNAVAILABLE] = {"unavailable", EAGAIN},
    [VIC_ERR_FORBIDDEN] = {"forbidden", EACCES},
    [VIC_ERR_UNIMPLEMENTED] = {"unimplemented", ENOSYS},
    [VIC_ERR_INTERNAL] = {"internal", EIO},
};

#undef vic_fail
#undef vic_fail_errno

int vic_fail(struct vic_err *err, enum vic_err_kind kind, int code, const char *fmt, ...)
{
    if (code <= 0)
        code = kinds[kind].code;
    if (!err)
        return -code;
    /* The arguments may point into err->message itself, so format aside first. */
    char text[VIC_ERR_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err->kind = kind;
    err->code = code;
    memcpy(err->message, text, sizeof(text));
    return -code;
}

int vic_fail_errno(struct vic_err *err, int code, const char *fmt, ...)
{
    char text[VIC_ERR_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (code < 0)
        code = -code;
    return vic_fail(err, VIC_ERR_INTERNAL, code, "%s: %s", text, strerror(code));
}

int vic_fail_wrap(struct vic_err *err, int result, const char *fmt, ...)
{
    if (!err)
        return result;
    char text[VIC_ERR_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(text))
        (void)snprintf(text + n, sizeof(text) - (size_t)n, ": %s", err->message);
    memcpy(err->message, text, sizeof(text));
    return result;
}

const char *vic_err_kind_to_string(enum vic_err_kind kind)
{
    return (size_t)kind < ARRAY_SIZE(kinds) ? kinds[kind].name : kinds[VIC_ERR_INTERNAL].name;
}

enum vic_err_kind vic_err_kind_from_string(const char *name)
{
    for (size_t i = VIC_ERR_INVALID; name && i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return (enum vic_err_kind)i;
    return VIC_ERR_INTERNAL;
}
