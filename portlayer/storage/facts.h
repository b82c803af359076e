/* What is known of the layers on disk: layers/<hex>.qcow2 with <hex>.json beside it.  Blocking. */
#pragma once

#include "lib/base/map.h"
#include "portlayer/storage/store.h"

/* Fills layers (chain -> struct pl_layer, the caller's) with what is complete, and removes the rest. */
int pl_facts_load(const char *layers_dir, struct vic_map *layers, struct vic_err *err);
/* After the layer's disk is in place: makes it count. */
int pl_facts_save(const char *layers_dir, const struct pl_layer *layer, struct vic_err *err);
void pl_facts_remove_layer(const char *layers_dir, const char *chain);
