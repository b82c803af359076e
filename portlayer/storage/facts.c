/* Layer facts: one small document per layer, written last and removed first. */
#include "portlayer/storage/facts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/json/json.h"

#define FACTS_MAX 4096
#define HEX 64

static char *facts_path(const char *dir, const char *chain)
{
    return vic_xasprintf("%s/%s.json", dir, chain + strlen("sha256:"));
}

static char *disk_path(const char *dir, const char *chain)
{
    return vic_xasprintf("%s/%s.qcow2", dir, chain + strlen("sha256:"));
}

static int copy_digest(char *to, const char *from, bool may_be_empty)
{
    if (may_be_empty && *from == '\0')
        return 0;
    if (!host_digest_is_valid(from))
        return -EINVAL;
    memcpy(to, from, strlen(from) + 1);
    return 0;
}

/* -EINVAL when the document is not one of ours. */
static int load_one(const char *dir, const char *chain, struct pl_layer *ret_layer)
{
    auto_free char *path = facts_path(dir, chain);
    auto_free char *disk = disk_path(dir, chain);
    auto_free char *text = NULL;
    auto_json cJSON *doc = NULL;
    size_t len;
    if (vic_file_exists(disk) != 1 || vic_file_read(path, FACTS_MAX, &text, &len, NULL) < 0 ||
        json_parse(text, len, &doc, NULL) < 0)
        return -EINVAL;
    struct pl_layer l = {.size = (uint64_t)json_i64(doc, "size", 0)};
    memcpy(l.chain, chain, strlen(chain) + 1);
    if (copy_digest(l.parent, json_str(doc, "parent", ""), true) < 0 ||
        copy_digest(l.diff_id, json_str(doc, "diff_id", ""), false) < 0)
        return -EINVAL;
    *ret_layer = l;
    return 0;
}

/* 64 hex digits and one of the two suffixes. */
static bool layer_of(const char *name, char ret_chain[HOST_DIGEST_MAX])
{
    if (strlen(name) < HEX ||
        (strcmp(name + HEX, ".json") != 0 && strcmp(name + HEX, ".qcow2") != 0))
        return false;
    (void)snprintf(ret_chain, HOST_DIGEST_MAX, "sha256:%.64s", name);
    return host_digest_is_valid(ret_chain);
}

/* A layer whose parent is not complete is of no use to anyone. */
static void drop_headless(const char *dir, struct vic_map *layers)
{
    for (bool again = true; again;) {
        again = false;
        map_for_each(slot, layers) {
            struct pl_layer *l = slot->value;
            if (*l->parent == '\0' || vic_map_get(layers, l->parent))
                continue;
            (void)vic_map_remove(layers, l->chain);
            pl_facts_remove_layer(dir, l->chain);
            free(l);
            again = true;
            break;
        }
    }
}

int pl_facts_load(const char *layers_dir, struct vic_map *layers, struct vic_err *err)
{
    DIR *d = opendir(layers_dir);
    if (!d)
        return vic_fail_errno(err, errno, "open folder '%s'", layers_dir);
    for (struct dirent *e; (e = readdir(d));) {
        char chain[HOST_DIGEST_MAX];
        struct pl_layer layer;
        if (!layer_of(e->d_name, chain) || vic_map_get(layers, chain))
            continue;
        if (load_one(layers_dir, chain, &layer) < 0) {
            pl_facts_remove_layer(layers_dir, chain);
            continue;
        }
        struct pl_layer *kept = vic_new(struct pl_layer);
        *kept = layer;
        (void)vic_map_put(layers, chain, kept);
    }
    (void)closedir(d);
    drop_headless(layers_dir, layers);
    return 0;
}

int pl_facts_save(const char *layers_dir, const struct pl_layer *layer, struct vic_err *err)
{
    auto_free char *path = facts_path(layers_dir, layer->chain);
    auto_json cJSON *doc = json_new_obj();
    json_add_str(doc, "diff_id", layer->diff_id);
    json_add_str(doc, "parent", layer->parent);
    json_add_i64(doc, "size", (int64_t)layer->size);
    auto_free char *text = json_print(doc);
    return vic_file_replace(path, text, strlen(text), 0644, err);
}

void pl_facts_remove_layer(const char *layers_dir, const char *chain)
{
    auto_free char *facts = facts_path(layers_dir, chain);
    auto_free char *disk = disk_path(layers_dir, chain);
    if ((unlink(facts) < 0 && errno != ENOENT) || (unlink(disk) < 0 && errno != ENOENT))
        vic_log(VIC_DEBUG, "layer", chain, "not removed: %s", strerror(errno));
}
