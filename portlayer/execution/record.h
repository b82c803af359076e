/* What is remembered of a container: DATASTORE/containers/<id>/container.json, replaced atomically. */
#pragma once

#include <stdint.h>

#include "lib/base/id.h"
#include "portlayer/execution/container.h"
#include "portlayer/execution/spec.h"
#include "portlayer/network/network.h"

#define PL_RECORD_VERSION 1
#define PL_RECORD_MAX (16u << 20)
#define PL_ERROR_MAX 512

struct pl_record {
    char id[VIC_ID_LEN + 1];
    char *name;
    char *image;
    char *chain_id;
    int64_t created_ns;
    struct pl_spec spec;
    cJSON *annotations;      /* owned; {string:string} */
    cJSON *event_attributes; /* owned; {string:string} */
    struct pl_endpoint endpoints[PL_NETWORKS_MAX];
    size_t n_endpoints;

    unsigned revision; /* of spec and annotations, since they were read or made */
    enum pl_state state;
    unsigned run;     /* number of the last start; names its output file; 0: never started */
    char vm_uuid[37]; /* of that run */
    char boot_id[40]; /* of the host, then */
    uint64_t vm_memory_bytes; /* of that run */
    unsigned vm_cpus;
    int exit_code;
    char error[PL_ERROR_MAX];
    bool oom_killed;
    unsigned restarts;       /* by the restart policy, since somebody asked for a start */
    bool is_stopped;         /* somebody asked for its end and for no start since */
    struct pl_health health; /* its log is not in the file */
    int64_t started_ns;      /* 0: never */
    int64_t finished_ns;     /* 0: never */
};

char *pl_record_to_text(const struct pl_record *rec);
/* INVALID names what is wrong; also a version this program does not know. */
int pl_record_from_text(const char *text, size_t len, struct pl_record *ret_rec,
                        struct vic_err *err);
void pl_record_release(struct pl_record *rec);
/* The exit code of a run whose VM is gone without an exit record: 137, or 255 when the host was booted
 * since (boot_id: of the host now). */
int pl_record_code_of_loss(const struct pl_record *rec, const char *boot_id);
