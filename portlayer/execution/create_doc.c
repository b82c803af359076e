/* Reads POST /v1/containers' document. */
#include "portlayer/execution/create_doc.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "portlayer/api.h"

int pl_create_read(const cJSON *doc, struct pl_record *ret_rec, struct vic_err *err)
{
    static const char *const members[] = {"name", "image", "spec", "annotations",
                                          "event_attributes"};
    const char *name = NULL;
    const char *image = NULL;
    struct pl_record rec = {0};
    int r;
    if ((r = pl_check_members(doc, NULL, members, ARRAY_SIZE(members), err)) < 0 ||
        (r = json_get_str(doc, "", "name", &name, err)) < 0 ||
        (r = json_need_str(doc, "", "image", &image, err)) < 0 ||
        (r = pl_check_string_map(json_member(doc, "annotations"), "annotations", PL_ANNOTATIONS_MAX,
                                 err)) < 0 ||
        (r = pl_check_string_map(json_member(doc, "event_attributes"), "event_attributes",
                                 PL_ANNOTATIONS_MAX, err)) < 0 ||
        (name && (r = pl_check_name(name, err)) < 0) ||
        (r = pl_spec_from_json(json_member(doc, "spec"), &rec.spec, err)) < 0)
        return r;
    struct vic_id id;
    vic_id_new(&id);
    memcpy(rec.id, id.text, sizeof(rec.id));
    rec.name = name ? vic_xstrdup(name) : vic_xstrndup(rec.id, VIC_ID_SHORT_LEN);
    rec.image = vic_xstrdup(image);
    rec.created_ns = vic_clock_wall_ns();
    const cJSON *a = json_member(doc, "annotations");
    rec.annotations = a ? json_dup(a) : json_new_obj();
    a = json_member(doc, "event_attributes");
    rec.event_attributes = a ? json_dup(a) : json_new_obj();
    *ret_rec = rec;
    return 0;
}
