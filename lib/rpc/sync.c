/* The sync line on both sides, found in whatever an earlier session left behind. */
#include "lib/rpc/sync.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/str.h"
#include "lib/rpc/rpc.h"

#define ASK "VIC-SYNC "
#define ANSWER "VIC-ACK "

/* The rest of a frame, at most; zeros then read as a frame that no session may send. */
#define PADDING (RPC_FRAME_MAX + 9 + 64)

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

void rpc_sync_guest_start(struct rpc_sync *s)
{
    *s = (struct rpc_sync){0};
}

/* Keeps the last len bytes read in s->line; true when they are complete and end a line. */
static bool slide(struct rpc_sync *s, char c, size_t len)
{
    if (s->len == len) {
        memmove(s->line, s->line + 1, len - 1);
        s->len--;
    }
    s->line[s->len++] = c;
    return c == '\n' && s->len == len;
}

size_t rpc_sync_host_feed(struct rpc_sync *s, const uint8_t *data, size_t len, bool *ret_done)
{
    size_t want_len = strlen(s->want);
    *ret_done = false;
    for (size_t i = 0; i < len; i++) {
        if (!slide(s, (char)data[i], want_len) || memcmp(s->line, s->want, want_len) != 0)
            continue;
        *ret_done = true;
        return i + 1;
    }
    return len;
}

size_t rpc_sync_guest_feed(struct rpc_sync *s, const uint8_t *data, size_t len, struct vic_buf *out,
                           bool *ret_done)
{
    static const size_t ask_len = sizeof(ASK) - 1;
    *ret_done = false;
    for (size_t i = 0; i < len; i++) {
        if (!slide(s, (char)data[i], ask_len + RPC_SYNC_NONCE + 1) ||
            memcmp(s->line, ASK, ask_len) != 0)
            continue;
        char nonce[RPC_SYNC_NONCE + 1] = {0};
        memcpy(nonce, s->line + ask_len, RPC_SYNC_NONCE);
        if (!vic_str_is_hex(nonce, RPC_SYNC_NONCE))
            continue;
        vic_buf_addf(out, ANSWER "%s\n", nonce);
        s->len = 0;
        *ret_done = true;
        return i + 1;
    }
    return len;
}
