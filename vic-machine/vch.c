/* Reads and writes a VCH's configuration. */
#include "vic-machine/vch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/json/json.h"
#include "vic-machine/daemon.h"

#define CONFIG_MAX 65536

void mach_vch_release(struct mach_vch *v)
{
    char *strings[] = {v->name,    v->id,     v->root,         v->datastore,
                       v->run_dir, v->listen, v->acceleration, v->boot};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    vic_strv_free(v->insecure_registries);
    vic_strv_free(v->registry_mirrors);
    *v = (struct mach_vch){0};
}

char *mach_absolute(const char *root)
{
    auto_free char *real = realpath(root, NULL);
    if (real)
        return TAKE_PTR(real);
    if (root[0] == '/')
        return vic_xstrdup(root);
    auto_free char *cwd = getcwd(NULL, 0);
    return vic_xasprintf("%s/%s", cwd ? cwd : "", root);
}

int mach_name_check(const char *name, struct vic_err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = name ? strlen(name) : 0;
    if (len == 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "--name is missing");
    if (len > MACH_NAME_MAX)
        return vic_fail(err, VIC_ERR_INVALID, 0, "name '%s' is longer than %d characters", name,
                        MACH_NAME_MAX);
    if (strspn(name, allowed) != len || strchr("-_.", name[0]))
        return vic_fail(
            err, VIC_ERR_INVALID, 0,
            "name '%s': only letters, digits, '-', '_' and '.', a letter or digit first", name);
    return 0;
}

static char *config_path(const char *datastore)
{
    return vic_xasprintf("%s/" MACH_CONFIG_FILE, datastore);
}

static int parse(const cJSON *doc, struct mach_vch *v, struct vic_err *err)
{
    const struct {
        const char *member;
        char **ret;
    } strings[] = {{"id", &v->id},
                   {"name", &v->name},
                   {"run_dir", &v->run_dir},
                   {"listen", &v->listen},
                   {"acceleration", &v->acceleration},
                   {"boot", &v->boot}};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        const char *s;
        int r = json_need_str(doc, "", strings[i].member, &s, err);
        if (r < 0)
            return r;
        *strings[i].ret = vic_xstrdup(s);
    }
    if (!vic_str_is_hex(v->id, MACH_ID_LEN))
        return vic_fail(err, VIC_ERR_INVALID, 0, "id: expected %d hex digits", MACH_ID_LEN);
    v->default_memory_bytes = (uint64_t)json_i64(doc, "default_memory_bytes", 0);
    v->disk_size_bytes = (uint64_t)json_i64(doc, "disk_size_bytes", 0);
    v->default_cpus = (uint64_t)json_i64(doc, "default_cpus", 0);
    int r = json_get_strv(doc, "", "insecure_registries", &v->insecure_registries, err);
    return r < 0 ? r : json_get_strv(doc, "", "registry_mirrors", &v->registry_mirrors, err);
}

int mach_vch_load(const char *root, const char *name, struct mach_vch *ret_vch, struct vic_err *err)
{
    int r = mach_name_check(name, err);
    if (r < 0)
        return r;
    auto_vch struct mach_vch v = {.root = mach_absolute(root)};
    v.datastore = vic_xasprintf("%s/%s", v.root, name);
    auto_free char *path = config_path(v.datastore);
    if (vic_file_exists(path) == 0)
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0,
                        "no virtual container host '%s' in '%s' (see vic-machine ls --root)", name,
                        v.root);
    auto_free char *text = NULL;
    size_t len;
    auto_json cJSON *doc = NULL;
    r = vic_file_read(path, CONFIG_MAX, &text, &len, err);
    if (r == 0)
        r = json_parse(text, len, &doc, err);
    if (r == 0)
        r = parse(doc, &v, err);
    if (r < 0)
        return vic_fail_wrap(err, r, "configuration '%s'", path);
    *ret_vch = v;
    v = (struct mach_vch){0};
    return 0;
}

int mach_vch_save(const struct mach_vch *v, struct vic_err *err)
{
    auto_json cJSON *doc = json_new_obj();
    json_add_str(doc, "id", v->id);
    json_add_str(doc, "name", v->name);
    json_add_str(doc, "run_dir", v->run_dir);
    json_addf(doc, "iso_dir", "%s/iso", v->datastore);
    auto_free char *programs = mach_program_dir();
    json_add_str(doc, "libexec_dir", programs);
    json_add_str(doc, "libvirt_uri", "qemu:///system");
    json_add_str(doc, "listen", v->listen);
    json_add_str(doc, "acceleration", v->acceleration);
    json_add_str(doc, "boot", v->boot);
    json_add_i64(doc, "default_memory_bytes", (int64_t)v->default_memory_bytes);
    json_add_i64(doc, "disk_size_bytes", (int64_t)v->disk_size_bytes);
    json_add_i64(doc, "default_cpus", (int64_t)v->default_cpus);
    json_add_strv(doc, "insecure_registries", v->insecure_registries);
    json_add_strv(doc, "registry_mirrors", v->registry_mirrors);
    auto_free char *text = cJSON_Print(doc);
    auto_free char *path = config_path(v->datastore);
    return text ? vic_file_replace(path, text, strlen(text), 0644, err)
                : vic_fail_errno(err, ENOMEM, "write '%s'", path);
}

char *mach_vch_portlayer_socket(const struct mach_vch *v)
{
    return vic_xasprintf("%s/pl.sock", v->run_dir);
}

char *mach_vch_pid_file(const struct mach_vch *v, const char *program)
{
    return vic_xasprintf("%s/%s.pid", v->run_dir, program);
}
