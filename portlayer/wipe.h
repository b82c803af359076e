/* The removal of everything a VCH has outside its datastore. */
#pragma once

#include <libvirt/libvirt.h>

#include "lib/base/err.h"
#include "portlayer/pl.h"

/* Blocking, with no room open: ends every VM that carries the VCH's id, then removes its networks and
 * packet filter.  What is not there is no error; it goes on past a failure and reports the first. */
int pl_wipe(const struct pl_config *config, virConnectPtr conn, struct vic_err *err);
