/* Finds devices by the names the port layer gave them, waiting for the kernel to announce them. */
#pragma once

#include "lib/base/err.h"

/* Opens the virtio port of that name non-blocking; flags as open() has them. */
int tether_device_open_port(const char *name, int flags, int *ret_fd, struct vic_err *err);

/* The /dev path of the block device with that serial; path holds TETHER_DEVICE_PATH_MAX bytes. */
#define TETHER_DEVICE_PATH_MAX 300
int tether_device_find_disk(const char *serial, char *ret_path, struct vic_err *err);
