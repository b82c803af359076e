/* Builds the environment vector. */
#include "tether/env.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static size_t key_len(const char *entry)
{
    return strcspn(entry, "=");
}

static char **find(char **v, const char *entry)
{
    size_t len = key_len(entry);
    for (; v && *v; v++)
        if (key_len(*v) == len && memcmp(*v, entry, len) == 0)
            return v;
    return NULL;
}

static void remove_at(char **at)
{
    free(*at);
    for (; *at; at++)
        at[0] = at[1];
}

char **tether_env_merge(char **v, char *const *changes)
{
    for (; changes && *changes; changes++) {
        char **old = find(v, *changes);
        if (!strchr(*changes, '=')) {
            if (old)
                remove_at(old);
        } else if (old) {
            free(*old);
            *old = vic_xstrdup(*changes);
        } else {
            v = vic_strv_append(v, *changes);
        }
    }
    return v;
}

char **tether_env_build(char *const *env, const char *hostname, bool has_tty)
{
    char **v = vic_strv_append(NULL, DEFAULT_PATH);
    auto_free char *host = vic_xasprintf("HOSTNAME=%s", hostname);
    v = vic_strv_append(v, host);
    if (has_tty)
        v = vic_strv_append(v, "TERM=xterm");
    return tether_env_merge(v, env);
}

const char *tether_env_get(char *const *env, const char *key)
{
    size_t len = strlen(key);
    for (; env && *env; env++)
        if (strncmp(*env, key, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}
