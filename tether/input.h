/*
 * Standard input: streams of bytes from the port layer into one pipe or terminal.
 *
 * Several streams may be open; each chunk goes in whole.  A stream's window is given back when its
 * bytes were written, so what is held here is bounded by the streams' windows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/list.h"
#include "lib/rpc/rpc.h"
#include "tether/loop.h"

#define TETHER_INPUT_STREAMS_MAX 64 /* attached clients of one container; each costs a window */

struct tether_input {
    struct tether_loop *loop; /* borrowed */
    struct tether_watch watch;
    int fd; /* owned; -1 when there is no stdin or it is closed */
    bool is_terminal;
    bool is_closing; /* close once the queue is empty */
    size_t n_streams;
    struct vic_list streams; /* those the peer still holds */
    struct vic_list chunks;  /* in the order they came */
};

void tether_input_init(struct tether_input *in, struct tether_loop *loop);
/* Takes fd, which is non-blocking. */
int tether_input_open(struct tether_input *in, int fd, bool is_terminal, struct vic_err *err);
/* No more streams will come: closes once what is queued was written. */
void tether_input_finish(struct tether_input *in);
/* A terminal that nobody had open is open again. */
void tether_input_retry(struct tether_input *in);
/* Nobody reads any more: drops what is queued and answers every open stream with a conflict. */
void tether_input_close(struct tether_input *in);

/* Serves st, a request whose body goes in.  with_close: after its last byte stdin is closed, which for a
 * terminal means nothing. */
void tether_input_serve(struct tether_input *in, struct rpc_stream *st, bool with_close);
