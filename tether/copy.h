/*
 * The work of the program tether-copy: copies between a container's file system and tar streams, and what that
 * file system has that its image has not.
 *
 * It runs as a process of its own, confined to the container's root (chroot), so that a hostile archive
 * or a link changed under its hands leads only to another place in the same container, and what
 * libarchive does with an archive cannot hurt PID 1.  Paths are the container's, absolute.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/json/json.h"
#include "tether/copy_ring.h"

/* {"name","size","mode"(st_mode),"mtime"(RFC 3339),"link_target"?: where a link leads}; the caller's.
 * A link is followed only where path ends in "/" or "/.".  NOT_FOUND. */
int copy_stat(const char *path, cJSON **ret_doc, struct vic_err *err);

/* Writes the tree at path as a tar whose names begin with path's last component. */
int copy_out(const char *path, struct copy_ring_in *out, struct vic_err *err);
/* Writes what is in the directory at path, without itself; no name begins with "/" or "./". */
int copy_export(const char *path, struct copy_ring_in *out, struct vic_err *err);

/* Writes what differs between the tree at the descriptor root and that of the image it began as, a line of JSON
 * each, a directory before what is in it: {"path","kind": 0 modified, 1 added, 2 deleted}; {} is the last one.
 * Both are file systems of the same inodes.  UNAVAILABLE: too many directories in one another. */
int copy_changes(int root, int image, struct copy_ring_in *out, struct vic_err *err);

struct copy_in_options {
    bool keeps_kind; /* a directory is not replaced by something else, nor the other way round */
    bool has_owner;  /* everything becomes uid's and gid's, whatever the archive says */
    uid_t uid;
    gid_t gid;
};

/* Unpacks the tar, plain or gzip, into the directory at path.  What came before an error stays.
 * NOT_FOUND; INVALID: no directory, or the archive is wrong. */
int copy_in(const char *path, int fd, const struct copy_in_options *options, struct vic_err *err);
