/* Platforms: operating system, architecture and variant, in the names images use. */
#include <string.h>
#include <sys/utsname.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/oci/media.h"

#define WORD_MAX 64

static const struct {
    const char *from;
    const char *architecture;
    const char *variant; /* NULL leaves it */
} aliases[] = {
    {"x86_64", "amd64", NULL}, {"x86-64", "amd64", NULL}, {"aarch64", "arm64", NULL},
    {"armhf", "arm", "v7"},    {"armv7l", "arm", "v7"},   {"armel", "arm", "v6"},
    {"i386", "386", NULL},     {"i686", "386", NULL},
};

/* Letters, digits and "._-" only: it ends up in messages. */
static bool is_word(const char *s)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return strlen(s) <= WORD_MAX && s[strspn(s, allowed)] == '\0';
}

/* "" variant where it is the one everybody means. */
static struct oci_platform normalised(const char *os, const char *architecture, const char *variant)
{
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
        if (vic_str_eq(architecture, aliases[i].from)) {
            architecture = aliases[i].architecture;
            variant = aliases[i].variant ? aliases[i].variant : variant;
            break;
        }
    }
    if ((vic_str_eq(architecture, "arm64") && vic_str_eq(variant, "v8")) ||
        (vic_str_eq(architecture, "amd64") && vic_str_eq(variant, "v1")))
        variant = "";
    if (vic_str_eq(architecture, "arm") && vic_str_is_empty(variant))
        variant = "v7";
    return (struct oci_platform){.os = vic_xstrdup(os),
                                 .architecture = vic_xstrdup(architecture),
                                 .variant = vic_xstrdup(variant)};
}

int oci_platform_read(const cJSON *obj, const char *path, struct oci_platform *ret_platform,
                      struct vic_err *err)
{
    static const char *const members[] = {"os", "architecture", "variant"};
    const char *value[ARRAY_SIZE(members)];
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        int r = json_get_str(obj, path, members[i], &value[i], err);
        if (r < 0)
            return r;
        if (!value[i])
            value[i] = "";
        if (!is_word(value[i]))
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s%s%s: not a platform's name", path,
                            *path ? "." : "", members[i]);
    }
    *ret_platform = normalised(value[0], value[1], value[2]);
    return 0;
}

int oci_platform_parse(const char *text, struct oci_platform *ret_platform, struct vic_err *err)
{
    auto_strv char **part = vic_strv_split(text, '/');
    size_t n = vic_strv_len(part);
    bool ok = n == 2 || n == 3;
    for (size_t i = 0; ok && i < n; i++)
        ok = part[i][0] != '\0' && is_word(part[i]);
    if (!ok)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "platform '%.100s': expected os/architecture[/variant]", text);
    *ret_platform = normalised(part[0], part[1], n == 3 ? part[2] : "");
    return 0;
}

void oci_platform_host(struct oci_platform *ret_platform)
{
    struct utsname u;
    const char *machine = uname(&u) == 0 ? u.machine : "x86_64";
    *ret_platform = normalised("linux", machine, "");
}

char *oci_platform_to_string(const struct oci_platform *p)
{
    bool has_variant = !vic_str_is_empty(p->variant);
    return vic_xasprintf("%s/%s%s%s", p->os, p->architecture, has_variant ? "/" : "",
                         has_variant ? p->variant : "");
}

void oci_platform_release(struct oci_platform *p)
{
    free(p->os);
    free(p->architecture);
    free(p->variant);
    *p = (struct oci_platform){0};
}
