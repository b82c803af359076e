/*
 * A port layer for tests: lib/rpc on a unix socket, one image, containers that run in nobody's VM.
 *
 * A container whose args are ["cat"] gives back what it reads; ["sleep",...] runs until it is stopped;
 * ["exit","N"] exits with N; ["nosuch"] is not found; ["flood","N"] writes N KiB; all else writes its
 * args as a line and exits with 0.
 */
#pragma once

#include <uv.h>

struct fake_portlayer;

/* Listens on path until fake_portlayer_close(). */
struct fake_portlayer *fake_portlayer_new(uv_loop_t *loop, const char *path);
void fake_portlayer_close(struct fake_portlayer *f);

/* How many streams (wait, events, attach, output) clients hold open. */
unsigned fake_portlayer_open_streams(const struct fake_portlayer *f);

#define FAKE_IMAGE_ID "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define FAKE_DIGEST "sha256:2222222222222222222222222222222222222222222222222222222222222222"
