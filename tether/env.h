/* A process's environment: Docker's defaults under what was asked for.  Pure. */
#pragma once

#include <stdbool.h>

/* PATH, HOSTNAME and, with a terminal, TERM; then each of env in place of its like or behind.  KEY
 * alone removes.  Returns an owned vector. */
char **tether_env_build(char *const *env, const char *hostname, bool has_tty);

/* Puts each of changes into v in the same way.  Takes v, returns it moved. */
char **tether_env_merge(char **v, char *const *changes);

/* The value, borrowed from env; NULL if absent. */
const char *tether_env_get(char *const *env, const char *key);
