/* Where a VCH's Docker API listens: "unix:///path" or "tcp://address:port". */
#pragma once

#include "lib/base/err.h"

/* INVALID says what is wrong: no scheme, a path over 107 bytes, TCP beyond loopback (which waits for
 * certificates). */
int mach_listen_check(const char *url, struct vic_err *err);

/* Opens it: a unix socket is root:docker 0660 (root:root if there is no such group). */
int mach_listen_open(const char *url, int *ret_fd, struct vic_err *err);

/* Removes a unix socket's file. */
void mach_listen_unlink(const char *url);
