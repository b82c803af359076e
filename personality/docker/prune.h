/* The filters that all prunes share. */
#pragma once

#include "personality/docker/filters.h"
#include "personality/docker/req.h"

struct docker_prune_bounds {
    struct docker_filters filters;
    bool has_until;
    int64_t until_ns;
};

/* Of the request's query.  The filters are to be released in any case. */
int docker_prune_parse(const struct docker_req *r, const char *const *known,
                       struct docker_prune_bounds *ret, struct vic_err *err);
/* Old enough, with the labels that were asked for and without those that were not. */
bool docker_prune_is_within(const struct docker_prune_bounds *b, int64_t created_ns,
                            const cJSON *labels);

/* Tells of the prune of that type of objects; then answers with out, which it takes. */
void docker_prune_end(struct docker_req *r, const char *type, int64_t reclaimed, cJSON *take_out);
