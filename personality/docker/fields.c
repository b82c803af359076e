/* The table of fields, and how it is applied. */
#include "personality/docker/fields.h"

#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

#define CONFIG DOCKER_FIELD_CONFIG
#define HOST DOCKER_FIELD_HOST
#define ENDPOINT DOCKER_FIELD_ENDPOINT
#define EXEC DOCKER_FIELD_EXEC
#define EXEC_START DOCKER_FIELD_EXEC_START
#define UPDATE DOCKER_FIELD_UPDATE

#define NEED_VOLUMES "keep data in the container, or copy it into the image"
#define NEED_PORTS "reach the container by its own address"
#define NEED_SIZE "Memory and NanoCpus bound a container"
#define NEED_NAMESPACE                                                                             \
    "every container has a kernel of its own, so there is nothing to share or isolate"
#define NEED_ANEW "create the container anew"
#define NEED_BRIDGE "containers share the network 'bridge'"

const struct docker_field docker_fields[] = {
    {CONFIG, "Hostname", true, NULL, "\"\"", NULL},
    {CONFIG, "Domainname", true, NULL, "\"\"", NULL},
    {CONFIG, "User", true, NULL, "\"\"", NULL},
    {CONFIG, "AttachStdin", true, NULL, "false", NULL},
    {CONFIG, "AttachStdout", true, NULL, "false", NULL},
    {CONFIG, "AttachStderr", true, NULL, "false", NULL},
    {CONFIG, "ExposedPorts", true, NULL, NULL, NULL},
    {CONFIG, "Tty", true, NULL, "false", NULL},
    {CONFIG, "OpenStdin", true, NULL, "false", NULL},
    {CONFIG, "StdinOnce", true, NULL, "false", NULL},
    {CONFIG, "Env", true, NULL, "null", NULL},
    {CONFIG, "Cmd", true, NULL, "null", NULL},
    {CONFIG, "Healthcheck", true, NULL, NULL, NULL},
    {CONFIG, "ArgsEscaped", false, NULL, NULL, "it concerns Windows only"},
    {CONFIG, "Image", true, NULL, "\"\"", NULL},
    {CONFIG, "Volumes", true, NULL, "null", NULL},
    {CONFIG, "WorkingDir", true, NULL, "\"\"", NULL},
    {CONFIG, "Entrypoint", true, NULL, "null", NULL},
    {CONFIG, "NetworkDisabled", false, NULL, NULL, "use the network mode 'none'"},
    {CONFIG, "MacAddress", false, NULL, NULL, "the address is chosen for the container"},
    {CONFIG, "OnBuild", false, NULL, "null", "it concerns building images only"},
    {CONFIG, "Labels", true, NULL, "{}", NULL},
    {CONFIG, "StopSignal", true, NULL, NULL, NULL},
    {CONFIG, "StopTimeout", true, NULL, NULL, NULL},
    {CONFIG, "Shell", false, NULL, NULL, "it concerns building images only"},
    {CONFIG, "HostConfig", true, NULL, NULL, NULL},
    {CONFIG, "NetworkingConfig", true, NULL, NULL, NULL},

    {HOST, "Binds", false, NULL, "null", NEED_VOLUMES},
    {HOST, "ContainerIDFile", true, NULL, "\"\"", NULL},
    {HOST, "LogConfig", true, NULL, "{\"Type\":\"json-file\",\"Config\":{}}", NULL},
    {HOST, "NetworkMode", true, NULL, "\"bridge\"", NULL},
    {HOST, "PortBindings", false, NULL, "{}", NEED_PORTS},
    {HOST, "RestartPolicy", true, NULL, "{\"Name\":\"no\",\"MaximumRetryCount\":0}", NULL},
    {HOST, "AutoRemove", true, NULL, "false", NULL},
    {HOST, "VolumeDriver", false, "local", "\"\"", NEED_VOLUMES},
    {HOST, "VolumesFrom", false, NULL, "null", NEED_VOLUMES},
    {HOST, "ConsoleSize", true, NULL, "[0,0]", NULL},
    {HOST, "Annotations", true, NULL, NULL, NULL},
    {HOST, "CapAdd", true, NULL, "null", NULL},
    {HOST, "CapDrop", true, NULL, "null", NULL},
    {HOST, "CgroupnsMode", false, "private", "\"private\"", NEED_NAMESPACE},
    {HOST, "Dns", true, NULL, "[]", NULL},
    {HOST, "DnsOptions", true, NULL, "[]", NULL},
    {HOST, "DnsSearch", true, NULL, "[]", NULL},
    {HOST, "ExtraHosts", true, NULL, "null", NULL},
    {HOST, "GroupAdd", true, NULL, "null", NULL},
    {HOST, "IpcMode", false, "private|shareable", "\"private\"", NEED_NAMESPACE},
    {HOST, "Cgroup", false, NULL, "\"\"", NEED_NAMESPACE},
    {HOST, "Links", false, NULL, "null", "reach other containers by their addresses"},
    {HOST, "OomScoreAdj", true, NULL, "0", NULL},
    {HOST, "PidMode", false, "private", "\"\"", NEED_NAMESPACE},
    {HOST, "Privileged", true, NULL, "false", NULL},
    {HOST, "PublishAllPorts", false, NULL, "false", NEED_PORTS},
    {HOST, "ReadonlyRootfs", true, NULL, "false", NULL},
    {HOST, "SecurityOpt", true, NULL, "null", NULL},
    {HOST, "StorageOpt", false, NULL, NULL, "every container's disk has the default size"},
    {HOST, "Tmpfs", true, NULL, NULL, NULL},
    {HOST, "Mounts", false, NULL, NULL, NEED_VOLUMES},
    {HOST, "UTSMode", false, NULL, "\"\"", NEED_NAMESPACE},
    {HOST, "UsernsMode", false, NULL, "\"\"", NEED_NAMESPACE},
    {HOST, "ShmSize", true, NULL, "67108864", NULL},
    {HOST, "Sysctls", true, NULL, NULL, NULL},
    {HOST, "Runtime", false, "vic", "\"vic\"", "there is one runtime, 'vic'"},
    {HOST, "Isolation", false, "default", "\"\"", NEED_NAMESPACE},
    {HOST, "CpuShares", false, NULL, "0", "every VM has the same share; bound it by --cpus"},
    {HOST, "Memory", true, NULL, "0", NULL},
    {HOST, "NanoCpus", true, NULL, "0", NULL},
    {HOST, "CgroupParent", false, NULL, "\"\"", NEED_NAMESPACE},
    {HOST, "BlkioWeight", false, NULL, "0", NEED_SIZE},
    {HOST, "BlkioWeightDevice", false, NULL, "[]", NEED_SIZE},
    {HOST, "BlkioDeviceReadBps", false, NULL, "[]", NEED_SIZE},
    {HOST, "BlkioDeviceWriteBps", false, NULL, "[]", NEED_SIZE},
    {HOST, "BlkioDeviceReadIOps", false, NULL, "[]", NEED_SIZE},
    {HOST, "BlkioDeviceWriteIOps", false, NULL, "[]", NEED_SIZE},
    {HOST, "CpuPeriod", true, NULL, "0", NULL},
    {HOST, "CpuQuota", true, NULL, "0", NULL},
    {HOST, "CpuRealtimePeriod", false, NULL, "0", NEED_SIZE},
    {HOST, "CpuRealtimeRuntime", false, NULL, "0", NEED_SIZE},
    {HOST, "CpusetCpus", true, NULL, "\"\"", NULL},
    {HOST, "CpusetMems", false, NULL, "\"\"", NEED_SIZE},
    {HOST, "Devices", false, NULL, "[]", "the VM has no devices of the host"},
    {HOST, "DeviceCgroupRules", false, NULL, "null", "the VM has no devices of the host"},
    {HOST, "DeviceRequests", false, NULL, "null", "the VM has no devices of the host"},
    {HOST, "KernelMemory", false, NULL, NULL, NEED_SIZE},
    {HOST, "KernelMemoryTCP", false, NULL, NULL, NEED_SIZE},
    {HOST, "MemoryReservation", true, NULL, "0", NULL},
    {HOST, "MemorySwap", true, NULL, "0", NULL},
    {HOST, "MemorySwappiness", false, "-1", "null", NEED_SIZE},
    {HOST, "OomKillDisable", true, NULL, "false", NULL},
    {HOST, "Init", true, NULL, NULL, NULL},
    {HOST, "PidsLimit", true, NULL, "null", NULL},
    {HOST, "Ulimits", true, NULL, "[]", NULL},
    {HOST, "CpuCount", false, NULL, "0", NEED_SIZE},
    {HOST, "CpuPercent", false, NULL, "0", NEED_SIZE},
    {HOST, "IOMaximumIOps", false, NULL, "0", NEED_SIZE},
    {HOST, "IOMaximumBandwidth", false, NULL, "0", NEED_SIZE},
    {HOST, "MaskedPaths", true, NULL, NULL, NULL},
    {HOST, "ReadonlyPaths", true, NULL, NULL, NULL},

    {ENDPOINT, "IPAMConfig", false, NULL, "null", "the address is chosen for the container"},
    {ENDPOINT, "Links", false, NULL, "null", "reach other containers by their addresses"},
    {ENDPOINT, "Aliases", false, NULL, "null", "give the container a name"},
    {ENDPOINT, "MacAddress", false, NULL, "\"\"", "the address is chosen for the container"},
    {ENDPOINT, "DriverOpts", false, NULL, "null", NEED_BRIDGE},
    {ENDPOINT, "GwPriority", false, NULL, "0", NEED_BRIDGE},
    /* What only inspect tells: clients send it back, Docker forgets it. */
    {ENDPOINT, "NetworkID", true, NULL, "\"\"", NULL},
    {ENDPOINT, "EndpointID", true, NULL, "\"\"", NULL},
    {ENDPOINT, "Gateway", true, NULL, "\"\"", NULL},
    {ENDPOINT, "IPAddress", true, NULL, "\"\"", NULL},
    {ENDPOINT, "IPPrefixLen", true, NULL, "0", NULL},
    {ENDPOINT, "IPv6Gateway", true, NULL, "\"\"", NULL},
    {ENDPOINT, "GlobalIPv6Address", true, NULL, "\"\"", NULL},
    {ENDPOINT, "GlobalIPv6PrefixLen", true, NULL, "0", NULL},
    {ENDPOINT, "DNSNames", true, NULL, "null", NULL},

    {EXEC, "AttachStdin", true, NULL, NULL, NULL},
    {EXEC, "AttachStdout", true, NULL, NULL, NULL},
    {EXEC, "AttachStderr", true, NULL, NULL, NULL},
    {EXEC, "ConsoleSize", true, NULL, NULL, NULL},
    {EXEC, "DetachKeys", true, NULL, NULL, NULL},
    {EXEC, "Tty", true, NULL, NULL, NULL},
    {EXEC, "Env", true, NULL, NULL, NULL},
    {EXEC, "Cmd", true, NULL, NULL, NULL},
    {EXEC, "Privileged", true, NULL, NULL, NULL},
    {EXEC, "User", true, NULL, NULL, NULL},
    {EXEC, "WorkingDir", true, NULL, NULL, NULL},

    {EXEC_START, "Detach", true, NULL, NULL, NULL},
    {EXEC_START, "Tty", true, NULL, NULL, NULL},
    {EXEC_START, "ConsoleSize", true, NULL, NULL, NULL},

    {UPDATE, "RestartPolicy", true, NULL, NULL, NULL},
    {UPDATE, "CpuShares", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "Memory", true, NULL, NULL, NULL},
    {UPDATE, "CgroupParent", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "BlkioWeight", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "BlkioWeightDevice", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "BlkioDeviceReadBps", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "BlkioDeviceWriteBps", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "BlkioDeviceReadIOps", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "BlkioDeviceWriteIOps", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "CpuPeriod", true, NULL, NULL, NULL},
    {UPDATE, "CpuQuota", true, NULL, NULL, NULL},
    {UPDATE, "CpuRealtimePeriod", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "CpuRealtimeRuntime", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "CpusetCpus", true, NULL, NULL, NULL},
    {UPDATE, "CpusetMems", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "Devices", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "DeviceCgroupRules", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "DeviceRequests", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "KernelMemory", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "KernelMemoryTCP", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "MemoryReservation", true, NULL, NULL, NULL},
    {UPDATE, "MemorySwap", true, NULL, NULL, NULL},
    {UPDATE, "MemorySwappiness", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "NanoCpus", true, NULL, NULL, NULL},
    {UPDATE, "OomKillDisable", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "Init", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "PidsLimit", true, NULL, NULL, NULL},
    {UPDATE, "Ulimits", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "CpuCount", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "CpuPercent", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "IOMaximumIOps", false, NULL, NULL, NEED_ANEW},
    {UPDATE, "IOMaximumBandwidth", false, NULL, NULL, NEED_ANEW},
};
const size_t docker_n_fields = ARRAY_SIZE(docker_fields);

static const struct docker_field *find(enum docker_field_scope scope, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(docker_fields); i++)
        if (docker_fields[i].scope == scope && strcasecmp(docker_fields[i].name, name) == 0)
            return &docker_fields[i];
    return NULL;
}

/* null, false, 0, "", [], {}, and objects of nothing else: what says nothing. */
static bool is_zero(const cJSON *v)
{
    if (cJSON_IsObject(v)) {
        const cJSON *m;
        cJSON_ArrayForEach(m, v) if (!is_zero(m)) return false;
        return true;
    }
    return cJSON_IsNull(v) || cJSON_IsFalse(v) || (cJSON_IsNumber(v) && v->valuedouble == 0) ||
           (cJSON_IsString(v) && v->valuestring[0] == '\0') || (cJSON_IsArray(v) && !v->child);
}

/* A map of names or ports: one key says something, whatever stands behind it. */
static bool is_empty_map(const struct docker_field *field, const cJSON *v)
{
    static const char *const maps[] = {"PortBindings", "StorageOpt", "DriverOpts"};
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
        if (strcmp(maps[i], field->name) == 0)
            return !cJSON_IsObject(v) || !v->child;
    return true;
}

static bool is_accepted(const struct docker_field *field, const cJSON *v)
{
    if (is_zero(v) && is_empty_map(field, v))
        return true;
    if (!field->accepts || !(cJSON_IsString(v) || cJSON_IsNumber(v)))
        return false;
    auto_free char *text =
        cJSON_IsString(v) ? vic_xstrdup(v->valuestring) : vic_xasprintf("%.0f", v->valuedouble);
    auto_strv char **accepted = vic_strv_split(field->accepts, '|');
    return vic_strv_contains(accepted, text);
}

int docker_fields_check(cJSON *obj, enum docker_field_scope scope, struct vic_err *err)
{
    static const char *const prefixes[] = {
        "", "HostConfig.", "NetworkingConfig.EndpointsConfig.", "", "", ""};
    cJSON *v;
    cJSON_ArrayForEach(v, obj)
    {
        const struct docker_field *field = find(scope, v->string);
        if (!field)
            continue; /* Docker ignores what it does not know */
        if (strcmp(field->name, v->string) != 0)
            memcpy(v->string, field->name, strlen(field->name)); /* the same letters */
        if (cJSON_GetObjectItemCaseSensitive(obj, field->name) != v)
            return vic_fail(err, VIC_ERR_INVALID, 0, "%s%s is given twice", prefixes[scope],
                            field->name);
        if (field->is_served || is_accepted(field, v))
            continue;
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0, "%s%s is not served here: %s",
                        prefixes[scope], field->name, field->instead);
    }
    return 0;
}

cJSON *docker_fields_show(enum docker_field_scope scope, const cJSON *have)
{
    cJSON *obj = json_new_obj();
    for (size_t i = 0; i < ARRAY_SIZE(docker_fields); i++) {
        const struct docker_field *field = &docker_fields[i];
        if (field->scope != scope)
            continue;
        const cJSON *v = json_member(have, field->name);
        if (v)
            json_add(obj, field->name, json_dup(v));
        else if (field->shown)
            json_add(obj, field->name, cJSON_Parse(field->shown));
    }
    return obj;
}
