/* Who a process runs as: "name|uid[:group|gid]" looked up in the image's own passwd and group. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "lib/base/err.h"

#define TETHER_GROUPS_MAX 1024
#define TETHER_HOME_MAX 4096
#define TETHER_USER_FILE_MAX (1u << 20) /* an image's passwd is its own affair up to here */

struct tether_user {
    uid_t uid;
    gid_t gid;
    gid_t groups[TETHER_GROUPS_MAX]; /* supplementary ones, the primary first */
    size_t n_groups;
    char home[TETHER_HOME_MAX]; /* "/" when the image knows none */
};

/* Pure.  The texts are hostile; NULL is a file that is not there.  A number is always an id, known
 * or not.  Errors in Docker's words. */
int tether_user_resolve(const char *spec, const char *passwd, size_t passwd_len, const char *group,
                        size_t group_len, struct tether_user *ret, struct vic_err *err);

/* Puts the user into more groups: a vector of names or numbers, or NULL. */
int tether_user_add_groups(char *const *groups, const char *group, size_t group_len,
                           struct tether_user *user, struct vic_err *err);

/* Both with /etc/passwd and /etc/group. */
int tether_user_resolve_here(const char *spec, char *const *groups, struct tether_user *ret,
                             struct vic_err *err);
