/* Identifiers: 256 random bits, written as 64 lower-case hex digits. */
#pragma once

#include <stdbool.h>

#define VIC_ID_LEN 64
#define VIC_ID_SHORT_LEN 12 /* what people are shown */

struct vic_id {
    char text[VIC_ID_LEN + 1];
};

void vic_id_new(struct vic_id *ret_id);
bool vic_id_is_valid(const char *text);
