/* A hash map from strings (copied) to pointers (borrowed).  Iterates in no particular order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct vic_map_slot {
    char *key; /* owned; NULL when empty */
    void *value;
};

/* Zero-initialised is empty and valid. */
struct vic_map {
    struct vic_map_slot *slots; /* owned */
    size_t n_slots;
    size_t n; /* entries */
};

void vic_map_release(struct vic_map *m); /* keys only; the values are the caller's */
void *vic_map_get(const struct vic_map *m, const char *key); /* NULL if absent */
/* Returns the value that stood there before, or NULL.  value must not be NULL. */
void *vic_map_put(struct vic_map *m, const char *key, void *value);
void *vic_map_remove(struct vic_map *m, const char *key); /* the value removed, or NULL */

/* for each slot; the map must not change meanwhile (except the value of the slot at hand). */
#define map_for_each(slot, m)                                                                      \
    for (const struct vic_map_slot *slot = (m)->slots; slot && slot < (m)->slots + (m)->n_slots;   \
         slot++)                                                                                   \
        if (slot->key)
