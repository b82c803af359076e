/*
 * tether-drive SOCKET [METHOD PATH [BODY]]...: calls in order, answers on stdout, first error ends it.
 * METHOD "IN" sends BODY to stdin and closes it; PATH is ignored then.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test/lib/tether_drive.h"

static int call(struct tether_drive *d, char **argv, struct vic_err *err)
{
    if (strcmp(argv[0], "IN") == 0)
        return tether_drive_stdin(d, argv[2], strlen(argv[2]), true, err);
    auto_json cJSON *doc = NULL;
    int r = tether_drive_call(d, argv[0], argv[1], argv[2][0] ? argv[2] : NULL, &doc, err);
    if (r < 0)
        return r;
    auto_free char *text = json_print(doc);
    (void)puts(text);
    (void)fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct vic_err err = {0};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (argc < 2 || argc % 3 != 2 || strlen(argv[1]) >= sizeof(a.sun_path)) {
        (void)fputs("usage: tether-drive SOCKET [METHOD PATH BODY]...\n", stderr);
        return 2;
    }
    memcpy(a.sun_path, argv[1], strlen(argv[1]));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        perror(argv[1]);
        return 1;
    }
    struct tether_drive d;
    int r = tether_drive_open(&d, fd, &err);
    for (int i = 2; i < argc && r >= 0; i += 3)
        r = call(&d, argv + i, &err);
    if (r < 0)
        (void)fprintf(stderr, "%s: %s\n", vic_err_kind_to_string(err.kind), err.message);
    tether_drive_close(&d);
    return r < 0;
}
