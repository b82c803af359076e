/* From the port layer's image documents to Docker's. */
#include "personality/docker/image_json.h"

#include <string.h>

#include "lib/base/banned.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "personality/docker/images.h"
#include "personality/docker/version.h"

static int64_t seconds(const char *time)
{
    int64_t ns = 0;
    (void)vic_clock_parse_rfc3339(time, &ns); /* else 1970, as for images without a time */
    return ns / VIC_NS_PER_S;
}

int64_t docker_image_created(const cJSON *image)
{
    return seconds(json_str(image, "created", ""));
}

static int64_t count_users(const cJSON *image, const cJSON *containers)
{
    int64_t n = 0;
    const cJSON *c;
    cJSON_ArrayForEach(c, containers)
    {
        n += strcmp(json_str(c, "image", ""), json_str(image, "id", "?")) == 0;
    }
    return containers ? n : -1;
}

static void add_size(cJSON *out, const cJSON *image, unsigned api)
{
    json_add_i64(out, "Size", json_i64(image, "size", 0));
    if (api < DOCKER_API(1, 44))
        json_add_i64(out, "VirtualSize", json_i64(image, "size", 0));
}

cJSON *docker_image_summary_json(const cJSON *image, const cJSON *containers, unsigned api)
{
    const cJSON *labels = json_member(image, "labels");
    cJSON *out = json_new_obj();
    json_add_str(out, "Id", json_str(image, "id", ""));
    json_add_str(out, "ParentId", "");
    docker_image_add_refs(out, image);
    json_add_i64(out, "Created", docker_image_created(image));
    add_size(out, image, api);
    json_add_i64(out, "SharedSize", json_i64(image, "shared_size", -1));
    json_add(out, "Labels", labels ? json_dup(labels) : cJSON_CreateNull());
    json_add_i64(out, "Containers", count_users(image, containers));
    return out;
}

/* What the image says, and what clients expect to find whether it says it or not. */
static cJSON *config_json(const cJSON *said, unsigned api)
{
    static const struct {
        const char *name;
        int type; /* of cJSON */
        bool is_old;
    } always[] = {
        {"User", cJSON_String, false},       {"Env", cJSON_NULL, false},
        {"Cmd", cJSON_NULL, false},          {"Entrypoint", cJSON_NULL, false},
        {"Volumes", cJSON_NULL, false},      {"WorkingDir", cJSON_String, false},
        {"Labels", cJSON_NULL, false},       {"OnBuild", cJSON_NULL, false},
        {"Hostname", cJSON_String, true},    {"Domainname", cJSON_String, true},
        {"AttachStdin", cJSON_False, true},  {"AttachStdout", cJSON_False, true},
        {"AttachStderr", cJSON_False, true}, {"Tty", cJSON_False, true},
        {"OpenStdin", cJSON_False, true},    {"StdinOnce", cJSON_False, true},
        {"Image", cJSON_String, true},
    };
    cJSON *out = cJSON_IsObject(said) ? json_dup(said) : json_new_obj();
    for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
        bool is_due = !always[i].is_old || api < DOCKER_API(1, 50);
        if (!is_due || json_member(out, always[i].name))
            continue;
        if (always[i].type == cJSON_String)
            json_add_str(out, always[i].name, "");
        else if (always[i].type == cJSON_False)
            json_add_bool(out, always[i].name, false);
        else
            json_add_null(out, always[i].name);
    }
    return out;
}

cJSON *docker_image_inspect_json(const cJSON *image, unsigned api)
{
    const cJSON *config = json_member(image, "config");
    cJSON *out = json_new_obj();
    json_add_str(out, "Id", json_str(image, "id", ""));
    docker_image_add_refs(out, image);
    json_add_str(out, "Parent", "");
    json_add_str(out, "Comment", json_str(config, "comment", ""));
    json_add_str(out, "Created", json_str(config, "created", ""));
    json_add_str(out, "DockerVersion", json_str(config, "docker_version", ""));
    json_add_str(out, "Author", json_str(config, "author", ""));
    json_add(out, "Config", config_json(json_member(config, "config"), api));
    if (api < DOCKER_API(1, 45)) { /* of the container that it was made from */
        json_add_str(out, "Container", "");
        json_add(out, "ContainerConfig", config_json(NULL, api));
    }
    json_add_str(out, "Architecture", json_str(config, "architecture", ""));
    const char *variant = json_str(config, "variant", "");
    if (variant[0])
        json_add_str(out, "Variant", variant);
    json_add_str(out, "Os", json_str(config, "os", "linux"));
    add_size(out, image, api);
    cJSON *driver = json_add_obj(out, "GraphDriver");
    json_add_null(driver, "Data");
    json_add_str(driver, "Name", "qcow2");
    cJSON *root = json_add_obj(out, "RootFS");
    json_add_str(root, "Type", "layers");
    const cJSON *layers = json_member(json_member(config, "rootfs"), "diff_ids");
    json_add(root, "Layers", layers ? json_dup(layers) : json_new_arr());
    json_add_str(json_add_obj(out, "Metadata"), "LastTagTime", "0001-01-01T00:00:00Z");
    return out;
}

/* Newest first.  How much each step added is not known here, so sizes are 0. */
cJSON *docker_image_history_json(const cJSON *image, unsigned api)
{
    (void)api; /* it has not changed */
    cJSON *out = json_new_arr();
    const cJSON *history = json_member(json_member(image, "config"), "history");
    const cJSON *newest = history && history->child ? history->child->prev : NULL;
    for (const cJSON *h = newest; h; h = h == history->child ? NULL : h->prev) {
        cJSON *row = json_new_obj();
        json_add_str(row, "Id", h == newest ? json_str(image, "id", "") : "<missing>");
        json_add_i64(row, "Created", seconds(json_str(h, "created", "")));
        json_add_str(row, "CreatedBy", json_str(h, "created_by", ""));
        cJSON *refs = json_new_obj();
        docker_image_add_refs(refs, image);
        const cJSON *tags = json_member(refs, "RepoTags");
        if (h == newest && tags->child)
            json_add(row, "Tags", json_dup(tags));
        else
            json_add_null(row, "Tags");
        cJSON_Delete(refs);
        json_add_i64(row, "Size", 0);
        json_add_str(row, "Comment", json_str(h, "comment", ""));
        json_push(out, row);
    }
    return out;
}
