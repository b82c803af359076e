/* Random identifiers. */
#include "lib/base/id.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

#include "lib/base/str.h"

void vic_id_new(struct vic_id *ret_id)
{
    uint8_t raw[VIC_ID_LEN / 2];
    /* Up to 256 bytes come whole or not at all once the kernel's pool is seeded. */
    if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
        abort();
    vic_str_hex(raw, sizeof(raw), ret_id->text);
}

bool vic_id_is_valid(const char *text)
{
    return vic_str_is_hex(text, VIC_ID_LEN);
}
