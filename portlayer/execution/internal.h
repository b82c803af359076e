/*
 * Inside execution and interaction: the containers at run time and the flows that move them.
 *
 * Everything here runs on the loop.  What blocks is queued on the container's own host_queue, so that
 * two such things of one container never overlap while containers run in parallel.
 */
#pragma once

#include <uv.h>

#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/host/work.h"
#include "portlayer/execution/domain_xml.h"
#include "portlayer/execution/execution.h"
#include "portlayer/execution/record.h"
#include "portlayer/execution/virt.h"
#include "portlayer/interaction/channel.h"
#include "portlayer/interaction/probe.h"
#include "portlayer/interaction/watch.h"

#define PL_CODE_NOT_STARTED 128 /* Docker's, when nothing more precise is known */

struct pl_start;

struct pl_execution {
    struct pl *pl;
    unsigned refs;      /* the owner's, and one for each container in memory */
    virConnectPtr conn; /* own reference; NULL while libvirt is away */
    int lifecycle_callback;
    bool is_reconnecting;
    bool is_closed;
    uv_timer_t reconnect_timer;
    struct vic_list creations; /* struct pl_start: VMs that wait for their turn to be created */
    unsigned n_creating;       /* ... whose turn it is */
    struct vic_list strays;    /* VMs of nobody that could not be destroyed yet */
    uv_timer_t stray_timer;
    uv_timer_t stall_timer; /* runs while the VM of a container is stalled */
    bool kvm;
    unsigned long hypervisor_version, libvirt_version; /* as libvirt counts: 7002022 */
    char *kernel_version;                              /* of the guests */
    char *cmdline;
    char boot_id[40];
    struct vic_id life;         /* of this process: fingerprints of another one mean nothing */
    struct vic_list containers; /* newest last */
    struct vic_map by_id, by_name;
    char **unreadable; /* ids; owned: their records could not be read, all else of them is kept */
    struct vic_map execs; /* of all containers, by id */
};

struct pl_container {
    struct vic_list link;
    struct pl_execution *x;
    unsigned refs; /* the index's one, and one for each call in flight */
    struct pl_record rec;
    struct host_queue *queue;
    bool is_visible; /* false while it is being created: only its name is taken */
    bool is_gone;    /* removed; lives for the calls in flight */

    /* the current run, while there is a VM */
    struct pl_start *start; /* a start in progress, or a nap's */
    struct pl_nap *nap;     /* the VM runs, and the container does not */
    struct pl_channel *channel;
    struct pl_watch *watch;
    struct pl_exit exit;
    bool has_exit;        /* the exit record was read */
    bool is_ending;       /* ... and acknowledged: the VM is on its way out */
    bool is_stop_asked;   /* someone asked for the end: a stop event follows die */
    bool is_recovering;   /* found running after our own restart; its tether was not heard yet */
    bool keeps_on_end;    /* a restart: auto_remove waits */
    bool is_killed;       /* SIGKILL was asked for: its deadline is running */
    bool is_frozen;       /* as the guest has said last */
    bool is_stalled;      /* libvirt suspended the VM: its disk cannot be written */
    bool is_tried;        /* ... and was told to go on, some seconds ago */
    int due_signal;       /* of a stop or kill: the guest could not be reached; 0: none */
    char expected_vm[37]; /* uuid of a VM that the next list of domains has, unless it is gone */
    long pid;
    uint64_t restart_delay_ms; /* the last one; 0: none since somebody asked for a start */
    bool is_by_policy;         /* the start in progress is */
    uv_timer_t timer; /* the one deadline that is running: start, stop, kill, end or restart */
    void (*on_deadline)(struct pl_container *c);

    struct vic_list requests;    /* waiting for the state to change */
    struct vic_list late_copies; /* nap.c: waiting for the end of the VM */
    struct vic_list waiters;
    struct vic_list attaches;
    struct vic_list followers; /* of logs */
    struct vic_list execs;     /* interaction/exec.h; oldest first */
    size_t n_execs;
    unsigned first_run;     /* whose output is kept, as far as is known; 0: not */
    unsigned log_eighths;   /* of its limit, as of the last trimming */
    struct pl_probe *probe; /* of a run; NULL where there is none */
};

/* What somebody asked for; NULL stream: nobody listens any more. */
struct pl_request {
    struct vic_list link;
    struct pl_container *c;
    struct rpc_stream *stream;
    enum pl_event event;
    bool is_restart;
    bool is_by_policy;  /* a start that the restart policy wants */
    bool ends_with_run; /* succeeds when the run is over */
    bool has_timeout;
    int timeout_s;
    int signal; /* 0: the spec's stop signal */
    unsigned width, height;
};

void pl_execution_unref(struct pl_execution *x); /* execution.c */

/* ---- index.c: finding and keeping ---- */
struct pl_container *pl_container_new(struct pl_execution *x, struct pl_record *take_rec);
void pl_container_ref(struct pl_container *c);
void pl_container_unref(struct pl_container *c);
int pl_index_add(struct pl_execution *x, struct pl_container *c, struct vic_err *err);
void pl_index_remove(struct pl_container *c);
int pl_index_rename(struct pl_container *c, const char *name, struct vic_err *err);
int pl_index_find(struct pl_execution *x, const char *ref, struct pl_container **ret_c,
                  struct vic_err *err);
struct pl_container *pl_index_find_vm(struct pl_execution *x, const char *uuid); /* or NULL */
char *pl_container_path(const struct pl_container *c, const char *file);         /* in its folder */
char *pl_container_output_path(const struct pl_container *c, unsigned run);
char *pl_container_socket_path(const struct pl_container *c);
void pl_container_emit(struct pl_container *c, const char *action, const char *member,
                       const char *value); /* member may be NULL */
void pl_container_emit_with(struct pl_container *c, const char *action, cJSON *take_attributes);
/* connect or disconnect: of each network it is on. */
void pl_container_emit_networks(struct pl_container *c, const char *action);
void pl_container_save(struct pl_container *c); /* queues the record as it is now */
void pl_container_deadline(struct pl_container *c, uint64_t ms, void (*fn)(struct pl_container *));
/* Unless an earlier one is running. */
void pl_container_deadline_by(struct pl_container *c, uint64_t ms,
                              void (*fn)(struct pl_container *));
void pl_container_no_deadline(struct pl_container *c);
unsigned pl_guest_timeout_s(const struct pl_execution *x, unsigned kvm_s, unsigned tcg_s);

/* ---- lifecycle.c: requests and the table ---- */
void pl_request_dispatch(struct pl_request *req); /* takes it */
struct pl_request *pl_request_new(struct pl_container *c, struct rpc_stream *st,
                                  enum pl_event event);
void pl_request_reply(struct pl_request *req, const struct vic_err *err); /* NULL: done; frees it */
/* Applies an event that nobody asked for, then wakes what waits. */
enum pl_action pl_container_apply(struct pl_container *c, enum pl_event event);
void pl_container_wake(struct pl_container *c);
/* Its process has ended, and its VM, which has nothing more to say, is there yet. */
bool pl_container_is_ending(const struct pl_container *c);
/* That, or it has no VM. */
bool pl_container_is_over(const struct pl_container *c);

/* ---- start.c ---- */
void pl_start_begin(struct pl_container *c, struct pl_request *take_req);
void pl_start_nap(struct pl_container *c); /* without its process and its network */
void pl_start_abort(struct pl_container *c, const char *why);
void pl_start_vm_gone(struct pl_container *c);
void pl_start_tether_up(struct pl_container *c);

/* ---- run.c: from running to exited ---- */
int pl_run_watch(struct pl_container *c, struct vic_err *err); /* the output file of the run */
void pl_run_connect(struct pl_container *c);                   /* to the tether */
char **pl_container_names(const struct pl_container *c);       /* in DNS; the caller frees them */
void pl_run_adopt(struct pl_container *c, const struct pl_virt_domain *d);
/* Again: the signal once more, and the earliest of the deadlines counts. */
void pl_run_stop(struct pl_container *c, struct pl_request *req);
void pl_run_kill(struct pl_container *c);
void pl_run_signal(struct pl_container *c, struct pl_request *take_req);
void pl_run_vm_gone(struct pl_container *c); /* libvirt says so */
void pl_run_check_exit(struct pl_container *c);
void pl_run_destroy(struct pl_container *c);             /* queued */
void pl_run_over(struct pl_container *c, int exit_code); /* no VM, no exit record: this code */
void pl_run_release(struct pl_container *c);             /* the connection and the watch */
void pl_run_network_up(struct pl_container *c);          /* queued; again, of a VM that runs */
void pl_run_network_down(struct pl_container *c);        /* queued */

/* ---- pause.c ---- */
void pl_pause_ask(struct pl_container *c, bool is_frozen,
                  struct pl_request *take_req);             /* or NULL */
void pl_pause_told(struct pl_container *c, bool is_frozen); /* by the guest */

/* ---- stall.c: VMs that libvirt has suspended ---- */
void pl_stall_begins(struct pl_container *c); /* no room for its disk to grow: tried again */
void pl_stall_on_timer(uv_timer_t *t);

/* ---- nap.c: the VM of a container that does not run, for copies ---- */
bool pl_nap_is_awake(const struct pl_container *c);
/* Keeps a request until pl_copy_serve() can relay it; begins a nap unless there is one. */
void pl_nap_wait(struct pl_container *c, struct rpc_stream *take_st, const char *method,
                 const char *path, const char *action);
/* The same for a run whose process has ended: its VM is waited for first. */
void pl_nap_wait_for_end(struct pl_container *c, struct rpc_stream *take_st, const char *method,
                         const char *path, const char *action);
void pl_nap_run_over(struct pl_container *c);
void pl_nap_use(struct pl_container *c); /* by a relay; nothing where there is no nap */
void pl_nap_leave(struct pl_container *c);
/* What must not be done during a nap waits for its end, which this hastens. */
bool pl_nap_holds_up(struct pl_container *c, enum pl_event event);
void pl_nap_awake(struct pl_container *c); /* start.c says so */
void pl_nap_failed(struct pl_container *c,
                   const struct vic_err *err); /* start.c: and no VM is left */
void pl_nap_vm_gone(struct pl_container *c);   /* or of no more use */
void pl_nap_drop(struct pl_container *c);      /* the port layer ends */

/* ---- remove.c ---- */
void pl_remove_begin(struct pl_container *c, struct pl_request *take_req); /* may be NULL */

/* ---- recover.c ---- */
int pl_recover_read(struct pl_execution *x, struct vic_err *err); /* blocking: the records */
/* Before domains are listed off the loop: only a run that is known now can be missing from the list. */
void pl_recover_expect(struct pl_execution *x);
void pl_recover_match(struct pl_execution *x, const struct pl_virt_domain *domains, size_t n);
/* A VM for which no container waits: if it is this VCH's, it is destroyed, however long that takes.
 * uuid NULL: whatever has the name. */
void pl_recover_stray(struct pl_execution *x, const char *name, const char *uuid);
void pl_recover_drop_strays(struct pl_execution *x); /* those that wait for another try */

/* ---- document.c, handlers.c, create.c ---- */
cJSON *pl_container_to_json(const struct pl_container *c);
/* In a list, which has to stay small: without what no list shows. */
cJSON *pl_container_to_json_row(const struct pl_container *c);
void pl_create_handle(struct rpc_stream *st, void *arg);
void pl_list_handle(struct rpc_stream *st, void *arg); /* list.c */

/* ---- interaction ---- */
void pl_attach_handle(struct rpc_stream *st, void *arg);
void pl_attach_run_begins(struct pl_container *c);
void pl_attach_tether_up(struct pl_container *c); /* stdin may flow */
void pl_attach_growth(struct pl_container *c);
void pl_attach_run_ends(struct pl_container *c); /* or did not begin */
void pl_copy_out_handle(struct rpc_stream *st, void *arg);
void pl_copy_in_handle(struct rpc_stream *st, void *arg);
void pl_changes_handle(struct rpc_stream *st, void *arg);
void pl_export_handle(struct rpc_stream *st, void *arg);
void pl_processes_handle(struct rpc_stream *st, void *arg);
void pl_stats_handle(struct rpc_stream *st, void *arg);
/* Takes st: relays it, has it wait for a nap, or answers why not. */
void pl_copy_serve(struct pl_container *c, struct rpc_stream *take_st, const char *method,
                   const char *path, const char *action);
void pl_execs_tether_up(struct pl_container *c); /* what waits may start */
void pl_execs_run_ends(struct pl_container *c);
void pl_execs_drop(struct pl_container *c);
cJSON *pl_execs_ids(const struct pl_container *c); /* of those that have not ended */
void pl_logs_handle(struct rpc_stream *st, void *arg);
void pl_logs_growth(struct pl_container *c);
/* The first byte of the current run's output that a client is still going to read; UINT64_MAX: there is none. */
uint64_t pl_logs_held(const struct pl_container *c);
uint64_t pl_attach_held(const struct pl_container *c);
void pl_log_trim(struct pl_container *c); /* log_trim.c: to the limit of its spec */
void pl_logs_run_ends(struct pl_container *c);
void pl_wait_handle(struct rpc_stream *st, void *arg);
void pl_wait_exited(struct pl_container *c);
void pl_wait_not_started(struct pl_container *c); /* it does not run; nothing has exited */
void pl_wait_removed(struct pl_container *c);
void pl_wait_drop(struct pl_container *c);
