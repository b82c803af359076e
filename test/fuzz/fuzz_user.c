/* Fuzzes user resolution: the first line is the spec, then passwd up to a NUL byte, then group. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "tether/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tether_user user;
    const char *text = (const char *)data;
    const char *nl = size ? memchr(text, '\n', size) : NULL;
    if (!nl || memchr(text, '\0', (size_t)(nl - text)))
        return 0;
    auto_free char *spec = vic_xstrndup(text, (size_t)(nl - text));
    const char *passwd = nl + 1;
    size_t left = size - (size_t)(passwd - text);
    const char *nul = left ? memchr(passwd, '\0', left) : NULL;
    size_t passwd_len = nul ? (size_t)(nul - passwd) : left;
    const char *group = nul ? nul + 1 : NULL;
    size_t group_len = nul ? left - passwd_len - 1 : 0;
    struct vic_err err = {0};
    (void)tether_user_resolve(spec, passwd, passwd_len, group, group_len, &user, &err);
    return 0;
}
