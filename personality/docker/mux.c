/* Frames and line prefixes. */
#include "personality/docker/mux.h"

#include <string.h>

#include "lib/base/banned.h"
#include "lib/base/clock.h"

static void add_frame(const struct docker_mux *m, enum vic_record_type type, const char *prefix,
                      const char *data, size_t len, struct vic_buf *out)
{
    size_t total = strlen(prefix) + len;
    if (!m->is_raw) {
        unsigned char head[DOCKER_MUX_HEADER] = {type == VIC_RECORD_STDERR ? 2 : 1,
                                                 0,
                                                 0,
                                                 0,
                                                 (unsigned char)(total >> 24),
                                                 (unsigned char)(total >> 16),
                                                 (unsigned char)(total >> 8),
                                                 (unsigned char)total};
        vic_buf_add(out, head, sizeof(head));
    }
    vic_buf_add_str(out, prefix);
    vic_buf_add(out, data, len);
}

void docker_mux_add(struct docker_mux *m, const struct vic_record *head, const void *data,
                    struct vic_buf *out)
{
    if (head->len == 0)
        return;
    if (!m->has_timestamps && !m->details) {
        add_frame(m, head->type, "", data, head->len, out);
        return;
    }
    auto_buf struct vic_buf prefix = {0};
    if (m->has_timestamps) {
        char when[VIC_CLOCK_TEXT_MAX];
        vic_clock_format_rfc3339(head->wall_ns, when);
        vic_buf_addf(&prefix, "%s ", when);
    }
    if (m->details)
        vic_buf_addf(&prefix, "%s ", m->details);
    bool *in_line = &m->in_line[head->type == VIC_RECORD_STDERR];
    const char *p = data;
    const char *end = p + head->len;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *next = newline ? newline + 1 : end;
        add_frame(m, head->type, *in_line ? "" : vic_buf_str(&prefix), p, (size_t)(next - p), out);
        *in_line = !newline;
        p = next;
    }
}
