/*
 * A port layer over a host of memory (fake_vm.h), made anew for each test: FLOW(test) in its list of tests.
 *
 * Containers are named by a character: 'a' has the name "ca", and an id and a VM's uuid made of it.
 */
#pragma once

#include "test/unit/fake_vm.h"
#include "test/unit/storage_rpc.h"

#define VCH "01234567"
#define RUNNING "{\"state\":\"running\",\"protocol\":1}"
#define FROZEN "{\"state\":\"running\",\"protocol\":1,\"frozen\":true}"
#define IDLE "{\"state\":\"idle\",\"protocol\":1}"

struct world {
    uv_loop_t loop;
    struct pl pl;
    char dir[64];
    virConnectPtr conn;
    struct rpc_stream streams[64];
    size_t n_streams;
};
extern struct world w;

int world_init(void **state); /* of a group of tests */
int world_setup(void **state);
int world_teardown(void **state);
#define FLOW(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

/* What waits for its next run waits so much longer: until a test says that it is due, however slow the machine. */
#define RESTART_WAITS_MS 3600000

/* Turns the loop until it is so. */
#define until(condition)                                                                           \
    while (!(condition))                                                                           \
    assert_true(uv_run(&w.loop, UV_RUN_ONCE) || (condition))

/* ---- what an earlier port layer left ---- */

void id_of(char digit, char ret[VIC_ID_LEN + 1]);
void uuid_of(char digit, char ret[37]); /* of its VM */
/* spec_members: more of the spec, each with a comma before it. */
void write_record(char digit, enum pl_state state, const char *spec_members);
/* The VM of a container that write_record() made. */
void add_vm(char digit);
void open_execution(void);
struct pl_container *container(char digit); /* NULL: there is none */
/* All of these: a container that runs, with a guest that answers. */
struct pl_container *running(char digit, const char *spec_members);

/* ---- requests; what is returned stays until the test's end ---- */

struct rpc_stream *ask(const char *method, const char *path, const char *ref, const char *body);
struct rpc_stream *post(const char *what, const char *ref, const char *body);
struct rpc_stream *stop(const char *ref, int timeout_s);
struct rpc_stream *remove_by_force(const char *ref);
struct rpc_stream *wait_for_end(const char *ref);

/* ---- the host and the guests ---- */

void set_creates_held(bool holds);
void lose_libvirt(void);
void comes_up(struct pl_container *c);   /* the guest of a start, until its process runs */
void comes_back(struct pl_container *c); /* the connection to the guest of a running one */
/* The exit record, the acknowledgement, and the VM goes. */
void end_run(struct pl_container *c, int exit_code);
