/* The configuration file that vic-machine writes for a VCH's personality. */
#pragma once

#include "lib/base/err.h"
#include "personality/docker/docker.h"

/* INVALID names the member that is wrong. */
int docker_config_load(const char *path, struct docker_config *ret_config, struct vic_err *err);
int docker_config_parse(const char *text, size_t len, struct docker_config *ret_config,
                        struct vic_err *err);
void docker_config_release(struct docker_config *c);
