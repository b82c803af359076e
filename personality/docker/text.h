/* The texts Docker's clients show people: durations, status, names for those who gave none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/json/json.h"

/* "5 seconds", "About a minute"; the caller's. */
char *docker_text_duration(int64_t seconds);

/* "Up 5 seconds", "Exited (0) 2 minutes ago", "Created" of a port-layer container; the caller's. */
char *docker_text_status(const cJSON *state, int64_t now_ns);

/* When that text becomes another one by the clock alone, ns since 1970; INT64_MAX: never. */
int64_t docker_text_status_until(const cJSON *state, int64_t now_ns);

/* The state's name in Docker's words: "created", "running", "exited", ... */
const char *docker_text_state(const cJSON *state);
bool docker_state_is_running(const cJSON *state); /* paused ones too */

/* "adjective_surname", with a digit behind it when attempt > 0; the caller's. */
char *docker_text_random_name(unsigned attempt);

/* Path and args as `ps` shows them, args with a blank quoted; the caller's. */
char *docker_text_command(const cJSON *args);

/* Docker's timestamps: seconds since 1970, with an optional fraction, or RFC 3339.  -EINVAL. */
int docker_text_to_ns(const char *text, int64_t *ret_ns);
