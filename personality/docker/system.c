/* ping, version, info and disk usage. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "personality/docker/containers.h"
#include "personality/docker/handlers.h"
#include "personality/docker/image_json.h"
#include "personality/docker/intent.h"
#include "personality/docker/version.h"

#define NO_COMMIT "none"

#if defined(__x86_64__)
#define MACHINE "x86_64"
#define GO_ARCH "amd64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#define GO_ARCH "arm64"
#else
#error "name this machine as uname and as Go do"
#endif

void docker_system_ping(struct docker_req *r)
{
    docker_reply_header(r, "Swarm", vic_xstrdup("inactive"));
    docker_reply_text(r, DOCKER_OK, r->method == DOCKER_HEAD ? "" : "OK");
}

/* ---- version -------------------------------------------------------------------------------------------- */

static void add_component(cJSON *list, const char *name, const char *version, cJSON *details)
{
    cJSON *c = json_new_obj();
    json_add_str(c, "Name", name);
    json_add_str(c, "Version", version);
    json_add(c, "Details", details);
    json_push(list, c);
}

static void add_versions(cJSON *out, const cJSON *info)
{
    json_add_str(out, "ApiVersion", DOCKER_API_MAX);
    json_add_str(out, "MinAPIVersion", DOCKER_API_MIN);
    json_add_str(out, "GitCommit", NO_COMMIT);
    json_add_str(out, "GoVersion", "none, this is C");
    json_add_str(out, "Os", "linux");
    json_add_str(out, "Arch", GO_ARCH);
    json_add_str(out, "KernelVersion", json_str(info, "kernel", ""));
}

static void on_version(struct docker_req *r, const struct vic_err *err, const cJSON *info,
                       void *arg)
{
    (void)arg;
    (void)err; /* without its port layer the personality still says what it is itself */
    cJSON *out = json_new_obj();
    json_add_str(json_add_obj(out, "Platform"), "Name", "vic virtual container host");
    cJSON *components = json_add_arr(out, "Components");
    cJSON *details = json_new_obj();
    add_versions(details, info);
    json_add_str(details, "Experimental", "false");
    add_component(components, "Engine", DOCKER_PRODUCT_VERSION, details);
    if (info) {
        add_component(components, "port layer", json_str(info, "version", ""), json_new_obj());
        add_component(components, "hypervisor", json_str(info, "hypervisor", ""), json_new_obj());
        add_component(components, "libvirt", json_str(info, "libvirt", ""), json_new_obj());
    }
    json_add_str(out, "Version", DOCKER_PRODUCT_VERSION);
    add_versions(out, info);
    json_add_str(out, "BuildTime", "");
    docker_reply_json(r, DOCKER_OK, out);
}

void docker_system_version(struct docker_req *r)
{
    docker_intent(r, "GET", "/v1/info", NULL, on_version, NULL);
}

/* ---- info ------------------------------------------------------------------------------------------------- */

static void add_pair(cJSON *list, const char *name, const char *value)
{
    cJSON *pair = json_new_arr();
    json_push_str(pair, name);
    json_push_str(pair, value);
    json_push(list, pair);
}

static void add_driver(cJSON *out, const cJSON *info)
{
    json_add_str(out, "Driver", "qcow2");
    cJSON *status = json_add_arr(out, "DriverStatus");
    add_pair(status, "Acceleration",
             strcmp(json_str(info, "acceleration", "tcg"), "kvm") == 0
                 ? "KVM"
                 : "software emulation (TCG)");
    add_pair(status, "Hypervisor", json_str(info, "hypervisor", ""));
    add_pair(status, "libvirt", json_str(info, "libvirt", ""));
    json_add_str(out, "DockerRootDir", json_str(info, "datastore", ""));
}

static void add_counts(cJSON *out, const cJSON *info)
{
    const cJSON *c = json_member(info, "containers");
    json_add_i64(out, "Containers", json_i64(c, "total", 0));
    json_add_i64(out, "ContainersRunning", json_i64(c, "running", 0));
    json_add_i64(out, "ContainersPaused", json_i64(c, "paused", 0));
    json_add_i64(out, "ContainersStopped", json_i64(c, "stopped", 0));
    json_add_i64(out, "Images", json_i64(info, "images", 0));
}

static void add_plugins(cJSON *out)
{
    cJSON *plugins = json_add_obj(out, "Plugins");
    json_push_str(json_add_arr(plugins, "Volume"), "local");
    cJSON *networks = json_add_arr(plugins, "Network");
    json_push_str(networks, "bridge");
    json_push_str(networks, "null");
    json_add_null(plugins, "Authorization");
    cJSON *logs = json_add_arr(plugins, "Log");
    json_push_str(logs, "json-file");
    json_push_str(logs, "local");
    json_push_str(logs, "none");
}

/* What a container can be limited by. */
static void add_abilities(cJSON *out, unsigned api)
{
    static const char *const present[] = {"MemoryLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUSet",
                                          "PidsLimit"};
    static const char *const absent[] = {"SwapLimit", "KernelMemoryTCP", "CPUShares",
                                         "OomKillDisable"};
    for (size_t i = 0; i < ARRAY_SIZE(present); i++)
        json_add_bool(out, present[i], true);
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        json_add_bool(out, absent[i], false);
    json_add_bool(out, "IPv4Forwarding", true);
    if (api < DOCKER_API(1, 50)) {
        json_add_bool(out, "BridgeNfIptables", false);
        json_add_bool(out, "BridgeNfIp6tables", false);
    }
    json_add_bool(out, "Debug", false);
    json_add_i64(out, "NFd", 0);
    json_add_i64(out, "NGoroutines", 0);
    json_add_i64(out, "NEventsListener", 0);
}

static void add_registry_config(cJSON *out, const struct docker_config *config, unsigned api)
{
    cJSON *registry = json_add_obj(out, "RegistryConfig");
    cJSON *loopback = json_add_arr(registry, "InsecureRegistryCIDRs");
    json_push_str(loopback, "::1/128");
    json_push_str(loopback, "127.0.0.0/8");
    if (api < DOCKER_API(1, 47)) {
        (void)json_add_arr(registry, "AllowNondistributableArtifactsCIDRs");
        (void)json_add_arr(registry, "AllowNondistributableArtifactsHostnames");
    }
    cJSON *index = json_add_obj(registry, "IndexConfigs");
    for (char *const *name = config->insecure_registries; name && *name; name++) {
        cJSON *i = json_add_obj(index, *name);
        json_add_str(i, "Name", *name);
        (void)json_add_arr(i, "Mirrors");
        json_add_bool(i, "Secure", false);
        json_add_bool(i, "Official", false);
    }
    cJSON *hub = json_add_obj(index, "docker.io");
    json_add_str(hub, "Name", "docker.io");
    json_add_strv(hub, "Mirrors", config->registry_mirrors);
    json_add_bool(hub, "Secure", true);
    json_add_bool(hub, "Official", true);
    json_add_strv(registry, "Mirrors", config->registry_mirrors);
}

static void add_swarm(cJSON *out)
{
    cJSON *swarm = json_add_obj(out, "Swarm");
    json_add_str(swarm, "NodeID", "");
    json_add_str(swarm, "NodeAddr", "");
    json_add_str(swarm, "LocalNodeState", "inactive");
    json_add_bool(swarm, "ControlAvailable", false);
    json_add_str(swarm, "Error", "");
    json_add_null(swarm, "RemoteManagers");
}

static void add_runtime(cJSON *out, unsigned api)
{
    json_add_str(json_add_obj(json_add_obj(out, "Runtimes"), "vic"), "path", "vic-portlayer");
    json_add_str(out, "DefaultRuntime", "vic");
    json_add_bool(out, "LiveRestoreEnabled", true); /* containers run on without the daemons */
    json_add_str(out, "Isolation", "");
    json_add_str(out, "InitBinary", "");
    static const char *const commits[] = {"ContainerdCommit", "RuncCommit", "InitCommit"};
    for (size_t i = 0; i < ARRAY_SIZE(commits); i++) {
        cJSON *commit = json_add_obj(out, commits[i]);
        json_add_str(commit, "ID", "");
        if (api < DOCKER_API(1, 49))
            json_add_str(commit, "Expected", "");
    }
    cJSON *security = json_add_arr(out, "SecurityOptions");
    json_push_str(security, "name=vm");
}

static void add_host(cJSON *out, const cJSON *info, const struct docker_config *config,
                     unsigned api)
{
    char now[VIC_CLOCK_TEXT_MAX];
    vic_clock_format_rfc3339(vic_clock_wall_ns(), now);
    json_add_str(out, "SystemTime", now);
    json_add_str(out, "LoggingDriver", "json-file");
    json_add_str(out, "CgroupDriver", "cgroupfs");
    json_add_str(out, "CgroupVersion", "2");
    json_add_str(out, "KernelVersion", json_str(info, "kernel", ""));
    json_add_str(out, "OperatingSystem", "vic virtual container host");
    json_add_str(out, "OSVersion", "");
    json_add_str(out, "OSType", "linux");
    json_add_str(out, "Architecture", MACHINE);
    json_add_i64(out, "NCPU", json_i64(info, "cpus", 0));
    json_add_i64(out, "MemTotal", json_i64(info, "memory_bytes", 0));
    json_add_str(out, "IndexServerAddress", "https://index.docker.io/v1/");
    add_registry_config(out, config, api);
    json_add_null(out, "GenericResources");
    static const char *const proxies[] = {"HttpProxy", "HttpsProxy", "NoProxy"};
    for (size_t i = 0; i < ARRAY_SIZE(proxies); i++)
        json_add_str(out, proxies[i], "");
    json_add_str(out, "Name", config->name ? config->name : json_str(info, "name", ""));
    (void)json_add_arr(out, "Labels");
    json_add_bool(out, "ExperimentalBuild", false);
    json_add_str(out, "ServerVersion", DOCKER_PRODUCT_VERSION);
}

static void add_warnings(cJSON *out, const cJSON *info)
{
    cJSON *warnings = json_add_arr(out, "Warnings");
    if (strcmp(json_str(info, "acceleration", "tcg"), "kvm") != 0)
        json_push_str(warnings,
                      "WARNING: containers run by software emulation (TCG), which is slow: this "
                      "host's CPU offers no virtualization (vmx or svm)");
    const cJSON *id;
    cJSON_ArrayForEach(id, json_member(info, "unreadable"))
    {
        auto_free char *text = vic_xasprintf(
            "WARNING: the record of container %.12s cannot be read: what is left of it is kept, see "
            "the port layer's log",
            cJSON_GetStringValue(id));
        json_push_str(warnings, text);
    }
}

static void on_info(struct docker_req *r, const struct vic_err *err, const cJSON *info, void *arg)
{
    (void)arg;
    if (err) {
        docker_reply_error(r, err);
        return;
    }
    cJSON *out = json_new_obj();
    json_add_str(out, "ID", json_str(info, "id", ""));
    add_counts(out, info);
    add_driver(out, info);
    add_plugins(out);
    add_abilities(out, r->api);
    add_host(out, info, &r->docker->config, r->api);
    add_runtime(out, r->api);
    add_swarm(out);
    add_warnings(out, info);
    docker_reply_json(r, DOCKER_OK, out);
}

void docker_system_info(struct docker_req *r)
{
    docker_intent(r, "GET", "/v1/info", NULL, on_info, NULL);
}

/* ---- disk usage ------------------------------------------------------------------------------------------ */

enum df_type {
    DF_CONTAINER,
    DF_IMAGE,
    DF_VOLUME,
    DF_BUILD_CACHE,
    DF_TYPES
};

struct df {
    bool wants[DF_TYPES];
    cJSON *images; /* owned: the port layer's answer */
};

static void df_free(struct df *df)
{
    cJSON_Delete(df->images);
    free(df);
}

/* Without a type, and for clients that are older than it, everything. */
static int df_parse(const struct docker_req *r, struct df *df, struct vic_err *err)
{
    static const char *const names[DF_TYPES] = {
        [DF_CONTAINER] = "container",
        [DF_IMAGE] = "image",
        [DF_VOLUME] = "volume",
        [DF_BUILD_CACHE] = "build-cache",
    };
    const char *type = r->api < DOCKER_API(1, 42) ? NULL : docker_req_query(r, "type");
    for (size_t i = 0; i < DF_TYPES; i++)
        df->wants[i] = !type;
    for (size_t n = 1; type; type = docker_req_query_nth(r, "type", n++)) {
        size_t i = 0;
        while (i < DF_TYPES && strcmp(names[i], type) != 0)
            i++;
        if (i == DF_TYPES)
            return vic_fail(err, VIC_ERR_INVALID, 0, "unknown object type: %.100s", type);
        df->wants[i] = true;
    }
    return 0;
}

static cJSON *df_images(const cJSON *images, const cJSON *containers, unsigned api)
{
    cJSON *out = json_new_arr();
    const cJSON *i;
    cJSON_ArrayForEach(i, images)
    {
        json_push(out, docker_image_summary_json(i, containers, api));
    }
    return out;
}

static cJSON *df_containers(const cJSON *containers, const cJSON *images)
{
    cJSON *out = json_new_arr();
    int64_t now_ns = vic_clock_wall_ns();
    const cJSON *c;
    cJSON_ArrayForEach(c, containers)
    {
        json_push(out, docker_summary_json(c, images, now_ns, true));
    }
    return out;
}

static void on_df_containers(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                             void *arg)
{
    struct df *df = arg;
    if (err) {
        docker_reply_error(r, err);
        df_free(df);
        return;
    }
    /* The document is ours until this returns; sizes are noted in it. */
    cJSON *containers = cJSON_GetObjectItemCaseSensitive(doc, "containers");
    const cJSON *images = json_member(df->images, "images");
    docker_note_image_sizes(containers, images);
    cJSON *out = json_new_obj();
    json_add_i64(out, "LayersSize",
                 df->wants[DF_IMAGE] ? json_i64(df->images, "layers_size", 0) : 0);
    json_add(out, "Images", df->wants[DF_IMAGE] ? df_images(images, containers, r->api) : NULL);
    json_add(out, "Containers", df->wants[DF_CONTAINER] ? df_containers(containers, images) : NULL);
    json_add(out, "Volumes", df->wants[DF_VOLUME] ? json_new_arr() : NULL);
    json_add(out, "BuildCache", df->wants[DF_BUILD_CACHE] ? json_new_arr() : NULL);
    docker_reply_json(r, DOCKER_OK, out);
    df_free(df);
}

static void on_df_images(struct docker_req *r, const struct vic_err *err, const cJSON *doc,
                         void *arg)
{
    struct df *df = arg;
    if (err) {
        docker_reply_error(r, err);
        df_free(df);
        return;
    }
    df->images = json_dup(doc);
    docker_intent(r, "GET", "/v1/containers?size=1", NULL, on_df_containers, df);
}

void docker_system_df(struct docker_req *r)
{
    struct df *df = vic_new(struct df);
    struct vic_err err;
    if (df_parse(r, df, &err) < 0) {
        docker_reply_error(r, &err);
        df_free(df);
        return;
    }
    docker_intent(r, "GET", "/v1/images?labels=1&shared=1", NULL, on_df_images, df);
}
