/* Version prefixes of paths. */
#include "personality/docker/version.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/banned.h"

#define MINOR_MAX 999 /* past it every version is as new */

static unsigned parse_part(const char **s)
{
    unsigned v = 0;
    while (isdigit((unsigned char)**s)) {
        v = v * 10 + (unsigned)(**s - '0');
        if (v > MINOR_MAX)
            v = MINOR_MAX;
        (*s)++;
    }
    return v;
}

const char *docker_version_split(const char *path, unsigned *ret_api, bool *ret_has_version,
                                 char *ret_text, size_t text_size)
{
    *ret_api = DOCKER_API(1, 50);
    *ret_has_version = false;
    (void)snprintf(ret_text, text_size, "%s", DOCKER_API_MAX);
    if (path[0] != '/' || path[1] != 'v')
        return path;
    size_t n = strspn(path + 2, "0123456789.");
    if (n == 0 || path[2 + n] != '/')
        return path;
    const char *s = path + 2;
    unsigned major = parse_part(&s);
    unsigned minor = 0;
    if (*s == '.') {
        s++;
        minor = parse_part(&s);
    }
    *ret_api = DOCKER_API(major, minor);
    *ret_has_version = true;
    (void)snprintf(ret_text, text_size, "%.*s", (int)(n < 32 ? n : 32), path + 2);
    return path + 2 + n;
}

int docker_version_check(unsigned api, const char *text, struct vic_err *err)
{
    if (api < DOCKER_API(1, 24))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "client version %s is too old. Minimum supported API version is %s, please "
                        "upgrade your client to a newer version",
                        text, DOCKER_API_MIN);
    if (api > DOCKER_API(1, 50))
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "client version %s is too new. Maximum supported API version is %s", text,
                        DOCKER_API_MAX);
    return 0;
}
