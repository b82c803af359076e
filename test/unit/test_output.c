/* Reading output files: every split, hostile bytes, exit records, tails. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "portlayer/interaction/log_limit.h"
#include "portlayer/interaction/output.h"
#include "portlayer/interaction/tail.h"

static void add_record(struct vic_buf *b, enum vic_record_type type, const char *text)
{
    uint8_t header[VIC_RECORD_HEADER];
    struct vic_record r = {.type = type, .wall_ns = 5, .len = (uint32_t)strlen(text)};
    vic_record_encode(&r, header);
    vic_buf_add(b, header, sizeof(header));
    vic_buf_add_str(b, text);
}

static int make_file(char path[32], const void *data, size_t len)
{
    (void)snprintf(path, 32, "/tmp/vic-output-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(vic_file_write_all(fd, data, len), 0);
    return fd;
}

static void drain(struct pl_output *o, struct vic_buf *got)
{
    struct vic_record head;
    const uint8_t *payload = NULL;
    int r;
    while ((r = pl_output_next(o, &head, &payload, NULL)) == 1)
        vic_buf_addf(got, "%d:%.*s;", (int)head.type, (int)head.len, (const char *)payload);
    assert_int_equal(r, 0);
}

static void test_file_that_grows_at_every_byte(void **state)
{
    (void)state;
    auto_buf struct vic_buf in = {0};
    add_record(&in, VIC_RECORD_STDOUT, "hello");
    add_record(&in, VIC_RECORD_PAD, "");
    add_record(&in, VIC_RECORD_EXIT, "{\"exit_code\":3}");
    for (size_t cut = 0; cut <= in.len; cut++) {
        char path[32];
        auto_buf struct vic_buf got = {0};
        auto_close int fd = make_file(path, in.data, cut);
        struct pl_output *o = NULL;
        assert_int_equal(pl_output_open(path, 0, &o, NULL), 0);
        drain(o, &got);
        if (cut % 2)
            pl_output_rest(o);
        assert_int_equal(vic_file_write_all(fd, in.data + cut, in.len - cut), 0);
        drain(o, &got);
        assert_string_equal(vic_buf_str(&got), "1:hello;4:;3:{\"exit_code\":3};");
        assert_int_equal(pl_output_offset(o), in.len);
        pl_output_close(o);
        (void)unlink(path);
    }
}

static void test_garbage_ends_the_reading(void **state)
{
    (void)state;
    char path[32];
    auto_buf struct vic_buf in = {0};
    add_record(&in, VIC_RECORD_STDOUT, "ok");
    vic_buf_add_str(&in, "garbage that is no record at all");
    auto_close int fd = make_file(path, in.data, in.len);
    struct pl_output *o = NULL;
    struct vic_record head;
    const uint8_t *payload = NULL;
    assert_int_equal(pl_output_open(path, 0, &o, NULL), 0);
    assert_int_equal(pl_output_next(o, &head, &payload, NULL), 1);
    assert_true(pl_output_next(o, &head, &payload, NULL) < 0);
    assert_true(pl_output_next(o, &head, &payload, NULL) < 0);
    pl_output_close(o);
    (void)unlink(path);
}

static void check_exit(const char *payload, int code, bool has_error)
{
    char path[32];
    struct pl_exit e;
    auto_buf struct vic_buf in = {0};
    add_record(&in, VIC_RECORD_STDOUT, "x");
    add_record(&in, VIC_RECORD_EXIT, payload);
    auto_close int fd = make_file(path, in.data, in.len);
    assert_int_equal(pl_output_find_exit(path, &e), 1);
    assert_int_equal(e.exit_code, code);
    assert_int_equal(e.error[0] != '\0', has_error);
    (void)unlink(path);
}

static void test_exit_records(void **state)
{
    (void)state;
    check_exit("{\"exit_code\":0}", 0, false);
    check_exit("{\"exit_code\":255,\"error\":\"e\"}", 255, true);
    check_exit("{\"exit_code\":256}", 137, true);
    check_exit("{\"exit_code\":-1}", 137, true);
    check_exit("{\"exit_code\":\"0\"}", 137, true);
    check_exit("{}", 137, true);
    check_exit("", 137, true);
    check_exit("[[[", 137, true);
    struct pl_exit e;
    assert_int_equal(pl_output_find_exit("/nonexistent", &e), 0);
}

/* Two runs; the tail of n lines as text. */
static void check_tail(const char *const pieces[], size_t n_first, size_t n, uint64_t lines,
                       const char *want)
{
    char paths[2][32];
    int fds[2];
    struct vic_buf runs[2] = {{0}};
    auto_buf struct vic_buf got = {0};
    for (size_t i = 0; i < n; i++)
        add_record(&runs[i >= n_first], pieces[i][0] == '2' ? VIC_RECORD_STDERR : VIC_RECORD_STDOUT,
                   pieces[i] + 1);
    for (size_t i = 0; i < 2; i++)
        fds[i] = make_file(paths[i], runs[i].data ? runs[i].data : "", runs[i].len);
    char *const list[] = {paths[0], paths[1], NULL};
    struct pl_tail tail;
    pl_tail_find(list, 2, lines, &tail);
    for (unsigned run = tail.first_run; run <= 2; run++) {
        struct pl_output *o = NULL;
        struct vic_record head;
        const uint8_t *payload = NULL;
        uint64_t from = run == tail.first_run ? tail.first_offset : 0;
        assert_int_equal(pl_output_open(paths[run - 1], from, &o, NULL), 0);
        while (pl_output_next(o, &head, &payload, NULL) == 1) {
            uint32_t skip = pl_tail_skip(&tail, run, pl_output_start(o, &head), &head);
            vic_buf_add(&got, payload + skip, head.len - skip);
        }
        pl_output_close(o);
    }
    assert_string_equal(vic_buf_str(&got), want);
    for (size_t i = 0; i < 2; i++) {
        (void)close(fds[i]);
        (void)unlink(paths[i]);
    }
    vic_buf_release(&runs[0]);
    vic_buf_release(&runs[1]);
}

static void test_tails(void **state)
{
    (void)state;
    static const char *const plain[] = {"1a\nb\nc\n", "1d\ne\n"};
    check_tail(plain, 1, 2, 0, "");
    check_tail(plain, 1, 2, 1, "e\n");
    check_tail(plain, 1, 2, 3, "c\nd\ne\n");
    check_tail(plain, 1, 2, 5, "a\nb\nc\nd\ne\n");
    check_tail(plain, 1, 2, UINT64_MAX, "a\nb\nc\nd\ne\n");
    static const char *const split[] = {"1one ", "2err\n", "1line\n", "1two\n"};
    check_tail(split, 4, 4, 2, "one line\ntwo\n");
    check_tail(split, 4, 4, 3, "one err\nline\ntwo\n");
    static const char *const open_end[] = {"1a\npart", "1b\n"};
    check_tail(open_end, 1, 2, 2, "partb\n");
    static const char *const late[] = {"1a\n", "1b\n", "2c\n"};
    check_tail(late, 3, 3, 1, "c\n");
    check_tail(late, 3, 3, 2, "b\nc\n");
}

/* ---- what a limit drops ---- */

#define N_LINES 4000

/* Lines "0".."3999"; where each record starts. */
static int make_lines(char path[32], uint64_t starts[N_LINES])
{
    auto_buf struct vic_buf in = {0};
    for (int i = 0; i < N_LINES; i++) {
        char line[16];
        starts[i] = in.len;
        (void)snprintf(line, sizeof(line), "%d\n", i);
        add_record(&in, VIC_RECORD_STDOUT, line);
    }
    return make_file(path, in.data, in.len);
}

static int next_number(struct pl_output *o)
{
    struct vic_record head;
    const uint8_t *payload = NULL;
    int r = pl_output_next(o, &head, &payload, NULL);
    return r == 1 ? atoi((const char *)payload) : r - 100;
}

static void test_what_is_dropped_is_jumped_over(void **state)
{
    (void)state;
    static uint64_t starts[N_LINES];
    char path[32];
    auto_close int fd = make_lines(path, starts);
    struct pl_output *reader = NULL;
    struct pl_output *late = NULL;
    struct pl_output *inside = NULL;
    struct stat before;
    struct stat after;
    assert_int_equal(fstat(fd, &before), 0);
    assert_int_equal(pl_output_open(path, 0, &reader, NULL), 0);
    assert_int_equal(next_number(reader), 0);
    pl_output_rest(reader);
    assert_int_equal(pl_output_trim(path, starts[3000], NULL), 0);
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_true(after.st_blocks < before.st_blocks);
    assert_int_equal(next_number(reader), 3000);
    assert_int_equal(pl_output_open(path, 0, &late, NULL), 0);
    assert_int_equal(next_number(late), 3000);
    assert_int_equal(pl_output_offset(late), starts[3001]);
    assert_int_equal(pl_output_open(path, starts[17], &inside, NULL), 0);
    assert_int_equal(next_number(inside), 3000);
    assert_int_equal(pl_output_trim(path, starts[3900], NULL), 0); /* and again */
    pl_output_rest(late);
    assert_int_equal(next_number(late), 3900);
    for (int i = 3901; i < N_LINES; i++)
        assert_int_equal(next_number(late), i);
    assert_int_equal(next_number(late), -100); /* no more, and no error */
    pl_output_close(reader);
    pl_output_close(late);
    pl_output_close(inside);
    (void)unlink(path);
}

static void test_a_tail_of_what_is_left(void **state)
{
    (void)state;
    static uint64_t starts[N_LINES];
    char path[32];
    auto_close int fd = make_lines(path, starts);
    char *const paths[] = {path, NULL};
    struct pl_tail tail;
    assert_int_equal(pl_output_trim(path, starts[3000], NULL), 0);
    pl_tail_find(paths, 1, 10, &tail);
    assert_int_equal(tail.first_offset, starts[3989]); /* behind the end of that line */
    pl_tail_find(paths, 1, N_LINES, &tail);
    assert_int_equal(tail.first_offset, 0); /* all there is */
    (void)unlink(path);
}

static void test_a_gap_that_a_guest_made_leads_nowhere(void **state)
{
    (void)state;
    static const char *const gaps[] = {"\0\0\0\0\0\0\0\0", "\x05\0\0\0\0\0\0\0",
                                       "\xff\xff\xff\xff\xff\xff\xff\xff",
                                       "\xff\xff\xff\xff\xff\xff\xff\x7f"};
    for (size_t i = 0; i < ARRAY_SIZE(gaps); i++) {
        char path[32];
        auto_buf struct vic_buf in = {0};
        uint8_t header[VIC_RECORD_HEADER];
        const struct vic_record gap = {.type = VIC_RECORD_GAP, .len = 8};
        vic_record_encode(&gap, header);
        vic_buf_add(&in, header, sizeof(header));
        vic_buf_add(&in, gaps[i], 8);
        add_record(&in, VIC_RECORD_EXIT, "{\"exit_code\":3}");
        auto_close int fd = make_file(path, in.data, in.len);
        struct pl_exit e;
        bool is_harmless = i < 3; /* the last one loses what follows: its own */
        assert_int_equal(pl_output_find_exit(path, &e), is_harmless);
        (void)unlink(path);
    }
}

/* Records of size bytes pass; it is trimmed after each. */
static void run_limit(struct pl_log_limit *l, uint64_t *end, uint64_t size, unsigned n,
                      uint64_t held)
{
    for (unsigned i = 0; i < n; i++) {
        pl_log_limit_pass(l, *end);
        *end += size;
        uint64_t first = pl_log_limit_first(l, *end, held);
        if (first != l->first)
            pl_log_limit_trimmed(l, first);
    }
}

static void test_a_limit_holds_to_an_eighth(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {25, 1000, 66000};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct pl_log_limit l = {.max_bytes = 1000000};
        uint64_t end = 0;
        run_limit(&l, &end, sizes[i], (unsigned)(900000 / sizes[i]), UINT64_MAX);
        assert_int_equal(l.first, 0);
        for (int turn = 0; turn < 50; turn++) {
            run_limit(&l, &end, sizes[i], (unsigned)(200000 / sizes[i]) + 1, UINT64_MAX);
            assert_true(end - l.first <= 1000000);
            assert_true(end < 1000000 || end - l.first > 1000000 - 125000 - 2 * sizes[i]);
        }
    }
    struct pl_log_limit none = {0};
    uint64_t end = 0;
    run_limit(&none, &end, 1000, 5000, UINT64_MAX);
    assert_int_equal(none.first, 0);
}

static void test_a_limit_waits_for_readers_but_not_for_ever(void **state)
{
    (void)state;
    struct pl_log_limit l = {.max_bytes = 1000000};
    uint64_t end = 0;
    run_limit(&l, &end, 1000, 10000, 500000);
    assert_true(l.first <= 500000);
    run_limit(&l, &end, 1000, 100000, 500000);
    assert_true(end - l.first <= 1000000 + PL_LOG_SLACK + PL_LOG_SLACK / 4);
    assert_true(l.first > 500000);
    run_limit(&l, &end, 1000, 1000, UINT64_MAX); /* it has gone */
    assert_true(end - l.first <= 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_that_grows_at_every_byte),
        cmocka_unit_test(test_garbage_ends_the_reading),
        cmocka_unit_test(test_exit_records),
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_what_is_dropped_is_jumped_over),
        cmocka_unit_test(test_a_tail_of_what_is_left),
        cmocka_unit_test(test_a_gap_that_a_guest_made_leads_nowhere),
        cmocka_unit_test(test_a_limit_holds_to_an_eighth),
        cmocka_unit_test(test_a_limit_waits_for_readers_but_not_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
