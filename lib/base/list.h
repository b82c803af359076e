/* A doubly linked list whose links sit inside its members; the head is a link too. */
#pragma once

#include <stdbool.h>

#include "lib/base/cleanup.h"

struct vic_list {
    struct vic_list *next;
    struct vic_list *prev;
};

static inline void vic_list_init(struct vic_list *l)
{
    l->next = l->prev = l;
}

static inline bool vic_list_is_empty(const struct vic_list *l)
{
    return l->next == l;
}

static inline void vic_list_append(struct vic_list *head, struct vic_list *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

/* Safe to call twice, and on a link that was initialised and never added. */
static inline void vic_list_remove(struct vic_list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    vic_list_init(l);
}

/* The safe form allows removing (and freeing) the member at hand, and no other. */
#define list_for_each(pos, head, member)                                                           \
    for (pos = container_of((head)->next, __typeof__(*pos), member); &pos->member != (head);       \
         pos = container_of(pos->member.next, __typeof__(*pos), member))
#define list_for_each_safe(pos, tmp, head, member)                                                 \
    for (pos = container_of((head)->next, __typeof__(*pos), member),                               \
        tmp = container_of(pos->member.next, __typeof__(*pos), member);                            \
         &pos->member != (head);                                                                   \
         pos = tmp, tmp = container_of(tmp->member.next, __typeof__(*tmp), member))
