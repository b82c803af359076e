/*
 * A whole tether in a process of its own, on a socket pair and a plain output file, which starts containers in real
 * namespaces from a root made of busybox.  Needs root.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/lib/tether_drive.h"

extern char dir[];        /* where all of it is */
extern char *root;        /* of the container; NULL: we are not root */
extern char *output_path; /* the port's file */

/* Of a tether that begins: EXEC_GRACE_MS unless a test says otherwise. */
#define EXEC_GRACE_MS 2000
extern unsigned exec_grace_ms;

struct run {
    pid_t pid;
    struct tether_drive drive;
    struct vic_buf out, err;
    cJSON *exit;
    size_t pads;
};

/* The caller releases run. */
void begin(struct run *run);
void call(struct run *run, const char *path, const char *body);
void call_fails(struct run *run, const char *path, const char *body, enum vic_err_kind kind,
                const char *message);
void configure(struct run *run);
/* Waits for tether to end and reads what it wrote. */
void finish(struct run *run);
/* hello until the state is that. */
void await_state(struct run *run, const char *want);
/* Until that stands in the output file. */
void await_output(struct run *run, const char *want);
void end_run(struct run *run);
void release(struct run *run);
/* doc is start's. */
void run_to_end(struct run *run, const char *doc);
int exit_code(const struct run *run);
void skip_unless_root(void);
int make_root(void **state);
int remove_root(void **state);
