/* Log drivers. */
#include "personality/docker/log_config.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

#define MB 1000000
#define NONE_BYTES (1 * MB) /* of what nobody can read back: enough for those who are attached */

static const struct driver {
    const char *name;
    int64_t max_size, max_file; /* without options; 0: no limit */
} drivers[] = {
    {"json-file", 0, 1},
    {"local", 20 * MB, 5},
    {"none", NONE_BYTES, 1},
};

static const struct driver *find(const cJSON *host)
{
    const char *type = json_str(json_member(host, "LogConfig"), "Type", "");
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
        if (strcmp(drivers[i].name, type[0] ? type : "json-file") == 0)
            return &drivers[i];
    return NULL;
}

static const char *option(const cJSON *host, const char *name)
{
    return json_str(json_member(json_member(host, "LogConfig"), "Config"), name, "");
}

/* ---- checks ---- */

/* "10m", "1.5 GB", "512KiB": thousands, as Docker counts them here. */
static int read_size(const char *text, int64_t *ret, struct vic_err *err)
{
    static const char units[] = "kmgtp";
    char *end = NULL;
    double n = isdigit((unsigned char)text[0]) ? strtod(text, &end) : 0;
    const char *p = end ? end : "?";
    p += *p == ' ';
    const char *unit = *p ? strchr(units, tolower((unsigned char)*p)) : NULL;
    if (unit) {
        n *= pow(1000, (double)(unit - units + 1));
        p++;
    }
    p += *p == 'i' || *p == 'I';
    p += *p == 'b' || *p == 'B';
    if (*p || strpbrk(text, "xXeEnN") || !(n < (double)(INT64_MAX / 2)))
        return vic_fail(err, VIC_ERR_INVALID, 0, "invalid size: '%.40s'", text);
    if (n < 1)
        return vic_fail(err, VIC_ERR_INVALID, 0, "max-size must be a positive number");
    *ret = (int64_t)n;
    return 0;
}

static int read_limits(const cJSON *host, int64_t *ret_size, int64_t *ret_files,
                       struct vic_err *err)
{
    const struct driver *d = find(host);
    const char *size = option(host, "max-size");
    const char *files = option(host, "max-file");
    int r = 0;
    *ret_size = d->max_size;
    *ret_files = d->max_file;
    if (size[0] && (r = read_size(size, ret_size, err)) < 0)
        return r;
    if (files[0] && vic_str_to_i64(files, INT32_MIN, INT32_MAX, ret_files) < 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "strconv.Atoi: parsing \"%.40s\": invalid syntax",
                        files);
    if (*ret_files < 1)
        return vic_fail(err, VIC_ERR_INVALID, 0, "max-file cannot be less than 1");
    if (*ret_size > INT64_MAX / 2 / *ret_files)
        return vic_fail(err, VIC_ERR_INVALID, 0, "max-size times max-file is too large");
    return 0;
}

static bool is_plain(const char *value)
{
    bool flag = false;
    return vic_str_to_bool(value, &flag) == 0 && !flag;
}

/* What each option may be; those of Docker that would change nothing here only as they are already. */
static int check_option(const struct driver *d, const cJSON *o, struct vic_err *err)
{
    static const char *const served[] = {"max-size", "max-file", "labels", "env"};
    static const char *const unserved[] = {"labels-regex", "env-regex",       "tag",
                                           "compress",     "max-buffer-size", "mode"};
    const char *value = cJSON_IsString(o) ? o->valuestring : NULL;
    if (!value)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "HostConfig.LogConfig.Config.%.80s: expected a string", o->string);
    if (strcmp(d->name, "none") == 0)
        return vic_fail(err, VIC_ERR_INVALID, 0, "the log driver none has no option '%.80s'",
                        o->string);
    if (strcmp(o->string, "compress") == 0 && is_plain(value))
        return 0;
    if (strcmp(o->string, "mode") == 0 && strcmp(value, "blocking") == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(served); i++)
        if (strcmp(served[i], o->string) == 0)
            return 0;
    for (size_t i = 0; i < ARRAY_SIZE(unserved); i++)
        if (strcmp(unserved[i], o->string) == 0)
            return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                            "HostConfig.LogConfig.Config '%s=%.80s' is not served here: use "
                            "max-size, max-file, labels and env",
                            unserved[i], value);
    return vic_fail(err, VIC_ERR_INVALID, 0, "unknown log opt '%.80s' for %s log driver", o->string,
                    d->name);
}

int docker_log_check(const cJSON *host, struct vic_err *err)
{
    const cJSON *log;
    const cJSON *options;
    const char *type;
    int64_t size;
    int64_t files;
    int r = json_get_obj(host, "HostConfig", "LogConfig", &log, err);
    if (r < 0 || (r = json_get_str(log, "HostConfig.LogConfig", "Type", &type, err)) < 0 ||
        (r = json_get_obj(log, "HostConfig.LogConfig", "Config", &options, err)) < 0)
        return r;
    const struct driver *d = find(host);
    if (!d)
        return vic_fail(err, VIC_ERR_UNIMPLEMENTED, 0,
                        "HostConfig.LogConfig.Type '%.100s' is not served here: use json-file, "
                        "local or none",
                        type);
    const cJSON *o;
    cJSON_ArrayForEach(o, options)
    {
        if ((r = check_option(d, o, err)) < 0)
            return r;
    }
    return read_limits(host, &size, &files, err);
}

/* ---- what follows from it ---- */

cJSON *docker_log_spec(const cJSON *host)
{
    int64_t size = 0;
    int64_t files = 0;
    if (!find(host) || read_limits(host, &size, &files, NULL) < 0 || size == 0)
        return NULL;
    cJSON *spec = json_new_obj();
    json_add_i64(spec, "max_bytes", size * files);
    return spec;
}

bool docker_log_is_none(const cJSON *host)
{
    const struct driver *d = find(host);
    return d && strcmp(d->name, "none") == 0;
}

static void add_detail(struct vic_buf *b, const char *key, const char *value)
{
    vic_buf_addf(b, "%s%s=%s", b->len > 0 ? "," : "", key, value);
}

static void add_variable(struct vic_buf *b, const cJSON *env, const char *name)
{
    size_t len = strlen(name);
    const cJSON *e;
    cJSON_ArrayForEach(e, env)
    {
        if (cJSON_IsString(e) && strncmp(e->valuestring, name, len) == 0 &&
            e->valuestring[len] == '=')
            add_detail(b, name, e->valuestring + len + 1);
    }
}

/* As far as it fits, and a little more. */
static void details(const cJSON *host, const cJSON *config, struct vic_buf *b)
{
    auto_strv char **labels = vic_strv_split(option(host, "labels"), ',');
    auto_strv char **env = vic_strv_split(option(host, "env"), ',');
    for (char **v = labels; v && *v && b->len <= DOCKER_LOG_DETAILS_MAX; v++) {
        const char *value = json_str(json_member(config, "Labels"), *v, NULL);
        if (value)
            add_detail(b, *v, value);
    }
    for (char **v = env; v && *v && b->len <= DOCKER_LOG_DETAILS_MAX; v++)
        if (**v)
            add_variable(b, json_member(config, "Env"), *v);
}

int docker_log_check_details(const cJSON *host, const cJSON *config, struct vic_err *err)
{
    auto_buf struct vic_buf b = {0};
    details(host, config, &b);
    return b.len <= DOCKER_LOG_DETAILS_MAX
               ? 0
               : vic_fail(err, VIC_ERR_INVALID, 0,
                          "HostConfig.LogConfig.Config: what labels and env name has more than %u "
                          "bytes, to stand before each line of the log",
                          DOCKER_LOG_DETAILS_MAX);
}

char *docker_log_details(const cJSON *host, const cJSON *config)
{
    struct vic_buf b = {0};
    details(host, config, &b);
    if (b.len > DOCKER_LOG_DETAILS_MAX)
        vic_buf_cut(&b, DOCKER_LOG_DETAILS_MAX);
    char *text = vic_buf_take(&b);
    return text ? text : vic_xstrdup("");
}
