/*
 * The port layer's whole contract: its intents, their documents, and the client to send them with.
 *
 * Intents are JSON over HTTP/2 (lib/rpc) on the port layer's socket.  They say what, never how: no
 * libvirt, no disk format, no host path appears here, and nothing here is Docker's.  A request document
 * with a member that is not listed is refused (INVALID), so that nothing is accepted and ignored.
 * Times are RFC 3339 in UTC with nanoseconds; digests are "sha256:<64 hex>"; ids are 64 hex digits.
 * {ref} is a container's id, its name, or an unambiguous prefix of its id.
 *
 *  HOST
 *  GET  /v1/info -> {"id","name","version","acceleration":"kvm"|"tcg","hypervisor":"QEMU 7.2.22",
 *        "libvirt":"9.0.0","kernel"(of the guests),"cpus","memory_bytes","default_memory_bytes",
 *        "default_cpus","datastore","containers":{"total","running","paused","stopped"},"images",
 *        "unreadable":[ids of containers whose records cannot be read: all of them is kept, none is served]}
 *  GET  /v1/events?since_ns=N&until_ns=N&follow=0|1      stream of lines, one document each, in order:
 *        {"seq","time_ns","type":"container"|"image"|"network"|"volume"|"builder","action","id",
 *         "attributes":{string:string}}
 *        Without since_ns and until_ns only what happens from now on.  With until_ns it ends by itself.
 *        Container actions: create start die stop kill restart update rename destroy resize attach detach oom
 *        health_status pause unpause top archive-path extract-to-dir export exec_create exec_start exec_detach
 *        exec_die (die: attributes exit_code, duration_s; kill: signal; rename: old_name; resize: height, width;
 *        health_status: health_status; exec_*: exec_id, and exec_command or, of exec_die, exit_code).  Image: pull
 *        tag untag delete. Network: connect disconnect (container, name, type) with the start and the end of a run.
 *        attributes hold the object's event_attributes, and for containers name.
 *  POST /v1/events {"type","action":"prune","attributes":{string:string}}   a personality has pruned; id is "".
 *
 *  CONTAINERS
 *  POST /v1/containers   {"name","image"(id),"spec":SPEC,"annotations":{string:string},
 *        "event_attributes":{string:string}} -> {"id"}      CONFLICT: the name is taken
 *  GET  /v1/containers[?size=1|unless=F] -> {"fingerprint","containers":[CONTAINER,...]}  newest first; without
 *        event_attributes and spec.process.env.  The fingerprint is another when anything in the list is, or what
 *        images are called; where it is still F, containers is left out.
 *  GET  /v1/containers/{ref}[?size=1] -> CONTAINER
 *  DELETE /v1/containers/{ref}?force=0|1                     CONFLICT while it runs, unless forced
 *  POST /v1/containers/{ref}/start   {"console":{"width","height"}?}  returns when the process runs
 *        NOT_MODIFIED: already runs.  NOT_FOUND / FORBIDDEN / INVALID: the process could not be started;
 *        the message is Docker's and state.exit_code is 127 / 126 / 128 (see state.error).
 *  POST /v1/containers/{ref}/stop    {"timeout_s"?,"signal"?}   NOT_MODIFIED: does not run.
 *        One that is restarting waits no longer.  timeout_s -1 waits for ever; absent: the spec's.  Of several stops
 *        the earliest deadline counts.
 *  POST /v1/containers/{ref}/restart {"timeout_s"?,"signal"?}
 *  POST /v1/containers/{ref}/signal  {"signal":"SIGTERM"|"15"|...}   CONFLICT: does not run
 *  POST /v1/containers/{ref}/pause    none of its processes gets on until unpause; execs cannot start, copies can
 *        CONFLICT: does not run, is paused, or is being stopped
 *  POST /v1/containers/{ref}/unpause                            CONFLICT: is not paused
 *        A stop, and its stop signal, unpause it too; other signals wait, but for SIGKILL.
 *  POST /v1/containers/{ref}/resize  {"width","height"}         CONFLICT: does not run.  Means nothing without a terminal
 *  POST /v1/containers/{ref}/update  {"restart"?,"bounds"?,"annotations"?}   all of it or nothing
 *        restart: as of SPEC, for runs that end from now on.  bounds: memory_bytes, memory_low_bytes, pids_max,
 *        cpu_quota_us, cpu_period_us, cpuset of SPEC's confine: all of them, what is absent is unbounded; at once
 *        where it runs. annotations: added to those that are there.  CONFLICT: it is removed when it ends; it is
 *        starting; its VM, which is as large as it was when it started, has no room for that.  INVALID: the host has
 *        not.
 *  POST /v1/containers/{ref}/rename  {"name"}                   CONFLICT: taken
 *  GET  /v1/containers/{ref}/wait?condition=not-running|next-exit|removed
 *        stream: answered at once (so that the caller knows it is registered), then one line
 *        {"exit_code","error"} when the condition is met.
 *  POST /v1/containers/{ref}/attach?stdin=0|1&stdout=0|1&stderr=0|1&logs=0|1&stream=0|1&detach=HEX
 *        stream both ways: in go stdin bytes; out come records (lib/base/record.h; STDOUT and STDERR
 *        only).  Answered at once; may precede start.  Output of this run from now on (stream), from its
 *        beginning (logs), or both.  Ends when the run ends and all of its output was sent.  Where none is under
 *        way, logs is what the last one said, and stream waits for the next.
 *        detach: bytes that, typed in a row by a client of a terminal, end its stream and nothing else (event
 *        detach); they do not reach the process.
 *        CONFLICT: stdin asked for a container whose spec has none, or that is paused.
 *  GET  /v1/containers/{ref}/output?stdout=0|1&stderr=0|1&since_ns=N&until_ns=N&tail=N&follow=0|1
 *        stream of records over all runs, oldest first; tail counts lines as Docker does.
 *  GET  /v1/containers/{ref}/archive?path=P&stat=0|1
 *        stream: a line {"name","size","mode"(st_mode),"mtime","link_target"?}, then, without stat, a tar whose
 *        names begin with "name".  P is absolute; a link is followed only where P ends in "/" or "/.".
 *        NOT_FOUND: there is no P.  CONFLICT: is starting, restarting, or being removed.
 *        Of one that does not run the VM is woken for it; its state stays, a start or removal waits meanwhile.
 *  PUT  /v1/containers/{ref}/archive?path=P&keep_kind=0|1&as_user=0|1    stream in: a tar, plain or gzip
 *        Unpacked into the directory P; answered when it is.  keep_kind: a directory is not replaced by
 *        something else, nor the other way round.  as_user: all becomes the property of the spec's user.
 *        NOT_FOUND; INVALID: P is no directory, or the archive is wrong; CONFLICT: as above.
 *  GET  /v1/containers/{ref}/processes -> {"memory_bytes"(of its VM),"processes":[{"pid","ppid","pgid","sid",
 *        "uid","gid","state","tty","is_foreground","nice","priority","threads","age_ms","cpu_ms","vsz_bytes",
 *        "rss_bytes","comm","args"}]}   as in /proc of its VM.  CONFLICT: does not run.  UNAVAILABLE: too many.
 *  GET  /v1/containers/{ref}/stats -> {"id","name"} and, of one that runs, {"read_at","guest":{"clock_ns","cpus",
 *        "cpu":{as cgroup v2's cpu.stat},"memory":{"usage","limit","stats":{as memory.stat}},"pids":{"current",
 *        "limit"},"io":[{"major","minor","read_bytes","written_bytes"}],"networks":{name:{"rx_bytes","rx_packets",
 *        "rx_errors","rx_dropped", the same of tx}}},"vm":{"cpu_ns","rss_bytes"}(of the hypervisor process)}
 *  GET  /v1/containers/{ref}/changes
 *        stream of lines {"path","kind":0|1|2}: what was modified, added or deleted since the image, a directory
 *        before what is in it; {} last.  Paths that are not UTF-8 have U+FFFD for what is not.  CONFLICT: as above.
 *  GET  /v1/containers/{ref}/export
 *        stream: a tar of all that is on the container's disk, as it is read; no name begins with "/" or
 *        "./".  CONFLICT: as above.
 *
 *  EXECS: processes beside a container's own.  They end with its run at the latest, and are remembered,
 *  at most PL_EXECS_MAX of a container, until its next run begins or it is removed.  Where room is short,
 *  what has ended goes first, then what was never started; and that goes when the run ends, too.
 *  A restart of the port layer forgets them: what runs goes on, its output is dropped.
 *  POST /v1/containers/{ref}/execs {"process":{"args","env","cwd","user","tty","stdin"},"privileged":bool,
 *        "annotations":{string:string}} -> {"id"}    as of SPEC, except: env is added to the container's;
 *        no cwd, no user: the container's.  privileged: with every capability.
 *        CONFLICT: the container does not run.  UNAVAILABLE: PL_EXECS_MAX run.
 *  GET  /v1/execs/{id} -> EXEC
 *  POST /v1/execs/{id}/start {"console":{"width","height"}?}  once; returns when it runs.  Its output is
 *        dropped, it has no stdin.  CONFLICT: it was started, or the container does not run.  UNAVAILABLE:
 *        too many run.  NOT_FOUND, FORBIDDEN, INVALID: as of a container's start, but exit_code is 127 where something
 *        is not there, else 126.
 *  POST /v1/execs/{id}/attach?stdin=0|1&stdout=0|1&stderr=0|1&width=N&height=N&detach=HEX
 *        Starts it too, with the same errors.  Stream both ways, answered when the process runs: in go stdin bytes,
 *        whose end (or the client's) is the process's; out come records (STDOUT and STDERR only).  Ends when it has
 *        ended and all was sent.  A client that does not read stops the process's output and nothing
 *        else; the process outlives a client that leaves.  detach: as of a container (event exec_detach).
 *        CONFLICT also: stdin of one that has none.
 *  POST /v1/execs/{id}/resize {"width","height"}   before its start: the size it begins with.
 *        CONFLICT: it has ended.  Means nothing without a terminal
 *  EXEC {"id","container","state":"created"|"starting"|"running"|"exited","exit_code","pid"(in the guest),
 *        "process","privileged","annotations"}
 *
 *  SPEC {
 *    "hostname","domainname": strings,
 *    "process": {"args":[...],"env":["K=V",...],"cwd":"/","user":"name|uid[:group|gid]",
 *                "tty":bool,"stdin":bool,"stdin_once":bool},
 *    "stop_signal":"SIGTERM", "stop_timeout_s":10,
 *    "networks":["bridge"] or [],  "dns":[...],"dns_search":[...],"dns_options":[...],
 *    "extra_hosts":["name:address",...],
 *    "auto_remove":bool,
 *    "confine":{...}    what its processes may do, see and use: lib/confine/confine.h.  memory_bytes and
 *                       cpu_quota_us size the VM too; INVALID: more than the host has
 *    "restart":{"name":"no"|"always"|"unless-stopped"|"on-failure","max_retries"?}   without it: no
 *    "log":{"max_bytes"}  of output, over all runs: the oldest is dropped, to an eighth or 4 KiB; absent: nothing is.
 *                       What a client is still reading is kept for it, up to 64 MiB more
 *    "health":HEALTH    absent: it is not probed
 *  }
 *  HEALTH {"args":[...],"interval_ms"(30000),"timeout_ms"(30000),"start_period_ms"(0),"start_interval_ms"(5000),
 *        "retries"(3)}      a command that runs in the container, as its user, one after the other; one that ends
 *        with 0 in time succeeds.  0 or absent: the default.  A paused container is not probed.
 *  CONTAINER {
 *    "id","name","created_at","image","spec","annotations","event_attributes",
 *    "state": {"status":"created"|"starting"|"running"|"paused"|"stopping"|"exited"|"restarting"|
 *              "removing"|"dead",
 *              "pid"(of the hypervisor process; 0 if none),"exit_code","error","oom_killed",
 *              "restarting"(exited, and starts again by itself: waits for it, or is at it),
 *              "restarts"(by itself, since somebody asked for a start),
 *              "health":{"status":"starting"|"healthy"|"unhealthy","failing_streak","log":[{"start","end","exit_code"
 *               (-1: not run, or not in time),"output"}]}     of the last run; its log is not in lists, and the last
 *               five since the port layer began
 *              "started_at","finished_at" ("" if never)},
 *    "execs":[ids of those that have not ended],
 *    "networks":[{"name","id","address","prefix_len","gateway","mac"}],   address "" before a first start
 *    "size_bytes": with size=1, what its own disk holds
 *  }
 *
 *  CONTENT AND IMAGES
 *  GET  /v1/content/{digest}?stat=1 -> {"digest","size"}        NOT_FOUND
 *  GET  /v1/content/{digest}           stream of its bytes
 *  PUT  /v1/content/{digest}?size=N    stream in -> {"digest","size"}; visible only when size and digest
 *        are right (INVALID otherwise); a blob that is there already is answered at once.
 *  POST /v1/content/sweep {"digests":[digest,...]}   at most 1024; drops those of them that no image and
 *        no commit in progress uses: what a failed pull has brought.
 *  POST /v1/images   {"manifest":digest,"media_type","refs":[string,...]}
 *        stream of lines: {"layer":digest,"status":"extracting"|"done"|"exists","current","total"}...
 *        then {"id"} or {"error":{"kind","message","missing":[digest,...]?}}.  All blobs must be there;
 *        each layer becomes a shared, read-only disk; then the refs name the image.
 *  GET  /v1/images[?labels=1&shared=1] -> {"images":[IMAGE,...],"layers_size"(bytes of all layers; with
 *        shared=1)}     newest first
 *  GET  /v1/images/{id} -> IMAGE with "config":{the image's configuration document}
 *  POST /v1/images/{id}/refs  {"ref"}           moves the ref here
 *  DELETE /v1/refs?ref=R -> {"untagged":R}      the image stays
 *  DELETE /v1/images/{id}?force=0|1 -> {"untagged":[...],"deleted":[id, chain ids that nobody uses now]}
 *        CONFLICT: a container uses it (with force only a running one does)
 *  IMAGE {"id"(config digest),"manifest":digest,"media_type","refs":[string,...],"size"(bytes of its
 *        layers, unpacked),"created","os","architecture","labels"(with labels=1, as the image has them),
 *        "shared_size"(with shared=1: bytes of those of its layers that other images have too)}
 *        refs are opaque and unique: "docker.io/library/x:tag" or "docker.io/library/x@sha256:...".
 *
 *  NETWORKS
 *  GET  /v1/networks -> {"networks":[NETWORK]}      GET /v1/networks/{name or id} -> NETWORK
 *  NETWORK {"id","name","driver":"bridge","created_at","subnet","gateway","bridge","internal":false,
 *        "endpoints":[{"container","name","address","prefix_len","mac"}]}
 */
#pragma once

#include <stddef.h>

#include <uv.h>

#include "lib/base/err.h"
#include "lib/base/record.h"
#include "lib/host/rpc_uv.h"
#include "lib/json/json.h"

#define PL_API_VERSION "1"

/* Caps the port layer holds to; a personality may check them first for a better message. */
#define PL_NAME_MAX 255
#define PL_ANNOTATIONS_MAX                                                                         \
    (64u << 10) /* bytes of keys and values of one container: lists hold them */
#define PL_SPEC_ARGS_MAX                                                                           \
    (256u << 10)              /* bytes of args and env together: the guest's exec limit is 2 MiB */
#define PL_DETACH_KEYS_MAX 32 /* bytes that detach a client */
#define PL_CONTENT_MAX (64ull << 30) /* bytes of one blob */
#define PL_SWEEP_MAX 1024            /* digests of one sweep */
#define PL_EXECS_MAX 256             /* remembered of one container; its guest runs fewer */

/*
 * The client is lib/host/rpc_uv's: host_rpc_client_new(loop, path of the port-layer socket), then
 * host_rpc_call() for intents that answer with a document and host_rpc_open() for streams.  The
 * helpers below (portlayer/client) take the repetition out of the common ones.
 */

/* Splits a stream of lines into JSON documents for on_doc; used for events, wait and image commits. */
struct pl_lines;
typedef void (*pl_doc_fn)(const cJSON *doc, void *arg);
struct pl_lines *pl_lines_new(pl_doc_fn on_doc, void *arg);
/* < 0: not JSON lines, or a line longer than RPC_JSON_MAX. */
int pl_lines_feed(struct pl_lines *l, const void *data, size_t len, struct vic_err *err);
void pl_lines_free(struct pl_lines *l);

/* Splits a stream of records into whole ones; data is borrowed.  head->len bytes. */
struct pl_records;
typedef void (*pl_record_fn)(const struct vic_record *head, const void *data, void *arg);
struct pl_records *pl_records_new(pl_record_fn on_record, void *arg);
int pl_records_feed(struct pl_records *r, const void *data, size_t len, struct vic_err *err);
void pl_records_free(struct pl_records *r);
