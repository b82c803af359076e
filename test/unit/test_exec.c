/*
 * The port layer's execs between a client and a tether that does what the test says: two rpc sessions
 * joined by memory, no VM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "portlayer/interaction/exec.h"
#include "portlayer/interaction/send.h"

#define ID "c0ffee0000000000000000000000000000000000000000000000000000000000"
#define SAYS "{\"process\":{\"args\":[\"echo\",\"a b\"]}}"
#define READS "{\"process\":{\"args\":[\"cat\"],\"stdin\":true}}"
#define TYPES "{\"process\":{\"args\":[\"sh\"],\"tty\":true}}"

/* ---- the tether ---- */

static struct {
    struct rpc_session *session, *peer; /* the port layer's end; NULL: it does not answer */
    enum vic_err_kind refusal;
    bool is_slow;
    struct rpc_stream *held; /* a start that is not answered */
    cJSON *started;          /* the last start's document */
    struct rpc_stream *output;
    struct vic_buf input;
    bool has_input_end;
    char size[32];
} guest;

static void guest_exec(struct rpc_stream *st, void *arg)
{
    (void)arg;
    struct vic_err err = {0};
    cJSON_Delete(guest.started);
    guest.started = json_dup(rpc_stream_json(st));
    if (guest.is_slow) {
        guest.held = st;
        return;
    }
    if (guest.refusal != VIC_ERR_NONE) {
        (void)vic_fail(&err, guest.refusal, 0, "said the guest");
        rpc_reply_error(st, &err);
        return;
    }
    cJSON *doc = json_new_obj();
    json_add_i64(doc, "pid", 42);
    rpc_reply_json(st, doc);
}

static void on_gone(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    (void)st;
    (void)err;
    if (arg)
        *(struct rpc_stream **)arg = NULL;
}

static void guest_output(struct rpc_stream *st, void *arg)
{
    static const struct rpc_stream_events events = {.on_close = on_gone};
    (void)arg;
    guest.output = st;
    rpc_stream_set_events(st, &events, &guest.output);
    rpc_reply_begin(st);
}

static void on_guest_input(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    (void)arg;
    vic_buf_add(&guest.input, data, len);
    rpc_stream_consume(st, len);
}

static void on_guest_input_end(struct rpc_stream *st, void *arg)
{
    (void)arg;
    guest.has_input_end = true;
    rpc_reply_json(st, json_new_obj());
}

static void guest_stdin(struct rpc_stream *st, void *arg)
{
    static const struct rpc_stream_events events = {
        .on_data = on_guest_input, .on_end = on_guest_input_end, .on_close = on_gone};
    (void)arg;
    assert_string_equal(rpc_stream_query(st, "close"), "1");
    rpc_stream_set_events(st, &events, NULL);
}

static void guest_resize(struct rpc_stream *st, void *arg)
{
    (void)arg;
    const cJSON *doc = rpc_stream_json(st);
    (void)snprintf(guest.size, sizeof(guest.size), "%dx%d", (int)json_i64(doc, "width", -1),
                   (int)json_i64(doc, "height", -1));
    rpc_reply_json(st, json_new_obj());
}

static const struct rpc_route guest_routes[] = {
    {"POST", "/v1/exec", RPC_BODY_NONE_OR_JSON, guest_exec},
    {"GET", "/v1/exec/{id}/output", RPC_BODY_NONE_OR_JSON, guest_output},
    {"POST", "/v1/exec/{id}/stdin", RPC_BODY_STREAM, guest_stdin},
    {"POST", "/v1/exec/{id}/resize", RPC_BODY_NONE_OR_JSON, guest_resize},
};

static void guest_says(enum vic_record_type type, const char *text)
{
    struct vic_record head = {.type = type, .wall_ns = 1, .len = (uint32_t)strlen(text)};
    (void)pl_send_record(guest.output, &head, (const uint8_t *)text);
}

static void guest_comes(void)
{
    guest.session = rpc_session_new_client(RPC_GUEST_WINDOW, NULL, NULL);
    guest.peer = rpc_session_new_server(guest_routes, ARRAY_SIZE(guest_routes), NULL, NULL, NULL);
}

static void guest_goes(void)
{
    struct rpc_session *session = TAKE_PTR(guest.session);
    rpc_session_free(session);
    rpc_session_free(TAKE_PTR(guest.peer));
}

/* ---- what the port layer has besides ---- */

static char *events; /* "action exec_id's first two digits, more;" */

void __wrap_pl_events_emit(struct pl_events *e, const char *type, const char *action,
                           const char *id, const cJSON *attributes, const cJSON *extra);
void __wrap_pl_events_emit(struct pl_events *e, const char *type, const char *action,
                           const char *id, const cJSON *attributes, const cJSON *extra)
{
    (void)e;
    (void)attributes;
    assert_string_equal(type, "container");
    assert_string_equal(id, ID);
    assert_int_equal(strlen(json_str(extra, "exec_id", "")), VIC_ID_LEN);
    char *more = vic_xasprintf("%s%s %s;", events ? events : "", action,
                               json_str(extra, "exec_command", json_str(extra, "exit_code", "-")));
    free(events);
    events = more;
}

struct rpc_session *__wrap_pl_channel_session(const struct pl_channel *c);
struct rpc_session *__wrap_pl_channel_session(const struct pl_channel *c)
{
    (void)c;
    return guest.session;
}

int __wrap_pl_channel_call(struct pl_channel *c, const char *method, const char *path,
                           const cJSON *body, rpc_done_fn done, void *arg, struct vic_err *err);
int __wrap_pl_channel_call(struct pl_channel *c, const char *method, const char *path,
                           const cJSON *body, rpc_done_fn done, void *arg, struct vic_err *err)
{
    (void)c;
    return rpc_call(guest.session, method, path, body, done, arg, NULL, err);
}

/* ---- the port layer and its client ---- */

static struct pl_execution x;
static struct pl pl;
static struct pl_container *c;
static struct rpc_session *user, *server;

static bool carry(struct rpc_session *from, struct rpc_session *to)
{
    uint8_t out[65536];
    if (!from || !to)
        return false;
    size_t n = rpc_session_pull(from, out, sizeof(out));
    if (n > 0)
        assert_int_equal(rpc_session_feed(to, out, n, NULL), 0);
    return n > 0;
}

static void run(void)
{
    while ((int)carry(user, server) | (int)carry(server, user) |
           (int)carry(guest.session, guest.peer) | (int)carry(guest.peer, guest.session))
        ;
}

static int set_up(void **state)
{
    (void)state;
    memset(&guest, 0, sizeof(guest));
    memset(&x, 0, sizeof(x));
    vic_list_init(&x.containers);
    pl.execution = &x;
    x.pl = &pl;
    c = vic_new(struct pl_container);
    c->x = &x;
    c->refs = 1;
    c->is_visible = true;
    c->rec.name = vic_xstrdup("box");
    memcpy(c->rec.id, ID, sizeof(ID));
    c->rec.state = PL_RUNNING;
    c->rec.spec.env = vic_strv_append(vic_strv_append(NULL, "A=1"), "B=2");
    c->rec.spec.cwd = vic_xstrdup("/home");
    c->rec.spec.user = vic_xstrdup("app");
    vic_list_init(&c->execs);
    assert_int_equal(pl_index_add(&x, c, NULL), 0);
    user = rpc_session_new_client(RPC_STREAM_WINDOW, NULL, NULL);
    server = rpc_session_new_server(pl_execution_routes, pl_execution_n_routes, &pl, NULL, NULL);
    guest_comes();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rpc_session_free(user);
    rpc_session_free(server);
    pl_execs_drop(c);
    assert_int_equal(c->n_execs, 0);
    if (guest.held)
        rpc_stream_cancel(guest.held); /* its peer is gone: only we hold it */
    assert_int_equal(x.execs.n, 0);
    guest_goes();
    cJSON_Delete(guest.started);
    vic_buf_release(&guest.input);
    pl_record_release(&c->rec);
    free(c);
    vic_map_release(&x.by_id);
    vic_map_release(&x.by_name);
    vic_map_release(&x.execs);
    free(events);
    events = NULL;
    return 0;
}

struct answer {
    bool is_there;
    struct vic_err err;
    cJSON *doc;
};

static void on_answer(const struct vic_err *err, const cJSON *doc, void *arg)
{
    struct answer *a = arg;
    a->is_there = true;
    if (err)
        a->err = *err;
    a->doc = doc ? json_dup(doc) : NULL;
}

static struct answer call(const char *method, const char *path, const char *body)
{
    struct answer a = {0};
    auto_json cJSON *doc = body ? cJSON_Parse(body) : NULL;
    assert_int_equal(rpc_call(user, method, path, doc, on_answer, &a, NULL, NULL), 0);
    run();
    assert_true(a.is_there);
    return a;
}

static void call_fails(const char *method, const char *path, const char *body,
                       enum vic_err_kind kind, const char *says)
{
    struct answer a = call(method, path, body);
    if (a.err.kind != kind || !strstr(a.err.message, says))
        fail_msg("%s %s: kind %d, '%s'", path, body ? body : "", a.err.kind, a.err.message);
    cJSON_Delete(a.doc);
}

static char *create(const char *body)
{
    struct answer a = call("POST", "/v1/containers/box/execs", body);
    assert_int_equal(a.err.kind, VIC_ERR_NONE);
    char *id = vic_xstrdup(json_str(a.doc, "id", ""));
    cJSON_Delete(a.doc);
    return id;
}

static char *path_of(const char *id, const char *what)
{
    return vic_xasprintf("/v1/execs/%s%s", id, what);
}

/* "state exit_code" */
static char *state_of(const char *id)
{
    auto_free char *path = path_of(id, "");
    struct answer a = call("GET", path, NULL);
    char *text = vic_xasprintf("%s %d", json_str(a.doc, "state", "gone"),
                               (int)json_i64(a.doc, "exit_code", -1));
    cJSON_Delete(a.doc);
    return text;
}

static void assert_state(const char *id, const char *want)
{
    auto_free char *text = state_of(id);
    assert_string_equal(text, want);
}

/* A client that attached. */
struct client {
    struct rpc_stream *st; /* NULL once over */
    bool has_begun, has_ended, keeps_window;
    enum vic_err_kind kind;
    char message[VIC_ERR_MAX];
    size_t n_bytes;
    struct vic_buf text; /* payloads */
    struct pl_records *records;
};

static void on_client_record(const struct vic_record *head, const void *data, void *arg)
{
    struct client *k = arg;
    vic_buf_addf(&k->text, "%d:%.*s;", (int)head->type, (int)head->len, (const char *)data);
}

static void on_client_response(struct rpc_stream *st, void *arg)
{
    (void)st;
    ((struct client *)arg)->has_begun = true;
}

static void on_client_data(struct rpc_stream *st, const uint8_t *data, size_t len, void *arg)
{
    struct client *k = arg;
    k->n_bytes += len;
    assert_int_equal(pl_records_feed(k->records, data, len, NULL), 0);
    if (!k->keeps_window)
        rpc_stream_consume(st, len);
}

static void on_client_end(struct rpc_stream *st, void *arg)
{
    ((struct client *)arg)->has_ended = true;
    rpc_stream_end(st);
}

static void on_client_close(struct rpc_stream *st, const struct vic_err *err, void *arg)
{
    struct client *k = arg;
    (void)st;
    k->st = NULL;
    k->kind = err ? err->kind : VIC_ERR_NONE;
    (void)snprintf(k->message, sizeof(k->message), "%s", err ? err->message : "");
}

static void attach(struct client *k, const char *id, const char *query)
{
    static const struct rpc_stream_events client_events = {.on_response = on_client_response,
                                                           .on_data = on_client_data,
                                                           .on_end = on_client_end,
                                                           .on_close = on_client_close};
    auto_free char *path = vic_xasprintf("/v1/execs/%s/attach?%s", id, query);
    bool keeps_window = k->keeps_window;
    *k = (struct client){.records = pl_records_new(on_client_record, k),
                         .keeps_window = keeps_window};
    assert_int_equal(rpc_open(user, "POST", path, &client_events, k, &k->st, NULL), 0);
    run();
}

static void client_release(struct client *k)
{
    if (k->st)
        rpc_stream_cancel(k->st);
    pl_records_free(k->records);
    vic_buf_release(&k->text);
    run();
}

/* ---- tests ---- */

static void test_an_exec_from_creation_to_end(void **state)
{
    (void)state;
    auto_free char *id =
        create("{\"process\":{\"args\":[\"echo\",\"a b\"],\"env\":[\"B=3\"]},\"privileged\":true,"
               "\"annotations\":{\"k\":\"v\"}}");
    assert_state(id, "created 0");
    auto_json cJSON *ids = pl_execs_ids(c);
    assert_string_equal(cJSON_GetArrayItem(ids, 0)->valuestring, id);
    struct client k = {0};
    attach(&k, id, "stdout=1&width=80&height=24");
    assert_true(k.has_begun);
    assert_state(id, "running 0");
    auto_json cJSON *want = cJSON_Parse(
        "{\"args\":[\"echo\",\"a b\"],\"env\":[\"A=1\",\"B=2\",\"B=3\"],\"cwd\":\"/home\","
        "\"user\":\"app\",\"tty\":false,\"stdin\":false,\"privileged\":true,"
        "\"console\":{\"width\":80,\"height\":24}}");
    json_add_str(want, "id", id);
    assert_true(cJSON_Compare(guest.started, want, true));
    guest_says(VIC_RECORD_STDOUT, "out");
    guest_says(VIC_RECORD_STDERR, "not wanted");
    guest_says(VIC_RECORD_STDOUT, "more");
    guest_says(VIC_RECORD_EXIT, "{\"exit_code\":7}");
    rpc_stream_end(guest.output);
    run();
    assert_string_equal(vic_buf_str(&k.text), "1:out;1:more;");
    assert_true(k.has_ended);
    assert_state(id, "exited 7");
    auto_json cJSON *none = pl_execs_ids(c);
    assert_null(none->child);
    assert_string_equal(events, "exec_create echo a b;exec_start echo a b;exec_die 7;");
    auto_free char *attach_path = path_of(id, "/start");
    call_fails("POST", attach_path, NULL, VIC_ERR_CONFLICT, "has already run");
    client_release(&k);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *says;
    } bad[] = {
        {"{}", "process: expected an object"},
        {"{\"process\":{}}", "process.args: no command specified"},
        {"{\"process\":{\"args\":[\"a\"],\"stdin_once\":true}}", "stdin_once"},
        {"{\"process\":{\"args\":[\"a\"],\"env\":[\"=\"]}}", "process.env"},
        {"{\"process\":{\"args\":[\"a\"]},\"x\":1}", "x: unknown member"},
        {"{\"process\":{\"args\":[\"a\"]},\"privileged\":1}", "privileged"},
        {"{\"process\":{\"args\":[\"a\"]},\"annotations\":{\"k\":1}}", "annotations.k"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        call_fails("POST", "/v1/containers/box/execs", bad[i].body, VIC_ERR_INVALID, bad[i].says);
    call_fails("POST", "/v1/containers/none/execs", SAYS, VIC_ERR_NOT_FOUND, "none");
    call_fails("GET", "/v1/execs/none", NULL, VIC_ERR_NOT_FOUND, "No such exec instance: none");
    auto_free char *id = create(SAYS);
    auto_free char *start = path_of(id, "/start");
    auto_free char *resize = path_of(id, "/resize");
    call_fails("POST", start, "{\"x\":1}", VIC_ERR_INVALID, "x: unknown member");
    cJSON_Delete(call("POST", resize, "{\"width\":1,\"height\":1}").doc); /* it has none */
    struct client k = {0};
    attach(&k, id, "stdin=1");
    assert_int_equal(k.kind, VIC_ERR_CONFLICT);
    client_release(&k);
    attach(&k, id, "stdout=x");
    assert_int_equal(k.kind, VIC_ERR_INVALID);
    client_release(&k);
    static const enum pl_state states[] = {PL_CREATED, PL_STARTING, PL_PAUSED, PL_EXITED};
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        const char *says = states[i] == PL_PAUSED ? "is paused" : "is not running";
        c->rec.state = states[i];
        call_fails("POST", "/v1/containers/box/execs", SAYS, VIC_ERR_CONFLICT, says);
        call_fails("POST", start, NULL, VIC_ERR_CONFLICT, says);
    }
    assert_state(id, "created 0");
}

static void test_a_start_that_fails_has_dockers_code(void **state)
{
    (void)state;
    static const struct {
        enum vic_err_kind kind;
        const char *state;
    } rows[] = {{VIC_ERR_NOT_FOUND, "exited 127"},
                {VIC_ERR_FORBIDDEN, "exited 126"},
                {VIC_ERR_INVALID, "exited 126"},
                {VIC_ERR_UNAVAILABLE, "exited 126"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        guest.refusal = rows[i].kind;
        auto_free char *id = create(SAYS);
        auto_free char *start = path_of(id, "/start");
        call_fails("POST", start, NULL, rows[i].kind, "said the guest");
        assert_state(id, rows[i].state);
        auto_free char *other = create(SAYS);
        struct client k = {0};
        attach(&k, other, "stdout=1");
        assert_false(k.has_begun);
        assert_int_equal(k.kind, rows[i].kind);
        client_release(&k);
    }
    assert_null(strstr(events, "exec_die"));
}

static void test_a_detached_one_is_drained(void **state)
{
    (void)state;
    auto_free char *id = create(READS);
    auto_free char *start = path_of(id, "/start");
    struct answer a = call("POST", start, NULL);
    assert_int_equal(a.err.kind, VIC_ERR_NONE);
    cJSON_Delete(a.doc);
    assert_false(json_bool(guest.started, "stdin", true));
    auto_free char *text = vic_xalloc(60001);
    memset(text, 'x', 60000);
    text[60000] = '\0';
    for (int i = 0; i < 100; i++) {
        guest_says(VIC_RECORD_STDOUT, text);
        run();
        assert_int_equal(rpc_stream_queued(guest.output), 0);
    }
    call_fails("POST", start, NULL, VIC_ERR_CONFLICT, "is already running");
    guest_says(VIC_RECORD_EXIT, "{\"exit_code\":3}");
    rpc_stream_end(guest.output);
    run();
    assert_state(id, "exited 3");
}

static void test_a_client_that_stalls_stops_the_guest(void **state)
{
    (void)state;
    auto_free char *id = create(SAYS);
    struct client k = {.keeps_window = true};
    attach(&k, id, "stdout=1");
    auto_free char *text = vic_xalloc(60001);
    memset(text, 'x', 60000);
    text[60000] = '\0';
    unsigned n = 0;
    do {
        guest_says(VIC_RECORD_STDOUT, text);
        n++;
        run();
    } while (rpc_stream_queued(guest.output) == 0);
    /* The client's window, our queue and the guest's window, each with one record that goes over. */
    assert_true(n * 60000 <= RPC_STREAM_WINDOW + RPC_HIGH_WATER + RPC_GUEST_WINDOW + 3 * 65536);
    guest_says(VIC_RECORD_EXIT, "{\"exit_code\":0}");
    rpc_stream_end(guest.output);
    run();
    assert_state(id, "running 0");
    k.keeps_window = false;
    rpc_stream_consume(k.st, k.n_bytes);
    run();
    assert_int_equal(k.n_bytes, n * (60000 + VIC_RECORD_HEADER));
    assert_true(k.has_ended);
    assert_state(id, "exited 0");
    client_release(&k);
}

static void test_stdin_and_its_end(void **state)
{
    (void)state;
    auto_free char *id = create(READS);
    struct client k = {0};
    guest.is_slow = true;
    attach(&k, id, "stdin=1&stdout=1");
    (void)rpc_stream_write(k.st, "early ", 6);
    run();
    rpc_reply_json(TAKE_PTR(guest.held), json_new_obj());
    run();
    assert_true(k.has_begun);
    (void)rpc_stream_write(k.st, "late", 4);
    run();
    assert_string_equal(vic_buf_str(&guest.input), "early late");
    assert_false(guest.has_input_end);
    rpc_stream_end(k.st);
    run();
    assert_true(guest.has_input_end);
    client_release(&k);
}

static void test_a_client_that_leaves_ends_only_stdin(void **state)
{
    (void)state;
    auto_free char *id = create(READS);
    struct client k = {.keeps_window = true};
    attach(&k, id, "stdin=1&stdout=1");
    client_release(&k);
    assert_true(guest.has_input_end);
    assert_state(id, "running 0");
    guest_says(VIC_RECORD_STDOUT, "dropped");
    guest_says(VIC_RECORD_EXIT, "{\"exit_code\":1}");
    rpc_stream_end(guest.output);
    run();
    assert_state(id, "exited 1");
}

static void test_the_end_of_the_run_ends_all(void **state)
{
    (void)state;
    auto_free char *created = create(SAYS);
    auto_free char *running = create(SAYS);
    auto_free char *starting = create(SAYS);
    struct client k = {0};
    struct client late = {0};
    attach(&k, running, "stdout=1");
    guest.is_slow = true;
    attach(&late, starting, "stdout=1");
    assert_state(starting, "starting 0");
    pl_execs_run_ends(c);
    run();
    assert_true(k.has_ended);
    assert_false(late.has_begun);
    assert_int_equal(late.kind, VIC_ERR_CONFLICT);
    assert_string_equal(late.message, "container " ID " is not running");
    assert_state(created, "gone -1");
    assert_state(running, "exited 137");
    assert_state(starting, "exited 137");
    client_release(&k);
    client_release(&late);
}

static void test_a_guest_that_breaks_off_ends_it(void **state)
{
    (void)state;
    auto_free char *id = create(SAYS);
    auto_free char *other = create(SAYS);
    struct client k = {0};
    attach(&k, id, "stdout=1");
    (void)rpc_stream_write(guest.output, "no record at all, but long enough", 33);
    run();
    assert_true(k.has_ended);
    assert_state(id, "exited 137");
    client_release(&k);
    attach(&k, other, "stdout=1");
    guest_goes();
    run();
    assert_true(k.has_ended);
    assert_state(other, "exited 137");
    client_release(&k);
}

static void test_a_start_waits_for_the_guest(void **state)
{
    (void)state;
    auto_free char *id = create(SAYS);
    struct client k = {0};
    guest_goes();
    attach(&k, id, "stdout=1");
    assert_state(id, "starting 0");
    assert_false(k.has_begun);
    guest_comes();
    pl_execs_tether_up(c);
    run();
    assert_true(k.has_begun);
    client_release(&k);
}

static void test_sizes(void **state)
{
    (void)state;
    auto_free char *id = create(TYPES);
    auto_free char *resize = path_of(id, "/resize");
    call_fails("POST", resize, NULL, VIC_ERR_INVALID, "width and height");
    struct answer a = call("POST", resize, "{\"width\":70,\"height\":20}");
    assert_int_equal(a.err.kind, VIC_ERR_NONE);
    cJSON_Delete(a.doc);
    struct client k = {0};
    guest.is_slow = true;
    attach(&k, id, "stdout=1&width=1&height=1"); /* older than the resize */
    assert_int_equal(json_i64(json_member(guest.started, "console"), "width", 0), 70);
    a = call("POST", resize, "{\"width\":71,\"height\":21}");
    cJSON_Delete(a.doc);
    assert_string_equal(guest.size, "");
    rpc_reply_json(TAKE_PTR(guest.held), json_new_obj());
    run();
    assert_string_equal(guest.size, "71x21");
    a = call("POST", resize, "{\"width\":72,\"height\":22}");
    cJSON_Delete(a.doc);
    assert_string_equal(guest.size, "72x22");
    guest_says(VIC_RECORD_EXIT, "{\"exit_code\":0}");
    rpc_stream_end(guest.output);
    run();
    call_fails("POST", resize, "{\"width\":1,\"height\":1}", VIC_ERR_CONFLICT, "has ended");
    client_release(&k);
}

static void test_the_table_is_bounded(void **state)
{
    (void)state;
    auto_free char *running = create(SAYS);
    auto_free char *first = create(SAYS);
    auto_free char *ended = create(SAYS);
    struct client k = {0};
    attach(&k, running, "stdout=1");
    guest.refusal = VIC_ERR_NOT_FOUND;
    auto_free char *start = path_of(ended, "/start");
    call_fails("POST", start, NULL, VIC_ERR_NOT_FOUND, "");
    for (size_t i = 3; i < PL_EXECS_MAX; i++)
        free(create(SAYS));
    free(create(SAYS));
    assert_state(ended, "gone -1");
    assert_state(first, "created 0");
    free(create(SAYS));
    assert_state(first, "gone -1");
    assert_state(running, "running 0");
    assert_int_equal(c->n_execs, PL_EXECS_MAX);
    /* All run: none is forgotten. */
    struct pl_exec *e;
    list_for_each(e, &c->execs, link) {
        if (e->state == PL_EXEC_CREATED)
            e->state = PL_EXEC_RUNNING;
    }
    call_fails("POST", "/v1/containers/box/execs", SAYS, VIC_ERR_UNAVAILABLE,
               "runs 256 processes beside its own");
    client_release(&k);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* ---- keys that detach ---- */

static void test_keys_detach_the_client_of_a_terminal(void **state)
{
    (void)state;
    auto_free char *id = create("{\"process\":{\"args\":[\"sh\"],\"tty\":true,\"stdin\":true}}");
    struct client k = {0};
    attach(&k, id, "stdin=1&stdout=1&detach=1011");
    (void)rpc_stream_write(k.st, "ls\x10", 3);
    run();
    assert_string_equal(vic_buf_str(&guest.input), "ls");
    guest_says(VIC_RECORD_STDOUT, "out");
    (void)rpc_stream_write(k.st, "\x11more", 5);
    run();
    assert_true(k.has_ended);
    assert_int_equal(k.kind, VIC_ERR_NONE);
    assert_string_equal(vic_buf_str(&guest.input), "ls");
    assert_state(id, "running 0");
    assert_string_equal(events, "exec_create sh;exec_start sh;exec_detach -;");
    guest_says(VIC_RECORD_EXIT, "{\"exit_code\":4}");
    rpc_stream_end(guest.output);
    run();
    assert_state(id, "exited 4");
    client_release(&k);
}

static void test_keys_mean_nothing_without_a_terminal(void **state)
{
    (void)state;
    auto_free char *id = create(READS);
    struct client k = {0};
    attach(&k, id, "stdin=1&stdout=1&detach=1011");
    (void)rpc_stream_write(k.st, "\x10\x11x", 3);
    run();
    assert_string_equal(vic_buf_str(&guest.input), "\x10\x11x");
    assert_false(k.has_ended);
    client_release(&k);
    attach(&k, id, "stdin=1&detach=1");
    assert_int_equal(k.kind, VIC_ERR_INVALID);
    client_release(&k);
}

static void test_a_key_that_is_held_goes_on_at_the_end(void **state)
{
    (void)state;
    auto_free char *id = create("{\"process\":{\"args\":[\"sh\"],\"tty\":true,\"stdin\":true}}");
    struct client k = {0};
    attach(&k, id, "stdin=1&detach=1011");
    (void)rpc_stream_write(k.st, "a\x10", 2);
    rpc_stream_end(k.st);
    run();
    assert_string_equal(vic_buf_str(&guest.input), "a\x10");
    assert_true(guest.has_input_end);
    client_release(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_exec_from_creation_to_end),
        TEST(test_what_is_refused),
        TEST(test_a_start_that_fails_has_dockers_code),
        TEST(test_a_detached_one_is_drained),
        TEST(test_a_client_that_stalls_stops_the_guest),
        TEST(test_stdin_and_its_end),
        TEST(test_a_client_that_leaves_ends_only_stdin),
        TEST(test_the_end_of_the_run_ends_all),
        TEST(test_a_guest_that_breaks_off_ends_it),
        TEST(test_a_start_waits_for_the_guest),
        TEST(test_sizes),
        TEST(test_the_table_is_bounded),
        TEST(test_keys_detach_the_client_of_a_terminal),
        TEST(test_keys_mean_nothing_without_a_terminal),
        TEST(test_a_key_that_is_held_goes_on_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
