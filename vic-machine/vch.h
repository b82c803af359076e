/*
 * A virtual container host as vic-machine sees it: its folder, its configuration, its sockets.
 *
 * A VCH lives in ROOT/NAME (its datastore); ROOT/NAME/vch.json is its configuration, which the port
 * layer reads too.  What lives only as long as the host is up is in /run/vic/ID.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

#define MACH_DEFAULT_ROOT "/var/lib/vic"
#define MACH_RUN_ROOT "/run/vic"
#define MACH_NAME_MAX 31 /* of a VCH, as vSphere Integrated Containers had it */
#define MACH_ID_LEN 8
#define MACH_CONFIG_FILE "vch.json"

/* All strings are owned. */
struct mach_vch {
    char *name;
    char *id;        /* 8 hex digits */
    char *root;      /* absolute */
    char *datastore; /* root/name */
    char *run_dir;   /* /run/vic/id */
    char *listen;    /* "unix:///path" or "tcp://127.0.0.1:port" */
    char *acceleration;
    char *boot;
    uint64_t default_memory_bytes;
    uint64_t disk_size_bytes;
    uint64_t default_cpus; /* 0: what fits the acceleration */
    char **insecure_registries;
    char **registry_mirrors;
};

#define auto_vch auto_(mach_vch_release)

void mach_vch_release(struct mach_vch *v);

/* Absolute path of root, which need not exist yet. */
char *mach_absolute(const char *root);

/* Letters, digits, '-', '_' and '.', starting with a letter or digit; INVALID says so. */
int mach_name_check(const char *name, struct vic_err *err);

/* NOT_FOUND when there is no such VCH. */
int mach_vch_load(const char *root, const char *name, struct mach_vch *ret_vch,
                  struct vic_err *err);
/* Writes vch.json into the datastore, which exists. */
int mach_vch_save(const struct mach_vch *v, struct vic_err *err);

/* Paths below run_dir; the caller's. */
char *mach_vch_portlayer_socket(const struct mach_vch *v);
char *mach_vch_pid_file(const struct mach_vch *v, const char *program);
