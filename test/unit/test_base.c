/* lib/base without files: errors, buffers, strings, maps, time, command lines, records. */
#include <errno.h>
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
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/opts.h"
#include "lib/base/record.h"
#include "lib/base/str.h"

/* ---- errors ---- */

static void errors_carry_kind_code_and_context(void **state)
{
    (void)state;
    struct vic_err err;
    assert_int_equal(vic_fail(&err, VIC_ERR_NOT_FOUND, 0, "no such volume '%s'", "v"), -ENOENT);
    assert_int_equal(err.kind, VIC_ERR_NOT_FOUND);
    assert_int_equal(vic_fail_wrap(&err, -ENOENT, "start %d", 7), -ENOENT);
    assert_string_equal(err.message, "start 7: no such volume 'v'");
    assert_int_equal(vic_fail_errno(&err, -EACCES, "open"), -EACCES);
    assert_int_equal(err.kind, VIC_ERR_INTERNAL);
    assert_string_equal(err.message, "open: Permission denied");
    assert_int_equal(vic_fail(&err, VIC_ERR_INVALID, 0, "again: %s", err.message), -EINVAL);
    assert_string_equal(err.message, "again: open: Permission denied");
    assert_int_equal(vic_fail(NULL, VIC_ERR_CONFLICT, 5, "nobody listens"), -5);
    assert_int_equal(vic_fail_wrap(NULL, -5, "nobody listens"), -5);
}

static void messages_are_cut_not_overrun(void **state)
{
    (void)state;
    struct vic_err err;
    char text[2 * VIC_ERR_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)vic_fail(&err, VIC_ERR_INVALID, 0, "%s", text);
    assert_int_equal(strlen(err.message), VIC_ERR_MAX - 1);
    (void)vic_fail_wrap(&err, -1, "%s", text);
    assert_int_equal(strlen(err.message), VIC_ERR_MAX - 1);
}

static void kinds_have_names_both_ways(void **state)
{
    (void)state;
    for (int kind = VIC_ERR_INVALID; kind <= VIC_ERR_INTERNAL; kind++) {
        const char *name = vic_err_kind_to_string((enum vic_err_kind)kind);
        assert_int_equal(vic_err_kind_from_string(name), kind);
    }
    assert_int_equal(vic_err_kind_from_string("none"), VIC_ERR_INTERNAL);
    assert_int_equal(vic_err_kind_from_string("nonsense"), VIC_ERR_INTERNAL);
    assert_int_equal(vic_err_kind_from_string(NULL), VIC_ERR_INTERNAL);
    assert_string_equal(vic_err_kind_to_string((enum vic_err_kind)99), "internal");
}

/* ---- buffers ---- */

static void a_buffer_grows_and_shrinks(void **state)
{
    (void)state;
    auto_buf struct vic_buf b = {0};
    assert_string_equal(vic_buf_str(&b), "");
    vic_buf_add(&b, NULL, 0);
    vic_buf_consume(&b, 0);
    for (int i = 0; i < 1000; i++)
        vic_buf_addf(&b, "%d,", i);
    assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    vic_buf_consume(&b, b.len - 4);
    assert_string_equal(vic_buf_str(&b), "999,");
    vic_buf_clear(&b);
    assert_string_equal(vic_buf_str(&b), "");
    vic_buf_add_str(&b, "a");
    vic_buf_add_char(&b, 'b');
    vic_buf_addf(&b, "%s", "");
    auto_free char *text = vic_buf_take(&b);
    assert_string_equal(text, "ab");
    assert_null(b.data);
    auto_free char *empty = vic_buf_take(&b);
    assert_string_equal(empty, "");
}

/* ---- strings ---- */

static void numbers_are_read_whole(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    static const char *const wrong[] = {"", "x", "1x", " 1", "1 ", "+1", "-", "0x1", "1.0", "--1"};
    for (size_t k = 0; k < ARRAY_SIZE(wrong); k++) {
        assert_int_equal(vic_str_to_u64(wrong[k], 0, UINT64_MAX, &u), -EINVAL);
        assert_int_equal(vic_str_to_i64(wrong[k], INT64_MIN, INT64_MAX, &i), -EINVAL);
    }
    assert_int_equal(vic_str_to_u64(NULL, 0, 1, &u), -EINVAL);
    assert_int_equal(vic_str_to_u64("-1", 0, UINT64_MAX, &u), -EINVAL);
    assert_int_equal(vic_str_to_u64("18446744073709551616", 0, UINT64_MAX, &u), -ERANGE);
    assert_int_equal(vic_str_to_u64("99999999999999999999999", 0, UINT64_MAX, &u), -ERANGE);
    assert_int_equal(vic_str_to_u64("4", 5, 6, &u), -ERANGE);
    assert_int_equal(u, 7);
    assert_int_equal(vic_str_to_u64("18446744073709551615", 0, UINT64_MAX, &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(vic_str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(vic_str_to_i64("9223372036854775807", INT64_MIN, INT64_MAX, &i), 0);
    assert_true(i == INT64_MAX);
    assert_int_equal(vic_str_to_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i), -ERANGE);
    assert_int_equal(vic_str_to_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &i), -ERANGE);
    assert_int_equal(vic_str_to_i64("007", 0, 9, &i), 0);
    assert_int_equal(i, 7);
}

static void bools_are_what_clients_send(void **state)
{
    (void)state;
    bool b = false;
    assert_int_equal(vic_str_to_bool("True", &b), 0);
    assert_true(b);
    assert_int_equal(vic_str_to_bool("0", &b), 0);
    assert_false(b);
    assert_int_equal(vic_str_to_bool("yes", &b), -EINVAL);
    assert_int_equal(vic_str_to_bool("", &b), -EINVAL);
    assert_int_equal(vic_str_to_bool(NULL, &b), -EINVAL);
}

static void strings_compare(void **state)
{
    (void)state;
    assert_true(vic_str_eq(NULL, NULL));
    assert_false(vic_str_eq(NULL, ""));
    assert_true(vic_str_eq("a", "a"));
    assert_true(vic_str_starts_with("abc", "ab"));
    assert_false(vic_str_starts_with("a", "ab"));
    assert_true(vic_str_ends_with("abc", "bc"));
    assert_false(vic_str_ends_with("c", "bc"));
    assert_true(vic_str_ends_with("c", ""));
    assert_true(vic_str_is_hex("0af", 3));
    assert_false(vic_str_is_hex("0aF", 3));
    assert_false(vic_str_is_hex("0af", 4));
    assert_false(vic_str_is_hex("0aff", 3));
    assert_false(vic_str_is_hex(NULL, 0));
}

static void vectors_split_and_copy(void **state)
{
    (void)state;
    auto_strv char **v = vic_strv_split("a,,b,", ',');
    assert_int_equal(vic_strv_len(v), 4);
    assert_string_equal(v[1], "");
    assert_string_equal(v[3], "");
    auto_strv char **copy = vic_strv_dup(v);
    assert_int_equal(vic_strv_len(copy), 4);
    assert_true(vic_strv_contains(copy, "b"));
    assert_false(vic_strv_contains(copy, "c"));
    assert_false(vic_strv_contains(NULL, "c"));
    assert_null(vic_strv_split("", ','));
    assert_null(vic_strv_dup(NULL));
    assert_int_equal(vic_strv_len(NULL), 0);
    vic_strv_free(NULL);
}

static void identifiers_differ(void **state)
{
    (void)state;
    struct vic_id a;
    struct vic_id b;
    vic_id_new(&a);
    vic_id_new(&b);
    assert_true(vic_id_is_valid(a.text));
    assert_string_not_equal(a.text, b.text);
    a.text[3] = 'G';
    assert_false(vic_id_is_valid(a.text));
    assert_false(vic_id_is_valid("../../../etc/passwd"));
    assert_false(vic_id_is_valid(NULL));
}

/* ---- maps and lists ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void a_map_agrees_with_a_table(void **state)
{
    (void)state;
    enum {
        KEYS = 300
    };
    static char names[KEYS][8];
    static int values[2];
    void *reference[KEYS] = {0};
    size_t n = 0;
    struct vic_map m = {0};
    uint32_t seed = 1;
    assert_null(vic_map_get(&m, "x"));
    assert_null(vic_map_remove(&m, "x"));
    for (int i = 0; i < KEYS; i++)
        (void)snprintf(names[i], sizeof(names[i]), "k%d", i);
    for (int step = 0; step < 100000; step++) {
        uint32_t k = next_random(&seed) % KEYS;
        /* Long phases of mostly adding and mostly removing, so that it grows and empties. */
        bool is_adding = next_random(&seed) % 4 < ((step / 2000) % 2 ? 1u : 3u);
        void *value = &values[step % 2];
        if (is_adding) {
            assert_ptr_equal(vic_map_put(&m, names[k], value), reference[k]);
            n += reference[k] == NULL;
            reference[k] = value;
        } else {
            assert_ptr_equal(vic_map_remove(&m, names[k]), reference[k]);
            n -= reference[k] != NULL;
            reference[k] = NULL;
        }
        assert_int_equal(m.n, n);
        if (step % 100 == 0)
            for (int i = 0; i < KEYS; i++)
                assert_ptr_equal(vic_map_get(&m, names[i]), reference[i]);
    }
    size_t seen = 0;
    map_for_each(slot, &m)
        seen++;
    assert_int_equal(seen, n);
    vic_map_release(&m);
    assert_int_equal(m.n, 0);
}

struct item {
    struct vic_list link;
    int n;
};

static void a_list_survives_removing_what_is_at_hand(void **state)
{
    (void)state;
    struct vic_list head;
    struct item items[5];
    vic_list_init(&head);
    assert_true(vic_list_is_empty(&head));
    for (int i = 0; i < 5; i++) {
        items[i].n = i;
        vic_list_append(&head, &items[i].link);
    }
    struct item *pos;
    struct item *tmp;
    list_for_each_safe(pos, tmp, &head, link) {
        if (pos->n % 2)
            vic_list_remove(&pos->link);
    }
    int sum = 0;
    list_for_each(pos, &head, link) {
        sum = sum * 10 + pos->n;
    }
    assert_int_equal(sum, 24);
    vic_list_remove(&items[1].link); /* a second time */
}

/* ---- time ---- */

static void time_is_written_and_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } same[] = {
        {"1970-01-01T00:00:00.000000000Z", 0},
        {"1969-12-31T23:59:59.999999999Z", -1},
        {"2026-11-22T10:20:30.123456789Z", INT64_C(1795342830123456789)},
        {"2024-02-29T00:00:00.000000000Z", INT64_C(1709164800000000000)},
    };
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        char text[VIC_CLOCK_TEXT_MAX];
        int64_t ns = 0;
        vic_clock_format_rfc3339(same[i].ns, text);
        assert_string_equal(text, same[i].text);
        assert_int_equal(vic_clock_parse_rfc3339(same[i].text, &ns), 0);
        assert_true(ns == same[i].ns);
    }
    int64_t ns = 0;
    assert_int_equal(vic_clock_parse_rfc3339("1970-01-01T02:00:00.5+02:00", &ns), 0);
    assert_int_equal(ns, 500000000);
    assert_int_equal(vic_clock_parse_rfc3339("1969-12-31T23:30:00-00:30", &ns), 0);
    assert_int_equal(ns, 0);
    char text[VIC_CLOCK_TEXT_MAX];
    vic_clock_format_rfc3339(INT64_MAX, text);
    assert_string_equal(text, "2262-04-11T23:47:16.854775807Z");
    vic_clock_format_rfc3339(INT64_MIN, text);
    assert_true(vic_clock_monotonic_ms() > 0);
    assert_true(vic_clock_wall_ns() > INT64_C(1700000000000000000));
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "2026",
        "2026-11-22",
        "2026-11-22 10:20:30Z",
        "2026-11-22T10:20:30",
        "2026-13-22T10:20:30Z",
        "2026-00-22T10:20:30Z",
        "2026-11-31T10:20:30Z",
        "2025-02-29T10:20:30Z",
        "2026-11-00T10:20:30Z",
        "2026-11-22T24:20:30Z",
        "2026-11-22T10:60:30Z",
        "2026-11-22T10:20:61Z",
        "2026-11-22T10:20:30.Z",
        "2026-11-22T10:20:30.1234567890Z",
        "2026-11-22T10:20:30+2:00",
        "2026-11-22T10:20:30+24:00",
        "2026-11-22T10:20:30Zx",
        "2026-1-22T10:20:30Z",
        "-026-11-22T10:20:30Z",
    };
    int64_t ns = 0;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(vic_clock_parse_rfc3339(wrong[i], &ns), -EINVAL);
    assert_int_equal(vic_clock_parse_rfc3339("0001-01-01T00:00:00Z", &ns), -ERANGE);
    assert_int_equal(vic_clock_parse_rfc3339("9999-01-01T00:00:00Z", &ns), -ERANGE);
}

/* ---- command lines ---- */

static const char *name;
static char **labels;
static bool is_forced;

static const struct vic_opt opts[] = {
    {.name = "name", .arg = "NAME", .help = "what it is called", .value = &name},
    {.name = "label", .arg = "K=V", .help = "may come often", .values = &labels},
    {.name = "force", .help = "do it", .flag = &is_forced},
};

static int parse(int n_operands, ...)
{
    char *argv[16] = {(char *)(uintptr_t) "program"};
    va_list ap;
    va_start(ap, n_operands);
    int argc = 1;
    for (char *arg; (arg = va_arg(ap, char *));)
        argv[argc++] = arg;
    va_end(ap);
    struct vic_err err;
    auto_strv char **operands = NULL;
    name = NULL;
    is_forced = false;
    vic_strv_free(TAKE_PTR(labels));
    int r = vic_opts_parse(opts, ARRAY_SIZE(opts), argc, argv, &operands, &err);
    if (r == 0)
        assert_int_equal(vic_strv_len(operands), n_operands);
    else
        assert_int_equal(err.kind, VIC_ERR_INVALID);
    return r;
}

static void options_are_read_in_every_form(void **state)
{
    (void)state;
    assert_int_equal(
        parse(2, "--name", "a", "x", "--label=k=v", "--label", "", "--force", "--", "--name", NULL),
        0);
    assert_string_equal(name, "a");
    assert_int_equal(vic_strv_len(labels), 2);
    assert_string_equal(labels[0], "k=v");
    assert_string_equal(labels[1], "");
    assert_true(is_forced);
    assert_int_equal(parse(1, "--name=", "-", "--name=b", NULL), 0);
    assert_string_equal(name, "b");
    assert_int_equal(parse(0, NULL), 0);
    assert_null(name);
    assert_true(parse(0, "--nam", "a", NULL) < 0);
    assert_true(parse(0, "--name", NULL) < 0);
    assert_true(parse(0, "--force=1", NULL) < 0);
    assert_true(parse(0, "-f", NULL) < 0);
    assert_true(parse(0, "--=x", NULL) < 0);
    vic_strv_free(TAKE_PTR(labels));
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    vic_opts_print_help(opts, ARRAY_SIZE(opts), out);
    (void)fclose(out);
    assert_non_null(strstr(text, "--label K=V"));
    free(text);
}

static void log_levels_have_names(void **state)
{
    (void)state;
    enum vic_log_level level = VIC_DEBUG;
    assert_int_equal(vic_log_level_from_string("error", &level), 0);
    assert_int_equal(level, VIC_ERROR);
    assert_int_equal(vic_log_level_from_string("loud", &level), -EINVAL);
}

/* ---- records ---- */

static void records_round_trip_and_wait_for_their_header(void **state)
{
    (void)state;
    struct vic_record in = {.type = VIC_RECORD_EXIT, .wall_ns = -5, .len = 65536};
    uint8_t header[VIC_RECORD_HEADER];
    struct vic_record out;
    vic_record_encode(&in, header);
    assert_int_equal(vic_record_decode(NULL, 0, &out), 0);
    for (size_t len = 0; len < sizeof(header); len++)
        assert_int_equal(vic_record_decode(header, len, &out), 0);
    assert_int_equal(vic_record_decode(header, sizeof(header), &out), 1);
    assert_int_equal(out.type, in.type);
    assert_true(out.wall_ns == in.wall_ns);
    assert_int_equal(out.len, in.len);
}

static void what_is_no_record_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{0, 'W'}, {3, 0}, {4, 0}, {4, 6},  {4, 255},
                 {5, 1},   {6, 1}, {7, 1}, {16, 1}, {19, 1}};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct vic_record in = {.type = VIC_RECORD_PAD, .len = VIC_RECORD_PAYLOAD_MAX};
        uint8_t header[VIC_RECORD_HEADER];
        struct vic_record out;
        vic_record_encode(&in, header);
        header[wrong[i].at] = wrong[i].value;
        assert_int_equal(vic_record_decode(header, sizeof(header), &out), -EBADMSG);
    }
    struct vic_record out;
    assert_int_equal(vic_record_decode((const uint8_t *)"X", 1, &out), -EBADMSG);
}

static off_t stderr_size(void)
{
    struct stat st;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    return st.st_size;
}

/* Replaces stderr by a new file opened so, logs n lines under a cap, and gives stderr back. */
static char *logged(int flags, size_t max_bytes, int n, off_t *ret_size)
{
    char path[] = "/tmp/vic-log-XXXXXX";
    int made = mkstemp(path);
    int file = open(path, flags | O_CLOEXEC);
    int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(made >= 0 && file >= 0 && saved >= 0);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    vic_log_cap(max_bytes);
    off_t most = 0;
    for (int i = 0; i < n; i++) {
        vic_log(VIC_ERROR, "test", NULL, "line %d", i);
        most = stderr_size() > most ? stderr_size() : most;
    }
    *ret_size = most;
    vic_log_cap(0);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    char *text = vic_xalloc((size_t)most + 1);
    assert_true(pread(made, text, (size_t)most, 0) > 0);
    (void)unlink(path);
    (void)close(made);
    (void)close(file);
    (void)close(saved);
    return text;
}

static void a_daemons_log_is_cut_to_its_last_half_at_a_line(void **state)
{
    (void)state;
    off_t size = 0;
    auto_free char *text = logged(O_RDWR | O_APPEND, 8192, 1000, &size);
    assert_true(size <= 8192);
    assert_true(strlen(text) >= 4096 - 100);     /* never less than half, but for a line */
    assert_int_equal(strncmp(text, "20", 2), 0); /* a line's time */
    assert_non_null(strstr(text, ": line 999\n"));
    assert_null(strstr(text, ": line 0\n"));
}

static void a_stderr_that_is_no_daemons_log_is_not_cut(void **state)
{
    (void)state;
    static const int flags[] = {O_RDWR, O_WRONLY | O_APPEND};
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        off_t size = 0;
        auto_free char *text = logged(flags[i], 8192, 1000, &size);
        assert_true(size > 8192);
        assert_non_null(strstr(text, ": line 0\n"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_carry_kind_code_and_context),
        cmocka_unit_test(messages_are_cut_not_overrun),
        cmocka_unit_test(kinds_have_names_both_ways),
        cmocka_unit_test(a_buffer_grows_and_shrinks),
        cmocka_unit_test(numbers_are_read_whole),
        cmocka_unit_test(bools_are_what_clients_send),
        cmocka_unit_test(strings_compare),
        cmocka_unit_test(vectors_split_and_copy),
        cmocka_unit_test(identifiers_differ),
        cmocka_unit_test(a_map_agrees_with_a_table),
        cmocka_unit_test(a_list_survives_removing_what_is_at_hand),
        cmocka_unit_test(time_is_written_and_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(options_are_read_in_every_form),
        cmocka_unit_test(log_levels_have_names),
        cmocka_unit_test(a_daemons_log_is_cut_to_its_last_half_at_a_line),
        cmocka_unit_test(a_stderr_that_is_no_daemons_log_is_not_cut),
        cmocka_unit_test(records_round_trip_and_wait_for_their_header),
        cmocka_unit_test(what_is_no_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
