/* The container's processes as the kernel tells of them. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

#define TETHER_PROCESSES_MAX 4096      /* of one list: more are UNAVAILABLE */
#define TETHER_ARGS_MAX 4096u          /* bytes of one process's arguments; what follows is cut */
#define TETHER_ALL_ARGS_MAX (4u << 20) /* bytes of all: those beyond are told without */

/* proc: the folder /proc.  cgroup_fd: the container's cgroup, or -1.  The caller's:
 * {"memory_bytes","processes":[{"pid","ppid","pgid","sid","uid","gid","state","tty","is_foreground",
 * "nice","priority","threads","age_ms","cpu_ms","vsz_bytes","rss_bytes","comm","args"}]} */
int tether_processes(const char *proc, int cgroup_fd, cJSON **ret_doc, struct vic_err *err);
