/* vic-machine create: checks everything, then deploys a VCH on this host. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/id.h"
#include "lib/base/str.h"
#include "lib/host/work.h"
#include "vic-machine/command.h"
#include "vic-machine/daemon.h"
#include "vic-machine/deploy.h"
#include "vic-machine/forward.h"
#include "vic-machine/validate.h"

#define DEFAULT_MEMORY "1g"
#define DEFAULT_DISK "64g"
#define NFT_TIMEOUT_MS 10000

static bool opt_local;
static const char *opt_name;
static const char *opt_root = MACH_DEFAULT_ROOT;
static const char *opt_listen;
static const char *opt_memory = DEFAULT_MEMORY;
static const char *opt_disk = DEFAULT_DISK;
static const char *opt_cpus;
static const char *opt_acceleration = "auto";
static const char *opt_boot = "direct";
static const char *opt_iso;
static char **opt_insecure;
static char **opt_mirrors;

static const struct vic_opt opts[] = {
    {"local", NULL, "run the VCH's daemons on this host (the only form so far)",
     .flag = &opt_local},
    {"name", "NAME", "the VCH's name", .value = &opt_name},
    {"root", "DIR", "where VCHs are kept (" MACH_DEFAULT_ROOT ")", .value = &opt_root},
    {"listen", "URL", "unix:///PATH or tcp://127.0.0.1:PORT (a socket in /run/vic)",
     .value = &opt_listen},
    {"default-memory", "SIZE", "of a container's VM (" DEFAULT_MEMORY ")", .value = &opt_memory},
    {"default-cpus", "N", "of a container's VM (with KVM the host's, at most 2; without, 1)",
     .value = &opt_cpus},
    {"disk-size", "SIZE", "virtual size of a container's disk (" DEFAULT_DISK ")",
     .value = &opt_disk},
    {"insecure-registry", "HOST", "allow plain HTTP and any certificate there; may be repeated",
     .values = &opt_insecure},
    {"registry-mirror", "URL", "ask it instead of docker.io; may be repeated",
     .values = &opt_mirrors},
    {"acceleration", "KIND", "auto, kvm or tcg (auto)", .value = &opt_acceleration},
    {"boot", "HOW", "direct (kernel and initrd) or iso (firmware boots the ISO) (direct)",
     .value = &opt_boot},
    {"iso", "DIR", "where bootstrap.iso and its parts are (beside the programs)",
     .value = &opt_iso},
};

/* "512m" in bytes; a plain number is bytes. */
static int parse_size(const char *option, const char *text, uint64_t *ret_bytes,
                      struct vic_err *err)
{
    static const char units[] = "kmgt";
    size_t len = strlen(text);
    char last = len ? (char)(text[len - 1] | 0x20) : '\0';
    const char *unit = last ? strchr(units, last) : NULL;
    auto_free char *digits = vic_xstrndup(text, unit ? len - 1 : len);
    uint64_t n;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (vic_str_to_u64(digits, 1, UINT64_MAX >> shift, &n) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "--%s '%s': expected a number and one of k, m, g, t", option, text);
    *ret_bytes = n << shift;
    return 0;
}

static char *iso_dir(void)
{
    if (opt_iso)
        return vic_xstrdup(opt_iso);
    auto_free char *programs = mach_program_dir();
    static const char *const places[] = {"../iso", "../share/vic"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        char *dir = vic_xasprintf("%s/%s", programs, places[i]);
        if (vic_file_exists(dir) == 1)
            return dir;
        free(dir);
    }
    return vic_xasprintf("%s/../iso", programs);
}

/* Everything but the id, from the command line. */
static int fill(struct mach_vch *v, struct vic_err *err)
{
    int r = mach_name_check(opt_name, err);
    if (r < 0)
        return r;
    if (!opt_local)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "say --local: the VCH's daemons on this host are the only form so far");
    if (opt_cpus && vic_str_to_u64(opt_cpus, 1, UINT64_MAX, &v->default_cpus) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "--default-cpus '%s': expected a number from 1",
                        opt_cpus);
    r = parse_size("default-memory", opt_memory, &v->default_memory_bytes, err);
    if (r == 0)
        r = parse_size("disk-size", opt_disk, &v->disk_size_bytes, err);
    if (r < 0)
        return r;
    v->name = vic_xstrdup(opt_name);
    v->root = mach_absolute(opt_root);
    v->datastore = vic_xasprintf("%s/%s", v->root, opt_name);
    v->acceleration = vic_xstrdup(opt_acceleration);
    v->boot = vic_xstrdup(opt_boot);
    v->insecure_registries = TAKE_PTR(opt_insecure);
    v->registry_mirrors = TAKE_PTR(opt_mirrors);
    return 0;
}

/* mkdir decides who owns an id and a name, also between creates at the same moment. */
static int claim(struct mach_vch *v, struct vic_err *err)
{
    int r = vic_file_mkdir_p(v->root, 0711, err);
    if (r == 0)
        r = vic_file_mkdir_p(MACH_RUN_ROOT, 0755, err);
    if (r < 0)
        return r;
    if (mkdir(v->datastore, 0711) < 0)
        return errno == EEXIST
                   ? vic_fail(err, VIC_ERR_CONFLICT, 0,
                              "'%s' exists: choose another --name, or delete that VCH first",
                              v->datastore)
                   : vic_fail_errno(err, errno, "create '%s'", v->datastore);
    do {
        struct vic_id id;
        vic_id_new(&id);
        free(v->id);
        free(v->run_dir);
        v->id = vic_xstrndup(id.text, MACH_ID_LEN);
        v->run_dir = vic_xasprintf(MACH_RUN_ROOT "/%s", v->id);
        r = mkdir(v->run_dir, 0755) < 0 ? -errno : 0;
    } while (r == -EEXIST);
    if (r < 0) {
        (void)rmdir(v->datastore);
        return vic_fail_errno(err, -r, "create '%s'", v->run_dir);
    }
    if (!v->listen)
        v->listen = vic_xasprintf("unix://%s/docker.sock", v->run_dir);
    return 0;
}

/* The VCH keeps its own copy: QEMU can reach it there, and an upgrade of the programs changes nothing
 * under a VCH that runs. */
static int copy_iso(const struct mach_vch *v, const char *from, struct vic_err *err)
{
    auto_free char *to = vic_xasprintf("%s/iso", v->datastore);
    int r = vic_file_mkdir_p(to, 0755, err);
    for (size_t i = 0; r == 0 && i < mach_n_iso_files; i++) {
        auto_free char *source = vic_xasprintf("%s/%s", from, mach_iso_files[i]);
        auto_free char *target = vic_xasprintf("%s/%s", to, mach_iso_files[i]);
        r = vic_file_copy(source, target, 0644, err);
    }
    return r;
}

static void take_back(const struct mach_vch *v, bool is_saved)
{
    struct vic_err err;
    int r;
    if (is_saved) {
        r = mach_deploy_wipe(v, &err);
    } else {
        r = vic_file_remove_tree(v->run_dir, &err);
        if (r == 0)
            r = vic_file_remove_tree(v->datastore, &err);
    }
    if (r < 0)
        (void)fprintf(stderr, "vic-machine create: cleaning up: %s\n", err.message);
}

static int report(char *const *problems, struct vic_err *err)
{
    for (char *const *p = problems; *p; p++)
        (void)fprintf(stderr, "problem: %s\n", *p);
    return vic_fail(err, VIC_ERR_INVALID, 0, "%zu problem%s, nothing was created",
                    vic_strv_len(problems), problems[1] ? "s" : "");
}

/* Not a problem: the operator's rules may let containers through all the same. */
static void warn_of_filters(void)
{
    static const char *const nft[] = {"nft", "-j", "list", "chains", NULL};
    auto_free char *chains = NULL;
    auto_strv char **warnings = NULL;
    if (host_run(nft, -1, NFT_TIMEOUT_MS, &chains, NULL) == 0 && chains)
        mach_forward_warnings(chains, &warnings);
    for (char **w = warnings; w && *w; w++)
        (void)fprintf(stderr, "warning: %s\n", *w);
}

static int run(int argc, char **argv, struct vic_err *err)
{
    auto_vch struct mach_vch v = {0};
    int r = mach_parse(opts, ARRAY_SIZE(opts), argc, argv, err);
    if (r == 0)
        r = fill(&v, err);
    if (r < 0)
        return r;
    auto_free char *iso = iso_dir();
    v.listen = vic_xstrdup(opt_listen ? opt_listen : "unix:///run/vic/default");
    auto_strv char **problems = NULL;
    mach_validate(&v, iso, &problems);
    if (problems)
        return report(problems, err);
    if (!opt_listen) {
        free(v.listen);
        v.listen = NULL;
    }
    r = claim(&v, err);
    if (r < 0)
        return r;
    /* Its configuration first: what a killed create leaves can be deleted. */
    r = mach_vch_save(&v, err);
    bool is_saved = r == 0;
    if (r == 0)
        r = copy_iso(&v, iso, err);
    if (r == 0)
        r = mach_deploy_start(&v, err);
    if (r < 0) {
        take_back(&v, is_saved);
        return r;
    }
    printf("VCH '%s' (%s) is up.\n\nDOCKER_HOST=%s\n\ndocker -H %s info\n", v.name, v.id, v.listen,
           v.listen);
    warn_of_filters();
    return 0;
}

static void help(FILE *out)
{
    vic_opts_print_help(opts, ARRAY_SIZE(opts), out);
}

const struct mach_command mach_create = {"create", "create a VCH and start it", run, help};
