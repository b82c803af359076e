/* The information document. */
#include "portlayer/info.h"

#include <unistd.h>

#include "lib/base/cleanup.h"
#include "portlayer/api.h"
#include "portlayer/execution/execution.h"
#include "portlayer/storage/storage.h"

/* libvirt counts versions as major * 1000000 + minor * 1000 + release. */
static void add_version(cJSON *doc, const char *member, const char *product, unsigned long v)
{
    json_addf(doc, member, "%s%lu.%lu.%lu", product, v / 1000000, v / 1000 % 1000, v % 1000);
}

static void handle_info(struct rpc_stream *st, void *arg)
{
    const struct pl *pl = arg;
    struct pl_execution_facts facts;
    pl_execution_facts(pl->execution, &facts);
    struct pl_execution_counts counts = pl_execution_count(pl->execution);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    long pages = sysconf(_SC_PHYS_PAGES);
    cJSON *doc = json_new_obj();
    json_add_str(doc, "id", pl->config.id);
    json_add_str(doc, "name", pl->config.name);
    json_add_str(doc, "version", PL_API_VERSION);
    json_add_str(doc, "acceleration", facts.kvm ? "kvm" : "tcg");
    add_version(doc, "hypervisor", "QEMU ", facts.hypervisor_version);
    add_version(doc, "libvirt", "", facts.libvirt_version);
    json_add_str_or_empty(doc, "kernel", facts.kernel);
    json_add_i64(doc, "cpus", cpus);
    json_add_i64(doc, "memory_bytes", (int64_t)pages * sysconf(_SC_PAGESIZE));
    json_add_i64(doc, "default_memory_bytes", (int64_t)pl->config.default_memory_bytes);
    json_add_i64(doc, "default_cpus", pl->config.default_cpus);
    json_add_str(doc, "datastore", pl->config.datastore);
    cJSON *containers = json_add_obj(doc, "containers");
    json_add_i64(containers, "total", counts.total);
    json_add_i64(containers, "running", counts.running);
    json_add_i64(containers, "paused", counts.paused);
    json_add_i64(containers, "stopped", counts.stopped);
    json_add_strv(doc, "unreadable", facts.unreadable);
    json_add_i64(doc, "images", (int64_t)pl_storage_count_images(pl->storage));
    rpc_reply_json(st, doc);
}

const struct rpc_route pl_info_routes[] = {
    {"GET", "/v1/info", RPC_BODY_NONE_OR_JSON, handle_info},
};
const size_t pl_info_n_routes = ARRAY_SIZE(pl_info_routes);
