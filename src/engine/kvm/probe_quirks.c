/* SPDX-License-Identifier: BSD-2-Clause */
/* What this host's KVM does differently from a processor, found by running the guest of
 * probe_guest.S: a KVM without the processor's help runs ring 3 natively, where some instructions
 * show the host's tables and selectors, and emulates ring 0, where its emulator cuts corners. */
#include "base/bits.h"
#include "base/mem.h"
#include "engine/kvm/kvm_priv.h"
#include "engine/kvm/probe_guest.h"

#include <sys/mman.h>
#include <unistd.h>

enum { UNSEEN = 0xa5, SEGMENT_LIMIT = 0x1234 };
/* Leaf 7's EBX as the guest shall see it: ERMS alone. */
enum { FEATURES = 1 << 9 };

struct rig {
    int vm, vcpu;
    size_t run_size;
    struct kvm_run *run;
    u8 *ram;
};

extern const u8 probe_guest[], probe_guest_end[], probe_guest_window[], probe_guest_v86[],
    probe_guest_v86_fault[];
extern const u8 probe_guest_db[], probe_guest_ud[], probe_guest_gp[], probe_guest_xm[],
    probe_guest_int[];

static u64 code_address(const u8 *label)
{
    return PROBE_CODE + (u64)(label - probe_guest);
}

static void set_gate(u8 *ram, unsigned vector, const u8 *handler)
{
    u64 at = code_address(handler);
    u8 *gate = ram + PROBE_IDT + vector * 16;
    store_le(u64, gate,
             (at & 0xffff) | PROBE_KERNEL_CS << 16 | (u64)0xee00 << 32 | (at >> 16 & 0xffff) << 48);
    store_le(u64, gate + 8, at >> 32);
}

static void fill_memory(u8 *ram)
{
    enum { P = 1, RW = 2, US = 4, PS = 0x80, ALL = P | RW | US };
    store_le(u64, ram, 0x1000 | ALL);
    store_le(u64, ram + 0x1000, 0x2000 | ALL);
    store_le(u64, ram + 0x2000, ALL | PS);
    store_le(u64, ram + 0x2008, PROBE_TABLE | ALL);
    store_le(u64, ram + PROBE_TABLE, PROBE_PAGE | ALL);
    u8 *gdt = ram + PROBE_GDT;
    store_le(u64, gdt + PROBE_TABLE_LIMIT_SELECTOR, 0x0040f30000000000 | SEGMENT_LIMIT);
    store_le(u64, gdt + PROBE_KERNEL_CS, 0x00af9b000000ffff);
    store_le(u64, gdt + PROBE_KERNEL_SS, 0x00cf93000000ffff);
    store_le(u64, gdt + (PROBE_USER_CS & ~7), 0x00affb000000ffff);
    store_le(u64, gdt + (PROBE_USER_SS & ~7), 0x00cff3000000ffff);
    store_le(u64, gdt + PROBE_TSS_SELECTOR, 0x00008b0000000067 | (u64)PROBE_TSS << 16);
    store_le(u64, ram + PROBE_TSS + 4, PROBE_TRAP_STACK); /* RSP0 */
    set_gate(ram, X86_DB, probe_guest_db);
    set_gate(ram, X86_UD, probe_guest_ud);
    set_gate(ram, X86_GP, probe_guest_gp);
    set_gate(ram, X86_PF_FAULT, probe_guest_gp); /* only its having an error code matters */
    set_gate(ram, X86_XM, probe_guest_xm);
    set_gate(ram, 0x80, probe_guest_int);
    mem_copy(ram + PROBE_CODE, probe_guest, (size_t)(probe_guest_end - probe_guest));
    mem_fill(ram + PROBE_RESULT, UNSEEN, 0x100);
    mem_fill(ram + PROBE_PAGE, UNSEEN, 0x1000);
}

static void close_rig(struct rig *r)
{
    if (r->run)
        munmap(r->run, r->run_size);
    if (r->ram)
        munmap(r->ram, PROBE_RAM);
    if (r->vcpu >= 0)
        close(r->vcpu);
    if (r->vm >= 0)
        close(r->vm);
}

static bool open_rig(struct rig *r, int dev)
{
    *r = (struct rig){.vm = kvm_ioctl(dev, KVM_CREATE_VM, NULL), .vcpu = -1};
    int size = kvm_ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, NULL);
    void *ram = mmap(NULL, PROBE_RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    r->ram = ram == MAP_FAILED ? NULL : ram;
    if (r->vm < 0 || size <= 0 || !r->ram)
        return false;
    struct kvm_userspace_memory_region region = {.memory_size = PROBE_RAM,
                                                 .userspace_addr = (u64)(uintptr_t)r->ram};
    if (kvm_ioctl(r->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        return false;
    r->vcpu = kvm_ioctl(r->vm, KVM_CREATE_VCPU, NULL);
    if (r->vcpu < 0)
        return false;
    r->run_size = (size_t)size;
    void *run = mmap(NULL, r->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->vcpu, 0);
    r->run = run == MAP_FAILED ? NULL : run;
    return r->run != NULL;
}

/* What KVM supports with features of our choice: a guest that reads others sees the host's. */
static bool set_cpuid(struct rig *r, int dev)
{
    struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entry[256];
    } *c = mem_alloc(sizeof *c);
    if (!c)
        return false;
    c->head.nent = ARRAY_LEN(c->entry);
    bool ok = kvm_ioctl(dev, KVM_GET_SUPPORTED_CPUID, c) >= 0;
    for (u32 i = 0; ok && i < c->head.nent; i++)
        if (c->entry[i].function == 7 && c->entry[i].index == 0)
            c->entry[i].ebx = FEATURES;
    ok = ok && kvm_ioctl(r->vcpu, KVM_SET_CPUID2, c) >= 0;
    mem_free(c);
    return ok;
}

static bool set_registers(struct rig *r)
{
    struct kvm_sregs s;
    struct kvm_regs regs = {.rip = PROBE_CODE, .rsp = PROBE_KERNEL_STACK, .rflags = X86_FLAG1};
    if (kvm_ioctl(r->vcpu, KVM_GET_SREGS, &s) < 0)
        return false;
    s.cs = (struct kvm_segment){.limit = ~0u,
                                .selector = PROBE_KERNEL_CS,
                                .type = 11,
                                .present = 1,
                                .s = 1,
                                .l = 1,
                                .g = 1};
    s.ds = s.es = s.ss = s.fs = s.gs = (struct kvm_segment){.limit = ~0u,
                                                            .selector = PROBE_KERNEL_SS,
                                                            .type = 3,
                                                            .present = 1,
                                                            .s = 1,
                                                            .db = 1,
                                                            .g = 1};
    s.tr = (struct kvm_segment){
        .base = PROBE_TSS, .limit = 0x67, .selector = PROBE_TSS_SELECTOR, .type = 11, .present = 1};
    s.gdt = (struct kvm_dtable){.base = PROBE_GDT, .limit = PROBE_GDT_LIMIT};
    s.idt = (struct kvm_dtable){.base = PROBE_IDT, .limit = PROBE_IDT_LIMIT};
    s.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP;
    s.cr3 = 0;
    s.cr4 = X86_CR4_PAE | X86_CR4_TSD | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
    s.efer = X86_EFER_SCE | X86_EFER_LME | X86_EFER_LMA;
    struct kvm_fpu fpu = {.fcw = 0x37f,
                          .mxcsr = 0x1f80 & ~(1u << 9)}; /* division by zero unmasked */
    return kvm_ioctl(r->vcpu, KVM_SET_SREGS, &s) >= 0 &&
           kvm_ioctl(r->vcpu, KVM_SET_FPU, &fpu) >= 0 &&
           kvm_ioctl(r->vcpu, KVM_SET_REGS, &regs) >= 0;
}

/* The guest has no loop: any exit ends a part of it, and what it has not written stays UNSEEN. */
static u32 run_part(struct rig *r)
{
    return kvm_ioctl(r->vcpu, KVM_RUN, NULL) < 0 ? KVM_EXIT_UNKNOWN : r->run->exit_reason;
}

/* Where KVM's emulator gives up, the guest goes on at its r15: the engine would finish the
 * instruction, so that is no quirk. */
static void run_guest(struct rig *r)
{
    for (int tries = 0; tries < 8; tries++) {
        u32 exit = run_part(r);
        struct kvm_regs regs;
        struct kvm_vcpu_events none = {0};
        if (exit == KVM_EXIT_IO)
            continue;
        if (exit != KVM_EXIT_INTERNAL_ERROR || kvm_ioctl(r->vcpu, KVM_GET_REGS, &regs) < 0)
            return;
        regs.rip = regs.r15;
        if (kvm_ioctl(r->vcpu, KVM_SET_REGS, &regs) < 0 ||
            kvm_ioctl(r->vcpu, KVM_SET_VCPU_EVENTS, &none) < 0)
            return;
    }
}

/* Software-disabling and enabling again gives the registers their reset values [SDM3 10.4.3]. KVM
 * leaves them; its model of the local APIC is looser in other places too. */
static bool keeps_apic(struct rig *r, int dev)
{
    enum { SVR = 0xf0, ENABLE = 1 << 11 };
    struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {KVM_PINS}};
    struct kvm_lapic_state apic;
    struct kvm_sregs s;
    close(r->vcpu);
    close(r->vm); /* a machine with vCPUs takes no irqchip any more */
    r->vcpu = -1;
    r->vm = kvm_ioctl(dev, KVM_CREATE_VM, NULL);
    if (r->vm >= 0 && kvm_ioctl(r->vm, KVM_ENABLE_CAP, &split) >= 0)
        r->vcpu = kvm_ioctl(r->vm, KVM_CREATE_VCPU, NULL);
    if (r->vcpu < 0 || kvm_ioctl(r->vcpu, KVM_GET_LAPIC, &apic) < 0 ||
        kvm_ioctl(r->vcpu, KVM_GET_SREGS, &s) < 0)
        return false;
    store_le(u32, apic.regs + SVR, 0x1ff);
    bool ok = kvm_ioctl(r->vcpu, KVM_SET_LAPIC, &apic) >= 0;
    s.apic_base &= ~(u64)ENABLE;
    ok = ok && kvm_ioctl(r->vcpu, KVM_SET_SREGS, &s) >= 0;
    s.apic_base |= ENABLE;
    ok = ok && kvm_ioctl(r->vcpu, KVM_SET_SREGS, &s) >= 0 &&
         kvm_ioctl(r->vcpu, KVM_GET_LAPIC, &apic) >= 0;
    return ok && load_le(u32, apic.regs + SVR) == 0x1ff;
}

static bool misses_window(struct rig *r)
{
    struct kvm_regs regs = {
        .rip = code_address(probe_guest_window), .rsp = PROBE_KERNEL_STACK, .rflags = X86_FLAG1};
    if (!set_registers(r) || kvm_ioctl(r->vcpu, KVM_SET_REGS, &regs) < 0)
        return false;
    r->run->request_interrupt_window = 1;
    return run_part(r) == KVM_EXIT_HLT;
}

static bool lacks_v86(struct rig *r)
{
    struct kvm_regs regs = {
        .rip = code_address(probe_guest_v86), .rsp = PROBE_KERNEL_STACK, .rflags = X86_FLAG1};
    struct kvm_sregs s;
    if (kvm_ioctl(r->vcpu, KVM_GET_SREGS, &s) < 0)
        return false;
    s.cs = (struct kvm_segment){
        .limit = ~0u, .selector = PROBE_CODE32, .type = 11, .present = 1, .s = 1, .db = 1, .g = 1};
    s.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
    s.cr4 = 0;
    s.efer = 0;
    s.idt = (struct kvm_dtable){.base = PROBE_IDT32, .limit = 0xff};
    u64 handler = code_address(probe_guest_v86_fault);
    store_le(u64, r->ram + PROBE_IDT32 + X86_GP * 8,
             handler | PROBE_CODE32 << 16 | (u64)0x8e00 << 32);
    store_le(u64, r->ram + PROBE_GDT + PROBE_CODE32, 0x00cf9b000000ffff);
    store_le(u32, r->ram + PROBE_TSS + 8, PROBE_KERNEL_SS); /* SS0 of a 32-bit TSS, after ESP0 */
    r->run->request_interrupt_window = 0;
    if (kvm_ioctl(r->vcpu, KVM_SET_SREGS, &s) < 0 || kvm_ioctl(r->vcpu, KVM_SET_REGS, &regs) < 0)
        return false;
    run_part(r);
    return load_le(u16, r->ram + PROBE_V86_MARK) != 6;
}

static bool seen(const u8 *at)
{
    return load_le(u32, at) != UNSEEN * 0x01010101u;
}

static bool shows_other(const u8 *at, u32 want)
{
    return seen(at) && load_le(u32, at) != want;
}

static bool shows_host_tables(const u8 *result)
{
    return (seen(result + PROBE_GDTR) && load_le(u16, result + PROBE_GDTR) != PROBE_GDT_LIMIT) ||
           (seen(result + PROBE_IDTR) && load_le(u16, result + PROBE_IDTR) != PROBE_IDT_LIMIT) ||
           shows_other(result + PROBE_GDTR + 2, PROBE_GDT) ||
           shows_other(result + PROBE_IDTR + 2, PROBE_IDT) || shows_other(result + PROBE_LDTR, 0) ||
           shows_other(result + PROBE_TR, PROBE_TSS_SELECTOR) ||
           (seen(result + PROBE_MSW) && load_le(u16, result + PROBE_MSW) != 0x33);
}

static void tell_kernel_quirks(const u8 *ram, engine_quirk_fn tell, void *ctx)
{
    const u8 *result = ram + PROBE_RESULT;
    if (shows_other(result + PROBE_CPUID_KERNEL, FEATURES) ||
        shows_other(result + PROBE_CPUID_USER, FEATURES))
        tell(ctx, "cpuid", "CPUID shows guests features of the host's processor");
    if (ram[PROBE_PAGE + (PROBE_CROSSING & 0xfff)] != UNSEEN)
        tell(ctx, "partial-stores", "a store that crosses into an absent page has written a part");
    if (result[PROBE_VECTOR_SIMD] != X86_XM)
        tell(ctx, "simd-exceptions", "unmasked SSE exceptions are not raised in ring 0");
    if (result[PROBE_VECTOR_BREAKPOINT] != X86_DB || result[PROBE_VECTOR_WATCH] != X86_DB)
        tell(ctx, "breakpoints", "breakpoints of the debug registers do not hit in ring 0");
    if (result[PROBE_VECTOR_PAT] != X86_GP)
        tell(ctx, "reserved-bits", "reserved bits of MSRs and control registers are not refused");
    if (load_le(u32, result + PROBE_TSC_MOVED) != 1 || result[PROBE_VECTOR_RDTSC] != X86_GP)
        tell(ctx, "tsc", "the time-stamp counter is the host's: it can't be set or hidden");
}

static void tell_user_quirks(const u8 *result, engine_quirk_fn tell, void *ctx)
{
    if (shows_host_tables(result) || result[PROBE_VECTOR_TABLES] != UNSEEN)
        tell(ctx, "user-tables",
             "SGDT, SIDT, SLDT, STR and SMSW do not show user code of guests its own tables");
    if (shows_other(result + PROBE_CS, PROBE_USER_CS) ||
        shows_other(result + PROBE_SS, PROBE_USER_SS) ||
        shows_other(result + PROBE_LSL, SEGMENT_LIMIT))
        tell(ctx, "user-selectors",
             "user code of guests sees the host's selectors and descriptors");
    if ((load_le(u32, result + PROBE_FLAGS) & 0x3200) != X86_IOPL ||
        result[PROBE_VECTOR_PORT] != UNSEEN)
        tell(ctx, "user-flags", "user code of guests sees the host's IF and IOPL, and has no IOPL");
    if (result[PROBE_VECTOR_INT] != 0x80)
        tell(ctx, "user-int", "INT n in user code of guests does not reach its gate");
    if (result[PROBE_SYSCALL_DONE] != 1)
        tell(ctx, "syscall", "SYSCALL and SYSRET do not take user code of guests there and back");
}

void kvm_quirks(engine_quirk_fn tell, void *ctx)
{
    struct err none = {0};
    int dev = kvm_open(&none);
    if (dev < 0)
        return;
    struct rig r;
    if (open_rig(&r, dev) && set_cpuid(&r, dev) && set_registers(&r)) {
        fill_memory(r.ram);
        run_guest(&r);
        tell_kernel_quirks(r.ram, tell, ctx);
        /* What a guest that ended early has not tried is no quirk. */
        if (r.ram[PROBE_RESULT + PROBE_FINISHED] == X86_GP)
            tell_user_quirks(r.ram + PROBE_RESULT, tell, ctx);
        else
            tell(ctx, "incomplete", "the guest that looks for differences did not reach its end");
        if (misses_window(&r))
            tell(ctx, "interrupt-windows", "interrupts miss a window of one instruction");
        if (lacks_v86(&r))
            tell(ctx, "v86", "IRET does not enter virtual-8086 mode");
        if (keeps_apic(&r, dev))
            tell(ctx, "lapic", "a disabled local APIC keeps its registers");
    }
    close_rig(&r);
    close(dev);
}
