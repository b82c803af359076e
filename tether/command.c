/* Looks a program up in $PATH. */
#include "tether/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

/* Go's spelling of the errors, which is what Docker prints. */
static const char *text_of(int code)
{
    static const struct {
        int code;
        const char *text;
    } texts[] = {
        {ENOENT, "no such file or directory"},
        {EACCES, "permission denied"},
        {EISDIR, "is a directory"},
        {ENOTDIR, "not a directory"},
        {ENOEXEC, "exec format error"},
        {ELOOP, "too many levels of symbolic links"},
        {ENAMETOOLONG, "file name too long"},
        {E2BIG, "argument list too long"},
        {EPERM, "operation not permitted"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i].code == code)
            return texts[i].text;
    return strerror(code);
}

static enum vic_err_kind kind_of(int code)
{
    if (code == ENOENT)
        return VIC_ERR_NOT_FOUND;
    bool is_no_program = code == EACCES || code == EISDIR || code == ENOTDIR || code == ENOEXEC;
    return is_no_program ? VIC_ERR_FORBIDDEN : VIC_ERR_INVALID;
}

/* 0 when file can be run, else the errno that says why not; *ret_is_stat: it is not even there. */
static int check_file(const char *file, bool *ret_is_stat)
{
    struct stat st;
    *ret_is_stat = false;
    if (stat(file, &st) < 0) {
        *ret_is_stat = true;
        return errno;
    }
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    /* Root passes access() for a file nobody may execute, but not execve(). */
    if ((st.st_mode & 0111) == 0)
        return EACCES;
    return faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

static int find_by_path(const char *name, char ret_file[PATH_MAX], struct vic_err *err)
{
    bool is_stat;
    int code = check_file(name, &is_stat);
    if (code != 0 && is_stat)
        return vic_fail(err, kind_of(code), code, "exec: \"%s\": stat %s: %s", name, name,
                        text_of(code));
    if (code != 0)
        return vic_fail(err, kind_of(code), code, "exec: \"%s\": %s", name, text_of(code));
    if (strlen(name) >= PATH_MAX)
        return vic_fail(err, VIC_ERR_INVALID, ENAMETOOLONG, "exec: \"%.64s...\": %s", name,
                        text_of(ENAMETOOLONG));
    memcpy(ret_file, name, strlen(name) + 1);
    return 0;
}

int tether_command_find(const char *name, const char *path, char ret_file[PATH_MAX],
                        struct vic_err *err)
{
    if (strchr(name, '/'))
        return find_by_path(name, ret_file, err);
    const char *dir = path;
    while (dir && *name) {
        const char *colon = strchrnul(dir, ':');
        int len = (int)(colon - dir);
        bool is_stat;
        /* An empty member is the current folder. */
        int n = len == 0 ? snprintf(ret_file, PATH_MAX, "./%s", name)
                         : snprintf(ret_file, PATH_MAX, "%.*s/%s", len, dir, name);
        if (n < PATH_MAX && check_file(ret_file, &is_stat) == 0) {
            if (ret_file[0] == '/')
                return 0;
            return vic_fail(
                err, VIC_ERR_INVALID, 0,
                "exec: \"%s\": cannot run executable found relative to current directory", name);
        }
        dir = *colon ? colon + 1 : NULL;
    }
    return vic_fail(err, VIC_ERR_NOT_FOUND, ENOENT,
                    "exec: \"%s\": executable file not found in $PATH", name);
}

int tether_command_fail(const char *file, int code, struct vic_err *err)
{
    return vic_fail(err, kind_of(code), code, "exec %s: %s", file, text_of(code));
}
