/* Applies layers without a daemon, for tests: prints each chain id, unpacked size and time taken. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/opts.h"
#include "lib/base/str.h"
#include "portlayer/storage/layer.h"

#define DISK_BYTES_DEFAULT (UINT64_C(64) << 30)

static int fail(const struct vic_err *err)
{
    (void)fprintf(stderr, "layer-apply: %s: %s\n", vic_err_kind_to_string(err->kind), err->message);
    return 1;
}

/* operand: media:diff id:path, where the diff id has a colon of its own. */
static int apply_one(const struct pl_config *config, char *operand, char chain[HOST_DIGEST_MAX],
                     struct vic_err *err)
{
    char *diff_id = strchr(operand, '=');
    char *path = diff_id ? strchr(diff_id + 1, '=') : NULL;
    if (!path)
        return vic_fail(err, VIC_ERR_INVALID, 0, "'%s' is not MEDIA=DIFF_ID=PATH", operand);
    *diff_id++ = *path++ = '\0';
    char parent[HOST_DIGEST_MAX];
    memcpy(parent, chain, sizeof(parent));
    pl_chain_id(*parent ? parent : NULL, diff_id, chain);
    const struct pl_layer_apply apply = {
        .parent = *parent ? parent : NULL,
        .chain_id = chain,
        .diff_id = diff_id,
        .blob_path = path,
        .compression = strcmp(operand, "gzip") == 0   ? OCI_TAR_GZIP
                       : strcmp(operand, "zstd") == 0 ? OCI_TAR_ZSTD
                                                      : OCI_TAR,
    };
    uint64_t start = vic_clock_monotonic_ms();
    uint64_t size = 0;
    int r = pl_layer_apply(config, &apply, &size, err);
    if (r == 0)
        (void)printf("%s %ju bytes %ju ms\n", chain, (uintmax_t)size,
                     (uintmax_t)(vic_clock_monotonic_ms() - start));
    return r;
}

int main(int argc, char **argv)
{
    const char *datastore = NULL;
    const char *libexec = NULL;
    const char *user = NULL;
    const char *parent = "";
    const char *disk = NULL;
    const struct vic_opt opts[] = {
        {.name = "datastore", .arg = "DIR", .help = "has or gets layers/", .value = &datastore},
        {.name = "libexec", .arg = "DIR", .help = "where vic-layer is", .value = &libexec},
        {.name = "user", .arg = "NAME", .help = "run the workers as", .value = &user},
        {.name = "parent", .arg = "CHAIN", .help = "start on this chain", .value = &parent},
        {.name = "disk-size", .arg = "BYTES", .help = "virtual size", .value = &disk},
    };
    auto_strv char **operands = NULL;
    struct vic_err err = {0};
    if (vic_opts_parse(opts, ARRAY_SIZE(opts), argc, argv, &operands, &err) < 0)
        return fail(&err);
    struct pl_config config = {
        .datastore = (char *)(uintptr_t)datastore,
        .libexec_dir = (char *)(uintptr_t)libexec,
        .disk_size_bytes = DISK_BYTES_DEFAULT,
        .layer_uid = (uid_t)-1,
        .layer_gid = (gid_t)-1,
    };
    const struct passwd *pw = user ? getpwnam(user) : NULL;
    if (!datastore || !libexec || (user && !pw) ||
        (disk && vic_str_to_u64(disk, 1 << 20, UINT64_C(1) << 44, &config.disk_size_bytes) < 0)) {
        (void)fprintf(stderr, "usage: layer-apply --datastore DIR --libexec DIR [--user NAME] "
                              "[--parent CHAIN] MEDIA=DIFF_ID=PATH…\n");
        return 2;
    }
    if (pw) {
        config.layer_uid = pw->pw_uid;
        config.layer_gid = pw->pw_gid;
    }
    char chain[HOST_DIGEST_MAX] = "";
    (void)snprintf(chain, sizeof(chain), "%s", parent);
    auto_free char *layers = vic_xasprintf("%s/layers", datastore);
    int r = vic_file_mkdir_p(layers, 0711, &err);
    if (r == 0)
        r = pl_layer_remove_stale(layers, &err);
    if (r == 0)
        r = pl_layer_create_base(&config, &err);
    for (char **o = operands; r == 0 && o && *o; o++)
        r = apply_one(&config, *o, chain, &err);
    return r < 0 ? fail(&err) : 0;
}
