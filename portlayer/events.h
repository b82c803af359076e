/* The event journal: what happened to the port layer's objects, in order, bounded, replayable. */
#pragma once

#include "portlayer/pl.h"

/* Loads what DATASTORE/events.log kept. */
int pl_events_new(struct pl *pl, struct pl_events **ret_events, struct vic_err *err);
void pl_events_free(struct pl_events *e);

/* attributes: {string:string}, copied; extra (may be NULL) is merged over it. */
void pl_events_emit(struct pl_events *e, const char *type, const char *action, const char *id,
                    const cJSON *attributes, const cJSON *extra);

extern const struct rpc_route pl_events_routes[];
extern const size_t pl_events_n_routes;
