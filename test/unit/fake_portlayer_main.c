/* The tests' port layer as a program, to try a personality by hand: fake-portlayer SOCKET */
#include <stdio.h>

#include "lib/host/loop.h"
#include "test/unit/fake_portlayer.h"

struct program {
    struct fake_portlayer *fake;
    struct host_signals *signals;
};

static void on_stop(void *arg)
{
    struct program *p = arg;
    fake_portlayer_close(p->fake);
    host_signals_free(p->signals);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: fake-portlayer SOCKET\n");
        return 2;
    }
    uv_loop_t loop;
    struct program p;
    (void)uv_loop_init(&loop);
    p.fake = fake_portlayer_new(&loop, argv[1]);
    p.signals = host_signals_new(&loop, on_stop, &p);
    host_loop_finish(&loop);
    return 0;
}
