/* /etc/hosts and /etc/resolv.conf of a container, as Docker writes them; the tether puts them in place. */
#pragma once

#include "portlayer/execution/record.h"

/* Both are the caller's to free. */
char *pl_guest_hosts(const struct pl_record *rec);
char *pl_guest_resolv_conf(const struct pl_record *rec);

/* The hostname the container sees: the spec's, or the short id.  ret holds 64 bytes. */
void pl_guest_hostname(const struct pl_record *rec, char ret[64]);
