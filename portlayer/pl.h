/*
 * Inside the port layer: its configuration and the four rooms a request handler may need.
 *
 * Every rpc handler of the port layer gets a `struct pl *` as its argument.  Each room offers its
 * routes as a table; main.c joins them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "lib/rpc/rpc.h"

struct pl_events;
struct pl_storage;
struct pl_network;
struct pl_execution;

/* Read once from DATASTORE/vch.json, which vic-machine wrote; all strings are owned. */
struct pl_config {
    char *id;           /* of the VCH: 8 hex digits; part of bridge, nft table and domain names */
    char *name;         /* of the VCH */
    char *datastore;    /* absolute path */
    char *run_dir;      /* /run/vic/<id> */
    char *iso_dir;      /* where bootstrap.iso and its kernel and initrd are */
    char *libexec_dir;  /* where vic-layer is */
    char *libvirt_uri;  /* qemu:///system */
    char *acceleration; /* "auto", "kvm" or "tcg" */
    char *boot;         /* "direct" or "iso" */
    uint64_t default_memory_bytes;
    uint64_t disk_size_bytes;
    unsigned
        default_cpus; /* of a VM; 0 until pl_execution_new() chose what fits the acceleration */
    uid_t qemu_uid;   /* libvirt-qemu, found by name */
    gid_t qemu_gid;
    uid_t layer_uid; /* vic-layer; (uid_t)-1 if there is no such user */
    gid_t layer_gid;
};

struct pl {
    uv_loop_t *loop;
    struct pl_config config;
    struct pl_events *events;
    struct pl_storage *storage;
    struct pl_network *network;
    struct pl_execution *execution;
};

/* DATASTORE/vch.json: INVALID names the member that is wrong. */
int pl_config_load(const char *path, struct pl_config *ret_config, struct vic_err *err);
void pl_config_release(struct pl_config *c);
