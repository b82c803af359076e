/* Reads and writes the documents of execs. */
#include "portlayer/interaction/exec_doc.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "portlayer/api.h"

static int read_spec(const cJSON *doc, struct pl_exec_spec *s, struct vic_err *err)
{
    static const char *const members[] = {"process", "privileged", "annotations"};
    const cJSON *process = NULL;
    int r;
    if ((r = pl_check_members(doc, NULL, members, ARRAY_SIZE(members), err)) < 0 ||
        (r = json_get_obj(doc, "", "process", &process, err)) < 0 ||
        (r = json_get_bool(doc, "", "privileged", &s->is_privileged, err)) < 0 ||
        (r = pl_check_string_map(json_member(doc, "annotations"), "annotations", PL_ANNOTATIONS_MAX,
                                 err)) < 0)
        return r;
    if (!process)
        return vic_fail(err, VIC_ERR_INVALID, 0, "process: expected an object");
    const cJSON *annotations = json_member(doc, "annotations");
    s->annotations = annotations ? json_dup(annotations) : json_new_obj();
    return pl_process_from_json(process, "process", false, &s->process, err);
}

int pl_exec_spec_from_json(const cJSON *doc, struct pl_exec_spec *ret, struct vic_err *err)
{
    struct pl_exec_spec s = {0};
    int r = read_spec(doc, &s, err);
    if (r < 0)
        pl_exec_spec_release(&s);
    else
        *ret = s;
    return r;
}

void pl_exec_spec_release(struct pl_exec_spec *s)
{
    pl_spec_release(&s->process);
    cJSON_Delete(s->annotations);
    *s = (struct pl_exec_spec){0};
}

cJSON *pl_exec_process_json(const struct pl_exec_spec *s)
{
    cJSON *doc = json_new_obj();
    json_add_strv(doc, "args", s->process.args);
    json_add_strv(doc, "env", s->process.env);
    json_add_str(doc, "cwd", s->process.cwd);
    json_add_str(doc, "user", s->process.user);
    json_add_bool(doc, "tty", s->process.tty);
    json_add_bool(doc, "stdin", s->process.has_stdin);
    return doc;
}

cJSON *pl_exec_guest_json(const struct pl_exec_spec *s, const char *id,
                          const struct pl_spec *container, bool with_stdin, unsigned width,
                          unsigned height)
{
    cJSON *doc = json_new_obj();
    json_add_str(doc, "id", id);
    json_add_strv(doc, "args", s->process.args);
    cJSON *env = json_add_arr(doc, "env"); /* of two with one name the later one counts */
    for (char **v = container->env; v && *v; v++)
        json_push_str(env, *v);
    for (char **v = s->process.env; v && *v; v++)
        json_push_str(env, *v);
    json_add_str(doc, "cwd", s->process.cwd[0] ? s->process.cwd : container->cwd);
    json_add_str(doc, "user", s->process.user[0] ? s->process.user : container->user);
    json_add_bool(doc, "tty", s->process.tty);
    json_add_bool(doc, "stdin", with_stdin);
    json_add_bool(doc, "privileged", s->is_privileged);
    if (width > 0 && height > 0) {
        cJSON *console = json_add_obj(doc, "console");
        json_add_i64(console, "width", width);
        json_add_i64(console, "height", height);
    }
    return doc;
}

char *pl_exec_command(const struct pl_exec_spec *s)
{
    auto_buf struct vic_buf text = {0};
    for (char **v = s->process.args; *v; v++) {
        if (v != s->process.args)
            vic_buf_add_char(&text, ' ');
        vic_buf_add_str(&text, *v);
    }
    return vic_xstrdup(vic_buf_str(&text));
}
