/* libvirt's event loop interface on a uv loop. */
#pragma once

#include <uv.h>

/* Once per process, before the first connection is opened; libvirt has no way to take it back, so
 * close only makes the loop forget it: call that when every connection is closed. */
void pl_virt_event_register(uv_loop_t *loop);
void pl_virt_event_close(void);
