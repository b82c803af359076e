/* What the container uses of its VM. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

/* proc: the folder /proc.  cgroup_fd: the container's cgroup.  The caller's; what the kernel does not tell is
 * left out.  All are counters since the VM's start but memory's and pids':
 * {"clock_ns"(time, not CPU time),"cpus","cpu":{"usage_usec",... as cpu.stat},
 *  "memory":{"usage","limit","stats":{as memory.stat}},"pids":{"current","limit"},
 *  "io":[{"major","minor","read_bytes","written_bytes"}],
 *  "networks":{name:{"rx_bytes","rx_packets","rx_errors","rx_dropped","tx_..."}}} */
int tether_stats(const char *proc, int cgroup_fd, cJSON **ret_doc, struct vic_err *err);
