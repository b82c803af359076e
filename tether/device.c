/* Looks in sysfs, and again after each uevent. */
#include "tether/device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

/* Software emulation on a busy host is slow; a device that is not there by then never comes. */
#define DEVICE_TIMEOUT_MS 30000
#define KERNEL_UEVENTS 1 /* the multicast group the kernel itself sends to */

static int listen_for_uevents(void)
{
    auto_close int fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_UEVENTS};
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* Whether class/entry/attribute holds exactly this text (and a newline). */
static bool attribute_is(const char *class, const char *entry, const char *attribute,
                         const char *want)
{
    char path[512];
    char text[128];
    (void)snprintf(path, sizeof(path), "/sys/%s/%s/%s", class, entry, attribute);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text));
    while (n > 0 && text[n - 1] == '\n')
        n--;
    return n >= 0 && (size_t)n == strlen(want) && memcmp(text, want, (size_t)n) == 0;
}

/* 1 and the entry's name if there is one. */
static int scan(const char *class, const char *attribute, const char *want, char *ret_path)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/sys/%s", class);
    DIR *d = opendir(path);
    int found = 0;
    for (struct dirent *e; d && !found && (e = readdir(d));)
        if (e->d_name[0] != '.' && attribute_is(class, e->d_name, attribute, want)) {
            (void)snprintf(ret_path, TETHER_DEVICE_PATH_MAX, "/dev/%s", e->d_name);
            found = access(ret_path, F_OK) == 0;
        }
    if (d)
        (void)closedir(d);
    return found;
}

/* Listens first and looks then, so that no announcement falls between. */
static int find(const char *class, const char *attribute, const char *want, char *ret_path,
                struct vic_err *err)
{
    auto_close int fd = listen_for_uevents();
    if (fd < 0)
        return vic_fail_errno(err, -fd, "listen for uevents");
    uint64_t deadline = vic_clock_monotonic_ms() + DEVICE_TIMEOUT_MS;
    while (!scan(class, attribute, want, ret_path)) {
        uint64_t now = vic_clock_monotonic_ms();
        if (now >= deadline)
            return vic_fail(err, VIC_ERR_NOT_FOUND, ENODEV, "no device '%s' in /sys/%s", want,
                            class);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        (void)poll(&p, 1, (int)(deadline - now));
        char event[8192];
        while (recv(fd, event, sizeof(event), 0) > 0)
            continue; /* that something came is all we ask */
    }
    return 0;
}

int tether_device_open_port(const char *name, int flags, int *ret_fd, struct vic_err *err)
{
    char path[TETHER_DEVICE_PATH_MAX];
    int r = find("class/virtio-ports", "name", name, path, err);
    if (r < 0)
        return r;
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return vic_fail_errno(err, errno, "open %s", path);
    *ret_fd = fd;
    return 0;
}

int tether_device_find_disk(const char *serial, char *ret_path, struct vic_err *err)
{
    return find("block", "serial", serial, ret_path, err);
}
