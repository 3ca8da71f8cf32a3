/* SPDX-License-Identifier: BSD-2-Clause */
/* Delivering exceptions and interrupts through IVT and IDT, double and triple faults
 * [SDM3 6.12, 6.14, 6.15]. */
#include "isa/x86/exec/descriptor.h"

/* How a delivery looks from the handler's side. */
struct entry {
    const struct x86_event *ev;
    u64 rip, flags; /* as saved on the stack */
    unsigned ext;   /* EXT bit of error codes: the event did not come from INT n, INT3, INTO */
    bool software;
};

static bool is_software(const struct x86_event *ev)
{
    return ev->kind == X86_EVENT_SOFT_INT || ev->kind == X86_EVENT_SOFT_EXC;
}

/* Faults are saved with RF set, so that the instruction's breakpoint does not hit again when it is
 * restarted; #DB leaves that to the handler, aborts and interrupts restart nothing
 * [SDM3 17.3.1.1]. */
static bool saves_rf(const struct x86_event *ev)
{
    return ev->kind == X86_EVENT_EXCEPTION && ev->vector != X86_DB && ev->vector != X86_DF_ABORT &&
           ev->vector != X86_MC;
}

int x86_enter_ivt(struct x86_cpu *cpu, u64 base, unsigned vector, u64 rip, u64 flags)
{
    u64 target, rsp = cpu->s.gpr[X86_RSP];
    int r = x86_sys_load(cpu, base + 4 * vector, 4, &target);
    if (r == X86_OK)
        r = x86_push(cpu, 2, flags);
    if (r == X86_OK)
        r = x86_push(cpu, 2, cpu->s.seg[X86_CS].sel);
    if (r == X86_OK)
        r = x86_push(cpu, 2, rip);
    if (r) {
        cpu->s.gpr[X86_RSP] = rsp;
        return r;
    }
    x86_segment_load_real(cpu, X86_CS, (unsigned)(target >> 16));
    cpu->s.rip = target & 0xffff;
    return X86_END;
}

static int enter_real(struct x86_cpu *cpu, const struct entry *e)
{
    unsigned vector = e->ev->vector;
    if (4 * vector + 3 > cpu->s.idtr.limit)
        return x86_raise_error(cpu, X86_GP, vector * 8 + X86_ERR_IDT + e->ext);
    int r = x86_enter_ivt(cpu, cpu->s.idtr.base, vector, e->rip, e->flags);
    if (r == X86_EXCEPTION)
        return r;
    cpu->s.rflags &= ~(u64)(X86_IF | X86_TF | X86_AC | X86_RF);
    x86_cpu_derive(cpu);
    return X86_END;
}

static int gate_fault(struct x86_cpu *cpu, unsigned vector, const struct entry *e)
{
    return x86_raise_error(cpu, vector, e->ev->vector * 8u + X86_ERR_IDT + e->ext);
}

/* Reads and checks the IDT's gate. */
static int load_gate(struct x86_cpu *cpu, const struct entry *e, struct x86_descriptor *gate)
{
    unsigned bytes = cpu->long_mode ? 16 : 8, at = e->ev->vector * bytes;
    gate->high = 0;
    gate->lin = cpu->s.idtr.base + at;
    if (at + bytes - 1 > cpu->s.idtr.limit)
        return gate_fault(cpu, X86_GP, e);
    int r = x86_sys_load(cpu, gate->lin, 8, &gate->low);
    if (r == X86_OK && cpu->long_mode)
        r = x86_sys_load(cpu, gate->lin + 8, 8, &gate->high);
    if (r)
        return r;
    unsigned type = x86_desc_type(gate);
    bool wide = type == X86_SYS_INT32 || type == X86_SYS_TRAP32;
    bool narrow = type == X86_SYS_INT16 || type == X86_SYS_TRAP16 || type == X86_SYS_TASK_GATE;
    if (!x86_desc_is_system(gate) || !(wide || (narrow && !cpu->long_mode)))
        return gate_fault(cpu, X86_GP, e);
    if (e->software && x86_desc_dpl(gate) < cpu->cpl)
        return gate_fault(cpu, X86_GP, e);
    if (!x86_desc_present(gate))
        return gate_fault(cpu, X86_NP, e);
    return X86_OK;
}

/* Reads and checks the handler's code segment; *cpl is the privilege it runs at. */
static int load_handler_code(struct x86_cpu *cpu, const struct entry *e, unsigned sel,
                             struct x86_descriptor *code, unsigned *cpl)
{
    if (x86_null_selector(sel))
        return x86_raise_error(cpu, X86_GP, e->ext);
    int r = x86_descriptor_load(cpu, sel, X86_GP, e->ext, code);
    if (r)
        return r;
    bool ok = x86_desc_is_code(code) && x86_desc_dpl(code) <= cpu->cpl;
    if (ok && cpu->long_mode)
        ok = (x86_desc_attr(code) & (X86_SEG_L | X86_SEG_DB)) == X86_SEG_L;
    if (ok && cpu->vm86)
        ok = !x86_desc_conforming(code) && x86_desc_dpl(code) == 0;
    if (!ok)
        return x86_selector_fault(cpu, X86_GP, sel, e->ext);
    if (!x86_desc_present(code))
        return x86_selector_fault(cpu, X86_NP, sel, e->ext);
    *cpl = x86_desc_conforming(code) ? cpu->cpl : x86_desc_dpl(code);
    return X86_OK;
}

static int choose_stack(struct x86_cpu *cpu, const struct entry *e,
                        const struct x86_descriptor *gate, unsigned cpl, struct x86_stack *st)
{
    unsigned ist = cpu->long_mode ? gate->low >> 32 & 7 : 0;
    int r = X86_OK;
    if (cpl < cpu->cpl || ist) {
        r = x86_stack_inner(cpu, cpl, ist, e->ext, st);
    } else {
        x86_stack_current(cpu, cpl, e->ext, st);
        if (cpu->long_mode) {
            st->width = 8;
            st->sp = cpu->s.gpr[X86_RSP];
        }
    }
    if (r == X86_OK && cpu->long_mode)
        st->sp &= ~(u64)15;
    return r;
}

/* The frame: in virtual-8086 mode the data segments, the old stack where it changed (always in
 * long mode), flags, return address, error code. */
static int push_frame(struct x86_cpu *cpu, const struct entry *e, struct x86_stack *st,
                      unsigned size, bool old_stack)
{
    static const u8 vm86_segments[] = {X86_GS, X86_FS, X86_DS, X86_ES};
    u64 frame[10];
    unsigned n = 0;
    if (cpu->vm86)
        for (unsigned i = 0; i < ARRAY_LEN(vm86_segments); i++)
            frame[n++] = cpu->s.seg[vm86_segments[i]].sel;
    if (old_stack) {
        frame[n++] = cpu->s.seg[X86_SS].sel;
        frame[n++] = cpu->s.gpr[X86_RSP];
    }
    frame[n++] = e->flags;
    frame[n++] = cpu->s.seg[X86_CS].sel;
    frame[n++] = e->rip;
    if (e->ev->has_error)
        frame[n++] = e->ev->error;
    int r = X86_OK;
    for (unsigned i = 0; i < n && r == X86_OK; i++)
        r = x86_stack_push(cpu, st, size, frame[i]);
    return r;
}

static int enter_gate(struct x86_cpu *cpu, const struct entry *e, const struct x86_descriptor *gate)
{
    struct x86_descriptor code;
    struct x86_stack st;
    unsigned sel = x86_gate_selector(gate), cpl = 0;
    int r = load_handler_code(cpu, e, sel, &code, &cpl);
    if (r == X86_OK)
        r = choose_stack(cpu, e, gate, cpl, &st);
    if (r)
        return r;
    unsigned size = cpu->long_mode ? 8 : x86_desc_type(gate) & 8 ? 4 : 2;
    u64 offset = x86_gate_offset(gate);
    if (size == 2)
        offset = (u16)offset;
    r = push_frame(cpu, e, &st, size, cpu->long_mode || cpl < cpu->cpl);
    if (r)
        return r;
    if (cpu->long_mode ? !x86_canonical(offset) : offset > x86_desc_limit(&code))
        return x86_raise_error(cpu, X86_GP, e->ext);
    r = x86_descriptor_mark_accessed(cpu, &code);
    if (r)
        return r;
    if (cpu->vm86) {
        static const u8 data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
        for (unsigned i = 0; i < ARRAY_LEN(data); i++)
            cpu->s.seg[data[i]] = x86_segment_null(0, 0);
    }
    x86_stack_commit(cpu, &st);
    cpu->s.seg[X86_CS] = x86_segment_from((sel & 0xfffc) | cpl, &code);
    cpu->s.rip = offset;
    u64 clear = X86_TF | X86_VM | X86_RF | X86_NT;
    if (!(x86_desc_type(gate) & 1))
        clear |= X86_IF;
    cpu->s.rflags &= ~clear;
    x86_cpu_derive(cpu);
    return X86_END;
}

/* What the processor notes before it looks at the IDT: a fault in the delivery does not undo it.
 * INT1 has nothing to note. */
static void note_payload(struct x86_cpu *cpu, const struct x86_event *ev)
{
    if (ev->kind != X86_EVENT_EXCEPTION)
        return;
    if (ev->vector == X86_PF_FAULT)
        cpu->s.cr2 = ev->payload;
    if (ev->vector == X86_DB) {
        cpu->s.dr6 = (cpu->s.dr6 & ~(u64)15) | ev->payload;
        cpu->s.dr7 &= ~((u64)1 << 13); /* GD */
    }
}

int x86_enter_handler(struct x86_cpu *cpu, const struct x86_event *ev)
{
    struct entry e = {
        .ev = ev,
        .rip = (cpu->s.rip + (is_software(ev) ? ev->insn_len : 0)) & cpu->rip_mask,
        .flags = cpu->s.rflags | (saves_rf(ev) ? X86_RF : 0),
        .ext = is_software(ev) ? 0 : X86_ERR_EXT,
        .software = is_software(ev),
    };
    struct x86_descriptor gate;
    note_payload(cpu, ev);
    int r;
    if (cpu->real) {
        r = enter_real(cpu, &e);
    } else {
        r = load_gate(cpu, &e, &gate);
        if (r)
            return r;
        if (x86_desc_type(&gate) == X86_SYS_TASK_GATE) {
            u64 rip = cpu->s.rip;
            cpu->s.rip = e.rip;
            r = x86_task_gate(cpu, &gate, X86_TASK_EVENT, e.ext, ev->has_error ? &ev->error : NULL);
            if (r == X86_EXCEPTION && cpu->fault_rip != cpu->s.rip)
                cpu->s.rip = rip;
        } else {
            r = enter_gate(cpu, &e, &gate);
        }
    }
    if (r == X86_END && ev->kind == X86_EVENT_NMI)
        cpu->s.nmi_blocked = 1;
    return r;
}

/* [SDM3 table 6-4] */
enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE };

static enum severity severity_of(const struct x86_event *ev)
{
    if (ev->kind != X86_EVENT_EXCEPTION)
        return BENIGN;
    switch (ev->vector) {
    case X86_DE:
    case X86_TS:
    case X86_NP:
    case X86_SS_FAULT:
    case X86_GP: return CONTRIBUTORY;
    case X86_PF_FAULT: return PAGE_FAULT;
    case X86_DF_ABORT: return DOUBLE;
    default: return BENIGN;
    }
}

/* The event that results when second happens while first is delivered; kind NONE: shutdown.
 * [SDM3 table 6-5] */
static struct x86_event combine(const struct x86_event *first, const struct x86_event *second)
{
    enum severity a = severity_of(first), b = severity_of(second);
    if (a == DOUBLE && b != BENIGN)
        return (struct x86_event){.kind = X86_EVENT_NONE};
    if ((a == CONTRIBUTORY && b == CONTRIBUTORY) ||
        (a == PAGE_FAULT && (b == CONTRIBUTORY || b == PAGE_FAULT)))
        return (struct x86_event){
            .kind = X86_EVENT_EXCEPTION, .vector = X86_DF_ABORT, .has_error = 1};
    return *second;
}

static bool intercepted(const struct x86_cpu *cpu, const struct x86_event *ev)
{
    return ev->kind >= X86_EVENT_EXCEPTION && ev->kind != X86_EVENT_SOFT_INT && ev->vector < 32 &&
           (cpu->intercepts.exceptions >> ev->vector & 1);
}

int x86_deliver(struct x86_cpu *cpu, const struct x86_event *ev)
{
    struct x86_event now = *ev;
    for (;;) {
        if (unlikely(intercepted(cpu, &now))) {
            cpu->fault = now;
            cpu->intercept = X86_ICPT_EXCEPTION;
            return X86_INTERCEPT;
        }
        cpu->s.shadow_sti = cpu->s.shadow_mov_ss = 0;
        cpu->fault_rip = ~cpu->s.rip; /* differs from rip until a task switch sets it */
        if (x86_enter_handler(cpu, &now) == X86_END) {
            cpu->s.run_state = X86_RUNNING;
            return X86_OK;
        }
        now = combine(&now, &cpu->fault);
        if (now.kind == X86_EVENT_NONE) {
            cpu->s.run_state = X86_SHUTDOWN;
            return X86_TRIPLE;
        }
    }
}

bool x86_can_interrupt(const struct x86_cpu *cpu)
{
    return (cpu->s.rflags & X86_IF) && !cpu->s.shadow_sti && !cpu->s.shadow_mov_ss;
}

bool x86_can_nmi(const struct x86_cpu *cpu)
{
    return !cpu->s.nmi_blocked && !cpu->s.shadow_sti && !cpu->s.shadow_mov_ss;
}
