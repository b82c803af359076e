/* Runs a fuzz target over the corpus folder named like it, so that plain builds replay every input. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define INPUT_MAX (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
    auto_free char *data = NULL;
    size_t len = 0;
    struct vic_err err;
    if (vic_file_read(path, INPUT_MAX, &data, &len, &err) < 0) {
        printf("not ok 1 - %s: %s\n", path, err.message);
        return 1;
    }
    /* An exact copy, so that ASan sees a read past the end. */
    auto_free uint8_t *exact = malloc(len ? len : 1);
    if (!exact)
        return 1;
    memcpy(exact, data, len);
    (void)LLVMFuzzerTestOneInput(exact, len);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    name = name ? name + 1 : argv[0];
    if (strncmp(name, "replay_", 7) == 0)
        name += 7;
    auto_free char *dir =
        argc > 1 ? vic_xstrdup(argv[1]) : vic_xasprintf("test/fuzz/corpus/%s", name);
    DIR *d = opendir(dir);
    if (!d) {
        printf("not ok 1 - no corpus '%s'\n", dir);
        return 1;
    }
    int failed = 0;
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        auto_free char *path = vic_xasprintf("%s/%s", dir, e->d_name);
        failed |= replay_file(path);
        n++;
    }
    (void)closedir(d);
    if (n == 0)
        printf("not ok 1 - corpus '%s' is empty\n", dir);
    else if (!failed)
        printf("ok 1 - %s: %d inputs\n", name, n);
    return failed || n == 0;
}
