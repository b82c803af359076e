/* Fixture: a client and a server session joined by memory, and what happened to them. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/rpc/rpc.h"

struct seen {
    unsigned responses, ends, drains, closes;
    enum vic_err_kind kind; /* of the close; NONE when clean */
    char message[VIC_ERR_MAX];
    struct vic_buf data;
    bool keep_window; /* do not consume */
    bool cancel_on_data;
    struct rpc_stream *st;
};

struct pair {
    struct rpc_session *client, *server;
    size_t step; /* bytes per feed; 0: all at once */
    struct seen at_server;
    struct rpc_stream *held[2000];
    unsigned n_held;
    unsigned n_handled;
    unsigned outputs;
};

extern struct pair t;

extern const struct rpc_stream_events pair_all_events; /* arg: struct seen */
extern const struct rpc_stream_events pair_no_events;
extern const struct rpc_route pair_routes[];
extern const size_t pair_n_routes;

int pair_set_up(void **state);
int pair_tear_down(void **state);

/* One pull from one end to the other; false when there was nothing. */
bool pair_carry(struct rpc_session *from, struct rpc_session *to);
/* Until both are silent. */
void pair_run(void);

struct answer {
    unsigned n;
    enum vic_err_kind kind;
    char message[VIC_ERR_MAX];
    cJSON *doc;
};

void pair_on_answer(const struct vic_err *err, const cJSON *doc, void *arg);
void pair_answer_release(struct answer *a);
#define auto_answer auto_(pair_answer_release)

/* Asks and runs until the answer is there. */
void pair_call(const char *method, const char *path, const cJSON *body, struct answer *a);
/* A POST as a stream with pair_all_events; runs. */
void pair_open(const char *path, struct seen *seen);
