/* portlayer/storage without layers being made: content, images, references, and who keeps what. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/host/digest.h"
#include "lib/oci/oci.h"
#include "portlayer/storage/content.h"
#include "portlayer/storage/index.h"
#include "portlayer/storage/layer.h"
#include "portlayer/storage/storage.h"
#include "test/unit/storage_rpc.h"
#include "test/unit/storage_world.h"

/* ---- content -------------------------------------------------------------------------------------- */

static void test_blob_that_lies_is_never_seen(void **state)
{
    struct fixture *f = *state;
    char digest[HOST_DIGEST_MAX];
    struct pl_ingest *in;
    struct vic_err err;
    uint64_t size;
    host_digest_of("hello", 5, digest);
    assert_int_equal(pl_ingest_open(f->content, digest, 5, &in, NULL), 0);
    assert_int_equal(pl_ingest_write(in, "hellp", 5, &err), 0);
    assert_true(pl_ingest_finish(in, &err) < 0); /* wrong bytes */
    assert_int_equal(err.kind, VIC_ERR_INVALID);
    pl_ingest_free(in);
    assert_int_equal(pl_ingest_open(f->content, digest, 5, &in, NULL), 0);
    assert_int_equal(pl_ingest_write(in, "hell", 4, &err), 0);
    assert_true(pl_ingest_write(in, "oo", 2, &err) < 0); /* too many */
    assert_true(pl_ingest_finish(in, &err) < 0);         /* too few */
    pl_ingest_free(in);
    assert_true(pl_content_stat(f->content, digest, &size, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_NOT_FOUND);
    assert_int_equal(count_files(f->content, "ingest"), 0);
    assert_int_equal(count_files(f->content, "blobs/sha256"), 0);
}

static void test_two_uploads_of_one_digest_both_succeed(void **state)
{
    struct fixture *f = *state;
    char digest[HOST_DIGEST_MAX];
    struct pl_ingest *a;
    struct pl_ingest *b;
    uint64_t size = 0;
    host_digest_of("hello", 5, digest);
    assert_int_equal(pl_ingest_open(f->content, digest, 5, &a, NULL), 0);
    assert_int_equal(pl_ingest_open(f->content, digest, 5, &b, NULL), 0);
    assert_int_equal(pl_ingest_write(a, "hello", 5, NULL), 0);
    assert_int_equal(pl_ingest_write(b, "hello", 5, NULL), 0);
    assert_int_equal(pl_ingest_finish(b, NULL), 0);
    assert_int_equal(pl_ingest_finish(a, NULL), 0);
    pl_ingest_free(a);
    pl_ingest_free(b);
    assert_int_equal(pl_content_stat(f->content, digest, &size, NULL), 0);
    assert_int_equal(size, 5);
    assert_int_equal(count_files(f->content, "ingest"), 0);
}

static void test_leftovers_of_a_crash_go_at_the_start(void **state)
{
    struct fixture *f = *state;
    char digest[HOST_DIGEST_MAX];
    struct pl_ingest *in;
    host_digest_of("hello", 5, digest);
    assert_int_equal(pl_ingest_open(f->content, digest, 5, &in, NULL), 0);
    auto_free char *half = vic_xasprintf("%s/layers/%s.qcow2", f->root, digest + 7);
    assert_int_equal(vic_file_replace(half, "x", 1, 0600, NULL), 0);
    assert_int_equal(count_files(f->content, "ingest"), 1);
    pl_storage_free(f->pl.storage);
    open_storage(f);
    assert_int_equal(count_files(f->content, "ingest"), 0);
    assert_int_equal(count_files(f->root, "layers"), 0);
    pl_ingest_free(in);
}

static void test_upload_gives_window_back_only_for_what_is_written(void **state)
{
    struct fixture *f = *state;
    char digest[HOST_DIGEST_MAX];
    char *data = vic_xalloc(100000);
    host_digest_of(data, 100000, digest);
    struct rpc_stream st = {.param = digest, .query = {"size", "100000"}};
    ask(f, "PUT", "/v1/content/{digest}", &st);
    for (size_t at = 0; at < 100000; at += 10000)
        st.events->on_data(&st, (const uint8_t *)data + at, 10000, st.arg);
    assert_int_equal(st.consumed, 0);
    st.events->on_end(&st, st.arg);
    run(f);
    assert_int_equal(st.consumed, 100000);
    assert_non_null(st.answer);
    assert_string_equal(json_str(st.answer, "digest", ""), digest);
    request_release(&st);
    /* There already: answered before a byte came. */
    struct rpc_stream again = {.param = digest, .query = {"size", "100000"}};
    ask(f, "PUT", "/v1/content/{digest}", &again);
    run(f);
    assert_non_null(again.answer);
    request_release(&again);
    struct rpc_stream other = {.param = digest, .query = {"size", "99"}};
    ask(f, "PUT", "/v1/content/{digest}", &other);
    run(f);
    assert_int_equal(other.err.kind, VIC_ERR_INVALID);
    request_release(&other);
    free(data);
}

static void test_upload_that_breaks_off_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char digest[HOST_DIGEST_MAX];
    host_digest_of("hello", 5, digest);
    struct rpc_stream st = {.param = digest, .query = {"size", "5"}};
    ask(f, "PUT", "/v1/content/{digest}", &st);
    st.events->on_data(&st, (const uint8_t *)"he", 2, st.arg);
    st.events->on_close(&st, NULL, st.arg);
    run(f);
    assert_int_equal(count_files(f->content, "ingest"), 0);
    struct rpc_stream longer = {.param = digest, .query = {"size", "5"}};
    ask(f, "PUT", "/v1/content/{digest}", &longer);
    longer.events->on_data(&longer, (const uint8_t *)"hello!", 6, longer.arg);
    run(f);
    assert_int_equal(longer.err.kind, VIC_ERR_INVALID);
    assert_int_equal(count_files(f->content, "ingest"), 0);
    request_release(&longer);
    static const char *const bad[] = {"", "sha256:abc", "../../etc/passwd", "sha512:00"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct rpc_stream wrong = {.param = bad[i], .query = {"size", "5"}};
        ask(f, "PUT", "/v1/content/{digest}", &wrong);
        assert_int_equal(wrong.err.kind, VIC_ERR_INVALID);
        ask(f, "GET", "/v1/content/{digest}", &(struct rpc_stream){.param = bad[i]});
    }
    struct rpc_stream no_size = {.param = digest};
    ask(f, "PUT", "/v1/content/{digest}", &no_size);
    assert_int_equal(no_size.err.kind, VIC_ERR_INVALID);
}

static void test_download_waits_for_a_slow_reader(void **state)
{
    struct fixture *f = *state;
    char digest[HOST_DIGEST_MAX];
    char *data = vic_xalloc(400000);
    put_blob(f, data, 400000, digest);
    struct rpc_stream st = {.param = digest, .write_answer = RPC_HIGH_WATER};
    ask(f, "GET", "/v1/content/{digest}", &st);
    run(f);
    size_t first = st.out.len;
    assert_true(first > 0 && first < 400000 && !st.is_over);
    st.write_answer = 0;
    st.events->on_drain(&st, st.arg);
    run(f);
    assert_true(st.is_over && !st.is_cancelled);
    assert_int_equal(st.out.len, 400000);
    request_release(&st);
    struct rpc_stream held = {.param = digest, .write_answer = RPC_HIGH_WATER};
    ask(f, "GET", "/v1/content/{digest}", &held);
    run(f);
    held.events->on_close(&held, NULL, held.arg); /* the reader left */
    run(f);
    request_release(&held);
    struct rpc_stream stat = {.param = digest, .query = {"stat", "1"}};
    ask(f, "GET", "/v1/content/{digest}", &stat);
    run(f);
    assert_int_equal(json_i64(stat.answer, "size", 0), 400000);
    request_release(&stat);
    digest[10] = digest[10] == '0' ? '1' : '0';
    struct rpc_stream none = {.param = digest};
    ask(f, "GET", "/v1/content/{digest}", &none);
    run(f);
    assert_int_equal(none.err.kind, VIC_ERR_NOT_FOUND);
    free(data);
}

static void test_uploads_leave_room(void **state)
{
    struct fixture *f = *state;
    char digest[HOST_DIGEST_MAX];
    host_digest_of("hello", 5, digest);
    for (unsigned n = 0; n < 2; n++) { /* none from the beginning, or while it is written */
        struct rpc_stream st = {.param = digest, .query = {"size", "5"}};
        rooms_left = n;
        ask(f, "PUT", "/v1/content/{digest}", &st);
        run(f);
        if (n == 1)
            st.events->on_data(&st, (const uint8_t *)"hello", 5, st.arg);
        run(f);
        assert_true(st.is_over);
        assert_int_equal(st.err.kind, VIC_ERR_INTERNAL);
        assert_non_null(strstr(st.err.message, "no space left in the datastore"));
        assert_int_equal(count_files(f->root, "content/blobs/sha256"), 0);
        request_release(&st);
    }
}

/* ---- images --------------------------------------------------------------------------------------- */

static const char *const two[] = {"base", "top"};
static const char *const other_two[] = {"base", "other"};

static void test_commit_makes_an_image_and_a_restart_knows_it(void **state)
{
    struct fixture *f = *state;
    struct made m = make_image(f, two, 2);
    struct rpc_stream st;
    begin_commit(f, &m, "docker.io/library/x:1", &st);
    run(f);
    assert_int_equal(applied, 2);
    assert_non_null(strstr(vic_buf_str(&st.out), "\"status\":\"done\""));
    assert_non_null(strstr(vic_buf_str(&st.out), m.id));
    request_release(&st);
    pl_storage_free(f->pl.storage);
    open_storage(f);
    assert_int_equal(pl_storage_count_images(f->pl.storage), 1);
    struct rpc_stream get = {.param = m.id};
    ask(f, "GET", "/v1/images/{id}", &get);
    assert_int_equal(json_i64(get.answer, "size", 0), 2000);
    assert_string_equal(json_str(get.answer, "manifest", ""), m.manifest);
    assert_string_equal(cJSON_GetArrayItem(json_member(get.answer, "refs"), 0)->valuestring,
                        "docker.io/library/x:1");
    assert_non_null(json_member(json_member(get.answer, "config"), "rootfs"));
    request_release(&get);
    const char *chain;
    assert_int_equal(pl_storage_image_chain(f->pl.storage, m.id, &chain, NULL), 0);
    auto_free char *disk = vic_xasprintf("%s/disk.qcow2", f->root);
    uint64_t size;
    assert_int_equal(pl_disk_create(&f->pl.config, disk, chain, NULL), 0);
    assert_int_equal(pl_disk_size(disk, &size, NULL), 0);
    assert_true(size > 0 && size < 100000);
    assert_true(pl_disk_create(&f->pl.config, disk, chain, NULL) < 0); /* never over another */
}

static void test_layers_are_shared_and_made_once(void **state)
{
    struct fixture *f = *state;
    struct made a = make_image(f, two, 2);
    struct made b = make_image(f, other_two, 2);
    struct rpc_stream s1;
    struct rpc_stream s2;
    struct rpc_stream s3;
    begin_commit(f, &a, "a:1", &s1);
    begin_commit(f, &b, "b:1", &s2);
    begin_commit(f, &a, "a:2", &s3);
    run(f);
    assert_int_equal(applied, 3);
    assert_int_equal(pl_storage_count_images(f->pl.storage), 2);
    request_release(&s1);
    request_release(&s2);
    request_release(&s3);
    struct rpc_stream s4;
    begin_commit(f, &a, NULL, &s4);
    run(f);
    assert_int_equal(applied, 3);
    assert_non_null(strstr(vic_buf_str(&s4.out), "\"status\":\"exists\""));
    request_release(&s4);
}

static void test_anothers_bad_bytes_do_not_fail_a_commit(void **state)
{
    struct fixture *f = *state;
    static const char *const lying[] = {"base=lie", "top"};
    struct made liar = make_image(f, lying, 2);
    struct made honest = make_image(f, two, 2);
    struct rpc_stream s1;
    struct rpc_stream s2;
    bad_blob = liar.blob[0];
    begin_commit(f, &liar, "a:1", &s1);
    while (applied == 0) /* else the other one might make the layer, and nothing would be wrong */
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    begin_commit(f, &honest, "b:1", &s2);
    run(f);
    bad_blob = NULL;
    assert_non_null(strstr(vic_buf_str(&s1.out), "\"kind\":\"invalid\""));
    if (strstr(vic_buf_str(&s2.out),
               "\"missing\"")) { /* the sweep came before it was known what it needs */
        request_release(&s2);
        (void)make_image(f, two, 2); /* as clients do: bring it and ask again */
        begin_commit(f, &honest, "b:1", &s2);
        run(f);
    }
    assert_null(strstr(vic_buf_str(&s2.out), "error"));
    assert_int_equal(pl_storage_count_images(f->pl.storage), 1);
    uint64_t size;
    assert_true(pl_content_stat(f->content, liar.blob[0], &size, NULL) < 0);
    assert_int_equal(pl_content_stat(f->content, honest.blob[0], &size, NULL), 0);
    request_release(&s1);
    request_release(&s2);
}

static void test_missing_blobs_are_listed(void **state)
{
    struct fixture *f = *state;
    struct made m = make_image(f, two, 2);
    auto_free char *path = pl_content_path(f->content, m.blob[1]);
    assert_int_equal(unlink(path), 0);
    struct rpc_stream st;
    begin_commit(f, &m, "x:1", &st);
    run(f);
    assert_non_null(strstr(vic_buf_str(&st.out), "\"kind\":\"not_found\""));
    assert_non_null(strstr(vic_buf_str(&st.out), m.blob[1]));
    assert_null(strstr(vic_buf_str(&st.out), m.blob[0]));
    assert_int_equal(pl_storage_count_images(f->pl.storage), 0);
    request_release(&st);
}

static void test_a_bad_layer_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char diff[HOST_DIGEST_MAX];
    host_digest_of("top!", 4, diff);
    bad_diff_id = diff;
    struct made m = make_image(f, two, 2);
    struct rpc_stream st;
    begin_commit(f, &m, "x:1", &st);
    run(f);
    assert_non_null(strstr(vic_buf_str(&st.out), "\"kind\":\"invalid\""));
    assert_int_equal(count_files(f->root, "layers"), 0);
    uint64_t size;
    assert_true(pl_content_stat(f->content, m.blob[1], &size, NULL) < 0);
    assert_true(pl_content_stat(f->content, m.id, &size, NULL) < 0);
    assert_true(pl_content_stat(f->content, m.manifest, &size, NULL) < 0);
    request_release(&st);
}

static enum vic_err_kind sweep(struct fixture *f, const char *body)
{
    struct rpc_stream st = {0};
    assert_int_equal(json_parse(body, strlen(body), &st.body, NULL), 0);
    ask(f, "POST", "/v1/content/sweep", &st);
    run(f);
    assert_true(st.is_over);
    enum vic_err_kind kind = st.err.kind;
    request_release(&st);
    return kind;
}

static void test_a_sweep_drops_what_no_image_uses(void **state)
{
    struct fixture *f = *state;
    struct made used = commit(f, two, 2, "a:1");
    struct made orphan = make_image(f, other_two, 2);
    auto_free char *body =
        vic_xasprintf("{\"digests\":[\"%s\",\"%s\",\"%s\",\"%s\",\"%s\"]}", orphan.blob[0],
                      orphan.blob[1], orphan.id, orphan.manifest, used.manifest);
    assert_int_equal(sweep(f, body), VIC_ERR_NONE);
    uint64_t size;
    assert_int_equal(pl_content_stat(f->content, used.manifest, &size, NULL), 0);
    assert_int_equal(pl_content_stat(f->content, used.blob[0], &size, NULL), 0); /* shared */
    assert_true(pl_content_stat(f->content, orphan.blob[1], &size, NULL) < 0);
    assert_true(pl_content_stat(f->content, orphan.id, &size, NULL) < 0);
    assert_true(pl_content_stat(f->content, orphan.manifest, &size, NULL) < 0);
}

static void test_bad_sweeps_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"digests\":\"x\"}",
        "{\"digests\":[\"../../etc\"]}",
        "{\"digests\":[],\"more\":1}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(sweep(f, bad[i]), VIC_ERR_INVALID);
}

static void test_a_client_that_leaves_stops_the_commit(void **state)
{
    struct fixture *f = *state;
    struct made m = make_image(f, two, 2);
    struct rpc_stream st;
    begin_commit(f, &m, "x:1", &st);
    st.events->on_close(&st, NULL, st.arg);
    run(f);
    assert_int_equal(pl_storage_count_images(f->pl.storage), 0);
    assert_int_equal(count_files(f->root, "layers"), 0);
    assert_int_equal(count_files(f->root, "content/blobs/sha256"), 0);
    request_release(&st);
}

#define ZEROS "sha256:0000000000000000000000000000000000000000000000000000000000000000"

#define BAD_REF "{\"manifest\":\"" ZEROS "\",\"refs\":[\"a b\"]}"

static void test_bad_commits_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char bad_ref[] = BAD_REF;
    static const char *const bad[] = {
        "[]", "{}", "{\"manifest\":\"x\"}", "{\"manifest\":7}", "{\"surprise\":1}", bad_ref,
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct rpc_stream st = {0};
        assert_int_equal(json_parse(bad[i], strlen(bad[i]), &st.body, NULL), 0);
        ask(f, "POST", "/v1/images", &st);
        assert_int_equal(st.err.kind, VIC_ERR_INVALID);
        request_release(&st);
    }
    struct rpc_stream none = {0};
    ask(f, "POST", "/v1/images", &none);
    assert_int_equal(none.err.kind, VIC_ERR_INVALID);
}

static enum vic_err_kind remove_image(struct fixture *f, const char *id, const char *force,
                                      int *ret_deleted)
{
    struct rpc_stream st = {.param = id, .query = {"force", force}};
    ask(f, "DELETE", "/v1/images/{id}", &st);
    run(f);
    enum vic_err_kind kind = st.err.kind;
    if (ret_deleted)
        *ret_deleted = cJSON_GetArraySize(json_member(st.answer, "deleted"));
    request_release(&st);
    return kind;
}

static void test_removal_keeps_what_others_use(void **state)
{
    struct fixture *f = *state;
    struct made a = commit(f, two, 2, "a:1");
    struct made b = commit(f, other_two, 2, "b:1");
    int deleted = 0;
    uint64_t size;
    assert_int_equal(count_files(f->root, "layers"), 6); /* three disks, three facts */
    assert_int_equal(remove_image(f, a.id, "0", &deleted), VIC_ERR_NONE);
    assert_int_equal(deleted, 2);
    assert_int_equal(count_files(f->root, "layers"), 4);
    assert_int_equal(pl_content_stat(f->content, b.blob[0], &size, NULL), 0);
    assert_true(pl_content_stat(f->content, a.blob[1], &size, NULL) < 0);
    assert_true(pl_content_stat(f->content, a.manifest, &size, NULL) < 0);
    assert_int_equal(remove_image(f, a.id, "0", NULL), VIC_ERR_NOT_FOUND);
    assert_int_equal(remove_image(f, b.id, "0", &deleted), VIC_ERR_NONE);
    assert_int_equal(deleted, 3);
    assert_int_equal(count_files(f->root, "layers"), 0);
    assert_int_equal(count_files(f->content, "blobs/sha256"), 0);
}

static void test_containers_hold_images_and_layers(void **state)
{
    struct fixture *f = *state;
    struct pl_storage *s = f->pl.storage;
    struct made a = commit(f, two, 2, "a:1");
    const char *chain;
    char *kept;
    assert_int_equal(pl_storage_image_chain(s, a.id, &chain, NULL), 0);
    kept = vic_xstrdup(chain);
    pl_storage_hold(s, "c1", a.id, kept, true);
    assert_int_equal(remove_image(f, a.id, "0", NULL), VIC_ERR_CONFLICT);
    assert_int_equal(remove_image(f, a.id, "1", NULL), VIC_ERR_CONFLICT);
    pl_storage_hold(s, "c1", a.id, kept, false);
    assert_int_equal(remove_image(f, a.id, "0", NULL), VIC_ERR_CONFLICT);
    int deleted = 0;
    assert_int_equal(remove_image(f, a.id, "1", &deleted), VIC_ERR_NONE);
    assert_int_equal(deleted, 1);
    assert_int_equal(count_files(f->root, "layers"), 4);
    assert_true(pl_storage_image_chain(s, a.id, &chain, NULL) < 0);
    pl_storage_release(s, "c1");
    pl_storage_release(s, "c1");
    run(f);
    assert_int_equal(count_files(f->root, "layers"), 0);
    free(kept);
}

static void test_layers_stay_while_a_disk_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct made a = commit(f, two, 2, "a:1");
    pl_storage_keep_layers(f->pl.storage);
    assert_int_equal(remove_image(f, a.id, "1", NULL), VIC_ERR_NONE);
    assert_int_equal(count_files(f->root, "layers"), 4);
}

static void test_pull_again_while_it_is_being_removed(void **state)
{
    struct fixture *f = *state;
    struct made a = commit(f, two, 2, "a:1");
    struct rpc_stream del = {.param = a.id};
    struct rpc_stream st;
    ask(f, "DELETE", "/v1/images/{id}", &del);
    begin_commit(f, &a, "a:1", &st);
    run(f);
    assert_non_null(del.answer);
    /* Either the image is whole again, or the commit says what is missing. */
    bool ok = strstr(vic_buf_str(&st.out), "\"id\"");
    assert_true(ok || strstr(vic_buf_str(&st.out), "\"missing\""));
    assert_int_equal(pl_storage_count_images(f->pl.storage), ok ? 1 : 0);
    const char *chain;
    assert_int_equal(pl_storage_image_chain(f->pl.storage, a.id, &chain, NULL) == 0, ok);
    request_release(&del);
    request_release(&st);
}

static void test_refs_through_the_api(void **state)
{
    struct fixture *f = *state;
    struct made a = commit(f, two, 2, "a:1");
    struct made b = commit(f, other_two, 2, "b:1");
    events[0] = '\0';
    struct rpc_stream tag = {.param = b.id, .body = json_new_obj()};
    json_add_str(tag.body, "ref", "a:1");
    ask(f, "POST", "/v1/images/{id}/refs", &tag);
    run(f);
    assert_true(tag.is_over && tag.err.kind == VIC_ERR_NONE);
    request_release(&tag);
    struct rpc_stream untag = {.query = {"ref", "b:1"}};
    ask(f, "DELETE", "/v1/refs", &untag);
    run(f);
    assert_string_equal(json_str(untag.answer, "untagged", ""), "b:1");
    request_release(&untag);
    struct rpc_stream none = {.query = {"ref", "b:1"}};
    ask(f, "DELETE", "/v1/refs", &none);
    assert_int_equal(none.err.kind, VIC_ERR_NOT_FOUND);
    auto_free char *want = vic_xasprintf("tag %.12s a:1;untag %.12s b:1;", b.id, b.id);
    assert_string_equal(events, want);
    struct rpc_stream list = {0};
    ask(f, "GET", "/v1/images", &list);
    auto_free char *text = json_print(list.answer);
    assert_int_equal(cJSON_GetArraySize(json_member(list.answer, "images")), 2);
    assert_non_null(strstr(text, "\"refs\":[]"));
    assert_non_null(strstr(text, "\"refs\":[\"a:1\"]"));
    assert_non_null(strstr(text, a.id));
    request_release(&list);
    static const char *const bad[] = {"{}", "{\"ref\":\"\"}", "{\"ref\":\"a\\n\"}",
                                      "{\"ref\":\"a\",\"x\":1}", "[]"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct rpc_stream st = {.param = a.id};
        assert_int_equal(json_parse(bad[i], strlen(bad[i]), &st.body, NULL), 0);
        ask(f, "POST", "/v1/images/{id}/refs", &st);
        assert_int_equal(st.err.kind, VIC_ERR_INVALID);
        request_release(&st);
    }
}

static void test_a_list_holds_no_configurations(void **state)
{
    struct fixture *f = *state;
    struct made a = commit(f, two, 2, "a:1");
    static const struct {
        const char *query;
        bool has_labels;
    } rows[] = {{NULL, false}, {"0", false}, {"1", true}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rpc_stream list = {.query = {rows[i].query ? "labels" : NULL, rows[i].query}};
        ask(f, "GET", "/v1/images", &list);
        const cJSON *image = json_member(list.answer, "images")->child;
        assert_null(json_member(image, "config"));
        assert_string_equal(json_str(image, "os", ""), "linux");
        assert_string_equal(json_str(image, "architecture", ""), "amd64");
        assert_string_equal(json_str(image, "created", ""), "2026-01-02T03:04:05Z");
        assert_int_equal(json_member(image, "labels") != NULL, rows[i].has_labels);
        request_release(&list);
    }
    struct rpc_stream bad = {.query = {"labels", "x"}};
    ask(f, "GET", "/v1/images", &bad);
    assert_int_equal(bad.err.kind, VIC_ERR_INVALID);
    request_release(&bad);
    struct rpc_stream one = {.param = a.id};
    ask(f, "GET", "/v1/images/{id}", &one);
    assert_non_null(json_member(json_member(one.answer, "config"), "rootfs"));
    request_release(&one);
}

/* index.json with that many names of one manifest. */
static void write_names(struct fixture *f, const char *manifest, size_t n)
{
    struct vic_buf b = {0};
    vic_buf_add_str(&b, "{\"schemaVersion\":2,\"manifests\":[");
    for (size_t i = 0; i < n; i++)
        vic_buf_addf(&b,
                     "%s{\"mediaType\":\"" OCI_TYPE_MANIFEST "\",\"digest\":\"%s\",\"size\":5,"
                     "\"annotations\":{\"org.opencontainers.image.ref.name\":\"n:%zu\"}}",
                     i ? "," : "", manifest, i);
    vic_buf_add_str(&b, "]}");
    auto_free char *path = vic_xasprintf("%s/index.json", f->content);
    assert_int_equal(vic_file_replace(path, b.data, b.len, 0644, NULL), 0);
    vic_buf_release(&b);
}

static void test_sizes_of_shared_layers(void **state)
{
    struct fixture *f = *state;
    (void)commit(f, two, 2, "a:1");
    (void)commit(f, other_two, 2, "b:1");
    struct rpc_stream list = {.query = {"shared", "1"}};
    ask(f, "GET", "/v1/images", &list);
    assert_int_equal(json_i64(list.answer, "layers_size", 0), 3000); /* each has 1000 */
    const cJSON *image;
    cJSON_ArrayForEach(image, json_member(list.answer, "images"))
    {
        assert_int_equal(json_i64(image, "size", 0), 2000);
        assert_int_equal(json_i64(image, "shared_size", 0), 1000);
    }
    request_release(&list);
    struct rpc_stream plain = {0};
    ask(f, "GET", "/v1/images", &plain);
    assert_null(json_member(plain.answer, "layers_size"));
    assert_null(json_member(json_member(plain.answer, "images")->child, "shared_size"));
    request_release(&plain);
}

static void test_a_name_too_many_is_refused(void **state)
{
    struct fixture *f = *state;
    struct made a = commit(f, two, 2, "a:1");
    pl_storage_free(f->pl.storage);
    write_names(f, a.manifest, PL_INDEX_ROWS_MAX);
    open_storage(f);
    static const enum vic_err_kind kinds[] = {VIC_ERR_CONFLICT, VIC_ERR_NONE};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct rpc_stream tag = {.param = a.id, .body = json_new_obj()};
        json_add_str(tag.body, "ref", "more:1");
        ask(f, "POST", "/v1/images/{id}/refs", &tag);
        run(f);
        assert_true(tag.is_over);
        assert_int_equal(tag.err.kind, kinds[i]);
        request_release(&tag);
        struct rpc_stream untag = {.query = {"ref", i ? "more:1" : "n:7"}};
        ask(f, "DELETE", "/v1/refs", &untag);
        run(f);
        assert_int_equal(untag.err.kind, VIC_ERR_NONE);
        request_release(&untag);
    }
    pl_storage_free(f->pl.storage);
    open_storage(f);
    assert_int_equal(pl_storage_count_images(f->pl.storage), 1);
}

static void test_a_corrupt_index_is_a_clear_error(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = vic_xasprintf("%s/index.json", f->content);
    assert_int_equal(vic_file_replace(path, "{\"manifests\":[", 14, 0644, NULL), 0);
    struct pl_storage *s = NULL;
    struct vic_err err;
    assert_true(pl_storage_new(&f->pl, &s, &err) < 0);
    assert_non_null(strstr(err.message, "index.json"));
}

static void test_an_image_whose_manifest_is_lost_is_left_out(void **state)
{
    struct fixture *f = *state;
    struct made a = commit(f, two, 2, "a:1");
    (void)commit(f, other_two, 2, "b:1");
    auto_free char *path = pl_content_path(f->content, a.manifest);
    assert_int_equal(vic_file_replace(path, "changed", 7, 0644, NULL), 0);
    pl_storage_free(f->pl.storage);
    vic_log_init("test", VIC_ERROR);
    open_storage(f);
    assert_int_equal(pl_storage_count_images(f->pl.storage), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_blob_that_lies_is_never_seen),
        TEST(test_two_uploads_of_one_digest_both_succeed),
        TEST(test_leftovers_of_a_crash_go_at_the_start),
        TEST(test_upload_gives_window_back_only_for_what_is_written),
        TEST(test_upload_that_breaks_off_leaves_nothing),
        TEST(test_uploads_leave_room),
        TEST(test_download_waits_for_a_slow_reader),
        TEST(test_commit_makes_an_image_and_a_restart_knows_it),
        TEST(test_layers_are_shared_and_made_once),
        TEST(test_missing_blobs_are_listed),
        TEST(test_a_bad_layer_leaves_nothing),
        TEST(test_anothers_bad_bytes_do_not_fail_a_commit),
        TEST(test_a_sweep_drops_what_no_image_uses),
        TEST(test_bad_sweeps_are_refused),
        TEST(test_a_client_that_leaves_stops_the_commit),
        TEST(test_bad_commits_are_refused),
        TEST(test_removal_keeps_what_others_use),
        TEST(test_containers_hold_images_and_layers),
        TEST(test_layers_stay_while_a_disk_is_unknown),
        TEST(test_pull_again_while_it_is_being_removed),
        TEST(test_refs_through_the_api),
        TEST(test_a_list_holds_no_configurations),
        TEST(test_sizes_of_shared_layers),
        TEST(test_a_name_too_many_is_refused),
        TEST(test_a_corrupt_index_is_a_clear_error),
        TEST(test_an_image_whose_manifest_is_lost_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
