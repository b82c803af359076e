/*
 * What failed pulls have brought goes again.
 *
 * The port layer keeps whatever an image uses; a blob that another pull may still need is spared by
 * waiting until none is in progress.
 */
#pragma once

#include "personality/docker/docker.h"

void docker_sweep_pull_begins(struct docker *d);
void docker_sweep_brought(struct docker *d, const char *digest);
void docker_sweep_pull_ends(struct docker *d, bool has_failed);
void docker_sweep_release(struct docker *d);
