/* ps as its Debian version prints, for the arguments that say something about a list of processes. */
#include "personality/docker/ps.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

struct view {
    const cJSON *p;
    int64_t memory_bytes;
    int64_t now_s;
};

struct docker_ps_column {
    const char *name;
    const char *title;
    char *(*print)(const struct view *v, const char *member); /* the caller's */
    const char *member;                                       /* of the document, if it is one's */
};

/* ---- how a value is printed --------------------------------------------------------------------------- */

static int64_t number(const struct view *v, const char *member)
{
    int64_t n = json_i64(v->p, member, 0);
    return n > 0 ? n : 0;
}

static char *print_number(const struct view *v, const char *member)
{
    return vic_xasprintf("%" PRId64, json_i64(v->p, member, 0));
}

static char *print_kib(const struct view *v, const char *member)
{
    return vic_xasprintf("%" PRId64, number(v, member) / 1024);
}

/* Only the superuser has the same name everywhere. */
static char *print_user(const struct view *v, const char *member)
{
    return json_i64(v->p, member, -1) == 0 ? vic_xstrdup("root") : print_number(v, member);
}

static char *print_tty(const struct view *v, const char *member)
{
    const char *tty = json_str(v->p, member, "");
    return vic_xstrdup(tty[0] ? tty : "?");
}

static char *print_comm(const struct view *v, const char *member)
{
    bool is_dead = strcmp(json_str(v->p, "state", ""), "Z") == 0;
    return vic_xasprintf("%s%s", json_str(v->p, member, ""), is_dead ? " <defunct>" : "");
}

static char *print_args(const struct view *v, const char *member)
{
    const char *args = json_str(v->p, member, "");
    bool is_dead = strcmp(json_str(v->p, "state", ""), "Z") == 0;
    if (args[0] && !is_dead)
        return vic_xstrdup(args);
    return vic_xasprintf("[%s]%s", json_str(v->p, "comm", ""), is_dead ? " <defunct>" : "");
}

static char *print_state(const struct view *v, const char *member)
{
    return vic_xasprintf("%.1s", json_str(v->p, member, "?"));
}

static char *print_stat(const struct view *v, const char *member)
{
    int64_t nice = json_i64(v->p, "nice", 0);
    return vic_xasprintf("%.1s%s%s%s%s", json_str(v->p, member, "?"),
                         nice < 0   ? "<"
                         : nice > 0 ? "N"
                                    : "",
                         number(v, "sid") == number(v, "pid") ? "s" : "",
                         number(v, "threads") > 1 ? "l" : "",
                         json_bool(v->p, "is_foreground", false) ? "+" : "");
}

/* Per mille of the time since it began. */
static int64_t cpu_share(const struct view *v)
{
    int64_t age_ms = number(v, "age_ms");
    double share = age_ms > 0 ? (double)number(v, "cpu_ms") * 1000 / (double)age_ms : 0;
    return share < 1e6 ? (int64_t)share : 1000000;
}

static char *print_cpu(const struct view *v, const char *member)
{
    (void)member;
    return vic_xasprintf("%" PRId64 ".%d", cpu_share(v) / 10, (int)(cpu_share(v) % 10));
}

static char *print_c(const struct view *v, const char *member)
{
    (void)member;
    return vic_xasprintf("%" PRId64, cpu_share(v) / 10 > 99 ? 99 : cpu_share(v) / 10);
}

static char *print_memory(const struct view *v, const char *member)
{
    double share =
        v->memory_bytes > 0 ? (double)number(v, member) * 1000 / (double)v->memory_bytes : 0;
    int64_t mille = share < 999 ? (int64_t)share : 999;
    return vic_xasprintf("%" PRId64 ".%d", mille / 10, (int)(mille % 10));
}

static char *print_seconds(const struct view *v, const char *member)
{
    return vic_xasprintf("%" PRId64, number(v, member) / 1000);
}

/* "[D-]HH:MM:SS" */
static char *print_time(const struct view *v, const char *member)
{
    int64_t s = number(v, member) / 1000;
    auto_free char *days = s >= 86400 ? vic_xasprintf("%" PRId64 "-", s / 86400) : vic_xstrdup("");
    return vic_xasprintf("%s%02d:%02d:%02d", days, (int)(s / 3600 % 24), (int)(s / 60 % 60),
                         (int)(s % 60));
}

/* The same without hours that are none. */
static char *print_elapsed(const struct view *v, const char *member)
{
    int64_t s = number(v, member) / 1000;
    return s >= 3600 ? print_time(v, member)
                     : vic_xasprintf("%02d:%02d", (int)(s / 60), (int)(s % 60));
}

static char *print_bsd_time(const struct view *v, const char *member)
{
    int64_t s = number(v, member) / 1000;
    return vic_xasprintf("%" PRId64 ":%02d", s / 60, (int)(s % 60));
}

/* The hour today, the day this year, else the year. */
static char *print_start(const struct view *v, const char *member)
{
    time_t now_s = v->now_s;
    time_t start_s = v->now_s - number(v, member) / 1000;
    struct tm now = {0};
    struct tm start = {0};
    char text[32];
    if (!localtime_r(&now_s, &now) || !localtime_r(&start_s, &start))
        return vic_xstrdup("?");
    if (start.tm_year != now.tm_year)
        (void)strftime(text, sizeof(text), "%Y", &start);
    else if (start.tm_yday != now.tm_yday)
        (void)strftime(text, sizeof(text), "%b%d", &start);
    else
        (void)strftime(text, sizeof(text), "%H:%M", &start);
    return vic_xstrdup(text);
}

/* ---- columns ---------------------------------------------------------------------------------------------- */

/* Also under the names "o" knows; the first of a name counts. */
static const struct docker_ps_column columns[] = {
    {"pid", "PID", print_number, "pid"},
    {"ppid", "PPID", print_number, "ppid"},
    {"pgid", "PGID", print_number, "pgid"},
    {"pgrp", "PGRP", print_number, "pgid"},
    {"sid", "SID", print_number, "sid"},
    {"sess", "SESS", print_number, "sid"},
    {"session", "SESS", print_number, "sid"},
    {"uid", "UID", print_number, "uid"},
    {"euid", "EUID", print_number, "uid"},
    {"gid", "GID", print_number, "gid"},
    {"egid", "EGID", print_number, "gid"},
    {"user", "USER", print_user, "uid"},
    {"euser", "EUSER", print_user, "uid"},
    {"uname", "USER", print_user, "uid"},
    {"group", "GROUP", print_user, "gid"},
    {"egroup", "EGROUP", print_user, "gid"},
    {"comm", "COMMAND", print_comm, "comm"},
    {"ucmd", "CMD", print_comm, "comm"},
    {"ucomm", "COMMAND", print_comm, "comm"},
    {"cmd", "CMD", print_args, "args"},
    {"args", "COMMAND", print_args, "args"},
    {"command", "COMMAND", print_args, "args"},
    {"etime", "ELAPSED", print_elapsed, "age_ms"},
    {"etimes", "ELAPSED", print_seconds, "age_ms"},
    {"time", "TIME", print_time, "cpu_ms"},
    {"cputime", "TIME", print_time, "cpu_ms"},
    {"times", "TIME", print_seconds, "cpu_ms"},
    {"bsdtime", "TIME", print_bsd_time, "cpu_ms"},
    {"stime", "STIME", print_start, "age_ms"},
    {"start_time", "START", print_start, "age_ms"},
    {"%cpu", "%CPU", print_cpu, NULL},
    {"pcpu", "%CPU", print_cpu, NULL},
    {"c", "C", print_c, NULL},
    {"%mem", "%MEM", print_memory, "rss_bytes"},
    {"pmem", "%MEM", print_memory, "rss_bytes"},
    {"rss", "RSS", print_kib, "rss_bytes"},
    {"rssize", "RSS", print_kib, "rss_bytes"},
    {"rsz", "RSZ", print_kib, "rss_bytes"},
    {"vsz", "VSZ", print_kib, "vsz_bytes"},
    {"vsize", "VSZ", print_kib, "vsz_bytes"},
    {"stat", "STAT", print_stat, "state"},
    {"s", "S", print_state, "state"},
    {"state", "S", print_state, "state"},
    {"tty", "TT", print_tty, "tty"},
    {"tt", "TT", print_tty, "tty"},
    {"tname", "TTY", print_tty, "tty"},
    {"ni", "NI", print_number, "nice"},
    {"nice", "NI", print_number, "nice"},
    {"nlwp", "NLWP", print_number, "threads"},
    {"thcount", "THCNT", print_number, "threads"},
    {"_uid", "UID", print_user, "uid"}, /* of -f: a name under this title */
};

static_assert(ARRAY_SIZE(columns) <= DOCKER_PS_COLUMNS_MAX, "each may be asked for once");

static int add_column(struct docker_ps *ps, const char *name, struct vic_err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (strcmp(columns[i].name, name) != 0)
            continue;
        for (size_t k = 0; k < ps->n;
             k++) /* what a guest says must not be made many times larger */
            if (ps->columns[k] == &columns[i])
                return vic_fail(err, VIC_ERR_INVALID, 0, "ps: the column '%s' is given twice",
                                name);
        assert(ps->n < ARRAY_SIZE(ps->columns));
        ps->columns[ps->n++] = &columns[i];
        return 0;
    }
    return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                    "the column '%.40s' of ps is not served here: run ps in the container, by exec",
                    name);
}

static int add_columns(struct docker_ps *ps, const char *list, struct vic_err *err)
{
    auto_strv char **name = vic_strv_split(list, ',');
    int r = vic_str_is_empty(list)
                ? vic_fail(err, VIC_ERR_INVALID, 0, "ps: 'o' needs a list of columns")
                : 0;
    for (char **n = name; n && *n && r == 0; n++)
        r = (*n)[0] == '_' ? vic_fail(err, VIC_ERR_INVALID, 0, "ps: no column '%.40s'", *n)
                           : add_column(ps, *n, err);
    return r;
}

/* ---- arguments --------------------------------------------------------------------------------------------- */

enum format {
    NONE,
    FULL,
    USER,
    OWN
};

static const char *const formats[] = {
    [FULL] = "_uid,pid,ppid,c,stime,tname,time,cmd",
    [USER] = "user,pid,%cpu,%mem,vsz,rss,tname,stat,start_time,bsdtime,command",
};

static int choose(enum format *format, enum format chosen, struct vic_err *err)
{
    if (*format != NONE && *format != chosen)
        return vic_fail(err, VIC_ERR_INVALID, 0, "ps: conflicting format options");
    *format = chosen;
    return 0;
}

/* One word; *ret_takes_next: its "o" has its list in the next one. */
static int parse_word(const char *word, struct docker_ps *ps, enum format *format, bool *is_bsd,
                      bool *ret_takes_next, struct vic_err *err)
{
    bool is_unix = word[0] == '-' && strcmp(word, "-aux") != 0; /* that one means "aux" to ps too */
    const char *selects = is_unix ? "eAadw" : "axw";
    const char *letter = word + (word[0] == '-');
    int r = letter[0] ? 0 : vic_fail(err, VIC_ERR_INVALID, 0, "ps: invalid argument '%.40s'", word);
    *is_bsd = *is_bsd || !is_unix;
    for (; *letter && r == 0; letter++) {
        if (*letter == 'o') {
            r = choose(format, OWN, err);
            *ret_takes_next = letter[1] == '\0';
            return r < 0 || *ret_takes_next ? r : add_columns(ps, letter + 1, err);
        }
        if (*letter == (is_unix ? 'f' : 'u'))
            r = choose(format, is_unix ? FULL : USER, err);
        else if (!strchr(selects, *letter))
            r = vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                         "'%.40s' of ps is not served here: use -ef, aux, or -o with columns",
                         word);
    }
    return r;
}

static int parse_words(char *const *word, struct docker_ps *ps, struct vic_err *err)
{
    enum format format = NONE;
    bool is_bsd = false;
    bool takes_next = false;
    int r = 0;
    for (; word && *word && r == 0; word++) {
        if (takes_next) {
            r = add_columns(ps, *word, err);
            takes_next = false;
        } else if (**word) {
            r = parse_word(*word, ps, &format, &is_bsd, &takes_next, err);
        }
    }
    if (r == 0 && takes_next)
        return add_columns(ps, "", err);
    if (r < 0 || format == OWN)
        return r;
    if (format == NONE)
        return add_columns(ps, is_bsd ? "pid,tname,stat,bsdtime,command" : "pid,tname,time,ucmd",
                           err);
    for (const char *at = formats[format]; at && r == 0;) {
        size_t len = strcspn(at, ",");
        auto_free char *name = vic_xstrndup(at, len);
        r = add_column(ps, name, err);
        at = at[len] ? at + len + 1 : NULL;
    }
    return r;
}

int docker_ps_parse(const char *args, struct docker_ps *ret_ps, struct vic_err *err)
{
    auto_strv char **words = vic_strv_split(args, ' ');
    *ret_ps = (struct docker_ps){0};
    int r = parse_words(words, ret_ps, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ret_ps->n; i++)
        if (strcmp(ret_ps->columns[i]->title, "PID") == 0)
            return 0;
    return vic_fail(err, VIC_ERR_INVALID, 0, "Couldn't find PID field in ps output");
}

cJSON *docker_ps_json(const struct docker_ps *ps, const cJSON *doc, int64_t now_s)
{
    struct view v = {.memory_bytes = json_i64(doc, "memory_bytes", 0), .now_s = now_s};
    cJSON *out = json_new_obj();
    cJSON *titles = json_add_arr(out, "Titles");
    cJSON *rows = json_add_arr(out, "Processes");
    for (size_t i = 0; i < ps->n; i++)
        json_push_str(titles, ps->columns[i]->title);
    cJSON_ArrayForEach(v.p, json_member(doc, "processes"))
    {
        cJSON *row = json_new_arr();
        for (size_t i = 0; i < ps->n; i++) {
            auto_free char *text = ps->columns[i]->print(&v, ps->columns[i]->member);
            json_push_str(row, text);
        }
        json_push(rows, row);
    }
    return out;
}
