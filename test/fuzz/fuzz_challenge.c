/* WWW-Authenticate headers as hostile registries may send them. */
#include <stdint.h>

#include "imagec/challenge.h"
#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct vic_err err;
    struct img_challenge c;
    auto_free char *text = vic_xstrndup(len > 0 ? (const char *)data : "", len);
    if (img_challenge_parse(text, &c, &err) == 0)
        img_challenge_release(&c);
    return 0;
}
