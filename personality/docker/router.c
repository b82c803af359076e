/* From a request to its handler. */
#include "personality/docker/router.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "personality/docker/version.h"

/* True if pattern matches; the matched run of {} starts at *ret_at. */
static bool matches(const char *pattern, const char *path, size_t *ret_at, size_t *ret_len)
{
    const char *hole = strstr(pattern, "{}");
    *ret_len = 0;
    *ret_at = 0;
    if (!hole)
        return strcmp(pattern, path) == 0;
    size_t before = (size_t)(hole - pattern);
    size_t after = strlen(hole + 2);
    size_t len = strlen(path);
    if (len < before + after || strncmp(pattern, path, before) != 0 ||
        strcmp(path + len - after, hole + 2) != 0)
        return false;
    *ret_at = before;
    *ret_len = len - before - after;
    return true;
}

const struct docker_route *docker_route_find(enum docker_method method, const char *path,
                                             char **ret_name)
{
    for (size_t i = 0; i < docker_n_routes; i++) {
        const struct docker_route *route = &docker_routes[i];
        size_t at;
        size_t len;
        if (route->method != method || !matches(route->path, path, &at, &len))
            continue;
        *ret_name = strstr(route->path, "{}") ? vic_xstrndup(path + at, len) : NULL;
        return route;
    }
    return NULL;
}

bool docker_route_streams(const struct docker_req *r)
{
    char version[40];
    bool has_version;
    unsigned api;
    const char *path = docker_version_split(r->path, &api, &has_version, version, sizeof(version));
    auto_free char *name = NULL;
    const struct docker_route *route = docker_route_find(r->method, path, &name);
    for (size_t i = 0; route && docker_streaming_handlers[i]; i++)
        if (route->handle == docker_streaming_handlers[i])
            return true;
    return false;
}

char *docker_route_clean(const char *path)
{
    auto_strv char **in = vic_strv_split(path, '/');
    size_t n = vic_strv_len(in);
    auto_free const char **kept = vic_xrealloc_array(NULL, n + 1, sizeof(*kept));
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (in[i][0] == '\0' || strcmp(in[i], ".") == 0)
            continue;
        if (strcmp(in[i], "..") == 0)
            n_kept -= n_kept > 0;
        else
            kept[n_kept++] = in[i];
    }
    struct vic_buf b = {0};
    for (size_t i = 0; i < n_kept; i++) {
        vic_buf_add_char(&b, '/');
        vic_buf_add_str(&b, kept[i]);
    }
    if (b.len == 0 || vic_str_ends_with(path, "/"))
        vic_buf_add_char(&b, '/');
    char *clean = vic_buf_take(&b);
    if (strcmp(clean, path) != 0)
        return clean;
    free(clean);
    return NULL;
}

/* Where a path that is not clean leads; bytes that may not stand in a header are encoded. */
static void redirect(struct docker_req *r, const char *clean)
{
    auto_buf struct vic_buf b = {0};
    for (const unsigned char *s = (const unsigned char *)clean; *s; s++)
        vic_buf_addf(
            &b, *s <= ' ' || *s >= 127 || *s == '%' || *s == '?' || *s == '#' ? "%%%02X" : "%c",
            *s);
    docker_reply_moved(r, vic_buf_str(&b));
}

void docker_route(struct docker_req *r)
{
    if (r->has_long_query) {
        docker_reply_errorf(r, VIC_ERR_INVALID, "the query has more than %d parameters",
                            DOCKER_QUERY_MAX);
        return;
    }
    auto_free char *clean = docker_route_clean(r->path);
    if (clean) {
        redirect(r, clean);
        return;
    }
    char version[40];
    bool has_version;
    const char *path =
        docker_version_split(r->path, &r->api, &has_version, version, sizeof(version));
    const struct docker_route *route = docker_route_find(r->method, path, &r->name);
    if (!route) {
        docker_reply_errorf(r, VIC_ERR_NOT_FOUND, "page not found");
        return;
    }
    r->route = route;
    struct vic_err err;
    if (has_version && docker_version_check(r->api, version, &err) < 0)
        docker_reply_error(r, &err);
    else
        route->handle(r);
}
