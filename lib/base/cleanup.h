/* Scope-bound ownership: locals that free or close themselves, and the macros that hand them on. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* auto_(f) v: calls f(&v) when v leaves scope. */
#define auto_(f) __attribute__((cleanup(f)))
#define auto_free auto_(vic_free_p)
#define auto_close auto_(vic_close_p)

/* Yields the value and leaves NULL (or -EBADF's stand-in -1) behind, so the cleanup does nothing. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) *take_p_ = &(p);                                                             \
        __typeof__(p) take_v_ = *take_p_;                                                          \
        *take_p_ = NULL;                                                                           \
        take_v_;                                                                                   \
    })
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int *take_p_ = &(fd);                                                                      \
        int take_v_ = *take_p_;                                                                    \
        *take_p_ = -1;                                                                             \
        take_v_;                                                                                   \
    })

/* Defines void name(type *p), for auto_(name), from a destructor that takes NULL. */
#define VIC_DEFINE_CLEANUP(name, type, destroy)                                                    \
    static inline void name(type *p)                                                               \
    {                                                                                              \
        if (*p)                                                                                    \
            destroy(*p);                                                                           \
    }

#define container_of(ptr, type, member)                                                            \
    ((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

static inline void vic_free_p(void *p)
{
    free(*(void **)p);
}

/* close() is never retried: on Linux the descriptor is gone whatever it returns. */
static inline void vic_close_p(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}
