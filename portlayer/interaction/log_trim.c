/* Keeps the output of all of a container's runs below its limit. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "portlayer/execution/internal.h"

#define ST_BLOCK 512 /* of st_blocks, on every file system */

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The files of earlier runs go whole: the first that does not fit into room, from the newest on, and all before. */
static void drop_old_runs(struct pl_container *c, uint64_t room)
{
    unsigned first = c->rec.run;
    bool is_full = false;
    for (unsigned run = c->rec.run - 1; run > 0 && run >= c->first_run; run--) {
        auto_free char *path = pl_container_output_path(c, run);
        struct stat st;
        if (stat(path, &st) < 0)
            continue; /* a start that failed early */
        uint64_t used = at_most((uint64_t)st.st_blocks * ST_BLOCK, (uint64_t)st.st_size);
        is_full = is_full || used > room;
        if (!is_full) {
            room -= used;
            first = run;
        } else if (unlink(path) < 0 && errno != ENOENT) {
            vic_log(VIC_WARN, "container", c->rec.id, "output of run %u is kept: %s", run,
                    strerrordesc_np(errno));
        }
    }
    c->first_run = first;
}

void pl_log_trim(struct pl_container *c)
{
    uint64_t max_bytes = c->rec.spec.log_max_bytes;
    if (max_bytes == 0 || !c->watch)
        return;
    uint64_t held = at_most(pl_attach_held(c), pl_logs_held(c));
    uint64_t kept = at_most(pl_watch_trim(c->watch, held), max_bytes);
    /* Once an eighth is as exact as the trimming itself. */
    unsigned eighths = 1 + (unsigned)(kept * 8 / max_bytes);
    if (c->rec.run > 1 && eighths != c->log_eighths)
        drop_old_runs(c, max_bytes - kept);
    c->log_eighths = eighths;
}
