/* What every handler of vic-docker reaches: the loop, the port layer, the registry client. */
#pragma once

#include <stdbool.h>

#include <uv.h>

#include "imagec/imagec.h"
#include "lib/base/list.h"
#include "lib/host/rpc_uv.h"

struct docker_config {
    char *portlayer;            /* path of the port layer's socket */
    char *name;                 /* the VCH's; shown by info */
    char **insecure_registries; /* owned vector */
    char **registry_mirrors;    /* owned vector */
};

struct docker {
    uv_loop_t *loop;
    struct host_rpc_client *pl;
    struct img_client *registry;
    struct img_sink sink; /* the port layer's content store; one, so that pulls share blobs */
    struct docker_config config;
    struct docker_list_cache *list; /* owned */
    struct vic_list hijacks;        /* connections taken over from HTTP */
    struct vic_list updates;        /* of containers: those under way, and those behind them */
    size_t n_updates;
    size_t n_body_bytes;   /* of request bodies that are not complete yet */
    size_t n_answer_bytes; /* of answers that are not sent yet */
    unsigned n_pulls;      /* in progress */
    bool has_failed_pull;  /* since none was in progress */
    char **fresh;          /* owned vector: digests that pulls have brought since then */
    size_t n_fresh;
};
