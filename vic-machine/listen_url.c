/* Checks and opens the Docker API's listening socket. */
#include "vic-machine/listen_url.h"

#include <arpa/inet.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/host/listen.h"

static const char unix_scheme[] = "unix://";
static const char tcp_scheme[] = "tcp://";

/* "127.0.0.1:2375" or "[::1]:2375". */
static int split_tcp(const char *url, char **ret_address, unsigned *ret_port, struct vic_err *err)
{
    const char *rest = url + sizeof(tcp_scheme) - 1;
    const char *colon = strrchr(rest, ':');
    uint64_t port;
    if (!colon || colon == rest || vic_str_to_u64(colon + 1, 1, UINT16_MAX, &port) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "--listen '%s': expected tcp://ADDRESS:PORT with a port from 1 to 65535",
                        url);
    bool is_v6 = rest[0] == '[' && colon[-1] == ']';
    *ret_address = is_v6 ? vic_xstrndup(rest + 1, (size_t)(colon - rest) - 2)
                         : vic_xstrndup(rest, (size_t)(colon - rest));
    *ret_port = (unsigned)port;
    return 0;
}

static bool is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int check_tcp(const char *url, struct vic_err *err)
{
    auto_free char *address = NULL;
    unsigned port;
    int r = split_tcp(url, &address, &port, err);
    if (r == 0 && !is_loopback(address))
        return vic_fail(
            err, VIC_ERR_FORBIDDEN, 0,
            "--listen '%s': TCP beyond loopback needs TLS certificates, which this version "
            "cannot make; use a unix socket or tcp://127.0.0.1:PORT",
            url);
    return r;
}

static int check_unix(const char *url, struct vic_err *err)
{
    const char *path = url + sizeof(unix_scheme) - 1;
    size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    if (path[0] != '/')
        return vic_fail(err, VIC_ERR_INVALID, 0, "--listen '%s': expected unix:///ABSOLUTE/PATH",
                        url);
    if (strlen(path) > max)
        return vic_fail(err, VIC_ERR_INVALID, 0, "--listen '%s': the path is longer than %zu bytes",
                        url, max);
    return 0;
}

int mach_listen_check(const char *url, struct vic_err *err)
{
    if (vic_str_starts_with(url, unix_scheme))
        return check_unix(url, err);
    if (vic_str_starts_with(url, tcp_scheme))
        return check_tcp(url, err);
    return vic_fail(err, VIC_ERR_INVALID, 0,
                    "--listen '%s': expected unix:///PATH or tcp://ADDRESS:PORT", url);
}

int mach_listen_open(const char *url, int *ret_fd, struct vic_err *err)
{
    int r = mach_listen_check(url, err);
    if (r < 0)
        return r;
    if (vic_str_starts_with(url, unix_scheme)) {
        const struct group *gr = getgrnam("docker");
        return host_listen_unix(url + sizeof(unix_scheme) - 1, 0660, 0, gr ? gr->gr_gid : 0, ret_fd,
                                err);
    }
    auto_free char *address = NULL;
    unsigned port;
    r = split_tcp(url, &address, &port, err);
    return r < 0 ? r : host_listen_tcp(address, port, ret_fd, err);
}

void mach_listen_unlink(const char *url)
{
    if (vic_str_starts_with(url, unix_scheme))
        (void)unlink(url + sizeof(unix_scheme) - 1); /* gone already is as good */
}
