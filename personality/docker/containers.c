/* From the port layer's container documents to Docker's. */
#include "personality/docker/containers.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/str.h"
#include "personality/docker/confine.h"
#include "personality/docker/convert.h"
#include "personality/docker/fields.h"
#include "personality/docker/health.h"
#include "personality/docker/images.h"
#include "personality/docker/intent.h"
#include "personality/docker/text.h"

#define NEVER "0001-01-01T00:00:00Z" /* Go's zero time */

const char *docker_image_of(const cJSON *container)
{
    return json_str(json_member(container, "annotations"), "docker.image",
                    json_str(container, "image", ""));
}

cJSON *docker_endpoint_json(const cJSON *network, bool is_running, const char *container_id)
{
    cJSON *e = json_new_obj();
    static const char *const nothing[] = {"IPAMConfig", "Links", "Aliases"};
    for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
        json_add_null(e, nothing[i]);
    json_add_str(e, "MacAddress", is_running ? json_str(network, "mac", "") : "");
    json_add_null(e, "DriverOpts");
    json_add_i64(e, "GwPriority", 0);
    json_add_str(e, "NetworkID", json_str(network, "id", ""));
    json_add_str(e, "EndpointID", is_running ? container_id : "");
    json_add_str(e, "Gateway", is_running ? json_str(network, "gateway", "") : "");
    json_add_str(e, "IPAddress", is_running ? json_str(network, "address", "") : "");
    json_add_i64(e, "IPPrefixLen", is_running ? json_i64(network, "prefix_len", 0) : 0);
    json_add_str(e, "IPv6Gateway", "");
    json_add_str(e, "GlobalIPv6Address", "");
    json_add_i64(e, "GlobalIPv6PrefixLen", 0);
    json_add_null(e, "DNSNames");
    return e;
}

cJSON *docker_endpoints_json(const cJSON *container, const char *mode)
{
    bool is_running = docker_state_is_running(json_member(container, "state"));
    cJSON *out = json_new_obj();
    const cJSON *n;
    cJSON_ArrayForEach(n, json_member(container, "networks"))
    {
        json_add(out, json_str(n, "name", ""),
                 docker_endpoint_json(n, is_running, json_str(container, "id", "")));
    }
    if (!out->child && strcmp(mode, "none") == 0)
        json_add(out, "none", docker_endpoint_json(NULL, false, ""));
    return out;
}

/* Sizes: the container's own disk, and that with its image's layers (which only the image knows). */
static void add_sizes(cJSON *out, const cJSON *container)
{
    int64_t own = json_i64(container, "size_bytes", 0);
    json_add_i64(out, "SizeRw", own);
    json_add_i64(out, "SizeRootFs", own + json_i64(container, "image_size_bytes", 0));
}

static int64_t image_size(const cJSON *images, const char *id)
{
    const cJSON *image;
    cJSON_ArrayForEach(image, images)
    {
        if (strcmp(json_str(image, "id", ""), id) == 0)
            return json_i64(image, "size", 0);
    }
    return 0;
}

void docker_note_image_sizes(cJSON *containers, const cJSON *images)
{
    cJSON *c;
    cJSON_ArrayForEach(c, containers)
    {
        json_add_i64(c, "image_size_bytes", image_size(images, json_str(c, "image", "")));
    }
}

static int64_t seconds(const char *time)
{
    int64_t ns = 0;
    (void)vic_clock_parse_rfc3339(time, &ns); /* else 1970 */
    return ns / VIC_NS_PER_S;
}

static char *slashed(const cJSON *container)
{
    return vic_xasprintf("/%s", json_str(container, "name", ""));
}

/* As `ps` shows it: where the name means another image by now, or none, the id is what is left. */
static const char *image_now(const cJSON *container, const cJSON *images)
{
    const char *name = docker_image_of(container);
    const char *id = json_str(container, "image", "");
    const cJSON *found = NULL;
    if (!images)
        return name;
    (void)docker_image_find(images, name, &found, NULL);
    return strcmp(json_str(found, "id", ""), id) == 0 ? name : id;
}

/* "80", "80/udp"; what an image may say besides is not shown. */
static void add_port(cJSON *ports, const char *exposed)
{
    static const char *const types[] = {"tcp", "udp", "sctp"};
    char *end = NULL;
    long port = strtol(exposed, &end, 10);
    const char *type = *end == '\0' ? "tcp" : end + 1;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (port <= 0 || port > UINT16_MAX || (*end && *end != '/') || strcmp(type, types[i]) != 0)
            continue;
        cJSON *p = json_new_obj();
        json_add_i64(p, "PrivatePort", port);
        json_add_str(p, "Type", types[i]);
        json_push(ports, p);
    }
}

/* Those that the image or the creator told of, while it has an address: none is published. */
static void add_ports(cJSON *out, const cJSON *said, const cJSON *container)
{
    const char *status = docker_text_state(json_member(container, "state"));
    bool is_up = strcmp(status, "running") == 0 || strcmp(status, "paused") == 0;
    bool has_network =
        json_member(container, "networks") && json_member(container, "networks")->child;
    cJSON *ports = json_add_arr(out, "Ports");
    const cJSON *exposed;
    cJSON_ArrayForEach(exposed, json_member(json_member(said, "Config"), "ExposedPorts"))
    {
        if (is_up && has_network && exposed->string)
            add_port(ports, exposed->string);
    }
}

cJSON *docker_summary_json(const cJSON *container, const cJSON *images, int64_t now_ns,
                           bool with_size)
{
    const cJSON *state = json_member(container, "state");
    auto_json cJSON *said = docker_create_document(container);
    const cJSON *host = json_member(said, "HostConfig");
    const char *mode = json_str(host, "NetworkMode", "default");
    auto_free char *name = slashed(container);
    auto_free char *command = docker_text_command(
        json_member(json_member(json_member(container, "spec"), "process"), "args"));
    auto_free char *status = docker_text_status(state, now_ns);
    cJSON *out = json_new_obj();
    json_add_str(out, "Id", json_str(container, "id", ""));
    json_push_str(json_add_arr(out, "Names"), name);
    json_add_str(out, "Image", image_now(container, images));
    json_add_str(out, "ImageID", json_str(container, "image", ""));
    json_add_str(out, "Command", command);
    json_add_i64(out, "Created", seconds(json_str(container, "created_at", "")));
    add_ports(out, said, container);
    if (with_size)
        add_sizes(out, container);
    const cJSON *labels = json_member(json_member(said, "Config"), "Labels");
    json_add(out, "Labels", labels ? json_dup(labels) : json_new_obj());
    json_add_str(out, "State", docker_text_state(state));
    json_add_str(out, "Status", status);
    cJSON *shown = json_add_obj(out, "HostConfig");
    json_add_str(shown, "NetworkMode", mode);
    if (json_member(host, "Annotations"))
        json_add(shown, "Annotations", json_dup(json_member(host, "Annotations")));
    json_add(json_add_obj(out, "NetworkSettings"), "Networks",
             docker_endpoints_json(container, mode));
    (void)json_add_arr(out, "Mounts");
    return out;
}

static void add_state(cJSON *out, const cJSON *state)
{
    const char *status = docker_text_state(state);
    const char *started = json_str(state, "started_at", "");
    const char *finished = json_str(state, "finished_at", "");
    bool is_running = docker_state_is_running(state);
    bool is_restarting = strcmp(status, "restarting") == 0;
    cJSON *s = json_add_obj(out, "State");
    json_add_str(s, "Status", status);
    json_add_bool(s, "Running", is_running);
    json_add_bool(s, "Paused", strcmp(status, "paused") == 0);
    json_add_bool(s, "Restarting", is_restarting);
    json_add_bool(s, "OOMKilled", json_bool(state, "oom_killed", false));
    json_add_bool(s, "Dead", strcmp(status, "dead") == 0);
    json_add_i64(s, "Pid", is_running && !is_restarting ? json_i64(state, "pid", 0) : 0);
    json_add_i64(s, "ExitCode", is_running && !is_restarting ? 0 : json_i64(state, "exit_code", 0));
    json_add_str(s, "Error", json_str(state, "error", ""));
    json_add_str(s, "StartedAt", started[0] ? started : NEVER);
    json_add_str(s, "FinishedAt", finished[0] ? finished : NEVER);
    cJSON *health = docker_health_json(state);
    if (health)
        json_add(s, "Health", health);
}

/* NetworkSettings repeats the default network's endpoint at its top, as clients expect. */
static void add_network_settings(cJSON *out, const cJSON *container, const char *mode)
{
    bool is_running = docker_state_is_running(json_member(container, "state"));
    const char *id = json_str(container, "id", "");
    const cJSON *networks = json_member(container, "networks");
    const cJSON *first = networks ? networks->child : NULL;
    cJSON *n = json_add_obj(out, "NetworkSettings");
    json_add_str(n, "Bridge", "");
    json_add_str(n, "SandboxID", is_running ? id : "");
    json_add_str(n, "SandboxKey", "");
    cJSON *ports = json_add_obj(n, "Ports");
    auto_json cJSON *said = docker_create_document(container);
    const cJSON *port;
    cJSON_ArrayForEach(port, json_member(json_member(said, "Config"), "ExposedPorts"))
    {
        if (is_running)
            json_add_null(ports, port->string);
    }
    json_add_bool(n, "HairpinMode", false);
    json_add_str(n, "LinkLocalIPv6Address", "");
    json_add_i64(n, "LinkLocalIPv6PrefixLen", 0);
    json_add_null(n, "SecondaryIPAddresses");
    json_add_null(n, "SecondaryIPv6Addresses");
    auto_json cJSON *endpoint = docker_endpoint_json(first, is_running, id);
    static const char *const repeated[] = {"EndpointID",          "Gateway",   "GlobalIPv6Address",
                                           "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen",
                                           "IPv6Gateway",         "MacAddress"};
    for (size_t i = 0; i < ARRAY_SIZE(repeated); i++)
        json_add(n, repeated[i], json_dup(json_member(endpoint, repeated[i])));
    json_add(n, "Networks", docker_endpoints_json(container, mode));
}

/* Path is the program, Args what it gets. */
static void add_command(cJSON *out, const cJSON *container)
{
    const cJSON *args = json_member(json_member(json_member(container, "spec"), "process"), "args");
    const cJSON *first = args ? args->child : NULL;
    json_add_str(out, "Path", cJSON_IsString(first) ? first->valuestring : "");
    cJSON *rest = json_add_arr(out, "Args");
    for (const cJSON *a = first ? first->next : NULL; a; a = a->next)
        if (cJSON_IsString(a))
            json_push_str(rest, a->valuestring);
}

static cJSON *config_json(const cJSON *container, const cJSON *said)
{
    cJSON *config = docker_fields_show(DOCKER_FIELD_CONFIG, json_member(said, "Config"));
    if (json_str(config, "Hostname", "")[0] == '\0') {
        char short_id[VIC_ID_SHORT_LEN + 1];
        (void)snprintf(short_id, sizeof(short_id), "%s", json_str(container, "id", ""));
        cJSON_ReplaceItemInObjectCaseSensitive(config, "Hostname", cJSON_CreateString(short_id));
    }
    return config;
}

static void add_identity(cJSON *out, const cJSON *container)
{
    auto_free char *name = slashed(container);
    json_add_str(out, "Image", json_str(container, "image", ""));
    static const char *const nowhere[] = {"ResolvConfPath", "HostnamePath", "HostsPath", "LogPath"};
    for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++)
        json_add_str(out, nowhere[i], ""); /* inside the VM, out of the host's sight */
    json_add_str(out, "Name", name);
    json_add_i64(out, "RestartCount", json_i64(json_member(container, "state"), "restarts", 0));
    json_add_str(out, "Driver", "qcow2");
    json_add_str(out, "Platform", "linux");
    static const char *const unlabelled[] = {"MountLabel", "ProcessLabel", "AppArmorProfile"};
    for (size_t i = 0; i < ARRAY_SIZE(unlabelled); i++)
        json_add_str(out, unlabelled[i], "");
    const cJSON *execs = json_member(container, "execs");
    if (execs && execs->child)
        json_add(out, "ExecIDs", json_dup(execs));
    else
        json_add_null(out, "ExecIDs");
}

/* As the creator said it, but for what can be updated. */
static cJSON *host_json(const cJSON *container, const cJSON *said)
{
    cJSON *host = docker_fields_show(DOCKER_FIELD_HOST, said);
    cJSON_ReplaceItemInObjectCaseSensitive(host, "RestartPolicy",
                                           docker_restart_json(json_member(container, "spec")));
    docker_confine_show(host);
    return host;
}

cJSON *docker_inspect_json(const cJSON *container, bool with_size)
{
    auto_json cJSON *said = docker_create_document(container);
    const cJSON *host = json_member(said, "HostConfig");
    cJSON *out = json_new_obj();
    json_add_str(out, "Id", json_str(container, "id", ""));
    json_add_str(out, "Created", json_str(container, "created_at", ""));
    add_command(out, container);
    add_state(out, json_member(container, "state"));
    add_identity(out, container);
    json_add(out, "HostConfig", host_json(container, host));
    cJSON *driver = json_add_obj(out, "GraphDriver");
    json_add_null(driver, "Data");
    json_add_str(driver, "Name", "qcow2");
    if (with_size)
        add_sizes(out, container);
    (void)json_add_arr(out, "Mounts");
    json_add(out, "Config", config_json(container, said));
    add_network_settings(out, container, json_str(host, "NetworkMode", "default"));
    return out;
}
