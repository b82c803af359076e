/* Forks, and stays as init. */
#include "tether/init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"

#define NAME "/sbin/docker-init"

void tether_init_name(char *const *args)
{
    static struct vic_buf text; /* for as long as the process lives */
    vic_buf_add(&text, NAME "\0--", sizeof(NAME "\0--"));
    for (; *args; args++)
        vic_buf_add(&text, *args, strlen(*args) + 1);
    /* Start first: the heap is below the stack.  Only looks are lost when one is refused. */
    (void)prctl(PR_SET_MM, PR_SET_MM_ARG_START, (uintptr_t)text.data, 0, 0);
    (void)prctl(PR_SET_MM, PR_SET_MM_ARG_END, (uintptr_t)text.data + text.len, 0, 0);
    (void)prctl(PR_SET_NAME, "docker-init", 0, 0, 0);
}

/* Nothing of the program's is kept open. */
static void detach(void)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && null_fd >= 0; fd++)
        (void)dup2(null_fd, fd);
    (void)close_range(3, ~0U, 0);
}

static _Noreturn void stay(pid_t program, const sigset_t *all)
{
    detach();
    for (;;) {
        int signal = sigwaitinfo(all, NULL);
        if (signal > 0 && signal != SIGCHLD)
            (void)kill(program, signal); /* it may be gone: the end is near then */
        int status;
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == program)
                _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
}

/* A group of its own, which the terminal's signals go to. */
static void become_program(void)
{
    sigset_t none;
    (void)setpgid(0, 0);
    (void)tcsetpgrp(STDIN_FILENO, getpgrp()); /* signals are blocked; there may be no terminal */
    (void)prctl(PR_SET_NAME, "init", 0, 0, 0);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int tether_init_divide(struct vic_err *err)
{
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    /* Until execve: nobody in the container looks into what is still tether's. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    pid_t pid = fork();
    if (pid < 0)
        return vic_fail_errno(err, errno, "fork");
    if (pid > 0)
        stay(pid, &all);
    become_program();
    return 0;
}
