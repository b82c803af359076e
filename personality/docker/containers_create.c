/* POST /containers/create */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/str.h"
#include "lib/oci/oci.h"
#include "personality/docker/convert.h"
#include "personality/docker/handlers.h"
#include "personality/docker/intent.h"
#include "personality/docker/text.h"

#define NAME_ATTEMPTS 8 /* a generated name may be taken */

struct create {
    cJSON *body; /* owned, checked */
    char *name;  /* owned; NULL: generate one */
    unsigned attempt;
    struct docker_create merged;
    char *image_id; /* owned */
    char *tried;    /* owned: the name sent last */
    char *taken;    /* owned: what the port layer said of it */
};

static void create_free(struct create *c)
{
    cJSON_Delete(c->body);
    docker_create_release(&c->merged);
    free(c->name);
    free(c->image_id);
    free(c->tried);
    free(c->taken);
    free(c);
}

static void send_create(struct docker_req *r, struct create *c);

/* The name is taken: say by whom. */
static void on_holder(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct create *c = arg;
    docker_reply_name_taken(r, c->tried, c->taken, err ? NULL : json_str(doc, "id", NULL));
    create_free(c);
}

static void on_created(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct create *c = arg;
    if (err && err->kind == VIC_ERR_CONFLICT && !c->name && ++c->attempt < NAME_ATTEMPTS) {
        send_create(r, c);
        return;
    }
    if (err && err->kind == VIC_ERR_CONFLICT) {
        c->taken = vic_xstrdup(err->message);
        docker_get_container(r, c->tried, on_holder, c);
        return;
    }
    if (err) {
        docker_reply_error(r, err);
    } else {
        cJSON *out = json_new_obj();
        json_add_str(out, "Id", json_str(doc, "id", ""));
        json_add_strv(out, "Warnings", c->merged.warnings);
        docker_reply_json(r, DOCKER_CREATED, out);
    }
    create_free(c);
}

static void send_create(struct docker_req *r, struct create *c)
{
    free(c->tried);
    c->tried = c->name ? vic_xstrdup(c->name) : docker_text_random_name(c->attempt);
    struct vic_err err;
    cJSON *request = docker_convert_request(&c->merged, c->tried, c->image_id,
                                            json_str(c->body, "Image", ""), &err);
    if (!request) {
        docker_reply_error(r, &err);
        create_free(c);
        return;
    }
    docker_intent(r, "POST", "/v1/containers", request, on_created, c);
}

/* What was asked for, as "os", "architecture" or "os/architecture[/variant]", is what the image is. */
static bool provides(const struct oci_platform *image, const char *wanted)
{
    struct oci_platform want;
    bool is_pair = strchr(wanted, '/') != NULL;
    auto_free char *pair =
        is_pair ? vic_xstrdup(wanted) : vic_xasprintf("%s/%s", image->os, wanted);
    if (!is_pair && vic_str_eq(wanted, image->os))
        return true;
    if (oci_platform_parse(pair, &want, NULL) < 0)
        return false;
    bool is_same =
        vic_str_eq(want.os, image->os) && vic_str_eq(want.architecture, image->architecture);
    oci_platform_release(&want);
    return is_same;
}

/* A VM has its host's processor. */
static int check_host(const struct oci_platform *image, const char *ref, struct vic_err *err)
{
    struct oci_platform host;
    oci_platform_host(&host);
    int r = 0;
    if (image->architecture[0] && !vic_str_eq(image->architecture, host.architecture))
        r = vic_fail(err, VIC_ERR_INVALID, 0,
                     "the platform of image %.200s (linux/%s) does not match this host's "
                     "(linux/%s): it cannot run here",
                     ref, image->architecture, host.architecture);
    oci_platform_release(&host);
    return r;
}

static int check_platform(const struct docker_req *r, const cJSON *image, const char *ref,
                          struct vic_err *err)
{
    const char *wanted = docker_req_query_or(r, "platform", "");
    struct oci_platform platform;
    if (strchr(wanted, '/')) { /* else it is a system or a machine by itself */
        int bad = oci_platform_parse(wanted, &platform, err);
        if (bad < 0)
            return bad;
        oci_platform_release(&platform);
    }
    int res = oci_platform_read(image, "", &platform, err);
    if (res < 0)
        return res;
    if (wanted[0] && !provides(&platform, wanted))
        res = vic_fail(err, VIC_ERR_NOT_FOUND, 0,
                       "image with reference %s was found but does not provide the specified "
                       "platform (%s)",
                       ref, wanted);
    else
        res = check_host(&platform, ref, err);
    oci_platform_release(&platform);
    return res;
}

static int use_image(struct docker_req *r, struct create *c, const cJSON *image,
                     struct vic_err *err)
{
    const char *ref = json_str(c->body, "Image", "");
    int res = check_platform(r, image, ref, err);
    if (res < 0)
        return res;
    c->image_id = vic_xstrdup(json_str(image, "id", ""));
    return docker_convert_merge(c->body, json_member(json_member(image, "config"), "config"),
                                &c->merged, err);
}

static void on_image(struct docker_req *r, const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct create *c = arg;
    struct vic_err mine;
    if (!err && use_image(r, c, doc, &mine) < 0)
        err = &mine;
    if (err) {
        docker_reply_error(r, err);
        create_free(c);
        return;
    }
    send_create(r, c);
}

static int parse(const struct docker_req *r, struct create *c, struct vic_err *err)
{
    int res = docker_req_json(r, &c->body, err);
    if (res < 0)
        return res;
    if (!c->body->child)
        return vic_fail(err, VIC_ERR_INVALID, 0,
                        "config cannot be empty in order to create a container");
    res = docker_convert_check(c->body, err);
    const char *name = docker_req_query_or(r, "name", "");
    name += *name == '/';
    if (res < 0 || name[0] == '\0')
        return res;
    c->name = vic_xstrdup(name);
    return docker_name_check(name, err);
}

void docker_container_create(struct docker_req *r)
{
    struct create *c = vic_new(struct create);
    struct vic_err err;
    if (parse(r, c, &err) < 0) {
        docker_reply_error(r, &err);
        create_free(c);
        return;
    }
    docker_get_image(r, json_str(c->body, "Image", ""), on_image, c);
}
