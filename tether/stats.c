/* Reads the container's cgroup (version 2) and its VM's interfaces. */
#include "tether/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

#define FILE_MAX 16384 /* bytes: each file is a list that grows with devices at most */

/* All of a file that fits, NUL-terminated; false if there is none. */
static bool read_at(int dir, const char *name, char text[FILE_MAX])
{
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n = -1;
    while (fd >= 0 && (n = read(fd, text + len, FILE_MAX - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return n == 0 && len > 0;
}

/* A file of one number; "max" and what is not there add nothing. */
static void add_number(cJSON *obj, const char *member, int dir, const char *name)
{
    char text[FILE_MAX];
    uint64_t n;
    if (!read_at(dir, name, text))
        return;
    text[strcspn(text, "\n")] = '\0';
    if (vic_str_to_u64(text, 0, INT64_MAX, &n) == 0)
        json_add_i64(obj, member, (int64_t)n);
}

/* A file of lines "name number". */
static void add_numbers(cJSON *obj, int dir, const char *name)
{
    char text[FILE_MAX];
    char *save = NULL;
    if (!read_at(dir, name, text))
        return;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *blank = strchr(line, ' ');
        uint64_t n;
        if (!blank || vic_str_to_u64(blank + 1, 0, INT64_MAX, &n) < 0)
            continue;
        *blank = '\0';
        json_add_i64(obj, line, (int64_t)n);
    }
}

static void add_memory(cJSON *doc, int proc_fd, int dir)
{
    char text[FILE_MAX];
    int64_t total_kib = 0;
    cJSON *memory = json_add_obj(doc, "memory");
    add_number(memory, "usage", dir, "memory.current");
    add_number(memory, "limit", dir, "memory.max");
    if (read_at(proc_fd, "meminfo", text) && !json_member(memory, "limit") &&
        sscanf(text, "MemTotal: %" SCNd64, &total_kib) == 1)
        json_add_i64(memory, "limit", total_kib * 1024);
    add_numbers(json_add_obj(memory, "stats"), dir, "memory.stat");
}

/* Lines "254:0 rbytes=1 wbytes=2 rios=...". */
static void add_io(cJSON *doc, int dir)
{
    char text[FILE_MAX];
    char *save = NULL;
    cJSON *list = json_add_arr(doc, "io");
    if (!read_at(dir, "io.stat", text))
        return;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned major, minor;
        int64_t read_bytes, written_bytes;
        if (sscanf(line, "%u:%u rbytes=%" SCNd64 " wbytes=%" SCNd64, &major, &minor, &read_bytes,
                   &written_bytes) != 4)
            continue;
        cJSON *device = json_new_obj();
        json_add_i64(device, "major", major);
        json_add_i64(device, "minor", minor);
        json_add_i64(device, "read_bytes", read_bytes);
        json_add_i64(device, "written_bytes", written_bytes);
        json_push(list, device);
    }
}

/* Lines "  eth0: " and 16 numbers, of which the 1st to 4th and the 9th to 12th count. */
static void add_networks(cJSON *doc, int proc_fd)
{
    static const char *const members[] = {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
                                          "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};
    char text[FILE_MAX];
    char *save = NULL;
    cJSON *networks = json_add_obj(doc, "networks");
    if (!read_at(proc_fd, "self/net/dev", text))
        return;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[32];
        int64_t n[ARRAY_SIZE(members)];
        if (sscanf(line,
                   " %31[^: ]: %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                   " %*u %*u %*u %*u %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64,
                   name, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]) != 9 ||
            strcmp(name, "lo") == 0)
            continue;
        cJSON *interface = json_add_obj(networks, name);
        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
            json_add_i64(interface, members[i], n[i]);
    }
}

int tether_stats(const char *proc, int cgroup_fd, cJSON **ret_doc, struct vic_err *err)
{
    struct timespec now;
    auto_close int proc_fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc_fd < 0 || cgroup_fd < 0)
        return vic_fail_errno(err, proc_fd < 0 ? errno : ENOENT, "read the container's cgroup");
    cJSON *doc = json_new_obj();
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    json_add_i64(doc, "clock_ns", now.tv_sec * VIC_NS_PER_S + now.tv_nsec);
    json_add_i64(doc, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
    add_numbers(json_add_obj(doc, "cpu"), cgroup_fd, "cpu.stat");
    add_memory(doc, proc_fd, cgroup_fd);
    cJSON *pids = json_add_obj(doc, "pids");
    add_number(pids, "current", cgroup_fd, "pids.current");
    add_number(pids, "limit", cgroup_fd, "pids.max");
    add_io(doc, cgroup_fd);
    add_networks(doc, proc_fd);
    *ret_doc = doc;
    return 0;
}
