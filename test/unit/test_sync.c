/* The sync line: found in noise, at any split, by both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/str.h"
#include "lib/rpc/rpc.h"
#include "lib/rpc/sync.h"

static const uint8_t *bytes(const struct vic_buf *b)
{
    return (const uint8_t *)vic_buf_str(b);
}

/* Feeds the guest in pieces of step bytes; returns whether it found a line. */
static bool guest_hears(struct rpc_sync *guest, const struct vic_buf *in, size_t step,
                        struct vic_buf *out)
{
    bool is_done = false;
    for (size_t i = 0; i < in->len && !is_done; i += step) {
        size_t n = in->len - i < step ? in->len - i : step;
        size_t used = rpc_sync_guest_feed(guest, bytes(in) + i, n, out, &is_done);
        assert_true(used == n || is_done);
    }
    return is_done;
}

static void both_sides_meet_at_every_split(void **state)
{
    (void)state;
    for (size_t step = 1; step < 60; step++) {
        struct rpc_sync host;
        struct rpc_sync guest;
        auto_buf struct vic_buf ask = {0};
        auto_buf struct vic_buf answer = {0};
        rpc_sync_host_start(&host, step % 2 == 0, &ask);
        rpc_sync_guest_start(&guest);
        assert_true(guest_hears(&guest, &ask, step, &answer));
        bool is_done = false;
        for (size_t i = 0; i < answer.len; i++) {
            assert_false(is_done);
            assert_int_equal(rpc_sync_host_feed(&host, bytes(&answer) + i, 1, &is_done), 1);
        }
        assert_true(is_done);
    }
}

static void bytes_after_the_line_are_left(void **state)
{
    (void)state;
    struct rpc_sync host;
    struct rpc_sync guest;
    auto_buf struct vic_buf ask = {0};
    auto_buf struct vic_buf answer = {0};
    rpc_sync_host_start(&host, false, &ask);
    size_t line_len = ask.len;
    vic_buf_add_str(&ask, "PRI *");
    rpc_sync_guest_start(&guest);
    bool is_done;
    assert_int_equal(rpc_sync_guest_feed(&guest, bytes(&ask), ask.len, &answer, &is_done),
                     line_len);
    assert_true(is_done);
    size_t answer_len = answer.len;
    vic_buf_add_str(&answer, "\0frame");
    assert_int_equal(rpc_sync_host_feed(&host, bytes(&answer), answer.len, &is_done), answer_len);
    assert_true(is_done);
}

static void the_host_ignores_noise_and_stale_answers(void **state)
{
    (void)state;
    struct rpc_sync host;
    struct rpc_sync guest;
    auto_buf struct vic_buf old = {0};
    auto_buf struct vic_buf ask = {0};
    auto_buf struct vic_buf answer = {0};
    rpc_sync_host_start(&host, false, &old);
    rpc_sync_host_start(&host, true, &ask);
    rpc_sync_guest_start(&guest);
    vic_buf_add_str(&answer, "kernel panic, VIC-ACK 0123\nVIC-ACK ");
    assert_true(guest_hears(&guest, &old, old.len, &answer));
    bool is_done = true;
    assert_int_equal(rpc_sync_host_feed(&host, bytes(&answer), answer.len, &is_done), answer.len);
    assert_false(is_done);
    vic_buf_clear(&answer);
    vic_buf_add_str(&answer, "half a frame without an end of line ");
    assert_true(guest_hears(&guest, &ask, ask.len, &answer));
    assert_int_equal(rpc_sync_host_feed(&host, bytes(&answer), answer.len, &is_done), answer.len);
    assert_true(is_done);
}

static void the_guest_refuses_what_is_no_line(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "VIC-SYNC \n",
        "VIC-SYNC 0123456789abcdef0123456789abcdeg\n",
        "VIC-SYNC 0123456789ABCDEF0123456789ABCDEF\n",
        "VIC-SYNC 0123456789abcdef0123456789abcdef0\n",
        "VIC-SYNC 0123456789abcdef0123456789abcde\n",
        "vic-sync 0123456789abcdef0123456789abcdef\n",
        "VIC-SYNC 0123456789abcdef0123456789abcdef",
    };
    struct rpc_sync guest;
    rpc_sync_guest_start(&guest);
    auto_buf struct vic_buf out = {0};
    bool is_done;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        (void)rpc_sync_guest_feed(&guest, (const uint8_t *)wrong[i], strlen(wrong[i]), &out,
                                  &is_done);
        assert_false(is_done);
    }
    assert_int_equal(out.len, 0);
    (void)rpc_sync_guest_feed(&guest, (const uint8_t *)"\n", 1, &out, &is_done);
    assert_true(is_done); /* the last one was only cut */
}

/* A host died inside a frame; the next one's retries must get through. */
static void retries_free_a_guest_stuck_in_a_frame(void **state)
{
    (void)state;
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    static const uint8_t heads[][9] = {
        {0x00, 0x40, 0x00, 0x00, 0, 0, 0, 0, 1}, /* DATA of 16384 bytes */
        {0x00, 0x40, 0x00, 0x01, 4, 0, 0, 0, 1}, /* HEADERS */
        {0x00, 0x40, 0x00, 0x04, 0, 0, 0, 0, 0}, /* SETTINGS */
        {0x00, 0x40, 0x00, 0x77, 0, 0, 0, 0, 0}, /* unknown */
        {0x00, 0x00, 0x08, 0x06, 0, 0, 0, 0, 0}, /* PING */
    };
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        for (size_t cut = 0; cut <= sizeof(heads[i]); cut++) {
            struct rpc_session *s = rpc_session_new_server(NULL, 0, NULL, NULL, NULL);
            assert_int_equal(rpc_session_feed(s, preface, sizeof(preface) - 1, NULL), 0);
            assert_int_equal(rpc_session_feed(s, heads[i], cut, NULL), 0);
            struct rpc_sync host;
            auto_buf struct vic_buf ask = {0};
            rpc_sync_host_start(&host, true, &ask);
            (void)rpc_session_feed(s, bytes(&ask), ask.len, NULL);
            uint8_t out[65536];
            while (rpc_session_pull(s, out, sizeof(out)) > 0)
                ;
            assert_true(rpc_session_is_over(s));
            rpc_session_free(s);
        }
    }
}

/* The guest was told late of an earlier host's end. */
static void a_lost_session_is_begun_again(void **state)
{
    (void)state;
    auto_buf struct vic_buf lost = {0};
    rpc_sync_guest_lost(&lost);
    struct rpc_session *s = rpc_session_new_client(RPC_STREAM_WINDOW, NULL, NULL);
    uint8_t out[4096];
    while (rpc_session_pull(s, out, sizeof(out)) > 0)
        ;
    struct vic_err err = {0};
    (void)rpc_session_feed(s, bytes(&lost), lost.len, &err);
    while (rpc_session_pull(s, out, sizeof(out)) > 0)
        ;
    assert_true(rpc_session_is_over(s));
    rpc_session_free(s);
    /* One that asks already takes no notice. */
    struct rpc_sync host;
    struct rpc_sync guest;
    auto_buf struct vic_buf ask = {0};
    bool is_done;
    rpc_sync_host_start(&host, false, &ask);
    rpc_sync_guest_start(&guest);
    (void)rpc_sync_guest_feed(&guest, bytes(&ask), ask.len, &lost, &is_done);
    assert_true(is_done);
    assert_int_equal(rpc_sync_host_feed(&host, bytes(&lost), lost.len, &is_done), lost.len);
    assert_true(is_done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_meet_at_every_split),
        cmocka_unit_test(bytes_after_the_line_are_left),
        cmocka_unit_test(the_host_ignores_noise_and_stale_answers),
        cmocka_unit_test(the_guest_refuses_what_is_no_line),
        cmocka_unit_test(retries_free_a_guest_stuck_in_a_frame),
        cmocka_unit_test(a_lost_session_is_begun_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
