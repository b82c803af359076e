/* Checks a VCH's configuration and this host before anything is made. */
#include "vic-machine/validate.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "vic-machine/apparmor.h"
#include "vic-machine/listen_url.h"

#define MEMORY_MIN (64ull << 20)
#define MEMORY_MAX (4096ull << 30)
#define DISK_MIN (1ull << 30)
#define DISK_MAX (4ull << 40)
#define CPUS_MAX 256
#define SPACE_MIN (256ull << 20) /* the ISO's files and room to breathe */

const char *const mach_iso_files[] = {"bootstrap.iso", "vmlinux", "vmlinuz",
                                      "initrd.img",    "cmdline", "kernel-version"};
const size_t mach_n_iso_files = ARRAY_SIZE(mach_iso_files);

static void problem(char ***problems, char *text)
{
    *problems = vic_strv_append(*problems, text);
    free(text);
}

static void check_user(const char *user, char ***problems)
{
    if (!getpwnam(user))
        problem(problems, vic_xasprintf("there is no system user '%s': run 'useradd --system "
                                        "--no-create-home --shell /usr/sbin/nologin %s'",
                                        user, user));
}

/* QEMU runs as libvirt's user and opens disks by path: it must be able to search every folder above. */
static void check_searchable(const char *root, char ***problems)
{
    auto_free char *path = vic_xstrdup(root);
    for (char *s = path; *s; s++) {
        if (s[1] != '/' && s[1] != '\0')
            continue;
        char saved = s[1];
        s[1] = '\0';
        struct stat st;
        if (stat(path, &st) == 0 && !(st.st_mode & S_IXOTH)) {
            problem(problems,
                    vic_xasprintf("'%s' cannot be searched by QEMU's user (mode %04o): choose a "
                                  "--root outside of it, such as " MACH_DEFAULT_ROOT,
                                  path, st.st_mode & 07777));
            return;
        }
        s[1] = saved;
    }
}

static void check_space(const char *root, char ***problems)
{
    struct statvfs vfs;
    auto_free char *path = vic_xstrdup(root);
    char *slash;
    while (statvfs(path, &vfs) < 0 && (slash = strrchr(path, '/')) && slash != path)
        *slash = '\0';
    uint64_t free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    if (free_bytes < SPACE_MIN)
        problem(problems,
                vic_xasprintf("'%s' has %llu MiB free, %llu are needed: free some or choose "
                              "another --root",
                              path, (unsigned long long)(free_bytes >> 20), SPACE_MIN >> 20));
}

static void check_apparmor(char ***problems)
{
    if (mach_apparmor_lacks_rule(MACH_APPARMOR_ENABLED, MACH_APPARMOR_FILE))
        problem(problems,
                vic_xasprintf("AppArmor keeps QEMU from writing the output of containers: run "
                              "'echo \"%s\" >>%s'",
                              MACH_APPARMOR_RULE, MACH_APPARMOR_FILE));
}

static void check_iso(const char *iso_dir, char ***problems)
{
    for (size_t i = 0; i < mach_n_iso_files; i++) {
        auto_free char *path = vic_xasprintf("%s/%s", iso_dir, mach_iso_files[i]);
        if (vic_file_exists(path) != 1)
            problem(problems,
                    vic_xasprintf("'%s' is missing: run 'make iso', or name the folder that "
                                  "holds it by --iso",
                                  path));
    }
}

static void check_range(const char *option, uint64_t value, uint64_t min, uint64_t max,
                        char ***problems)
{
    if (value < min || value > max)
        problem(problems, vic_xasprintf("--%s must be from %llu to %llu", option,
                                        (unsigned long long)min, (unsigned long long)max));
}

static void check_word(const char *option, const char *word, const char *const *words, size_t n,
                       char ***problems)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            return;
    problem(problems, vic_xasprintf("--%s '%s' is not one of those its help names", option, word));
}

void mach_validate(const struct mach_vch *v, const char *iso_dir, char ***problems)
{
    static const char *const accelerations[] = {"auto", "kvm", "tcg"};
    static const char *const boots[] = {"direct", "iso"};
    struct vic_err err;
    if (mach_listen_check(v->listen, &err) < 0)
        problem(problems, vic_xstrdup(err.message));
    check_word("acceleration", v->acceleration, accelerations, ARRAY_SIZE(accelerations), problems);
    check_word("boot", v->boot, boots, ARRAY_SIZE(boots), problems);
    check_range("default-memory", v->default_memory_bytes, MEMORY_MIN, MEMORY_MAX, problems);
    check_range("disk-size", v->disk_size_bytes, DISK_MIN, DISK_MAX, problems);
    check_range("default-cpus", v->default_cpus, 0, CPUS_MAX, problems);
    check_user("vic-docker", problems);
    check_user("vic-layer", problems);
    check_searchable(v->root, problems);
    check_space(v->root, problems);
    check_iso(iso_dir, problems);
    check_apparmor(problems);
}
