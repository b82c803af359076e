/* What archive.c says in Docker's words; pure, so that it can be tested. */
#pragma once

#include <stdint.h>

#include "lib/json/json.h"

/* st_mode as Go's os.FileMode. */
uint32_t docker_archive_mode(uint32_t st_mode);
/* X-Docker-Container-Path-Stat of the port layer's document; the caller's. */
char *docker_archive_stat_header(const cJSON *stat);
/* A client's path as the port layer wants it; the caller's. */
char *docker_archive_path(const char *path);
