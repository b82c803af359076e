/* The two clocks and the one way time is written as text. */
#pragma once

#include <stdint.h>

/* Room for "2026-01-02T03:04:05.123456789Z" and its NUL. */
#define VIC_CLOCK_TEXT_MAX 40

#define VIC_NS_PER_S INT64_C(1000000000)

int64_t vic_clock_wall_ns(void);       /* since 1970-01-01 UTC */
uint64_t vic_clock_monotonic_ms(void); /* never steps; meaningless across a reboot */

/* RFC 3339 in UTC with nine digits of fraction.  text holds VIC_CLOCK_TEXT_MAX bytes. */
void vic_clock_format_rfc3339(int64_t wall_ns, char *text);

/* RFC 3339 with any offset and 0 to 9 digits of fraction; -EINVAL on anything else. */
int vic_clock_parse_rfc3339(const char *text, int64_t *ret_wall_ns);
