/* Starts and stops a VCH's two daemons. */
#include "vic-machine/deploy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/host/listen.h"
#include "lib/host/work.h"
#include "lib/json/json.h"
#include "vic-machine/ask.h"
#include "vic-machine/daemon.h"
#include "vic-machine/libvirtd.h"
#include "vic-machine/listen_url.h"

#define PORTLAYER "vic-portlayer"
#define DOCKER "vic-docker"
#define DOCKER_USER "vic-docker"
#define READY_TIMEOUT_MS 60000 /* recovery of many containers comes before the first answer */
#define STOP_GRACE_MS 10000
#define WIPE_TIMEOUT_MS 300000

struct mach_status mach_deploy_status(const struct mach_vch *v)
{
    auto_free char *portlayer = mach_vch_pid_file(v, PORTLAYER);
    auto_free char *docker = mach_vch_pid_file(v, DOCKER);
    return (struct mach_status){
        .is_portlayer_up = mach_daemon_find(portlayer) > 0,
        .is_docker_up = mach_daemon_find(docker) > 0,
    };
}

static char *log_path(const struct mach_vch *v, const char *program)
{
    return vic_xasprintf("%s/log/%s.log", v->datastore, program);
}

/* One start or stop of a VCH at a time. */
static int lock(const struct mach_vch *v, struct vic_err *err)
{
    auto_free char *path = vic_xasprintf("%s/vic-machine.lock", v->datastore);
    auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return vic_fail_errno(err, errno, "lock '%s'", path);
    return TAKE_FD(fd);
}

static int make_folders(const struct mach_vch *v, struct vic_err *err)
{
    auto_free char *log = vic_xasprintf("%s/log", v->datastore);
    int r = vic_file_mkdir_p(v->run_dir, 0755, err);
    return r < 0 ? r : vic_file_mkdir_p(log, 0750, err);
}

/* Starts one daemon on listen_fd (taken) and closes our copy, so that its death ends the socket too. */
static int start_daemon(const struct mach_vch *v, const char *program, const char *user,
                        const char *const *argv, int listen_fd, struct vic_err *err)
{
    auto_close int fd = listen_fd;
    auto_free char *log = log_path(v, program);
    auto_free char *pid_path = mach_vch_pid_file(v, program);
    const struct mach_daemon d = {
        .program = program,
        .argv = argv,
        .log_path = log,
        .pid_path = pid_path,
        .user = user,
        .listen_fd = fd,
    };
    pid_t pid;
    return mach_daemon_start(&d, &pid, err);
}

/* A daemon that does not answer is ended, and the end of its log is the explanation. */
static int give_up(const struct mach_vch *v, const char *program, int result, struct vic_err *err)
{
    auto_free char *pid_path = mach_vch_pid_file(v, program);
    (void)mach_daemon_stop(pid_path, STOP_GRACE_MS, NULL); /* the first error is the one to tell */
    auto_free char *log = log_path(v, program);
    auto_free char *tail = mach_daemon_log_tail(log);
    auto_free char *why = vic_xstrdup(err ? err->message : "");
    const char *last = tail;
    for (char *p = tail; *p; p++)
        if (*p == '\n' && p[1])
            last = p + 1;
    return vic_fail(err, VIC_ERR_INTERNAL, -result, "%s did not start: %s; %s ends with: %.200s",
                    program, why, log, last);
}

static int start_portlayer(const struct mach_vch *v, struct vic_err *err)
{
    auto_free char *path = mach_vch_portlayer_socket(v);
    const struct passwd *pw = getpwnam(DOCKER_USER);
    int fd = -EBADF;
    int r = host_listen_unix(path, 0660, 0, pw ? pw->pw_gid : 0, &fd, err);
    if (r < 0)
        return r;
    const char *const argv[] = {PORTLAYER, "--datastore", v->datastore, NULL};
    r = start_daemon(v, PORTLAYER, NULL, argv, fd, err);
    if (r < 0)
        return r;
    auto_json cJSON *info = NULL;
    r = mach_ask_portlayer(path, "GET", "/v1/info", READY_TIMEOUT_MS, &info, err);
    return r < 0 ? give_up(v, PORTLAYER, r, err) : 0;
}

/* What the personality has to know, where its user can read it. */
static int write_docker_config(const struct mach_vch *v, const char *path, struct vic_err *err)
{
    auto_free char *portlayer = mach_vch_portlayer_socket(v);
    auto_json cJSON *doc = json_new_obj();
    json_add_str(doc, "portlayer", portlayer);
    json_add_str(doc, "name", v->name);
    json_add_strv(doc, "insecure_registries", v->insecure_registries);
    json_add_strv(doc, "registry_mirrors", v->registry_mirrors);
    auto_free char *text = json_print(doc);
    return vic_file_replace(path, text, strlen(text), 0644, err);
}

static int start_docker(const struct mach_vch *v, struct vic_err *err)
{
    auto_free char *config = vic_xasprintf("%s/docker.json", v->run_dir);
    int fd = -EBADF;
    int r = write_docker_config(v, config, err);
    if (r == 0)
        r = mach_listen_open(v->listen, &fd, err);
    if (r < 0)
        return r;
    const char *const argv[] = {DOCKER, "--config", config, NULL};
    r = start_daemon(v, DOCKER, DOCKER_USER, argv, fd, err);
    if (r == 0 && (r = mach_ping_docker(v->listen, READY_TIMEOUT_MS, err)) < 0)
        return give_up(v, DOCKER, r, err);
    return r;
}

int mach_deploy_start(const struct mach_vch *v, struct vic_err *err)
{
    int r = mach_libvirtd_ensure(err);
    if (r < 0)
        return r;
    auto_close int lock_fd = lock(v, err);
    if (lock_fd < 0)
        return lock_fd;
    r = make_folders(v, err);
    struct mach_status was = mach_deploy_status(v);
    if (r == 0 && !was.is_portlayer_up)
        r = start_portlayer(v, err);
    if (r == 0 && !was.is_docker_up) {
        r = start_docker(v, err);
        if (r < 0 && !was.is_portlayer_up) {
            auto_free char *pid_path = mach_vch_pid_file(v, PORTLAYER);
            (void)mach_daemon_stop(pid_path, STOP_GRACE_MS, NULL);
        }
    }
    return r;
}

static int stop_both(const struct mach_vch *v, struct vic_err *err)
{
    static const char *const order[] = {DOCKER, PORTLAYER};
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        auto_free char *pid_path = mach_vch_pid_file(v, order[i]);
        int r = mach_daemon_stop(pid_path, STOP_GRACE_MS, err);
        if (r < 0)
            return vic_fail_wrap(err, r, "stop %s", order[i]);
    }
    return 0;
}

int mach_deploy_stop(const struct mach_vch *v, struct vic_err *err)
{
    auto_close int lock_fd = lock(v, err);
    return lock_fd < 0 ? lock_fd : stop_both(v, err);
}

/* The configuration goes last: until then a delete that was cut short can be said again. */
static int remove_datastore(const struct mach_vch *v, struct vic_err *err)
{
    DIR *d = opendir(v->datastore);
    if (!d)
        return vic_fail_errno(err, errno, "open folder '%s'", v->datastore);
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        if (vic_str_eq(e->d_name, ".") || vic_str_eq(e->d_name, "..") ||
            vic_str_eq(e->d_name, MACH_CONFIG_FILE))
            continue;
        auto_free char *path = vic_xasprintf("%s/%s", v->datastore, e->d_name);
        r = vic_file_remove_tree(path, err);
    }
    (void)closedir(d);
    return r < 0 ? r : vic_file_remove_tree(v->datastore, err);
}

int mach_deploy_wipe(const struct mach_vch *v, struct vic_err *err)
{
    int r = mach_libvirtd_ensure(err);
    if (r < 0)
        return r;
    auto_close int lock_fd = lock(v, err);
    if (lock_fd < 0)
        return lock_fd;
    r = stop_both(v, err);
    if (r < 0)
        return r;
    /* In a process of its own: it is the port layer that knows what of libvirt and nftables is its. */
    auto_free char *dir = mach_program_dir();
    auto_free char *program = vic_xasprintf("%s/" PORTLAYER, dir);
    const char *const argv[] = {program, "--datastore", v->datastore, "--wipe", NULL};
    r = host_run(argv, -1, WIPE_TIMEOUT_MS, NULL, err);
    if (r < 0)
        return vic_fail_wrap(err, r, "remove the VMs and networks of '%s'", v->name);
    mach_listen_unlink(v->listen);
    r = vic_file_remove_tree(v->run_dir, err);
    return r < 0 ? r : remove_datastore(v, err);
}
