/* vic-docker as one object: what main() starts and stops, and tests do too. */
#pragma once

#include "personality/docker/config.h"

struct docker_app;

/* Takes config and the listening descriptors.  Serves once the loop runs. */
int docker_app_new(uv_loop_t *loop, struct docker_config *config, const int *listen_fds, size_t n,
                   struct docker_app **ret_app, struct vic_err *err);
/* Ends every connection.  The loop has to run on until nothing is left. */
void docker_app_free(struct docker_app *app);
