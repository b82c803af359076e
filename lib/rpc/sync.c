/* The sync line on both sides, found in whatever an earlier session left behind. */
#include "lib/rpc/sync.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/str.h"
#include "lib/rpc/rpc.h"

#define ASK "VIC-SYNC "
#define ANSWER "VIC-ACK "
#define LOST "VIC-LOST\n"

/* The rest of a client's frame, at most; zeros then read as a frame that no session may send. */
#define PADDING (RPC_FRAME_MIN + 9 + 64)

static void new_nonce(char text[RPC_SYNC_NONCE + 1])
{
    unsigned char random[RPC_SYNC_NONCE / 2];
    /* getrandom() of this few bytes can only fail by a signal before the pool is ready. */
    while (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        ;
    vic_str_hex(random, sizeof(random), text);
}

void rpc_sync_host_start(struct rpc_sync *s, bool is_retry, struct vic_buf *out)
{
    char nonce[RPC_SYNC_NONCE + 1];
    new_nonce(nonce);
    *s = (struct rpc_sync){0};
    (void)snprintf(s->want, sizeof(s->want), ANSWER "%s\n", nonce);
    if (is_retry) {
        static const char zeros[PADDING];
        vic_buf_add(out, zeros, sizeof(zeros));
        vic_buf_add_char(out, '\n');
    }
    vic_buf_addf(out, ASK "%s\n", nonce);
}

void rpc_sync_guest_lost(struct vic_buf *out)
{
    vic_buf_add_str(out, LOST);
}

void rpc_sync_guest_start(struct rpc_sync *s)
{
    *s = (struct rpc_sync){0};
}

/* The last len bytes before at, which may begin in what was fed before; false when there are not so many. */
static bool line_before(const struct rpc_sync *s, const uint8_t *data, size_t at, size_t len,
                        char *ret)
{
    size_t here = at < len ? at : len;
    size_t before = len - here;
    if (before > s->len)
        return false;
    memcpy(ret, s->line + s->len - before, before);
    memcpy(ret + before, data + at - here, here);
    return true;
}

/* Keeps what a line may begin with. */
static void keep_tail(struct rpc_sync *s, const uint8_t *data, size_t len)
{
    size_t here = len < sizeof(s->line) ? len : sizeof(s->line);
    size_t before = sizeof(s->line) - here;
    before = before < s->len ? before : s->len;
    memmove(s->line, s->line + s->len - before, before);
    memcpy(s->line + before, data + len - here, here);
    s->len = before + here;
}

/* Past the next end of a line of line_len bytes; 0 when there is none.  What is fed may
 * be 16 KiB of a session that broke, which a slow guest must not look at byte by byte. */
static size_t find_line(struct rpc_sync *s, const uint8_t *data, size_t len, size_t from,
                        size_t line_len, char *ret_line)
{
    while (from < len) {
        const uint8_t *end = memchr(data + from, '\n', len - from);
        if (!end)
            return 0;
        from = (size_t)(end - data) + 1;
        if (line_before(s, data, from, line_len, ret_line))
            return from;
    }
    return 0;
}

size_t rpc_sync_host_feed(struct rpc_sync *s, const uint8_t *data, size_t len, bool *ret_done)
{
    size_t want_len = strlen(s->want);
    char line[RPC_SYNC_LINE];
    *ret_done = false;
    for (size_t at = 0; (at = find_line(s, data, len, at, want_len, line)) > 0;) {
        if (memcmp(line, s->want, want_len) != 0)
            continue;
        *ret_done = true;
        return at;
    }
    keep_tail(s, data, len);
    return len;
}

size_t rpc_sync_guest_feed(struct rpc_sync *s, const uint8_t *data, size_t len, struct vic_buf *out,
                           bool *ret_done)
{
    static const size_t ask_len = sizeof(ASK) - 1;
    char line[RPC_SYNC_LINE];
    *ret_done = false;
    for (size_t at = 0;
         (at = find_line(s, data, len, at, ask_len + RPC_SYNC_NONCE + 1, line)) > 0;) {
        char nonce[RPC_SYNC_NONCE + 1] = {0};
        memcpy(nonce, line + ask_len, RPC_SYNC_NONCE);
        if (memcmp(line, ASK, ask_len) != 0 || !vic_str_is_hex(nonce, RPC_SYNC_NONCE))
            continue;
        vic_buf_addf(out, ANSWER "%s\n", nonce);
        s->len = 0;
        *ret_done = true;
        return at;
    }
    keep_tail(s, data, len);
    return len;
}
