/*
 * Processes beside a container's own: the table of them, and how each is started and its streams moved.
 *
 *   created -> starting -> running -> exited
 *
 * They live in memory only.  One that is created or exited has no stream, so that it can be freed at any
 * time; exec_flow.c holds the streams of the others.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/id.h"
#include "portlayer/api.h"
#include "portlayer/execution/internal.h"
#include "portlayer/interaction/exec_doc.h"
#include "portlayer/interaction/keys.h"

enum pl_exec_state {
    PL_EXEC_CREATED,
    PL_EXEC_STARTING, /* asked for; the tether may still be unheard */
    PL_EXEC_RUNNING,
    PL_EXEC_EXITED,
};

/* Follows an exec of the port layer's own, in a client's place. */
struct pl_exec_watcher {
    void (*on_output)(const void *data, size_t len, void *arg); /* of either stream */
    /* Last, once; the exec may be forgotten in it.  err: it could not be started. */
    void (*on_end)(int exit_code, const struct vic_err *err, void *arg);
};

struct pl_exec {
    struct vic_list link;
    struct pl_container *c; /* borrowed: its list holds us */
    char id[VIC_ID_LEN + 1];
    enum pl_exec_state state;
    struct pl_exec_spec spec;
    int64_t pid;
    int exit_code;
    unsigned width, height; /* of the terminal; 0: unknown */
    bool has_new_size;      /* the guest was not told */

    /* who asked for the start; NULL once gone or answered */
    struct rpc_stream *client;
    bool is_attached; /* and is sent what it wants; else only told that it runs */
    bool wants_stdin, wants_stdout, wants_stderr;
    bool has_begun;        /* its answer */
    bool has_ended;        /* it has sent all its stdin */
    struct pl_keys keys;   /* that detach it; none without a terminal */
    struct vic_buf early;  /* stdin that came before the process; at most one window */
    size_t unconsumed_in;  /* of the client's window */
    size_t unconsumed_out; /* of the guest's */

    /* to the tether */
    struct rpc_stream *call; /* the start in flight */
    struct rpc_stream *output;
    struct rpc_stream *input; /* NULL before, and once the process takes no more */
    bool is_stdin_over;
    struct pl_records *records;
    bool has_exit; /* its exit record was read */

    struct pl_exec_watcher watcher; /* zero: none */
    void *watcher_arg;
    bool is_doomed; /* to be killed as soon as it runs */
};

/* ---- exec.c ---- */
void pl_exec_create_handle(struct rpc_stream *st, void *arg);
void pl_exec_get_handle(struct rpc_stream *st, void *arg);
void pl_exec_start_handle(struct rpc_stream *st, void *arg);
void pl_exec_attach_handle(struct rpc_stream *st, void *arg);
void pl_exec_resize_handle(struct rpc_stream *st, void *arg);

/* Creates one and starts it, without a client.  Takes what spec owns, also on failure.  *ret_e is set before
 * watcher hears anything; it may be NULL when this returns. */
int pl_exec_run(struct pl_container *c, struct pl_exec_spec *take_spec,
                const struct pl_exec_watcher *watcher, void *arg, struct pl_exec **ret_e,
                struct vic_err *err);
/* Of one that is created or has ended. */
void pl_exec_forget(struct pl_exec *e);

/* ---- exec_flow.c ---- */

/* Of one that is created: its client is st (or NULL), and hears.  The fields of the client are set. */
void pl_exec_begin(struct pl_exec *e, struct rpc_stream *st);
/* Of one that is starting and waits for the tether; any other is left alone. */
void pl_exec_launch(struct pl_exec *e);
/* One that is starting or running has ended. */
void pl_exec_end(struct pl_exec *e, int exit_code);
/* Of one that is starting or running; its end follows, or comes at once. */
void pl_exec_kill(struct pl_exec *e);
/* Lets go of its streams, whatever becomes of it. */
void pl_exec_let_go(struct pl_exec *e);
