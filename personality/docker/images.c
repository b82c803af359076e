/* References and ids of images. */
#include "personality/docker/images.h"

#include <string.h>

#include "imagec/imagec.h"
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/id.h"
#include "lib/base/str.h"

#define ID_PREFIX "sha256:"

static const char *bare(const char *id)
{
    return vic_str_starts_with(id, ID_PREFIX) ? id + strlen(ID_PREFIX) : id;
}

static bool is_hex(const char *s)
{
    size_t len = strlen(s);
    return len > 0 && len <= VIC_ID_LEN && vic_str_is_hex(s, len);
}

bool docker_image_is_named_by_id(const cJSON *image, const char *text)
{
    return is_hex(bare(text)) && vic_str_starts_with(bare(json_str(image, "id", "")), bare(text));
}

static const cJSON *find_ref(const cJSON *images, const char *ref)
{
    const cJSON *image;
    cJSON_ArrayForEach(image, images)
    {
        const cJSON *r;
        cJSON_ArrayForEach(r, json_member(image, "refs"))
        {
            if (cJSON_IsString(r) && strcmp(r->valuestring, ref) == 0)
                return image;
        }
    }
    return NULL;
}

static const cJSON *find_id(const cJSON *images, const char *text)
{
    const cJSON *found = NULL;
    const cJSON *image;
    cJSON_ArrayForEach(image, images)
    {
        if (!docker_image_is_named_by_id(image, text))
            continue;
        if (found)
            return NULL; /* ambiguous: Docker says that there is none */
        found = image;
    }
    return found;
}

int docker_image_normalise(const char *text, char **ret_full, struct vic_err *err)
{
    struct img_reference ref = {0};
    int r = img_reference_parse(text, &ref, err);
    if (r < 0)
        return r;
    img_reference_default_tag(&ref);
    if (ref.digest) { /* a digest says all; a tag beside it says nothing more */
        free(ref.tag);
        ref.tag = NULL;
    }
    *ret_full = img_reference_to_string(&ref);
    img_reference_release(&ref);
    return 0;
}

char *docker_image_familiar(const char *full_ref)
{
    struct img_reference ref = {0};
    if (img_reference_parse(full_ref, &ref, NULL) < 0)
        return vic_xstrdup(full_ref);
    char *text = img_reference_to_familiar(&ref);
    img_reference_release(&ref);
    return text;
}

int docker_image_find(const cJSON *images, const char *text, const cJSON **ret_image,
                      struct vic_err *err)
{
    bool is_id = vic_str_starts_with(text, ID_PREFIX) ||
                 (strlen(text) == VIC_ID_LEN && vic_id_is_valid(text));
    auto_free char *full = NULL;
    int r = is_id ? 0 : docker_image_normalise(text, &full, err);
    if (r < 0)
        return r;
    const cJSON *image = full ? find_ref(images, full) : NULL;
    if (!image)
        image = find_id(images, text);
    if (!image) {
        auto_free char *shown = full ? docker_image_familiar(full) : vic_xstrdup(text);
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "No such image: %s", shown);
    }
    *ret_image = image;
    return 0;
}

void docker_image_add_refs(cJSON *out, const cJSON *image)
{
    cJSON *tags = json_add_arr(out, "RepoTags");
    cJSON *digests = json_add_arr(out, "RepoDigests");
    const cJSON *r;
    cJSON_ArrayForEach(r, json_member(image, "refs"))
    {
        if (!cJSON_IsString(r))
            continue;
        auto_free char *familiar = docker_image_familiar(r->valuestring);
        json_push_str(strchr(familiar, '@') ? digests : tags, familiar);
    }
}
