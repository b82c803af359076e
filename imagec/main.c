/* imagec: pulls images from registries into a local OCI layout. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "imagec/content.h"
#include "imagec/imagec.h"
#include "lib/base/alloc.h"
#include "lib/base/banned.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/opts.h"
#include "lib/base/str.h"
#include "lib/host/loop.h"

#ifndef VIC_VERSION
#define VIC_VERSION "0.1.0"
#endif
#define TELL_EVERY_MS 1000 /* between two numbers of one layer */

struct told {
    uint64_t when_ms;
};

struct program {
    uv_loop_t loop;
    struct host_signals *signals;
    struct img_client *client;
    struct img_content *content;
    struct img_pull *pull;
    struct vic_map told; /* digest -> struct told, owned */
    char *name;          /* owned; what index.json calls it */
    struct vic_err err;
    bool is_ok;
};

static void end(struct program *m)
{
    m->pull = NULL;
    img_client_free(TAKE_PTR(m->client));
    host_signals_free(TAKE_PTR(m->signals));
}

static void on_stop(void *arg)
{
    struct program *m = arg;
    (void)vic_fail(&m->err, VIC_ERR_UNAVAILABLE, 0, "interrupted");
    img_pull_cancel(m->pull);
    end(m);
}

static void on_resolved(const char *top, void *arg)
{
    (void)arg;
    (void)fprintf(stderr, "Digest: %s\n", top);
}

static bool may_tell(struct program *m, const struct img_progress *p)
{
    if (p->status != IMG_DOWNLOADING)
        return true;
    struct told *t = vic_map_get(&m->told, p->digest);
    uint64_t now = vic_clock_monotonic_ms();
    if (t && now - t->when_ms < TELL_EVERY_MS)
        return false;
    if (!t) {
        t = vic_new(struct told);
        (void)vic_map_put(&m->told, p->digest, t);
    }
    t->when_ms = now;
    return true;
}

static void on_progress(const struct img_progress *p, void *arg)
{
    static const char *const words[] = {
        [IMG_PULLING] = "Pulling fs layer", [IMG_EXISTS] = "Already exists",
        [IMG_WAITING] = "Waiting",          [IMG_DOWNLOADING] = "Downloading",
        [IMG_DOWNLOADED] = "Downloaded",    [IMG_RETRYING] = "Retrying",
    };
    if (!may_tell(arg, p))
        return;
    char numbers[64] = "";
    if (p->status == IMG_DOWNLOADING)
        (void)snprintf(numbers, sizeof(numbers), " %" PRIu64 "/%" PRIu64, p->current, p->total);
    else if (p->status == IMG_RETRYING)
        (void)snprintf(numbers, sizeof(numbers), " in %" PRIu64 " s", p->current);
    (void)fprintf(stderr, "%.12s: %s%s\n", p->digest + strlen("sha256:"), words[p->status],
                  numbers);
}

static void on_done(const struct vic_err *err, const struct img_pulled *pulled, void *arg)
{
    struct program *m = arg;
    if (err)
        m->err = *err;
    else
        m->is_ok = img_content_tag(m->content, m->name, pulled->manifest, pulled->media_type,
                                   &m->err) == 0;
    if (m->is_ok && (printf("%s\n", pulled->top) < 0 || fflush(stdout) != 0))
        (void)fprintf(stderr, "imagec: the digest could not be written\n");
    end(m);
}

static int start(struct program *m, const char *root, const char *platform,
                 const struct img_options *options, const struct img_reference *ref,
                 struct vic_err *err)
{
    static const struct img_pull_events events = {
        .on_resolved = on_resolved, .on_progress = on_progress, .on_done = on_done};
    int r = img_client_new(&m->loop, options, &m->client, err);
    if (r == 0)
        r = img_content_open(&m->loop, root, &m->content, err);
    if (r == 0)
        r = img_pull_start(m->client, ref, platform, img_content_sink(m->content), &events, m,
                           &m->pull, err);
    if (r < 0)
        end(m);
    return r;
}

/* 0 or the program's exit status. */
static int pull(const char *root, const char *platform, const struct img_options *options,
                const struct img_reference *ref)
{
    struct program m = {.name = img_reference_to_string(ref)};
    if (uv_loop_init(&m.loop) < 0) {
        (void)fprintf(stderr, "imagec: no event loop\n");
        free(m.name);
        return 1;
    }
    m.signals = host_signals_new(&m.loop, on_stop, &m);
    int r = start(&m, root, platform, options, ref, &m.err);
    bool is_usage = r < 0 && m.err.kind == VIC_ERR_INVALID;
    host_loop_finish(&m.loop);
    if (!m.is_ok) {
        (void)fprintf(stderr, "imagec: %s\n", m.err.message);
        if (m.content)
            img_content_undo(m.content);
    }
    img_content_free(m.content);
    map_for_each(slot, &m.told)
        free(slot->value);
    vic_map_release(&m.told);
    free(m.name);
    return m.is_ok ? 0 : is_usage ? 2 : 1;
}

static char *default_root(void)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    return data && *data ? vic_xasprintf("%s/imagec", data)
                         : vic_xasprintf("%s/.local/share/imagec", home ? home : "");
}

static int usage(FILE *out, const struct vic_opt *opts, size_t n_opts)
{
    (void)fprintf(out, "usage: imagec pull [OPTION]... REFERENCE\n"
                       "Fetches an image from a registry into a local OCI layout and prints its "
                       "digest.\n\n");
    vic_opts_print_help(opts, n_opts, out);
    return out == stdout ? 0 : 2;
}

static int fail_usage(const char *message)
{
    (void)fprintf(stderr, "imagec: %s\nimagec --help tells the usage.\n", message);
    return 2;
}

int main(int argc, char **argv)
{
    const char *root = NULL;
    const char *platform = NULL;
    auto_strv char **insecure = NULL;
    auto_strv char **mirrors = NULL;
    bool wants_help = false;
    bool wants_version = false;
    const struct vic_opt opts[] = {
        {.name = "root",
         .arg = "DIR",
         .help = "the layout (~/.local/share/imagec)",
         .value = &root},
        {.name = "platform",
         .arg = "OS/ARCH",
         .help = "instead of this host's",
         .value = &platform},
        {.name = "insecure-registry",
         .arg = "HOST",
         .values = &insecure,
         .help = "plain HTTP and unknown certificates are allowed there"},
        {.name = "registry-mirror",
         .arg = "URL",
         .values = &mirrors,
         .help = "asked first for images of docker.io"},
        {.name = "help", .help = "this text", .flag = &wants_help},
        {.name = "version", .help = "the version", .flag = &wants_version},
    };
    vic_log_init("imagec", VIC_WARN);
    auto_strv char **words = NULL;
    struct vic_err err;
    if (vic_opts_parse(opts, ARRAY_SIZE(opts), argc, argv, &words, &err) < 0)
        return fail_usage(err.message);
    if (wants_help)
        return usage(stdout, opts, ARRAY_SIZE(opts));
    if (wants_version)
        return printf("imagec " VIC_VERSION "\n") < 0;
    if (!words)
        return usage(stderr, opts, ARRAY_SIZE(opts));
    if (strcmp(words[0], "pull") != 0 || vic_strv_len(words) != 2)
        return fail_usage(strcmp(words[0], "pull") != 0 ? "the only command is 'pull'"
                                                        : "pull: expected one reference");
    struct img_reference ref;
    if (img_reference_parse(words[1], &ref, &err) < 0)
        return fail_usage(err.message);
    img_reference_default_tag(&ref);
    auto_free char *own_root = root ? NULL : default_root();
    const struct img_options options = {
        .insecure_registries = insecure, .mirrors = mirrors, .user_agent = "imagec/" VIC_VERSION};
    int status = pull(root ? root : own_root, platform, &options, &ref);
    img_reference_release(&ref);
    return status;
}
