/*
 * A client's terminal or pipes, joined with a stream of the port layer: attach and exec.
 *
 * With `Upgrade: tcp` the connection is taken over and carries input and output.  Without it HTTP
 * leaves no way for input, so only output is streamed, behind a 200.
 */
#pragma once

#include "personality/docker/req.h"

struct docker_join {
    const char *path; /* of the port layer's stream; POST */
    bool is_raw;      /* a terminal's output: no frames */
    bool has_stdin;   /* else what the client sends is dropped, as Docker does */
    /* Answers what went wrong before the stream began. */
    void (*reply_error)(struct docker_req *r, const struct vic_err *err);
    /* The caller's text, if that goes out as the stream's only output instead; may be NULL. */
    char *(*text_of_error)(const struct vic_err *err);
};

/* INVALID: input is wanted without an upgrade. */
int docker_join_check(const struct docker_req *r, bool wants_stdin, struct vic_err *err);
/* Answers r. */
void docker_join_open(struct docker_req *r, const struct docker_join *what);
