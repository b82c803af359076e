/* Parses passwd and group files line by line, trusting nothing in them. */
#include "tether/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define ID_MAX INT32_MAX /* as Docker has it */
#define FIELDS_MAX 7

struct field {
    const char *s;
    size_t len;
};

static bool field_is(const struct field *f, const char *text)
{
    return strlen(text) == f->len && memcmp(f->s, text, f->len) == 0;
}

static bool field_to_id(const struct field *f, uint32_t *ret)
{
    char text[16];
    uint64_t v;
    if (f->len >= sizeof(text))
        return false;
    memcpy(text, f->s, f->len);
    text[f->len] = '\0';
    if (memchr(text, '\0', f->len) || vic_str_to_u64(text, 0, ID_MAX, &v) < 0)
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* Splits the next line at colons; the last field takes what is left.  False at the end. */
static bool next_line(const char **at, const char *end, struct field *fields, size_t n_fields,
                      size_t *ret_n)
{
    if (*at >= end)
        return false;
    const char *nl = memchr(*at, '\n', (size_t)(end - *at));
    const char *line_end = nl ? nl : end;
    const char *s = *at;
    size_t n = 0;
    while (n < n_fields) {
        const char *colon = memchr(s, ':', (size_t)(line_end - s));
        const char *stop = colon && n + 1 < n_fields ? colon : line_end;
        fields[n++] = (struct field){s, (size_t)(stop - s)};
        if (stop == line_end)
            break;
        s = stop + 1;
    }
    *at = nl ? nl + 1 : end;
    *ret_n = n;
    return true;
}

/* The number that a whole argument is: -1 when it is none, -ERANGE when it is out of bounds. */
static int64_t parse_id(const char *text)
{
    int64_t v;
    int r = vic_str_to_i64(text, INT64_MIN, INT64_MAX, &v);
    if (r < 0)
        return -1;
    return v < 0 || v > ID_MAX ? -ERANGE : v;
}

static int fail_range(struct vic_err *err)
{
    return vic_fail(err, VIC_ERR_INVALID, 0, "uids and gids must be in range 0-%d", ID_MAX);
}

/* Fills uid, gid and home; name gets the matched user's name, NULL s when there is none. */
static int find_user(const char *arg, const char *passwd, size_t len, struct tether_user *ret,
                     struct field *ret_name, struct vic_err *err)
{
    int64_t id = *arg ? parse_id(arg) : 0;
    const char *at = passwd;
    struct field f[FIELDS_MAX];
    size_t n;
    while (passwd && next_line(&at, passwd + len, f, ARRAY_SIZE(f), &n)) {
        uint32_t uid;
        uint32_t gid;
        if (n < 4 || !field_to_id(&f[2], &uid) || !field_to_id(&f[3], &gid) || f[0].len == 0)
            continue;
        if (id == -1 ? !field_is(&f[0], arg) : (int64_t)uid != id)
            continue;
        ret->uid = uid;
        ret->gid = gid;
        if (n > 5 && f[5].len > 0 && f[5].len < sizeof(ret->home) &&
            !memchr(f[5].s, '\0', f[5].len)) {
            memcpy(ret->home, f[5].s, f[5].len);
            ret->home[f[5].len] = '\0';
        }
        *ret_name = f[0];
        return 0;
    }
    if (id == -1)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "unable to find user %.128s: no matching entries in passwd file", arg);
    if (id < 0)
        return fail_range(err);
    ret->uid = (uid_t)id;
    return 0;
}

static bool list_has(const struct field *list, const struct field *name)
{
    const char *s = list->s;
    const char *end = list->s + list->len;
    while (s <= end) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        const char *stop = comma ? comma : end;
        if ((size_t)(stop - s) == name->len && memcmp(s, name->s, name->len) == 0)
            return true;
        s = stop + 1;
    }
    return false;
}

static int find_group(const char *arg, const char *group, size_t len, struct tether_user *ret,
                      struct vic_err *err)
{
    int64_t id = parse_id(arg);
    const char *at = group;
    struct field f[4];
    size_t n;
    while (group && next_line(&at, group + len, f, ARRAY_SIZE(f), &n)) {
        uint32_t gid;
        if (n < 3 || !field_to_id(&f[2], &gid))
            continue;
        if (id == -1 ? !field_is(&f[0], arg) : (int64_t)gid != id)
            continue;
        ret->gid = gid;
        return 0;
    }
    if (id == -1)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "unable to find group %.128s: no matching entries in group file", arg);
    if (id < 0)
        return fail_range(err);
    ret->gid = (gid_t)id;
    return 0;
}

static int add_memberships(const struct field *name, const char *group, size_t len,
                           struct tether_user *ret, struct vic_err *err)
{
    const char *at = group;
    struct field f[4];
    size_t n;
    while (group && next_line(&at, group + len, f, ARRAY_SIZE(f), &n)) {
        uint32_t gid;
        if (n < 4 || !field_to_id(&f[2], &gid) || !list_has(&f[3], name) || gid == ret->gid)
            continue;
        if (ret->n_groups == TETHER_GROUPS_MAX)
            return vic_fail(err, VIC_ERR_INVALID, 0, "user %.*s: more than %d groups",
                            (int)(name->len < 128 ? name->len : 128), name->s, TETHER_GROUPS_MAX);
        ret->groups[ret->n_groups++] = gid;
    }
    return 0;
}

int tether_user_resolve(const char *spec, const char *passwd, size_t passwd_len, const char *group,
                        size_t group_len, struct tether_user *ret, struct vic_err *err)
{
    const char *colon = strchr(spec, ':');
    auto_free char *user = colon ? vic_xstrndup(spec, (size_t)(colon - spec)) : vic_xstrdup(spec);
    const char *group_arg = colon ? colon + 1 : "";
    struct field name = {NULL, 0};
    ret->uid = 0;
    ret->gid = 0;
    ret->n_groups = 0;
    memcpy(ret->home, "/", sizeof("/"));
    int r = find_user(user, passwd, passwd_len, ret, &name, err);
    if (r >= 0 && *group_arg)
        r = find_group(group_arg, group, group_len, ret, err);
    if (r < 0)
        return r;
    ret->groups[ret->n_groups++] = ret->gid;
    return *group_arg || !name.s ? 0 : add_memberships(&name, group, group_len, ret, err);
}

static bool is_member(const struct tether_user *user, gid_t gid)
{
    for (size_t i = 0; i < user->n_groups; i++)
        if (user->groups[i] == gid)
            return true;
    return false;
}

int tether_user_add_groups(char *const *groups, const char *group, size_t group_len,
                           struct tether_user *user, struct vic_err *err)
{
    gid_t own = user->gid;
    int r = 0;
    for (; groups && *groups && r >= 0; groups++) {
        r = find_group(*groups, group, group_len, user, err);
        if (r < 0 || is_member(user, user->gid))
            continue;
        if (user->n_groups == TETHER_GROUPS_MAX)
            r = vic_fail(err, VIC_ERR_INVALID, 0, "more than %d groups", TETHER_GROUPS_MAX);
        else
            user->groups[user->n_groups++] = user->gid;
    }
    user->gid = own;
    return r;
}

/* *ret_data NULL when there is no such file; anything but a regular file is refused. */
static int read_file(const char *path, char **ret_data, size_t *ret_len, struct vic_err *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return vic_fail(err, VIC_ERR_INVALID, errno, "open %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > TETHER_USER_FILE_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: not a file of at most %u bytes", path,
                        TETHER_USER_FILE_MAX);
    auto_free char *data = vic_xalloc((size_t)st.st_size + 1);
    size_t len = 0;
    while (len < (size_t)st.st_size) {
        ssize_t n = read(fd, data + len, (size_t)st.st_size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vic_fail_errno(err, errno, "read %s", path);
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret_data = TAKE_PTR(data);
    *ret_len = len;
    return 0;
}

int tether_user_resolve_here(const char *spec, char *const *groups, struct tether_user *ret,
                             struct vic_err *err)
{
    auto_free char *passwd = NULL;
    auto_free char *group = NULL;
    size_t passwd_len = 0;
    size_t group_len = 0;
    int r = read_file("/etc/passwd", &passwd, &passwd_len, err);
    if (r >= 0)
        r = read_file("/etc/group", &group, &group_len, err);
    if (r < 0 ||
        (r = tether_user_resolve(spec, passwd, passwd_len, group, group_len, ret, err)) < 0)
        return r;
    return tether_user_add_groups(groups, group, group_len, ret, err);
}
