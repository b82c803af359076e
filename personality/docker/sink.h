/* The port layer's content store as the place where pulled blobs go. */
#pragma once

#include "imagec/imagec.h"
#include "personality/docker/docker.h"

/* Fills in d->sink, which borrows d. */
void docker_sink_init(struct docker *d);
