/* Removes libvirt's logs of QEMUs that are gone. */
#include "portlayer/execution/qemu_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/str.h"

void pl_qemu_log_remove(const char *folder, const char *prefix)
{
    DIR *d = opendir(folder);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (vic_str_starts_with(e->d_name, prefix))
            (void)unlinkat(dirfd(d), e->d_name, 0);
    (void)closedir(d);
}
