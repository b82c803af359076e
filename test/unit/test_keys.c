/* Keys that detach a terminal, wherever what is typed is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "portlayer/interaction/keys.h"

/* Typed as a whole and cut everywhere; "!" stands for the sequence's end. */
static void types(const char *hex, const char *typed, const char *want)
{
    size_t len = strlen(typed);
    for (size_t cut = 0; cut <= len; cut++) {
        struct pl_keys k;
        auto_buf struct vic_buf out = {0};
        const uint8_t *data = (const uint8_t *)typed;
        assert_int_equal(pl_keys_from_hex(hex, &k, NULL), 0);
        if (pl_keys_feed(&k, data, cut, &out) || pl_keys_feed(&k, data + cut, len - cut, &out))
            vic_buf_add_char(&out, '!');
        else
            pl_keys_end(&k, &out);
        assert_string_equal(vic_buf_str(&out), want);
    }
}

static void test_keys_in_a_row_detach_and_others_go_on(void **state)
{
    (void)state;
    types("1011", "ab\x10\x11", "ab!");
    types("1011", "\x10\x11\x10\x11", "!");
    types("1011",
          "a\x10"
          "b\x11",
          "a\x10"
          "b\x11");
    types("1011", "a\x10", "a\x10");
    types("1011", "\x10\x10\x11", "\x10\x10\x11");
    types("61", "xay", "x!");
    types("616263", "ababc", "ababc"); /* as in Docker */
    types("616263", "abxabcx", "abx!");
    types("6161", "aba", "aba");
    types(NULL, "a\x10\x11", "a\x10\x11");
    static const char *const bad[] = {
        "", "1", "1x", "1A",
        "00000000000000000000000000000000000000000000000000000000000000"
        "0000"};
    struct pl_keys k;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(pl_keys_from_hex(bad[i], &k, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_in_a_row_detach_and_others_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
