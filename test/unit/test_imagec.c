/* imagec's pure parts: references as Docker reads them, challenges, where requests go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "imagec/challenge.h"
#include "imagec/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define H "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D "sha256:" H
#define T128                                                                                       \
    "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt" \
    "tttttttttttttttttttttttttttttttttttt"

static const struct {
    const char *text;
    const char *whole;
    const char *familiar;
} good[] = {
    {"busybox", "docker.io/library/busybox", "busybox"},
    {"busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"},
    {"busybox@" D, "docker.io/library/busybox@" D, "busybox@" D},
    {"busybox:1@" D, "docker.io/library/busybox:1@" D, "busybox:1@" D},
    {"library/busybox", "docker.io/library/busybox", "busybox"},
    {"docker.io/busybox", "docker.io/library/busybox", "busybox"},
    {"docker.io/library/busybox", "docker.io/library/busybox", "busybox"},
    {"index.docker.io/busybox", "docker.io/library/busybox", "busybox"},
    {"index.docker.io/a/b", "docker.io/a/b", "a/b"},
    {"a/b", "docker.io/a/b", "a/b"},
    {"a/b/c", "docker.io/a/b/c", "a/b/c"},
    {"library/a/b", "docker.io/library/a/b", "library/a/b"},
    {"localhost/a", "localhost/a", "localhost/a"},
    {"localhost:5000/a", "localhost:5000/a", "localhost:5000/a"},
    {"localhost", "docker.io/library/localhost", "localhost"},
    {"127.0.0.1:5000/a/b:t", "127.0.0.1:5000/a/b:t", "127.0.0.1:5000/a/b:t"},
    {"[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"},
    {"[2001:db8::1]/a", "[2001:db8::1]/a", "[2001:db8::1]/a"},
    {"host:80/a", "host:80/a", "host:80/a"},
    {"host.com/a", "host.com/a", "host.com/a"},
    {"HOST/a", "HOST/a", "HOST/a"},
    {"Host.Com:1/a", "Host.Com:1/a", "Host.Com:1/a"},
    {"a-b.c-d.com/x", "a-b.c-d.com/x", "a-b.c-d.com/x"},
    {"xn--n3h.com/a:b", "xn--n3h.com/a:b", "xn--n3h.com/a:b"},
    {"a:5000", "docker.io/library/a:5000", "a:5000"},
    {"a_b", "docker.io/library/a_b", "a_b"},
    {"a__b", "docker.io/library/a__b", "a__b"},
    {"a--b", "docker.io/library/a--b", "a--b"},
    {"a-----b", "docker.io/library/a-----b", "a-----b"},
    {"a.b", "docker.io/library/a.b", "a.b"},
    {"1", "docker.io/library/1", "1"},
    {"a:" T128, "docker.io/library/a:" T128, "a:" T128},
    {"a:_x.y-z", "docker.io/library/a:_x.y-z", "a:_x.y-z"},
    {"a:TAG", "docker.io/library/a:TAG", "a:TAG"},
    {H ":x", "docker.io/library/" H ":x", H ":x"},
};

static void test_references_are_normalised(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct img_reference r;
        struct vic_err err = {0};
        if (img_reference_parse(good[i].text, &r, &err) < 0)
            fail_msg("'%s': %s", good[i].text, err.message);
        auto_free char *whole = img_reference_to_string(&r);
        auto_free char *familiar = img_reference_to_familiar(&r);
        assert_string_equal(whole, good[i].whole);
        assert_string_equal(familiar, good[i].familiar);
        img_reference_release(&r);
    }
}

#define FORMAT "invalid reference format"
static const struct {
    const char *text;
    const char *message;
} bad[] = {
    {"", FORMAT},
    {":", FORMAT},
    {":tag", FORMAT},
    {"@" D, FORMAT},
    {"a:", FORMAT},
    {"a@", FORMAT},
    {"a@sha256:", FORMAT},
    {"a@sha256:abc", FORMAT},
    {"a@" D "x", FORMAT},
    {"a@sha256:" H "aa", "invalid checksum digest length"},
    {"a:t@sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
     "invalid checksum digest format"},
    {"a:t@md5:" H, "unsupported digest algorithm"},
    {"a:t:u", FORMAT},
    {"a:-t", FORMAT},
    {"a:.t", FORMAT},
    {"a:" T128 "t", FORMAT},
    {"a:t/u", FORMAT},
    {"a//b", FORMAT},
    {"/a", FORMAT},
    {"a/", FORMAT},
    {"-a", FORMAT},
    {"a-", FORMAT},
    {"_a", FORMAT},
    {"a___b", FORMAT},
    {"a..b", FORMAT},
    {"a._b", FORMAT},
    {"a b", FORMAT},
    {"a\n", FORMAT},
    {"a%00", FORMAT},
    {"../a", FORMAT},
    {"a/../b", FORMAT},
    {"http://a/b", FORMAT},
    {"host:/a", FORMAT},
    {"host:x/a", FORMAT},
    {"-host.com/a", FORMAT},
    {"host-.com/a", FORMAT},
    {"host..com/a", FORMAT},
    {".host/a", FORMAT},
    {"[::1/a", FORMAT},
    {"[]/a", FORMAT},
    {"host.com/", FORMAT},
    {"\xc3\xa9", FORMAT},
    {"Busybox", "invalid reference format: repository name (Busybox) must be lowercase"},
    {"host.com/Aa:t", "invalid reference format: repository name (Aa) must be lowercase"},
    {"a/B", "invalid reference format: repository name (a/B) must be lowercase"},
    {H, "invalid repository name (" H "), cannot specify 64-byte hexadecimal strings"},
};

static void test_references_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct img_reference r;
        struct vic_err err = {0};
        if (img_reference_parse(bad[i].text, &r, &err) == 0)
            fail_msg("'%s' was accepted", bad[i].text);
        assert_int_equal(err.kind, VIC_ERR_INVALID);
        assert_string_equal(err.message, bad[i].message);
    }
}

static void test_long_names_are_refused(void **state)
{
    (void)state;
    char text[6000];
    struct img_reference r;
    struct vic_err err;
    memset(text, 'a', sizeof(text));
    text[256] = '\0';
    assert_true(img_reference_parse(text, &r, &err) < 0);
    assert_string_equal(err.message, "repository name must not be more than 255 characters");
    text[256] = 'a';
    text[sizeof(text) - 1] = '\0';
    assert_true(img_reference_parse(text, &r, &err) < 0);
    assert_string_equal(err.message, FORMAT);
}

static void test_default_tag_is_added_once(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a", "a:latest"}, {"a:1", "a:1"}, {"a@" D, "a@" D}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct img_reference r;
        assert_int_equal(img_reference_parse(cases[i][0], &r, NULL), 0);
        img_reference_default_tag(&r);
        auto_free char *text = img_reference_to_familiar(&r);
        assert_string_equal(text, cases[i][1]);
        img_reference_release(&r);
    }
}

static const struct {
    const char *text;
    int scheme; /* -1: malformed */
    const char *realm;
    const char *service;
} challenges[] = {
    {"Bearer realm=\"https://a/t\",service=\"s\",scope=\"x\"", IMG_SCHEME_BEARER, "https://a/t",
     "s"},
    {"bearer Realm = \"r\" , SERVICE=s", IMG_SCHEME_BEARER, "r", "s"},
    {"Bearer realm=\"a\\\"b\"", IMG_SCHEME_BEARER, "a\"b", NULL},
    {"Basic realm=\"x\"", IMG_SCHEME_BASIC, NULL, NULL},
    {"Basic realm=\"x\", Bearer realm=\"y\"", IMG_SCHEME_BEARER, "y", NULL},
    {"Bearer realm=\"y\", Basic realm=\"x\"", IMG_SCHEME_BEARER, "y", NULL},
    {"Negotiate oRQw==, Bearer realm=\"y\"", IMG_SCHEME_BEARER, "y", NULL},
    {"Negotiate", IMG_SCHEME_NONE, NULL, NULL},
    {"Bearer", IMG_SCHEME_BEARER, NULL, NULL},
    {"", IMG_SCHEME_NONE, NULL, NULL},
    {",, ,", IMG_SCHEME_NONE, NULL, NULL},
    {"Bearer realm=\"open", -1, NULL, NULL},
    {"Bearer realm=\"open\\", -1, NULL, NULL},
    {"Bearer realm=", -1, NULL, NULL},
    {"Bearer realm=\"a\"\"b\"", -1, NULL, NULL},
    {"Bearer realm=\"a\",realm=\"b\"", -1, NULL, NULL},
    {"Bearer realm=\"a\x01\"", -1, NULL, NULL},
    {"\"x\"", -1, NULL, NULL},
};

static void test_challenges(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(challenges); i++) {
        struct img_challenge c;
        struct vic_err err;
        int r = img_challenge_parse(challenges[i].text, &c, &err);
        if ((r < 0) != (challenges[i].scheme < 0))
            fail_msg("'%s' gave %d", challenges[i].text, r);
        if (r < 0)
            continue;
        assert_int_equal(c.scheme, challenges[i].scheme);
        assert_string_equal(c.realm ? c.realm : "-",
                            challenges[i].realm ? challenges[i].realm : "-");
        assert_string_equal(c.service ? c.service : "-",
                            challenges[i].service ? challenges[i].service : "-");
        img_challenge_release(&c);
    }
}

static void test_huge_challenge_is_refused(void **state)
{
    (void)state;
    struct img_challenge c;
    auto_free char *text = vic_xalloc(IMG_CHALLENGE_MAX + 2);
    memset(text, 'x', IMG_CHALLENGE_MAX + 1);
    assert_true(img_challenge_parse(text, &c, NULL) < 0);
}

static void test_endpoints(void **state)
{
    (void)state;
    auto_strv char **insecure = vic_strv_append(NULL, "reg.lan:5000");
    auto_strv char **mirrors = vic_strv_append(NULL, "http://mirror:80/");
    mirrors = vic_strv_append(mirrors, "https://m2/prefix");
    const struct img_client c = {.insecure = insecure, .mirrors = mirrors};
    static const struct {
        const char *domain;
        const char *bases[4];
    } cases[] = {
        {"docker.io", {"http://mirror:80", "https://m2/prefix", "https://registry-1.docker.io"}},
        {"127.0.0.1:5000", {"http://127.0.0.1:5000", "https://127.0.0.1:5000"}},
        {"[::1]:5000", {"http://[::1]:5000", "https://[::1]:5000"}},
        {"localhost", {"http://localhost", "https://localhost"}},
        {"reg.lan:5000", {"https://reg.lan:5000", "http://reg.lan:5000"}},
        {"reg.lan", {"https://reg.lan"}},
        {"127.evil.com", {"https://127.evil.com"}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t n;
        struct img_endpoint *list = img_endpoints_for(&c, cases[i].domain, &n);
        for (size_t k = 0; k < n; k++)
            assert_string_equal(list[k].base, cases[i].bases[k] ? cases[i].bases[k] : "nothing");
        assert_null(cases[i].bases[n]);
        img_endpoints_free(list, n);
    }
}

static void test_mirrors_are_checked(void **state)
{
    (void)state;
    static const char *const refused[] = {"",           "mirror",     "ftp://a",    "http://",
                                          "https:///",  "http://a b", "http://a?x", "http://u@a",
                                          "http://a#b", "file:///etc"};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_true(img_mirror_check(refused[i], NULL) < 0);
    assert_int_equal(img_mirror_check("http://127.0.0.1:5000", NULL), 0);
    assert_int_equal(img_mirror_check("https://mirror/", NULL), 0);
}

static void test_loopback(void **state)
{
    (void)state;
    static const char *const yes[] = {"127.0.0.1", "127.9.9.9:1", "localhost", "LOCALHOST:5",
                                      "::1",       "[::1]",       "[::1]:5000"};
    static const char *const no[] = {"128.0.0.1", "localhost.com", "127.0.0.1.evil", "[::2]:1",
                                     "",          "10.127.0.1"};
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
        assert_true(host_http_is_loopback(yes[i]));
    for (size_t i = 0; i < ARRAY_SIZE(no); i++)
        assert_false(host_http_is_loopback(no[i]));
}

static void test_backoff_grows_and_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(img_backoff_ms(1, 0), 250);
    assert_int_equal(img_backoff_ms(3, 0), 1000);
    assert_int_equal(img_backoff_ms(1000, 0), 4000);
    assert_int_equal(img_backoff_ms(1, 3000), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references_are_normalised),
        cmocka_unit_test(test_references_are_refused),
        cmocka_unit_test(test_long_names_are_refused),
        cmocka_unit_test(test_default_tag_is_added_once),
        cmocka_unit_test(test_challenges),
        cmocka_unit_test(test_huge_challenge_is_refused),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_mirrors_are_checked),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_backoff_grows_and_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
