/* Makes and inherits listening sockets. */
#include "lib/host/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#define BACKLOG 511
#define FIRST_FD 3 /* SD_LISTEN_FDS_START of sd_listen_fds(3) */
#define FDS_MAX 16

/* Whether someone accepts there: only then is a socket's file not stale. */
static bool is_alive(const struct sockaddr_un *addr)
{
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 &&
           (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN);
}

int host_listen_unix(const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret_fd,
                     struct vic_err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path))
        return vic_fail(err, VIC_ERR_INVALID, ENAMETOOLONG,
                        "socket path '%s' is longer than %zu bytes", path,
                        sizeof(addr.sun_path) - 1);
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return vic_fail_errno(err, errno, "create a socket");
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        if (is_alive(&addr))
            return vic_fail(err, VIC_ERR_CONFLICT, EADDRINUSE, "another process listens on '%s'",
                            path);
        (void)unlink(path); /* or bind says so */
    }
    /* The socket's file is born with the descriptor's mode: nobody can come in before chmod. */
    if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        chown(path, uid, gid) < 0 || chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0)
        return vic_fail_errno(err, errno, "listen on '%s'", path);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int host_listen_tcp(const char *address, unsigned port, int *ret_fd, struct vic_err *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
        return vic_fail(err, VIC_ERR_INVALID, 0, "'%s' is no numeric address", address);
    auto_close int fd =
        socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return vic_fail_errno(err, errno, "create a socket");
    const int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* or bind says so */
    const struct sockaddr *addr = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    if (bind(fd, addr, is_v4 ? sizeof(v4) : sizeof(v6)) < 0 || listen(fd, BACKLOG) < 0)
        return vic_fail_errno(err, errno, "listen on '%s' port %u", address, port);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int host_listen_fds(int *ret_first)
{
    const char *pid = getenv("LISTEN_PID");
    const char *fds = getenv("LISTEN_FDS");
    uint64_t pid_value = 0;
    uint64_t n = 0;
    bool is_ours = pid && fds && vic_str_to_u64(pid, 1, INT32_MAX, &pid_value) == 0 &&
                   (pid_t)pid_value == getpid() && vic_str_to_u64(fds, 0, FDS_MAX, &n) == 0;
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (!is_ours)
        return 0;
    for (int fd = FIRST_FD; fd < FIRST_FD + (int)n; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    *ret_first = FIRST_FD;
    return (int)n;
}
