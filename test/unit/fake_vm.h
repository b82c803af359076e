/*
 * A host without VMs, for the flows of portlayer/execution: libvirt's domains, the guests' channels,
 * the network and storage in memory.  Faults are forced by its knobs.
 */
#pragma once

#include <pthread.h>

#include "portlayer/execution/internal.h"

#define FAKE_DOMAINS 64
#define FAKE_CALLS 64

struct _virConnect {
    int refs;
    bool is_closed;
    virConnectDomainEventCallback on_event; /* NULL: nobody listens */
    void *event_arg;
    virConnectCloseFunc on_close;
    void *close_arg;
};

struct _virDomain {
    char name[64], uuid[37];
};

/* What a container's tether was asked; test code answers it with fake_answer(). */
struct fake_call {
    struct pl_channel *channel;
    char path[32], body[256];
    rpc_done_fn done; /* NULL once answered */
    void *arg;
};

struct fake_host {
    pthread_mutex_t lock; /* of all below that workers touch */
    pthread_cond_t changed;
    struct pl_virt_domain domains[FAKE_DOMAINS];
    size_t n_domains;
    bool is_away;           /* domain calls on connections that are open fail: UNAVAILABLE */
    unsigned fail_destroys; /* so many of the next ones */
    unsigned n_destroys;    /* asked for, done or not */
    bool holds_creates;     /* creations wait until this is false or their domain is destroyed */
    unsigned n_creating, most_creating;
    void (*after_list)(struct fake_host *h); /* on the worker, the list being fixed already */
    unsigned n_opened;
    int event_detail;    /* of the next events */
    unsigned n_unstalls; /* asked for, done or not */
    bool fails_unstalls;
    bool fails_watches;           /* of output files */
    unsigned n_connects;          /* channels that were opened */
    struct rpc_stream *served[8]; /* copies that the guest works on */
    size_t n_served;
    virConnectPtr destroyed_by; /* the connection of the last destroy */

    struct _virConnect *conns[64];
    size_t n_conns;
    struct fake_call calls[FAKE_CALLS];
    size_t n_calls;
    char held[4][128]; /* storage: container id and chain id */
    size_t n_held;
    bool keeps_layers;
    bool keeps_addresses; /* of what was in use */
    uint64_t image_revision;
    char events[64][24]; /* actions emitted */
    size_t n_events;
};
extern struct fake_host fake;

void fake_reset(void);
void fake_release(void); /* fails when a connection is still referenced */
struct pl_virt_domain *fake_domain(const char *uuid);
void fake_domain_add(const char *name, const char *uuid, const char *container_id);
void fake_domain_remove(const char *uuid);
/* libvirt tells all who listen. */
void fake_event(int event, const char *name, const char *uuid);
void fake_tether_up(struct pl_container *c);
void fake_tether_down(struct pl_container *c); /* calls in flight hear UNAVAILABLE */
/* The oldest open call of this path is answered; false: there is none. */
bool fake_answer(struct pl_container *c, const char *path, const struct vic_err *err,
                 const char *text);
unsigned fake_count(const struct pl_container *c, const char *path, const char *body);
unsigned fake_count_events(const char *action);
/* The run ends as its exit record says. */
void fake_exit(struct pl_container *c, int exit_code);
