/* Drops user, capabilities, limits and system calls. */
#include "portlayer/storage/vl_sandbox.h"

#include <errno.h>
#include <grp.h>
#include <iconv.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

/* gcc's analyzer takes iconv_open()'s failure, (iconv_t)-1, for memory. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

/* Directories (1 GiB at most), 64 MiB of cache, zstd's window of 128 MiB, buffers, libraries. */
#define ADDRESS_SPACE_MAX (UINT64_C(3) << 30)
/* poll() wants it above the number of descriptors polled. */
#define DESCRIPTORS_MAX 64

/* Still dies with its starter, if that asked for it: the change of user clears the wish. */
static int change_user(uid_t uid, gid_t gid, struct vic_err *err)
{
    int death_signal = 0;
    pid_t starter = getppid();
    if (prctl(PR_GET_PDEATHSIG, &death_signal) < 0)
        return vic_fail_errno(err, errno, "the signal of the starter's death");
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return vic_fail_errno(err, errno, "become user %u", uid);
    if (prctl(PR_SET_PDEATHSIG, death_signal) < 0)
        return vic_fail_errno(err, errno, "the signal of the starter's death");
    if (death_signal && getppid() != starter)
        return vic_fail(err, VIC_ERR_INTERNAL, ECHILD, "who started this has ended");
    return 0;
}

static int drop_user(uid_t uid, gid_t gid, struct vic_err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return vic_fail_errno(err, errno, "no_new_privs");
    if (geteuid() == 0 && uid != (uid_t)-1) {
        int r = change_user(uid, gid, err);
        if (r < 0)
            return r;
    }
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capset, &head, none) < 0)
        return vic_fail_errno(err, errno, "capset");
    return 0;
}

static int set_limits(struct vic_err *err)
{
    static const struct {
        __rlimit_resource_t resource;
        rlim_t value;
    } limits[] = {
        {RLIMIT_FSIZE, 0},
        {RLIMIT_CORE, 0},
        {RLIMIT_NOFILE, DESCRIPTORS_MAX},
        {RLIMIT_AS, HAS_SANITIZER ? RLIM_INFINITY : ADDRESS_SPACE_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        const struct rlimit l = {limits[i].value, limits[i].value};
        if (limits[i].value != RLIM_INFINITY && setrlimit(limits[i].resource, &l) < 0)
            return vic_fail_errno(err, errno, "setrlimit");
    }
    return 0;
}

static int filter_calls(struct vic_err *err)
{
    static const int allowed[] = {
        SCMP_SYS(read),
        SCMP_SYS(write),
        SCMP_SYS(writev),
        SCMP_SYS(recvfrom),
        SCMP_SYS(recvmsg),
        SCMP_SYS(sendto),
        SCMP_SYS(sendmsg),
        SCMP_SYS(poll),
        SCMP_SYS(ppoll),
        SCMP_SYS(close),
        SCMP_SYS(shutdown),
        SCMP_SYS(fstat),
        SCMP_SYS(newfstatat),
        SCMP_SYS(brk),
        SCMP_SYS(mmap),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(mprotect),
        SCMP_SYS(futex),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(gettimeofday),
        SCMP_SYS(getrandom),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
        SCMP_SYS(lseek),
        SCMP_SYS(getsockopt),
        SCMP_SYS(setsockopt),
        SCMP_SYS(getuid),
        SCMP_SYS(geteuid),
        SCMP_SYS(sched_yield),
        SCMP_SYS(fcntl),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(sysinfo),
    };
    /* Libraries that look for a file of theirs are told there is none. */
    static const int denied[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access),
                                 SCMP_SYS(readlink), SCMP_SYS(getcwd)};
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int r = ctx ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(denied); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), denied[i], 0);
    /* abort() raises its signal so; nobody else can be reached. */
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    if (r == 0)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    return r < 0 ? vic_fail_errno(err, -r, "seccomp") : 0;
}

/* libarchive converts names from UTF-8; iconv reads its configuration once, now. */
static void load_iconv(void)
{
    iconv_t c = iconv_open("ANSI_X3.4-1968", "UTF-8");
    if (c != (iconv_t)-1)
        (void)iconv_close(c);
}

int vl_sandbox_enter(uid_t uid, gid_t gid, struct vic_err *err)
{
    load_iconv();
    int r = drop_user(uid, gid, err);
    if (r == 0)
        r = set_limits(err);
    if (r == 0 && !HAS_SANITIZER)
        r = filter_calls(err);
    return r;
}
