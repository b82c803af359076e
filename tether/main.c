/* PID 1 of a containerVM: boot, serve, switch off. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "tether/boot.h"
#include "tether/device.h"
#include "tether/machine.h"

static int serve(struct vic_err *err)
{
    const struct tether_machine *machine;
    struct tether *t = NULL;
    int rpc_fd;
    int output_fd;
    int r = tether_boot_mounts(err);
    if (r < 0)
        return r;
    tether_boot_protect();
    tether_boot_modules();
    if ((r = tether_machine_open(&machine, err)) < 0 ||
        (r = tether_device_open_port("vic.output.0", O_WRONLY, &output_fd, err)) < 0 ||
        (r = tether_device_open_port("vic.tether.0", O_RDWR, &rpc_fd, err)) < 0 ||
        (r = tether_new(machine, rpc_fd, output_fd, &t, err)) < 0)
        return r;
    r = tether_run(t);
    return r < 0 ? vic_fail_errno(err, -r, "event loop") : 0;
}

int main(void)
{
    struct vic_err err = {0};
    if (getpid() != 1) {
        (void)fputs("tether: PID 1 of a containerVM, and nothing else\n", stderr);
        return 2;
    }
    vic_log_init("tether", VIC_INFO);
    if (serve(&err) < 0)
        vic_log(VIC_ERROR, "tether", NULL, "powering off: %s", err.message);
    tether_machine_power_off();
}
