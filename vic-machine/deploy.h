/* A VCH's daemons as a pair: bringing up what is not running, taking both down, wiping all traces. */
#pragma once

#include "vic-machine/vch.h"

struct mach_status {
    bool is_portlayer_up;
    bool is_docker_up;
};

struct mach_status mach_deploy_status(const struct mach_vch *v);

/* Idempotent: libvirtd, the run folder, the port layer, the Docker API, each only where missing; returns
 * when both answer.  On failure, what this call started is stopped again. */
int mach_deploy_start(const struct mach_vch *v, struct vic_err *err);

/* Idempotent.  The containers run on: libvirt keeps them. */
int mach_deploy_stop(const struct mach_vch *v, struct vic_err *err);

/* Stops both, then removes every VM, network and packet filter of the VCH, then its files. */
int mach_deploy_wipe(const struct mach_vch *v, struct vic_err *err);
