/* SPDX-License-Identifier: BSD-2-Clause */
/* What must be known about stores: the map of code pages, and the dirty log. */
#include "memory/memory_priv.h"

#include "base/bits.h"
#include "base/mem.h"

#include <errno.h>

static bool bit_test(const u64 *map, u64 n)
{
    return __atomic_load_n(&map[n / 64], __ATOMIC_ACQUIRE) >> (n % 64) & 1;
}

static void bit_raise(u64 *map, u64 n)
{
    if (!bit_test(map, n))
        __atomic_fetch_or(&map[n / 64], BIT(n % 64), __ATOMIC_SEQ_CST);
}

static void bit_drop(u64 *map, u64 n)
{
    __atomic_fetch_and(&map[n / 64], ~BIT(n % 64), __ATOMIC_SEQ_CST);
}

/* The maps of the block that holds addr and addr's page in them, or NULL. */
static const struct block_map *map_of(const struct guest_memory *m, u64 addr, u64 *page)
{
    const struct ram_block *b = guest_memory_find(m, gpa(addr));
    if (!b)
        return NULL;
    *page = (addr - b->start) >> MEMORY_PAGE_SHIFT;
    return &m->map[b - m->block];
}

void guest_memory_mark_code(struct guest_memory *m, u64 page_addr)
{
    u64 page;
    const struct block_map *map = map_of(m, page_addr, &page);
    if (!map)
        return;
    __atomic_store_n(&m->code_seen, true, __ATOMIC_RELAXED);
    bit_raise(map->code, page);
}

void guest_memory_clear_code(struct guest_memory *m, u64 page_addr)
{
    u64 page;
    const struct block_map *map = map_of(m, page_addr, &page);
    if (map)
        bit_drop(map->code, page);
}

bool guest_memory_is_code(const struct guest_memory *m, u64 addr)
{
    u64 page;
    const struct block_map *map = map_of(m, addr, &page);
    return map && bit_test(map->code, page);
}

bool guest_memory_logging(const struct guest_memory *m)
{
    return __atomic_load_n(&m->logging, __ATOMIC_ACQUIRE);
}

bool guest_memory_store_is_free(const struct guest_memory *m, u64 addr)
{
    u64 page;
    const struct block_map *map = map_of(m, addr, &page);
    return map && !bit_test(map->code, page) &&
           (!guest_memory_logging(m) || bit_test(map->dirty, page));
}

void guest_memory_written(struct guest_memory *m, gpa_t addr, u64 len)
{
    bool logging = guest_memory_logging(m);
    if (!len || (!logging && !__atomic_load_n(&m->code_seen, __ATOMIC_RELAXED)))
        return;
    bool code = false;
    u64 end = addr.v + len, page;
    for (u64 a = addr.v; a < end; a = align_down(a, MEMORY_PAGE) + MEMORY_PAGE) {
        const struct block_map *map = map_of(m, a, &page);
        if (!map)
            break;
        if (logging)
            bit_raise(map->dirty, page);
        code |= bit_test(map->code, page);
    }
    if (code)
        memory_tell(
            m, &(struct memory_event){.kind = MEMORY_CODE_WRITTEN, .start = addr.v, .size = len});
}

static void tell_all_blocks(struct guest_memory *m, enum memory_event_kind kind)
{
    for (unsigned i = 0; i < m->count; i++)
        memory_tell(m, &(struct memory_event){
                           .kind = kind, .start = m->block[i].start, .size = m->block[i].size});
}

int guest_memory_log_start(struct guest_memory *m, struct err *e)
{
    for (unsigned i = 0; i < m->count; i++) {
        u64 bytes = bitmap_bytes(m->block[i].size);
        if (!m->map[i].dirty)
            m->map[i].dirty = mem_alloc(bytes);
        if (!m->map[i].dirty)
            return err_set(e, -ENOMEM, "logging stores to %s: out of memory", m->block[i].name);
        mem_fill(m->map[i].dirty, 0, bytes);
    }
    __atomic_store_n(&m->logging, true, __ATOMIC_SEQ_CST);
    tell_all_blocks(m, MEMORY_LOG_ON);
    return 0;
}

void guest_memory_log_stop(struct guest_memory *m)
{
    __atomic_store_n(&m->logging, false, __ATOMIC_SEQ_CST);
    tell_all_blocks(m, MEMORY_LOG_OFF);
}

void guest_memory_log_fetch(struct guest_memory *m, const struct ram_block *b, u64 *bitmap)
{
    u64 *dirty = m->map[b - m->block].dirty;
    memory_tell(
        m, &(struct memory_event){.kind = MEMORY_LOG_SYNC, .start = b->start, .size = b->size});
    for (u64 i = 0; i < bitmap_bytes(b->size) / sizeof(u64); i++)
        bitmap[i] = dirty ? __atomic_exchange_n(&dirty[i], 0, __ATOMIC_SEQ_CST) : 0;
    memory_tell(m,
                &(struct memory_event){.kind = MEMORY_PROTECT, .start = b->start, .size = b->size});
}
