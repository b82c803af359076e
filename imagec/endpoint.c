/* Where a registry's requests go: mirrors of docker.io, plain HTTP where it is allowed. */
#include <string.h>
#include <strings.h>

#include "imagec/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"

#define HUB_DOMAIN "docker.io"
#define HUB_HOST "registry-1.docker.io"
#define MIRROR_MAX 1024

static bool is_listed_insecure(const struct img_client *c, const char *host)
{
    for (size_t i = 0; c->insecure && c->insecure[i]; i++)
        if (strcasecmp(c->insecure[i], host) == 0)
            return true;
    return false;
}

int img_mirror_check(const char *url, struct vic_err *err)
{
    const char *host = vic_str_starts_with(url, "http://")    ? url + strlen("http://")
                       : vic_str_starts_with(url, "https://") ? url + strlen("https://")
                                                              : "";
    for (const char *p = host; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("?#@\\", *p))
            host = "";
    if (*host == '\0' || *host == '/' || strlen(url) > MIRROR_MAX)
        return vic_fail(
            err, VIC_ERR_INVALID, 0,
            "registry mirror '%.200s': expected http://HOST[:PORT] or https://HOST[:PORT]", url);
    return 0;
}

static struct img_endpoint mirror_endpoint(const struct img_client *c, const char *url)
{
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    const char *host = strstr(url, "://") + strlen("://");
    char *name = vic_xstrndup(host, strcspn(host, "/"));
    return (struct img_endpoint){.base = vic_xstrndup(url, n),
                                 .host = name,
                                 .fallback = IMG_FALLBACK_ANY,
                                 .is_insecure = vic_str_starts_with(url, "http://") ||
                                                host_http_is_loopback(name) ||
                                                is_listed_insecure(c, name)};
}

static struct img_endpoint endpoint(const char *scheme, const char *host,
                                    enum img_fallback fallback, bool is_insecure)
{
    return (struct img_endpoint){.base = vic_xasprintf("%s://%s", scheme, host),
                                 .host = vic_xstrdup(host),
                                 .fallback = fallback,
                                 .is_insecure = is_insecure};
}

struct img_endpoint *img_endpoints_for(const struct img_client *c, const char *domain,
                                       size_t *ret_n)
{
    bool is_hub = strcmp(domain, HUB_DOMAIN) == 0;
    size_t n_mirrors = is_hub ? vic_strv_len(c->mirrors) : 0;
    struct img_endpoint *list = vic_xalloc((n_mirrors + 2) * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; i < n_mirrors; i++)
        list[n++] = mirror_endpoint(c, c->mirrors[i]);
    bool is_loopback = host_http_is_loopback(domain);
    bool is_insecure = is_loopback || is_listed_insecure(c, domain);
    if (is_hub) {
        list[n++] = endpoint("https", HUB_HOST, IMG_FALLBACK_ANY, is_listed_insecure(c, domain));
    } else if (is_loopback) {
        list[n++] = endpoint("http", domain, IMG_FALLBACK_TLS, true);
        list[n++] = endpoint("https", domain, IMG_FALLBACK_ANY, true);
    } else {
        list[n++] = endpoint("https", domain, IMG_FALLBACK_CONNECTION, is_insecure);
        if (is_insecure)
            list[n++] = endpoint("http", domain, IMG_FALLBACK_ANY, true);
    }
    *ret_n = n;
    return list;
}

void img_endpoints_free(struct img_endpoint *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].base);
        free(list[i].host);
    }
    free(list);
}
