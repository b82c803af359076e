/* Reads the names of keys. */
#include "personality/docker/keys.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/banned.h"
#include "lib/base/str.h"

#define DEFAULT_KEYS "ctrl-p,ctrl-q"

/* The byte that a key types; -1: there is no such key. */
static int key_of(const char *name)
{
    static const char controls[] = "@abcdefghijklmnopqrstuvwxyz[\\]^_";
    const char *at;
    if (strlen(name) == 1)
        return (uint8_t)name[0];
    if (strcmp(name, "DEL") == 0)
        return 127;
    if (!vic_str_starts_with(name, "ctrl-") || strlen(name) != strlen("ctrl-x"))
        return -1;
    at = strchr(controls, name[strlen("ctrl-")]);
    return at ? (int)(at - controls) : -1;
}

int docker_keys_parse(const char *text, const char *what, struct docker_keys *ret,
                      struct vic_err *err)
{
    uint8_t keys[PL_DETACH_KEYS_MAX];
    size_t n = 0;
    if (vic_str_is_empty(text))
        text = DEFAULT_KEYS;
    if (strlen(text) > PL_DETACH_KEYS_MAX * strlen("ctrl-x,")) /* before it is taken apart */
        return vic_fail(err, VIC_ERR_INVALID, 0, "Invalid %s keys (%.100s) provided", what, text);
    auto_strv char **names = vic_strv_split(text, ',');
    for (char **name = names; *name; name++) {
        int key = key_of(*name);
        if (key < 0 || n == sizeof(keys))
            return vic_fail(err, VIC_ERR_INVALID, 0, "Invalid %s keys (%.100s) provided", what,
                            text);
        keys[n++] = (uint8_t)key;
    }
    vic_str_hex(keys, n, ret->hex);
    return 0;
}
