/* Writes log lines, each with a single write() so that lines of several processes never mix. */
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

/* A longer line is cut: a peer's text may stand in it. */
#define LOG_LINE_MAX 1024

static const char *const level_names[] = {
    [VIC_DEBUG] = "debug",
    [VIC_INFO] = "info",
    [VIC_WARN] = "warn",
    [VIC_ERROR] = "error",
};

static const char *log_program = "vic";
static enum vic_log_level log_lowest = VIC_INFO;
static size_t log_max; /* 0: no cap */

void vic_log_init(const char *program, enum vic_log_level lowest)
{
    log_program = program;
    log_lowest = lowest;
}

void vic_log_cap(size_t max_bytes)
{
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    bool is_ours = flags >= 0 && (flags & O_ACCMODE) == O_RDWR && (flags & O_APPEND);
    log_max = is_ours ? max_bytes : 0;
}

/* In place: the daemon may neither rename nor make a file where its log is. */
static void keep_last_half(off_t size)
{
    off_t from = size - (off_t)(log_max / 2);
    auto_free char *tail = malloc(log_max / 2);
    ssize_t n = tail ? pread(STDERR_FILENO, tail, log_max / 2, from) : -1;
    const char *line = n > 0 ? memchr(tail, '\n', (size_t)n) : NULL;
    if (n < 0 || ftruncate(STDERR_FILENO, 0) < 0 || !line)
        return;
    line++;
    ssize_t written = write(STDERR_FILENO, line, (size_t)(tail + n - line));
    (void)written; /* nobody to tell */
}

static void cap(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct stat st;
    if (!log_max || pthread_mutex_trylock(&lock) != 0) /* another thread is at it */
        return;
    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > (off_t)log_max)
        keep_last_half(st.st_size);
    (void)pthread_mutex_unlock(&lock);
}

/* What a peer wrote may not forge a second line or move the terminal's cursor. */
static void blank_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
}

void vic_log(enum vic_log_level level, const char *subject, const char *id, const char *fmt, ...)
{
    if (level < log_lowest)
        return;
    int saved_errno = errno;
    char when[VIC_CLOCK_TEXT_MAX];
    vic_clock_format_rfc3339(vic_clock_wall_ns(), when);
    char line[LOG_LINE_MAX];
    int n = snprintf(line, sizeof(line), "%s %s[%d] %s %s%s%.64s: ", when, log_program, getpid(),
                     level_names[level], subject, id ? " " : "", id ? id : "");
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
    va_end(ap);
    blank_controls(line);
    size_t len = strnlen(line, sizeof(line) - 1);
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* nobody to tell */
    cap();
    errno = saved_errno;
}

int vic_log_level_from_string(const char *name, enum vic_log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
        if (strcmp(level_names[i], name) == 0) {
            *ret_level = (enum vic_log_level)i;
            return 0;
        }
    return -EINVAL;
}
