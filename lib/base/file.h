/* Files: whole reads with a cap, atomic replacement, and trees. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

/* Reads all of it into a NUL-terminated buffer the caller frees.  -EFBIG past max_bytes. */
int vic_file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
                  struct vic_err *err);

/* Atomic and durable: temporary beside it, write, fsync, rename, fsync of the folder.  After a
 * crash the file holds the old bytes or the new, never a mix. */
int vic_file_replace(const char *path, const void *data, size_t len, mode_t mode,
                     struct vic_err *err);

/* Makes a rename or unlink in this folder durable. */
int vic_file_sync_dir(const char *dir, struct vic_err *err);

/* Makes a file of that name; -EEXIST if it is there.  What was written before a failure stays. */
int vic_file_copy(const char *from, const char *to, mode_t mode, struct vic_err *err);

/* All of len, across short writes and EINTR.  0 or -errno. */
int vic_file_write_all(int fd, const void *data, size_t len);

/* The folder and its missing parents; one that exists is left as it is. */
int vic_file_mkdir_p(const char *path, mode_t mode, struct vic_err *err);

/* The file or tree; what is not there is no error.  Never follows a symbolic link. */
int vic_file_remove_tree(const char *path, struct vic_err *err);

/* 1 if there, 0 if not, -errno when that cannot be told. */
int vic_file_exists(const char *path);
