/* Reading the configuration file. */
#include "personality/docker/config.h"

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/json/json.h"

#define CONFIG_MAX (1u << 20)

void docker_config_release(struct docker_config *c)
{
    free(c->portlayer);
    free(c->name);
    vic_strv_free(c->insecure_registries);
    vic_strv_free(c->registry_mirrors);
    *c = (struct docker_config){0};
}

int docker_config_parse(const char *text, size_t len, struct docker_config *ret_config,
                        struct vic_err *err)
{
    auto_json cJSON *doc = NULL;
    const char *portlayer;
    const char *name;
    int r = json_parse(text, len, &doc, err);
    if (r < 0 || (r = json_need_str(doc, "", "portlayer", &portlayer, err)) < 0 ||
        (r = json_get_str(doc, "", "name", &name, err)) < 0)
        return r;
    struct docker_config c = {0};
    r = json_get_strv(doc, "", "insecure_registries", &c.insecure_registries, err);
    if (r >= 0)
        r = json_get_strv(doc, "", "registry_mirrors", &c.registry_mirrors, err);
    if (r < 0) {
        docker_config_release(&c);
        return r;
    }
    c.portlayer = vic_xstrdup(portlayer);
    c.name = vic_xstrdup_or_null(name);
    *ret_config = c;
    return 0;
}

int docker_config_load(const char *path, struct docker_config *ret_config, struct vic_err *err)
{
    auto_free char *text = NULL;
    size_t len = 0;
    int r = vic_file_read(path, CONFIG_MAX, &text, &len, err);
    if (r < 0)
        return r;
    r = docker_config_parse(text, len, ret_config, err);
    return r < 0 ? vic_fail_wrap(err, r, "%s", path) : 0;
}
