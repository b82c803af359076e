/* Volumes and plugins, of which there are none: lists are empty, and no name exists. */
#include "personality/docker/filters.h"
#include "personality/docker/handlers.h"

void docker_volume_list(struct docker_req *r)
{
    static const char *const known[] = {"dangling", "driver", "label", "name", NULL};
    auto_filters struct docker_filters f = {0};
    struct vic_err err;
    if (docker_filters_parse(docker_req_query(r, "filters"), known, &f, &err) < 0) {
        docker_reply_error(r, &err);
        return;
    }
    cJSON *out = json_new_obj();
    (void)json_add_arr(out, "Volumes");
    (void)json_add_arr(out, "Warnings");
    docker_reply_json(r, DOCKER_OK, out);
}

void docker_volume_absent(struct docker_req *r)
{
    docker_reply_errorf(r, VIC_ERR_NOT_FOUND, "get %s: no such volume", r->name);
}

void docker_plugin_absent(struct docker_req *r)
{
    docker_reply_errorf(r, VIC_ERR_NOT_FOUND, "plugin \"%s\" not found", r->name);
}
