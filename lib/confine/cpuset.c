/* Reads lists of processors. */
#include "lib/confine/cpuset.h"

#include <string.h>

#include "lib/base/str.h"

#define TEXT_MAX 4096

int confine_cpuset_highest(const char *text, unsigned *ret_highest, struct vic_err *err)
{
    uint64_t highest = 0;
    bool is_ok = *text && strlen(text) <= TEXT_MAX;
    auto_strv char **ranges = is_ok ? vic_strv_split(text, ',') : NULL;
    for (char **v = ranges; v && *v && is_ok; v++) {
        uint64_t from;
        uint64_t to;
        char *dash = strchr(*v, '-');
        if (dash)
            *dash = '\0';
        is_ok = vic_str_to_u64(*v, 0, CONFINE_CPUS_MAX - 1, &from) == 0 &&
                vic_str_to_u64(dash ? dash + 1 : *v, from, CONFINE_CPUS_MAX - 1, &to) == 0;
        if (is_ok && to > highest)
            highest = to;
    }
    if (!is_ok)
        return vic_fail(err, VIC_ERR_INVALID, 0, "Invalid value %.80s for cpuset cpus", text);
    *ret_highest = (unsigned)highest;
    return 0;
}
