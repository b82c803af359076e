/* Signal names to Linux numbers: the guest's, whatever this host's libc calls them. */
#include "portlayer/execution/signals.h"

#include <errno.h>
#include <strings.h>

#include "lib/base/str.h"

#define SIGNAL_MAX 64
#define RTMIN 34

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"HUP", 1},   {"INT", 2},   {"QUIT", 3},  {"ILL", 4},     {"TRAP", 5},    {"ABRT", 6},
    {"IOT", 6},   {"BUS", 7},   {"FPE", 8},   {"KILL", 9},    {"USR1", 10},   {"SEGV", 11},
    {"USR2", 12}, {"PIPE", 13}, {"ALRM", 14}, {"TERM", 15},   {"STKFLT", 16}, {"CHLD", 17},
    {"CLD", 17},  {"CONT", 18}, {"STOP", 19}, {"TSTP", 20},   {"TTIN", 21},   {"TTOU", 22},
    {"URG", 23},  {"XCPU", 24}, {"XFSZ", 25}, {"VTALRM", 26}, {"PROF", 27},   {"WINCH", 28},
    {"IO", 29},   {"POLL", 29}, {"PWR", 30},  {"SYS", 31},
};

int pl_signal_from_string(const char *text)
{
    uint64_t n = 0;
    if (vic_str_to_u64(text, 1, SIGNAL_MAX, &n) == 0)
        return (int)n;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        if (strcasecmp(signals[i].name, text) == 0)
            return signals[i].number;
    if (strcasecmp(text, "RTMIN") == 0)
        return RTMIN;
    if (strcasecmp(text, "RTMAX") == 0)
        return SIGNAL_MAX;
    if (strncasecmp(text, "RTMIN+", 6) == 0 &&
        vic_str_to_u64(text + 6, 0, SIGNAL_MAX - RTMIN, &n) == 0)
        return RTMIN + (int)n;
    if (strncasecmp(text, "RTMAX-", 6) == 0 &&
        vic_str_to_u64(text + 6, 0, SIGNAL_MAX - RTMIN, &n) == 0)
        return SIGNAL_MAX - (int)n;
    return -EINVAL;
}
