/* Reads /proc of every process in the container's cgroup.  What a process says of itself is hostile: its
 * name and arguments are any bytes, of any length. */
#include "tether/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

#define FILE_MAX 8192 /* bytes; of stat, status and meminfo the first are enough */

/* The first bytes of a file, NUL-terminated; their number, or -1. */
static ssize_t read_at(int dir, const char *name, char *text, size_t size)
{
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    return n;
}

/* "?" for what is no printable ASCII, as ps in the C locale. */
static void make_plain(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static long ms_per_tick(void)
{
    return 1000 / sysconf(_SC_CLK_TCK);
}

/* "pts/0"; "" without one. */
static void add_tty(cJSON *p, uint64_t device)
{
    unsigned number = minor(device);
    switch (major(device)) {
    case 136 ... 143:
        json_addf(p, "tty", "pts/%u", number + (major(device) - 136) * 256);
        return;
    case 5:
        json_add_str(p, "tty", number == 1 ? "console" : "tty");
        return;
    case 4:
        json_addf(p, "tty", number < 64 ? "tty%u" : "ttyS%u", number < 64 ? number : number - 64);
        return;
    default:
        json_add_str(p, "tty", "");
    }
}

static int read_stat(int dir, int64_t now_ms, cJSON *p)
{
    char text[FILE_MAX];
    char state;
    long ppid, pgid, sid, tpgid, priority, nice, threads, rss;
    unsigned long utime, stime, vsz;
    unsigned long long start;
    unsigned tty;
    char *name;
    char *end;
    if (read_at(dir, "stat", text, sizeof(text)) <= 0 || !(name = strchr(text, '(')) ||
        !(end = strrchr(text, ')')) || /* the name may hold both */
        sscanf(end + 1,
               " %c %ld %ld %ld %u %ld %*u %*u %*u %*u %*u %lu %lu %*d %*d %ld %ld %ld %*d %llu "
               "%lu %ld",
               &state, &ppid, &pgid, &sid, &tty, &tpgid, &utime, &stime, &priority, &nice, &threads,
               &start, &vsz, &rss) != 14)
        return -EIO;
    *end = '\0';
    make_plain(name + 1);
    json_add_str(p, "comm", name + 1);
    json_addf(p, "state", "%c", state);
    json_add_i64(p, "ppid", ppid);
    json_add_i64(p, "pgid", pgid);
    json_add_i64(p, "sid", sid);
    add_tty(p, tty);
    json_add_bool(p, "is_foreground", tty != 0 && tpgid == pgid);
    json_add_i64(p, "priority", priority);
    json_add_i64(p, "nice", nice);
    json_add_i64(p, "threads", threads);
    int64_t age_ms = now_ms - (int64_t)start * ms_per_tick();
    json_add_i64(p, "age_ms", age_ms > 0 ? age_ms : 0);
    json_add_i64(p, "cpu_ms", (int64_t)(utime + stime) * ms_per_tick());
    json_add_i64(p, "vsz_bytes", (int64_t)vsz);
    json_add_i64(p, "rss_bytes", rss * sysconf(_SC_PAGESIZE));
    return 0;
}

static int read_ids(int dir, cJSON *p)
{
    char text[FILE_MAX];
    unsigned uid, gid;
    if (read_at(dir, "status", text, sizeof(text)) <= 0)
        return -EIO;
    const char *u = strstr(text, "\nUid:");
    const char *g = strstr(text, "\nGid:");
    if (!u || !g || sscanf(u, " Uid: %*u %u", &uid) != 1 || sscanf(g, " Gid: %*u %u", &gid) != 1)
        return -EIO;
    json_add_i64(p, "uid", uid);
    json_add_i64(p, "gid", gid);
    return 0;
}

static void read_args(int dir, size_t *left, cJSON *p)
{
    char text[TETHER_ARGS_MAX];
    ssize_t n = read_at(dir, "cmdline", text, sizeof(text));
    while (n > 0 && text[n - 1] == '\0')
        n--;
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    if (n <= 0 || (size_t)n > *left) {
        json_add_str(p, "args", "");
        return;
    }
    *left -= (size_t)n;
    make_plain(text);
    json_add_str(p, "args", text);
}

/* One that has ended meanwhile is left out. */
static void add_process(int proc_fd, const char *pid, int64_t now_ms, size_t *left, cJSON *list)
{
    auto_close int dir = openat(proc_fd, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_json cJSON *p = json_new_obj();
    if (dir < 0)
        return;
    json_add_i64(p, "pid", strtol(pid, NULL, 10));
    if (read_stat(dir, now_ms, p) < 0 || read_ids(dir, p) < 0)
        return;
    read_args(dir, left, p);
    json_push(list, TAKE_PTR(p));
}

static int add_all(int proc_fd, FILE *pids, cJSON *list, struct vic_err *err)
{
    char line[32];
    struct timespec now;
    size_t left = TETHER_ALL_ARGS_MAX;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    int64_t now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    for (int n = 0; fgets(line, sizeof(line), pids); n++) {
        if (n == TETHER_PROCESSES_MAX)
            return vic_fail(err, VIC_ERR_UNAVAILABLE, 0, "more than %d processes run",
                            TETHER_PROCESSES_MAX);
        line[strcspn(line, "\n")] = '\0';
        if (line[0] && line[strspn(line, "0123456789")] == '\0')
            add_process(proc_fd, line, now_ms, &left, list);
    }
    return 0;
}

int tether_processes(const char *proc, int cgroup_fd, cJSON **ret_doc, struct vic_err *err)
{
    char text[FILE_MAX];
    uint64_t memory_kib = 0;
    auto_close int proc_fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(cgroup_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *pids = fd < 0 ? NULL : fdopen(fd, "r");
    if (proc_fd < 0 || !pids)
        return vic_fail_errno(err, errno, "list the container's processes");
    if (read_at(proc_fd, "meminfo", text, sizeof(text)) > 0)
        (void)sscanf(text, "MemTotal: %" SCNu64, &memory_kib);
    auto_json cJSON *doc = json_new_obj();
    json_add_i64(doc, "memory_bytes", (int64_t)memory_kib * 1024);
    int r = add_all(proc_fd, pids, json_add_arr(doc, "processes"), err);
    (void)fclose(pids);
    if (r == 0)
        *ret_doc = TAKE_PTR(doc);
    return r;
}
