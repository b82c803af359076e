/* What ps prints of a container's processes: its arguments, its columns. */
#pragma once

#include "lib/base/err.h"
#include "lib/json/json.h"

#define DOCKER_PS_COLUMNS_MAX 64

struct docker_ps {
    const struct docker_ps_column *columns[DOCKER_PS_COLUMNS_MAX];
    size_t n;
};

/* args: words as a shell would give them to ps, in its UNIX ("-ef") or BSD ("aux") way.  Which processes
 * they select does not matter: the container's are listed, all of them.  INVALID as from Docker where no
 * column is PID; UNIMPLEMENTED names what is not served. */
int docker_ps_parse(const char *args, struct docker_ps *ret_ps, struct vic_err *err);

/* {"Titles","Processes"} of the port layer's document; now_s: the time, for when they began. */
cJSON *docker_ps_json(const struct docker_ps *ps, const cJSON *doc, int64_t now_s);
