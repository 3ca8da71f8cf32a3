/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine under KVM: memory slots, the split irqchip, its vCPUs, and the engine's table. */
#include "base/mem.h"
#include "engine/kvm/kvm_priv.h"
#include "isa/x86/exec/cpu.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static int probe(struct err *e)
{
    struct kvm_probe p;
    kvm_probe_host(&p, e);
    return p.kind == KVM_ABSENT ? (e && e->code ? e->code : -ENOTSUP) : 0;
}

static int set_slot(struct kvm_vm *k, unsigned n, const struct kvm_slot *s)
{
    struct kvm_userspace_memory_region r = {
        .slot = n,
        .flags = (s->read_only ? KVM_MEM_READONLY : 0u) | (s->log ? KVM_MEM_LOG_DIRTY_PAGES : 0u),
        .guest_phys_addr = s->start,
        .memory_size = s->used ? s->size : 0,
        .userspace_addr = (u64)(uintptr_t)s->host,
    };
    return kvm_ioctl(k->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

static int map_slot(struct kvm_vm *k, u64 start, u64 size, void *host, bool read_only)
{
    with_lock(&k->lock);
    for (unsigned i = 0; i < KVM_SLOTS_MAX; i++) {
        struct kvm_slot *s = &k->slot[i];
        if (s->used)
            continue;
        *s = (struct kvm_slot){
            .start = start, .size = size, .host = host, .used = true, .read_only = read_only};
        int err = set_slot(k, i, s);
        if (err < 0)
            s->used = false;
        return err;
    }
    return -ENOSPC;
}

static void unmap_slot(struct kvm_vm *k, u64 start, u64 size)
{
    with_lock(&k->lock);
    for (unsigned i = 0; i < KVM_SLOTS_MAX; i++) {
        struct kvm_slot *s = &k->slot[i];
        if (s->used && s->start >= start && s->start - start < size) {
            s->used = false;
            set_slot(k, i, s);
        }
    }
}

static void set_logging(struct kvm_vm *k, bool on)
{
    with_lock(&k->lock);
    for (unsigned i = 0; i < KVM_SLOTS_MAX; i++) {
        if (k->slot[i].used) {
            k->slot[i].log = on;
            set_slot(k, i, &k->slot[i]);
        }
    }
}

/* KVM logs what the guest stores; reading its log clears it and protects the pages again. */
static void sync_log(struct vm *vm, u64 start, u64 size)
{
    struct kvm_vm *k = kvm_vm_of(vm);
    with_lock(&k->lock);
    for (unsigned i = 0; i < KVM_SLOTS_MAX; i++) {
        struct kvm_slot *s = &k->slot[i];
        if (!s->used || !s->log || s->start < start || s->start - start >= size)
            continue;
        u64 pages = s->size / 4096;
        auto_free u64 *bits = mem_alloc_array((pages + 63) / 64, sizeof *bits);
        struct kvm_dirty_log log = {.slot = i, .dirty_bitmap = bits};
        /* Without the log every page may have changed. */
        bool known = bits && kvm_ioctl(k->fd, KVM_GET_DIRTY_LOG, &log) >= 0;
        for (u64 n = 0; n < pages; n++)
            if (!known || bits[n / 64] >> (n % 64) & 1)
                guest_memory_written(vm->memory, gpa(s->start + n * 4096), 4096);
    }
}

static void memory_event(struct vm *vm, const struct memory_event *ev)
{
    struct kvm_vm *k = kvm_vm_of(vm);
    if (!k)
        return; /* before vm_init, which looks at the map itself */
    switch (ev->kind) {
    case MEMORY_MAP: map_slot(k, ev->start, ev->size, ev->host, ev->read_only); break;
    case MEMORY_UNMAP: unmap_slot(k, ev->start, ev->size); break;
    case MEMORY_LOG_ON: set_logging(k, true); break;
    case MEMORY_LOG_SYNC: sync_log(vm, ev->start, ev->size); break;
    case MEMORY_LOG_OFF: set_logging(k, false); break;
    default: break; /* KVM sees writes to code by itself */
    }
}

static void vm_fini(struct vm *vm)
{
    struct kvm_vm *k = kvm_vm_of(vm);
    if (!k)
        return;
    if (k->fd >= 0)
        close(k->fd);
    if (k->dev >= 0)
        close(k->dev);
    mem_free(k);
    vm->engine_data = NULL;
}

static int create_irqchip(struct kvm_vm *k, struct err *e)
{
    struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {KVM_PINS}};
    struct kvm_enable_cap x2apic = {
        .cap = KVM_CAP_X2APIC_API,
        .args = {KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK}};
    struct kvm_enable_cap msrs = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
                                  .args = {KVM_MSR_EXIT_REASON_UNKNOWN}};
    struct kvm_enable_cap failure = {.cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = {1}};
    int err = kvm_ioctl(k->fd, KVM_ENABLE_CAP, &split);
    if (err < 0)
        return err_set(e, err, "creating a KVM machine: split irqchip: %s", err_name(err));
    kvm_ioctl(k->fd, KVM_ENABLE_CAP, &x2apic); /* older kernels: at most 255 processors */
    kvm_ioctl(k->fd, KVM_ENABLE_CAP, &msrs);   /* older kernels: unknown MSRs give #GP */
    /* Older kernels: only in ring 0, and with the #UD queued that kvm_fallback takes back. */
    kvm_ioctl(k->fd, KVM_ENABLE_CAP, &failure);
    return 0;
}

static int vm_init(struct vm *vm, struct err *e)
{
    struct kvm_vm *k = mem_alloc(sizeof *k);
    if (!k)
        return err_set(e, -ENOMEM, "creating a KVM machine: out of memory");
    k->fd = -1;
    vm->engine_data = k;
    k->dev = kvm_open(e);
    if (k->dev < 0) {
        int err = k->dev;
        vm_fini(vm);
        return err;
    }
    x86_vector_prepare(); /* for instructions that KVM leaves to us */
    k->fd = kvm_ioctl(k->dev, KVM_CREATE_VM, NULL);
    int err = k->fd < 0 ? err_set(e, k->fd, "creating a KVM machine: %s", err_name(k->fd))
                        : create_irqchip(k, e);
    /* Real mode without unrestricted guests needs three pages for a TSS and one for page tables,
     * below the BIOS area and outside RAM. */
    u64 identity = 0xfffbc000;
    if (!err) {
        kvm_ioctl(k->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
        kvm_ioctl(k->fd, KVM_SET_TSS_ADDR, (void *)(uintptr_t)0xfffbd000);
    }
    const struct ram_block *blocks;
    unsigned n = err ? 0 : guest_memory_blocks(vm->memory, &blocks);
    for (unsigned i = 0; i < n && !err; i++) {
        int r = map_slot(k, blocks[i].start, blocks[i].size, blocks[i].host, blocks[i].read_only);
        if (r < 0)
            err = err_set(e, r, "giving KVM the memory block %s: %s", blocks[i].name, err_name(r));
    }
    if (err)
        vm_fini(vm);
    return err;
}

/* The processor that this vCPU shows: the machine's model with this vCPU's own identifiers. */
static int set_cpuid(struct vcpu *v, struct err *e)
{
    struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entry[X86_CPUID_LEAVES_MAX + 4];
    } c = {0};
    auto_free struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    const struct x86_cpu_model *m = &v->vm->model;
    if (!s)
        return err_set(e, -ENOMEM, "creating a KVM processor: out of memory");
    x86_state_reset(s, v->index, v->index == 0);
    s->xcr0 = m->xcr0_allowed | 1;
    if (v->vm->config.engine_para)
        c.head.nent = kvm_para_leaves(kvm_vm_of(v->vm)->dev, c.entry);
    bool para = c.head.nent;
    for (unsigned i = 0; i < m->leaf_count; i++) {
        if (para && m->leaf[i].leaf == KVM_CPUID_SIGNATURE)
            continue;
        struct kvm_cpuid_entry2 *x = &c.entry[c.head.nent++];
        u32 r[4];
        vcpu_cpuid(v, s, m->leaf[i].leaf, m->leaf[i].subleaf, r);
        *x = (struct kvm_cpuid_entry2){
            .function = m->leaf[i].leaf,
            .index = m->leaf[i].subleaf,
            .flags = m->leaf[i].has_subleaf ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
            .eax = r[0],
            .ebx = r[1],
            .ecx = r[2],
            .edx = r[3]};
    }
    int err = kvm_ioctl(kvm_vcpu_of(v)->fd, KVM_SET_CPUID2, &c);
    return err < 0 ? err_set(e, err, "creating a KVM processor: CPUID: %s", err_name(err)) : 0;
}

static void vcpu_fini(struct vcpu *v)
{
    struct kvm_vcpu *k = kvm_vcpu_of(v);
    if (!k)
        return;
    if (k->run)
        munmap(k->run, k->run_size);
    if (k->fd >= 0)
        close(k->fd);
    kvm_fallback_fini(k);
    mem_free(k);
    v->engine = NULL;
}

/* On the vCPU's own thread, which is the one kick() has to reach. */
static int vcpu_init(struct vcpu *v, struct err *e)
{
    struct kvm_vm *vm = kvm_vm_of(v->vm);
    struct kvm_vcpu *k = mem_alloc(sizeof *k);
    if (!k)
        return err_set(e, -ENOMEM, "creating a KVM processor: out of memory");
    v->engine = k;
    k->thread = pthread_self();
    k->fd = kvm_ioctl(vm->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)v->index);
    int size = kvm_ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, NULL);
    int err = k->fd < 0 ? k->fd : size < 0 ? size : 0;
    if (!err) {
        void *p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd, 0);
        if (p == MAP_FAILED) {
            err = -errno;
        } else {
            k->run = p;
            k->run_size = (size_t)size;
        }
    }
    if (err < 0)
        err_set(e, err, "creating KVM processor %u: %s", v->index, err_name(err));
    else
        err = set_cpuid(v, e);
    if (err)
        vcpu_fini(v);
    return err;
}

static int send_msi(struct vm *vm, u64 addr, u32 data)
{
    struct kvm_msi m = {.address_lo = (u32)addr, .address_hi = (u32)(addr >> 32), .data = data};
    int err = kvm_ioctl(kvm_vm_of(vm)->fd, KVM_SIGNAL_MSI, &m);
    return err < 0 ? err : 0;
}

/* KVM tells us of the end of a level interrupt only for vectors it finds in its routing table. */
static void route(struct vm *vm, unsigned pin, u64 addr, u32 data)
{
    struct kvm_vm *k = kvm_vm_of(vm);
    struct {
        struct kvm_irq_routing head;
        struct kvm_irq_routing_entry entry[KVM_PINS];
    } r = {0};
    if (!k || pin >= KVM_PINS) /* before vm_init all entries are masked */
        return;
    with_lock(&k->lock);
    k->routed[pin] = true;
    k->route[pin] = (struct kvm_irq_routing_entry){
        .gsi = pin,
        .type = KVM_IRQ_ROUTING_MSI,
        .u.msi = {.address_lo = (u32)addr, .address_hi = (u32)(addr >> 32), .data = data}};
    for (unsigned i = 0; i < KVM_PINS; i++)
        if (k->routed[i])
            r.entry[r.head.nr++] = k->route[i];
    kvm_ioctl(k->fd, KVM_SET_GSI_ROUTING, &r);
}

const struct engine_ops engine_kvm = {
    .name = "kvm",
    .description = "hardware-assisted virtualization by the host's KVM",
    .caps = ENGINE_SMP | ENGINE_LAPIC | ENGINE_NATIVE_TSC | ENGINE_PARA,
    .probe = probe,
    .quirks = kvm_quirks,
    .model = kvm_model,
    .vm_init = vm_init,
    .vcpu_init = vcpu_init,
    .run = kvm_run,
    .kick = kvm_kick,
    .sample = kvm_sample,
    .get_state = kvm_get_state,
    .set_state = kvm_set_state,
    .memory_event = memory_event,
    .msi = send_msi,
    .route = route,
    .vcpu_fini = vcpu_fini,
    .vm_fini = vm_fini,
};
