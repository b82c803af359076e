/* Reads DATASTORE/vch.json. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/json/json.h"
#include "portlayer/pl.h"

#define CONFIG_MAX (1u << 20)
#define QEMU_CONF "/etc/libvirt/qemu.conf"
#define VCH_ID_LEN 8
#define MIB (1ull << 20)
#define MEMORY_MIN (64 * MIB)
#define MEMORY_MAX (1ull << 44)
#define DISK_MAX (1ull << 50)
#define CPUS_MAX 512
#define MEMORY_DEFAULT (1024 * MIB)
#define DISK_DEFAULT (64 * 1024 * MIB)
#define CPUS_DEFAULT_MAX 2

/* user = "name" or "+uid" in libvirt's own configuration, for hosts without Debian's user. */
static bool find_configured_user(uid_t *ret_uid, gid_t *ret_gid)
{
    auto_free char *text = NULL;
    if (vic_file_read(QEMU_CONF, CONFIG_MAX, &text, NULL, NULL) < 0)
        return false;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[64];
        uint64_t uid = 0;
        if (sscanf(line, " user = \"%63[^\"]\"", name) != 1)
            continue;
        struct passwd *pw = NULL;
        if (vic_str_to_u64(name + (name[0] == '+'), 0, UINT32_MAX, &uid) == 0)
            pw = getpwuid((uid_t)uid);
        else
            pw = getpwnam(name);
        if (!pw)
            return false;
        *ret_uid = pw->pw_uid;
        *ret_gid = pw->pw_gid;
        return true;
    }
    return false;
}

static void find_users(struct pl_config *c)
{
    struct passwd *pw = getpwnam("libvirt-qemu");
    c->qemu_uid = 0;
    c->qemu_gid = 0;
    if (pw) {
        c->qemu_uid = pw->pw_uid;
        c->qemu_gid = pw->pw_gid;
    } else {
        (void)find_configured_user(&c->qemu_uid, &c->qemu_gid);
    }
    pw = getpwnam("vic-layer");
    c->layer_uid = pw ? pw->pw_uid : (uid_t)-1;
    c->layer_gid = pw ? pw->pw_gid : (gid_t)-1;
}

static int one_of(const char *member, const char *value, const char *const *words, size_t n,
                  struct vic_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], value) == 0)
            return 0;
    return vic_fail(err, VIC_ERR_INVALID, 0, "%s: '%.40s' is none of its values", member, value);
}

static int take(const cJSON *doc, const char *member, const char *otherwise, bool is_path,
                char **ret, struct vic_err *err)
{
    const char *s = NULL;
    int r = otherwise ? json_get_str(doc, "", member, &s, err)
                      : json_need_str(doc, "", member, &s, err);
    if (r < 0)
        return r;
    if (is_path && s[0] != '/')
        return vic_fail(err, VIC_ERR_INVALID, 0, "%s: expected an absolute path", member);
    *ret = vic_xstrdup(s ? s : otherwise);
    return 0;
}

static int read_config(const cJSON *doc, struct pl_config *c, struct vic_err *err)
{
    static const char *const accelerations[] = {"auto", "kvm", "tcg"};
    static const char *const boots[] = {"direct", "iso"};
    int64_t memory = MEMORY_DEFAULT;
    int64_t disk = DISK_DEFAULT;
    long host_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t cpus = host_cpus < CPUS_DEFAULT_MAX ? 1 : CPUS_DEFAULT_MAX;
    int r;
    if ((r = take(doc, "id", NULL, false, &c->id, err)) < 0 ||
        (r = take(doc, "name", NULL, false, &c->name, err)) < 0 ||
        (r = take(doc, "run_dir", NULL, true, &c->run_dir, err)) < 0 ||
        (r = take(doc, "iso_dir", NULL, true, &c->iso_dir, err)) < 0 ||
        (r = take(doc, "libexec_dir", NULL, true, &c->libexec_dir, err)) < 0 ||
        (r = take(doc, "libvirt_uri", "qemu:///system", false, &c->libvirt_uri, err)) < 0 ||
        (r = take(doc, "acceleration", "auto", false, &c->acceleration, err)) < 0 ||
        (r = take(doc, "boot", "direct", false, &c->boot, err)) < 0 ||
        (r = json_get_i64(doc, "", "default_memory_bytes", MEMORY_MIN, MEMORY_MAX, &memory, err)) <
            0 ||
        (r = json_get_i64(doc, "", "disk_size_bytes", MIB, DISK_MAX, &disk, err)) < 0 ||
        (r = json_get_i64(doc, "", "default_cpus", 0, CPUS_MAX, &cpus, err)) < 0 ||
        (r = one_of("acceleration", c->acceleration, accelerations, ARRAY_SIZE(accelerations),
                    err)) < 0 ||
        (r = one_of("boot", c->boot, boots, ARRAY_SIZE(boots), err)) < 0)
        return r;
    if (!vic_str_is_hex(c->id, VCH_ID_LEN))
        return vic_fail(err, VIC_ERR_INVALID, 0, "id: expected %d hex digits", VCH_ID_LEN);
    c->default_memory_bytes = (uint64_t)memory;
    c->disk_size_bytes = (uint64_t)disk;
    c->default_cpus = (unsigned)cpus;
    return 0;
}

int pl_config_load(const char *path, struct pl_config *ret_config, struct vic_err *err)
{
    auto_free char *text = NULL;
    auto_json cJSON *doc = NULL;
    size_t len = 0;
    int r = vic_file_read(path, CONFIG_MAX, &text, &len, err);
    if (r < 0)
        return r;
    struct pl_config c = {0};
    r = json_parse(text, len, &doc, err);
    if (r == 0 && !cJSON_IsObject(doc))
        r = vic_fail(err, VIC_ERR_INVALID, 0, "expected an object");
    if (r == 0)
        r = read_config(doc, &c, err);
    if (r < 0) {
        pl_config_release(&c);
        return vic_fail_wrap(err, r, "%s", path);
    }
    const char *slash = strrchr(path, '/');
    c.datastore =
        slash && slash > path ? vic_xstrndup(path, (size_t)(slash - path)) : vic_xstrdup("/");
    find_users(&c);
    *ret_config = c;
    return 0;
}

void pl_config_release(struct pl_config *c)
{
    char *const strings[] = {c->id,          c->name,         c->datastore,
                             c->run_dir,     c->iso_dir,      c->libexec_dir,
                             c->libvirt_uri, c->acceleration, c->boot};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    memset(c, 0, sizeof(*c));
}
