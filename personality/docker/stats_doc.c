/* One document of GET /containers/{}/stats.  What the guest says is copied number by number, under names and in
 * amounts that are bounded. */
#include "personality/docker/stats_doc.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

#define NEVER "0001-01-01T00:00:00Z" /* Go's zero time */
#define NAME_MAX_LEN 64
#define ENTRIES_MAX 256 /* of each list */

static int64_t count(const cJSON *obj, const char *member)
{
    int64_t n = json_i64(obj, member, 0);
    return n > 0 ? n : 0;
}

/* A product that a guest has made too large stays at the largest number. */
static int64_t times(int64_t n, int64_t factor)
{
    int64_t product;
    return __builtin_mul_overflow(n, factor, &product) ? INT64_MAX : product;
}

static bool is_name(const char *s)
{
    size_t len = strlen(s);
    for (const char *p = s; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-@", *p))
            return false;
    return len > 0 && len <= NAME_MAX_LEN;
}

/* system_cpu_usage is the time there was, not what the VM's CPUs counted of it: ticks get lost. */
static void add_cpu(cJSON *out, const char *member, const cJSON *guest)
{
    const cJSON *cpu = json_member(guest, "cpu");
    cJSON *stats = json_add_obj(out, member);
    cJSON *usage = json_add_obj(stats, "cpu_usage");
    json_add_i64(usage, "total_usage", times(count(cpu, "usage_usec"), 1000));
    json_add_i64(usage, "usage_in_kernelmode", times(count(cpu, "system_usec"), 1000));
    json_add_i64(usage, "usage_in_usermode", times(count(cpu, "user_usec"), 1000));
    if (guest) {
        json_add_i64(stats, "system_cpu_usage",
                     times(count(guest, "clock_ns"), count(guest, "cpus")));
        json_add_i64(stats, "online_cpus", count(guest, "cpus"));
    }
    cJSON *throttling = json_add_obj(stats, "throttling_data");
    json_add_i64(throttling, "periods", count(cpu, "nr_periods"));
    json_add_i64(throttling, "throttled_periods", count(cpu, "nr_throttled"));
    json_add_i64(throttling, "throttled_time", times(count(cpu, "throttled_usec"), 1000));
}

static void add_memory(cJSON *out, const cJSON *guest)
{
    const cJSON *memory = json_member(guest, "memory");
    const cJSON *m;
    int left = ENTRIES_MAX;
    cJSON *stats = json_add_obj(out, "memory_stats");
    if (!guest)
        return;
    json_add_i64(stats, "usage", count(memory, "usage"));
    json_add_i64(stats, "limit", count(memory, "limit"));
    cJSON *all = json_add_obj(stats, "stats");
    cJSON_ArrayForEach(m, json_member(memory, "stats"))
    {
        if (cJSON_IsNumber(m) && m->string && is_name(m->string) && left-- > 0)
            json_add_i64(all, m->string, count(json_member(memory, "stats"), m->string));
    }
}

static void add_entry(cJSON *list, const cJSON *device, const char *op, const char *member)
{
    cJSON *entry = json_new_obj();
    json_add_i64(entry, "major", count(device, "major"));
    json_add_i64(entry, "minor", count(device, "minor"));
    json_add_str(entry, "op", op);
    json_add_i64(entry, "value", count(device, member));
    json_push(list, entry);
}

/* As Docker has it of cgroup version 2. */
static void add_blkio(cJSON *out, const cJSON *guest)
{
    static const char *const absent[] = {
        "io_serviced_recursive",  "io_queue_recursive",  "io_service_time_recursive",
        "io_wait_time_recursive", "io_merged_recursive", "io_time_recursive",
        "sectors_recursive",
    };
    const cJSON *device;
    int left = ENTRIES_MAX;
    cJSON *stats = json_add_obj(out, "blkio_stats");
    cJSON *list = json_new_arr();
    cJSON_ArrayForEach(device, json_member(guest, "io"))
    {
        if (left-- <= 0)
            break;
        add_entry(list, device, "read", "read_bytes");
        add_entry(list, device, "write", "written_bytes");
    }
    json_add(stats, "io_service_bytes_recursive", list);
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        json_add_null(stats, absent[i]);
}

static void add_networks(cJSON *out, const cJSON *guest)
{
    static const char *const members[] = {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
                                          "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};
    const cJSON *interface;
    int left = ENTRIES_MAX;
    const cJSON *all = json_member(guest, "networks");
    if (!all || !all->child)
        return;
    cJSON *networks = json_add_obj(out, "networks");
    cJSON_ArrayForEach(interface, all)
    {
        if (!interface->string || !is_name(interface->string) || left-- <= 0)
            continue;
        cJSON *numbers = json_add_obj(networks, interface->string);
        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
            json_add_i64(numbers, members[i], count(interface, members[i]));
    }
}

cJSON *docker_stats_json(const cJSON *sample, const cJSON *before)
{
    const cJSON *guest = json_member(sample, "guest");
    const cJSON *pids = json_member(guest, "pids");
    const cJSON *vm = json_member(sample, "vm");
    cJSON *out = json_new_obj();
    json_addf(out, "name", "/%s", json_str(sample, "name", ""));
    json_add_str(out, "id", json_str(sample, "id", ""));
    json_add_str(out, "os_type", "linux");
    json_add_str(out, "read", json_str(sample, "read_at", NEVER));
    json_add_str(out, "preread", json_str(before, "read_at", NEVER));
    add_cpu(out, "cpu_stats", guest);
    add_cpu(out, "precpu_stats", json_member(before, "guest"));
    add_memory(out, guest);
    add_blkio(out, guest);
    cJSON *pids_stats = json_add_obj(out, "pids_stats");
    if (guest) {
        json_add_i64(pids_stats, "current", count(pids, "current"));
        json_add_i64(pids_stats, "limit", count(pids, "limit"));
    }
    json_add_i64(out, "num_procs", 0); /* Windows only */
    json_add_obj(out, "storage_stats");
    add_networks(out, guest);
    if (vm) { /* not Docker's: what the VM costs its host, the container included */
        cJSON *stats = json_add_obj(out, "vm_stats");
        json_add_i64(stats, "cpu_usage", count(vm, "cpu_ns"));
        json_add_i64(stats, "memory_usage", count(vm, "rss_bytes"));
    }
    return out;
}
