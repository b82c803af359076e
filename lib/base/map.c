/* Open addressing with linear probing and backward-shift deletion: no tombstones, no surprises. */
#include "lib/base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

static size_t hash(const char *key)
{
    /* FNV-1a.  Keys are ids and names behind access control, so flooding is not a concern. */
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
    return (size_t)(h ^ (h >> 32));
}

/* The slot holding key, or the empty one where it would go.  n_slots is a power of two > n. */
static size_t find(const struct vic_map *m, const char *key)
{
    size_t i = hash(key) & (m->n_slots - 1);
    while (m->slots[i].key && strcmp(m->slots[i].key, key) != 0)
        i = (i + 1) & (m->n_slots - 1);
    return i;
}

static void grow(struct vic_map *m)
{
    if (m->n_slots && (m->n + 1) * 4 <= m->n_slots * 3)
        return;
    struct vic_map old = *m;
    m->n_slots = old.n_slots ? old.n_slots * 2 : 16;
    m->slots = vic_xalloc(m->n_slots * sizeof(*m->slots));
    map_for_each(slot, &old)
        m->slots[find(m, slot->key)] = *slot;
    free(old.slots);
}

void vic_map_release(struct vic_map *m)
{
    map_for_each(slot, m)
        free(slot->key);
    free(m->slots);
    *m = (struct vic_map){0};
}

void *vic_map_get(const struct vic_map *m, const char *key)
{
    return m->n ? m->slots[find(m, key)].value : NULL;
}

void *vic_map_put(struct vic_map *m, const char *key, void *value)
{
    grow(m);
    struct vic_map_slot *slot = &m->slots[find(m, key)];
    void *before = slot->value;
    if (!slot->key) {
        slot->key = vic_xstrdup(key);
        m->n++;
    }
    slot->value = value;
    return before;
}

void *vic_map_remove(struct vic_map *m, const char *key)
{
    if (m->n == 0)
        return NULL;
    size_t mask = m->n_slots - 1;
    size_t hole = find(m, key);
    if (!m->slots[hole].key)
        return NULL;
    void *value = m->slots[hole].value;
    free(m->slots[hole].key);
    m->n--;
    /* Close the gap: move back every follower whose home is not between the hole and itself. */
    for (size_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        size_t home = hash(m->slots[i].key) & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        m->slots[hole] = m->slots[i];
        hole = i;
    }
    m->slots[hole] = (struct vic_map_slot){0};
    return value;
}
