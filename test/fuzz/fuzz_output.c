/* The reader of output files, on bytes a hostile guest may have written. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "portlayer/interaction/output.h"
#include "portlayer/interaction/tail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[64];
    struct pl_exit e;
    struct pl_tail tail;
    struct pl_output *o = NULL;
    (void)snprintf(path, sizeof(path), "/tmp/vic-fuzz-%d", (int)getpid());
    if (vic_file_replace(path, data, len, 0600, NULL) < 0 || pl_output_open(path, 0, &o, NULL) < 0)
        abort();
    struct vic_record head;
    const uint8_t *payload = NULL;
    uint64_t total = 0;
    while (pl_output_next(o, &head, &payload, NULL) == 1)
        for (uint32_t i = 0; i < head.len; i++)
            total += payload[i];
    pl_output_close(o);
    (void)pl_output_find_exit(path, &e);
    char *const paths[] = {path, NULL};
    pl_tail_find(paths, 1, total % 5, &tail);
    (void)unlink(path);
    return 0;
}
