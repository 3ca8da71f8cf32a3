/* SPDX-License-Identifier: BSD-2-Clause */
/* The address map: blocks, look-up and checked copies.
 *
 * Look-up takes no lock: blocks are only added, and only while no vCPU runs, so the table that a
 * running machine reads never changes. */
#include "memory/memory_priv.h"

#include "base/bits.h"
#include "base/mem.h"

#include <errno.h>

int guest_memory_create(struct guest_memory **out, const struct ram_provider *p, struct err *e)
{
    struct guest_memory *m = mem_alloc(sizeof *m);
    if (!m)
        return err_set(e, -ENOMEM, "making guest memory: out of memory");
    m->provider = *p;
    *out = m;
    return 0;
}

void guest_memory_destroy(struct guest_memory *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->count; i++) {
        m->provider.release(m->block[i].host, m->block[i].size, m->block[i].fd);
        mem_free(m->map[i].code);
        mem_free(m->map[i].dirty);
    }
    mem_free(m);
}

void guest_memory_set_listener(struct guest_memory *m, const struct memory_listener *l)
{
    m->listener = *l;
}

void memory_tell(struct guest_memory *m, const struct memory_event *ev)
{
    if (m->listener.event)
        m->listener.event(m->listener.ctx, ev);
}

static int check_new_block(const struct guest_memory *m, const char *name, u64 start, u64 size,
                           struct err *e)
{
    if (!size || (start | size) & (MEMORY_PAGE - 1) || start + size < start)
        return err_set(e, -EINVAL, "mapping %s: [%#llx, +%#llx) is not a range of whole pages",
                       name, (unsigned long long)start, (unsigned long long)size);
    if (m->count == GUEST_MEMORY_BLOCKS_MAX)
        return err_set(e, -ENOSPC, "mapping %s: more than %d memory blocks", name,
                       GUEST_MEMORY_BLOCKS_MAX);
    for (unsigned i = 0; i < m->count; i++) {
        const struct ram_block *b = &m->block[i];
        if (start < b->start + b->size && b->start < start + size)
            return err_set(e, -EEXIST, "mapping %s at %#llx: %s is there", name,
                           (unsigned long long)start, b->name);
    }
    return 0;
}

int guest_memory_add(struct guest_memory *m, const char *name, u64 start, u64 size, bool read_only,
                     struct err *e)
{
    int r = check_new_block(m, name, start, size, e);
    if (r)
        return r;
    struct block_map map = {.code = mem_alloc(bitmap_bytes(size))};
    if (!map.code)
        return err_set(e, -ENOMEM, "mapping %s: out of memory", name);
    struct ram_block b = {.start = start, .size = size, .fd = -1, .read_only = read_only};
    str_copy(b.name, name, sizeof b.name);
    r = m->provider.allocate(name, size, &b.host, &b.fd, e);
    if (r) {
        mem_free(map.code);
        return r;
    }
    unsigned i = m->count;
    for (; i && m->block[i - 1].start > start; i--) {
        m->block[i] = m->block[i - 1];
        m->map[i] = m->map[i - 1];
    }
    m->block[i] = b;
    m->map[i] = map;
    m->count++;
    memory_tell(m, &(struct memory_event){MEMORY_MAP, start, size, b.host, read_only});
    return 0;
}

unsigned guest_memory_blocks(const struct guest_memory *m, const struct ram_block **out)
{
    *out = m->block;
    return m->count;
}

u64 guest_memory_ram_size(const struct guest_memory *m)
{
    u64 sum = 0;
    for (unsigned i = 0; i < m->count; i++)
        if (!m->block[i].read_only)
            sum += m->block[i].size;
    return sum;
}

const struct ram_block *guest_memory_find(const struct guest_memory *m, gpa_t addr)
{
    for (unsigned i = 0; i < m->count; i++)
        if (addr.v - m->block[i].start < m->block[i].size)
            return &m->block[i];
    return NULL;
}

void *guest_memory_ptr(const struct guest_memory *m, gpa_t addr, u64 len)
{
    const struct ram_block *b = guest_memory_find(m, addr);
    if (!b || !range_inside(addr.v, len, b->start, b->size))
        return NULL;
    return b->host + (addr.v - b->start);
}

/* True when every byte of the range is in some block; blocks that touch are one range. */
static bool range_is_mapped(const struct guest_memory *m, u64 addr, u64 len)
{
    while (len) {
        const struct ram_block *b = guest_memory_find(m, gpa(addr));
        if (!b)
            return false;
        u64 n = MIN(len, b->size - (addr - b->start));
        addr += n;
        len -= n;
    }
    return true;
}

static int copy_range(const struct guest_memory *m, u64 addr, u8 *bytes, u64 len, bool write)
{
    if (!range_is_mapped(m, addr, len))
        return -EFAULT;
    while (len) {
        const struct ram_block *b = guest_memory_find(m, gpa(addr));
        u64 n = MIN(len, b->size - (addr - b->start));
        u8 *host = b->host + (addr - b->start);
        mem_copy(write ? host : bytes, write ? bytes : host, n);
        addr += n;
        bytes += n;
        len -= n;
    }
    return 0;
}

int guest_memory_read(const struct guest_memory *m, gpa_t addr, void *dst, u64 len)
{
    return copy_range(m, addr.v, dst, len, false);
}

int guest_memory_write(struct guest_memory *m, gpa_t addr, const void *src, u64 len)
{
    int r = copy_range(m, addr.v, (u8 *)(uintptr_t)src, len, true);
    if (!r)
        guest_memory_written(m, addr, len);
    return r;
}
