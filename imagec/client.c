/* The client: what all pulls of a program share. */
#include "imagec/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

int img_client_new(uv_loop_t *loop, const struct img_options *options,
                   struct img_client **ret_client, struct vic_err *err)
{
    for (size_t i = 0; options->mirrors && options->mirrors[i]; i++) {
        int r = img_mirror_check(options->mirrors[i], err);
        if (r < 0)
            return r;
    }
    struct host_http *http = NULL;
    int r = host_http_new(loop, options->user_agent, &http, err);
    if (r < 0)
        return r;
    struct img_client *c = vic_new(struct img_client);
    c->loop = loop;
    c->http = http;
    c->insecure = vic_strv_dup(options->insecure_registries);
    c->mirrors = vic_strv_dup(options->mirrors);
    vic_list_init(&c->pulls);
    vic_list_init(&c->fetches);
    *ret_client = c;
    return 0;
}

void img_client_free(struct img_client *c)
{
    if (!c)
        return;
    while (!vic_list_is_empty(&c->pulls))
        img_pull_cancel(img_pull_of(c->pulls.next));
    while (!vic_list_is_empty(&c->fetches))
        vic_list_remove(c->fetches.next); /* freed by whoever is telling its progress now */
    host_http_free(c->http);
    img_tokens_release(c);
    vic_strv_free(c->insecure);
    vic_strv_free(c->mirrors);
    free(c);
}
