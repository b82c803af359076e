/* A blocking client for one tether: what tests and scripts use in place of the port layer. */
#pragma once

#include "lib/base/buf.h"
#include "lib/rpc/rpc.h"
#include "lib/rpc/sync.h"

struct tether_drive {
    int fd; /* owned */
    struct rpc_session *session;
};

/* Takes fd (a stream, made non-blocking here) and exchanges the sync line; retries with padding. */
int tether_drive_open(struct tether_drive *d, int fd, struct vic_err *err);
void tether_drive_close(struct tether_drive *d);

/* One intent; body (JSON text) and ret_doc may be NULL.  *ret_doc is the caller's. */
int tether_drive_call(struct tether_drive *d, const char *method, const char *path,
                      const char *body, cJSON **ret_doc, struct vic_err *err);

/* Sends data as one stdin stream and waits until tether has written it. */
int tether_drive_stdin(struct tether_drive *d, const void *data, size_t len, bool with_close,
                       struct vic_err *err);

/* The same to any path that takes a stream. */
int tether_drive_upload(struct tether_drive *d, const char *path, const void *data, size_t len,
                        struct vic_err *err);
int tether_drive_put(struct tether_drive *d, const char *path, const void *data, size_t len,
                     struct vic_err *err);
/* Moves bytes until *is_done, which a stream's events set. */
int tether_drive_pump(struct tether_drive *d, const bool *is_done, struct vic_err *err);
/* GET path, a stream, to its end: appends. */
int tether_drive_get(struct tether_drive *d, const char *path, struct vic_buf *out,
                     struct vic_err *err);
/* GET path, a stream of records, to its end: appends and sets as below. */
int tether_drive_records(struct tether_drive *d, const char *path, struct vic_buf *out,
                         struct vic_buf *err_out, cJSON **ret_exit, struct vic_err *err);

/* The whole output file: appends standard output and error, sets the exit document (NULL while there
 * is none).  -EBADMSG on anything that is no record. */
int tether_drive_read_output(const char *path, struct vic_buf *out, struct vic_buf *err_out,
                             cJSON **ret_exit, size_t *ret_pads);
