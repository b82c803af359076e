/* Reading X-Registry-Auth. */
#include "personality/docker/authheader.h"

#include <string.h>

#include "lib/base/banned.h"
#include "lib/base/buf.h"
#include "lib/json/json.h"

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' || c == '+' ? 62 : c == '_' || c == '/' ? 63 : -1;
}

static void decode(const char *text, struct vic_buf *out)
{
    unsigned bits = 0;
    unsigned n = 0;
    for (; *text && *text != '='; text++) {
        int v = base64_value(*text);
        if (v < 0)
            return;
        bits = bits << 6 | (unsigned)v;
        n += 6;
        if (n >= 8) {
            n -= 8;
            vic_buf_add_char(out, (char)(bits >> n & 0xff));
        }
    }
}

bool docker_authheader_has_credentials(const char *header)
{
    static const char *const secrets[] = {"username", "password", "auth", "identitytoken",
                                          "registrytoken"};
    if (!header)
        return false;
    auto_buf struct vic_buf text = {0};
    decode(header, &text);
    auto_json cJSON *doc = NULL;
    if (json_parse(vic_buf_str(&text), text.len, &doc, NULL) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        if (json_str(doc, secrets[i], "")[0])
            return true;
    return false;
}
