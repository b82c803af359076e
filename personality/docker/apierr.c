/* From what went wrong to the status Docker's clients expect. */
#include "personality/docker/apierr.h"

unsigned docker_status_of_error(enum vic_err_kind kind)
{
    switch (kind) {
    case VIC_ERR_INVALID:
        return 400;
    case VIC_ERR_FORBIDDEN:
        return 403;
    case VIC_ERR_NOT_FOUND:
        return 404;
    case VIC_ERR_CONFLICT:
        return 409;
    case VIC_ERR_NOT_MODIFIED:
        return 304;
    case VIC_ERR_UNIMPLEMENTED:
        return 501;
    case VIC_ERR_UNAVAILABLE:
        return 503;
    case VIC_ERR_NONE:
    case VIC_ERR_INTERNAL:
        return 500;
    }
    return 500;
}
