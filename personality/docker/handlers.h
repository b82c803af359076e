/* The handlers that the routing table names, one file per group. */
#pragma once

#include "personality/docker/req.h"

/* containers_create.c, containers_list.c, containers_inspect.c */
void docker_container_create(struct docker_req *r);
void docker_container_list(struct docker_req *r);
void docker_container_inspect(struct docker_req *r);
/* containers_life.c */
void docker_container_start(struct docker_req *r);
void docker_container_stop(struct docker_req *r);
void docker_container_restart(struct docker_req *r);
void docker_container_update(struct docker_req *r);
void docker_container_kill(struct docker_req *r);
void docker_container_rename(struct docker_req *r);
void docker_container_resize(struct docker_req *r);
void docker_container_delete(struct docker_req *r);
/* containers_pause.c */
void docker_container_pause(struct docker_req *r);
void docker_container_unpause(struct docker_req *r);
/* containers_wait.c, containers_attach.c, containers_logs.c */
void docker_container_wait(struct docker_req *r);
void docker_container_attach(struct docker_req *r);
void docker_container_logs(struct docker_req *r);

/* archive.c: copies out of and into a container */
void docker_archive_get(struct docker_req *r);
void docker_archive_put(struct docker_req *r);
/* changes.c, export.c, top.c, stats.c */
void docker_container_changes(struct docker_req *r);
void docker_container_stats(struct docker_req *r);
void docker_container_export(struct docker_req *r);
void docker_container_top(struct docker_req *r);

/* prune.c */
void docker_container_prune(struct docker_req *r);
void docker_network_prune(struct docker_req *r);
void docker_volume_prune(struct docker_req *r);
void docker_build_prune(struct docker_req *r);

/* exec.c */
void docker_exec_create(struct docker_req *r);
void docker_exec_start(struct docker_req *r);
void docker_exec_inspect(struct docker_req *r);
void docker_exec_resize(struct docker_req *r);

/* images_list.c, images_inspect.c, images_change.c, images_prune.c, images_pull.c */
void docker_image_list(struct docker_req *r);
void docker_image_inspect(struct docker_req *r);
void docker_image_history(struct docker_req *r);
void docker_image_tag(struct docker_req *r);
void docker_image_delete(struct docker_req *r);
void docker_image_prune(struct docker_req *r);
void docker_image_create(struct docker_req *r);

/* system.c, events.c, networks.c, volumes.c */
void docker_system_ping(struct docker_req *r);
void docker_system_version(struct docker_req *r);
void docker_system_info(struct docker_req *r);
void docker_system_df(struct docker_req *r);
void docker_system_events(struct docker_req *r);
void docker_network_list(struct docker_req *r);
void docker_network_inspect(struct docker_req *r);
void docker_volume_list(struct docker_req *r);
void docker_volume_absent(struct docker_req *r);
void docker_plugin_absent(struct docker_req *r);

/* refuse.c: 501, and 503 for what needs a swarm */
void docker_refuse(struct docker_req *r);
void docker_refuse_swarm(struct docker_req *r);
