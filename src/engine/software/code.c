/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages hold decoded code, and what happens when somebody stores into one.
 *
 * A page becomes a code page before the first byte is decoded from it: it is marked in guest
 * memory, so that every writer without a TLB tag reports, and the tags that let vCPUs write
 * directly are dropped while all of them stand still, so that no store is under way that nobody
 * would report. Granules of 64 bytes keep pages that mix code and data from dropping their blocks
 * all the time. */
#include "engine/software/software.h"

#include "base/mem.h"

#include <errno.h>

int code_map_init(struct soft_vm *svm, struct err *e)
{
    const struct ram_block *b;
    svm->parts = guest_memory_blocks(svm->vm->memory, &b);
    for (unsigned i = 0; i < svm->parts; i++) {
        svm->part[i] = (struct ram_part){b[i].start, b[i].size, svm->pages};
        svm->pages += b[i].size / PAGE_SIZE;
    }
    svm->page = mem_alloc_array(svm->pages, sizeof *svm->page);
    return svm->page ? 0 : err_set(e, -ENOMEM, "making the map of code pages: out of memory");
}

void code_map_fini(struct soft_vm *svm)
{
    mem_free(svm->page);
}

bool code_page_index(const struct soft_vm *svm, u64 pa, u64 *index)
{
    for (unsigned i = 0; i < svm->parts; i++) {
        const struct ram_part *p = &svm->part[i];
        if (pa - p->start < p->size) {
            *index = p->first_page + (pa - p->start) / PAGE_SIZE;
            return true;
        }
    }
    return false;
}

u64 code_granules(u64 pa, u64 size)
{
    if (!size)
        return 0;
    unsigned first = (pa & (PAGE_SIZE - 1)) / GRANULE;
    u64 last = ((pa & (PAGE_SIZE - 1)) + size - 1) / GRANULE;
    return mask_low((unsigned)last + 1) & ~mask_low(first);
}

static struct code_page *page_of(const struct soft_vm *svm, u64 pa)
{
    u64 index;
    return code_page_index(svm, pa, &index) ? &svm->page[index] : NULL;
}

static u64 bit_of(const struct soft *sv)
{
    return BIT(sv->vcpu->index);
}

static void drop_write_tags(struct soft_vm *svm, u64 page_pa)
{
    for (unsigned i = 0; i < svm->vm->cpus; i++) {
        struct soft *other = svm->vm->vcpu[i]->engine;
        x86_tlb_drop_physical(&other->cpu, page_pa, true);
    }
}

void code_page_claim(struct soft *sv, u64 page_pa)
{
    struct soft_vm *svm = sv->svm;
    page_pa &= ~(u64)(PAGE_SIZE - 1);
    struct code_page *p = page_of(svm, page_pa);
    if (!p || (__atomic_load_n(&p->vcpus, __ATOMIC_ACQUIRE) & bit_of(sv)))
        return;
    os_mutex_lock(&svm->code_lock);
    __atomic_fetch_or(&p->vcpus, bit_of(sv), __ATOMIC_SEQ_CST);
    /* Another vCPU may have marked the page and not have come to drop the tags yet. */
    bool fresh = !guest_memory_is_code(svm->vm->memory, page_pa) || svm->claims;
    guest_memory_mark_code(svm->vm->memory, page_pa);
    svm->claims += fresh;
    os_mutex_unlock(&svm->code_lock);
    if (!fresh)
        return;
    exclusive_begin(svm, sv);
    __atomic_fetch_add(&svm->marks, 1, __ATOMIC_SEQ_CST);
    drop_write_tags(svm, page_pa);
    exclusive_end(svm);
    os_mutex_lock(&svm->code_lock);
    svm->claims--;
    os_mutex_unlock(&svm->code_lock);
}

void code_page_cover(struct soft *sv, u64 pa, u64 size)
{
    struct code_page *p = page_of(sv->svm, pa);
    if (p)
        __atomic_fetch_or(&p->granules, code_granules(pa, size), __ATOMIC_SEQ_CST);
}

void code_page_release(struct soft *sv, u64 page_pa)
{
    struct soft_vm *svm = sv->svm;
    struct code_page *p = page_of(svm, page_pa);
    if (!p)
        return;
    os_mutex_lock(&svm->code_lock);
    if (__atomic_and_fetch(&p->vcpus, ~bit_of(sv), __ATOMIC_SEQ_CST) == 0) {
        __atomic_store_n(&p->granules, 0, __ATOMIC_SEQ_CST);
        guest_memory_clear_code(svm->vm->memory, page_pa);
    }
    os_mutex_unlock(&svm->code_lock);
}

void code_page_narrow(struct soft *sv, u64 page_pa, u64 granules)
{
    struct code_page *p = page_of(sv->svm, page_pa);
    if (!p)
        return;
    os_mutex_lock(&sv->svm->code_lock);
    /* Other vCPUs may cover more. */
    if (__atomic_load_n(&p->vcpus, __ATOMIC_SEQ_CST) == bit_of(sv))
        __atomic_store_n(&p->granules, granules, __ATOMIC_SEQ_CST);
    os_mutex_unlock(&sv->svm->code_lock);
}

void code_written_by_self(struct soft *sv, u64 pa, u64 size)
{
    const struct code_page *p = page_of(sv->svm, pa);
    /* Orders the store before the look at the granules; decode_marked() does it the other way. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (p && (__atomic_load_n(&p->vcpus, __ATOMIC_RELAXED) & bit_of(sv)) &&
        (__atomic_load_n(&p->granules, __ATOMIC_SEQ_CST) & code_granules(pa, size)))
        block_drop_range(sv, pa, size);
}

static void queue_write(struct soft *sv, u64 start, u64 size)
{
    os_mutex_lock(&sv->queue_lock);
    if (sv->queued < CODE_QUEUE_SIZE)
        sv->queue[sv->queued++] = (struct code_write){start, size};
    else
        sv->queue_overflow = true;
    os_mutex_unlock(&sv->queue_lock);
    vcpu_post(sv->vcpu, VCPU_REQ_MEMORY);
}

/* The vCPUs with blocks in the granules of a range. */
static u64 vcpus_hit(const struct soft_vm *svm, u64 start, u64 size)
{
    u64 hit = 0;
    for (u64 a = start, end = start + size; a < end;) {
        u64 n = MIN(end - a, PAGE_SIZE - (a & (PAGE_SIZE - 1)));
        const struct code_page *p = page_of(svm, a);
        if (p && (__atomic_load_n(&p->granules, __ATOMIC_SEQ_CST) & code_granules(a, n)))
            hit |= __atomic_load_n(&p->vcpus, __ATOMIC_SEQ_CST);
        a += n;
    }
    return hit;
}

void code_written(struct soft_vm *svm, u64 start, u64 size)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (u64 hit = vcpus_hit(svm, start, size); hit; hit &= hit - 1)
        queue_write(svm->vm->vcpu[__builtin_ctzll(hit)]->engine, start, size);
}

void code_queue_run(struct soft *sv)
{
    struct code_write todo[CODE_QUEUE_SIZE];
    os_mutex_lock(&sv->queue_lock);
    unsigned n = sv->queued;
    bool all = sv->queue_overflow;
    mem_copy(todo, sv->queue, n * sizeof todo[0]);
    sv->queued = 0;
    sv->queue_overflow = false;
    os_mutex_unlock(&sv->queue_lock);
    if (all)
        block_drop_all(sv);
    for (unsigned i = 0; !all && i < n; i++)
        block_drop_range(sv, todo[i].start, todo[i].size);
}
