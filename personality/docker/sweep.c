/* What failed pulls have brought goes again. */
#include "personality/docker/sweep.h"

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "lib/json/json.h"
#include "portlayer/api.h"

void docker_sweep_release(struct docker *d)
{
    vic_strv_free(d->fresh);
    d->fresh = NULL;
    d->n_fresh = 0;
    d->has_failed_pull = false;
}

void docker_sweep_pull_begins(struct docker *d)
{
    d->n_pulls++;
}

/* Past the cap the port layer finds them by their age. */
void docker_sweep_brought(struct docker *d, const char *digest)
{
    if (d->n_pulls == 0 || d->n_fresh >= PL_SWEEP_MAX)
        return;
    d->fresh = vic_strv_append(d->fresh, digest);
    d->n_fresh++;
}

static void on_swept(const struct vic_err *err, const cJSON *doc, void *arg)
{
    (void)err; /* what stays is found by its age */
    (void)doc;
    (void)arg;
}

void docker_sweep_pull_ends(struct docker *d, bool has_failed)
{
    d->has_failed_pull = d->has_failed_pull || has_failed;
    if (--d->n_pulls > 0)
        return;
    if (d->has_failed_pull && d->n_fresh > 0) {
        auto_json cJSON *body = json_new_obj();
        json_add_strv(body, "digests", d->fresh);
        (void)host_rpc_call(d->pl, "POST", "/v1/content/sweep", body, on_swept, NULL, NULL);
    }
    docker_sweep_release(d);
}
