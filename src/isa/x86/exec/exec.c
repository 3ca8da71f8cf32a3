/* SPDX-License-Identifier: BSD-2-Clause */
/* Fetching, binding, and the complete slow step. */
#include "isa/x86/exec/exec.h"

#include "isa/x86/exec/place.h"
#include "isa/x86/exec/system.h"

void x86_exec_bind(struct x86_cpu *cpu, struct x86_insn *insn, const u8 *code)
{
    const struct x86_form *f = &x86_forms[insn->form];
    /* VEX and EVEX belong to protected mode [SDM2 2.3.1]; whoever keeps a bound instruction keeps
     * it for one mode. */
    bool allowed = !(insn->flags & (X86_I_VEX | X86_I_EVEX)) || !(cpu->real | cpu->vm86);
    insn->exec = NULL;
    if (allowed && (!f->feature || x86_model_has(cpu->model, f->feature)) &&
        (!f->feature2 || x86_model_has(cpu->model, f->feature2))) {
        insn->exec = x86_bind_system(cpu, insn);
        if (!insn->exec)
            insn->exec = x86_bind_integer(cpu, insn);
        if (!insn->exec)
            insn->exec = x86_bind_vector(cpu, insn, code);
    }
    if (!insn->exec)
        insn->exec = x86_exec_undefined;
}

/* Bytes of the instruction stream at lin, all in one page. */
static int fetch_page(struct x86_cpu *cpu, u64 lin, u8 *bytes, unsigned n)
{
    struct x86_place p;
    int r = x86_resolve(cpu, lin, X86_EXEC, cpu->cpl == 3 ? X86_TLB_USER : X86_TLB_KERNEL, &p);
    if (r)
        return r;
    for (unsigned i = 0; i < n; i++) {
        bytes[i] = (u8)x86_place_load(cpu, &p, 1);
        p.pa++;
        p.host = p.host ? p.host + 1 : NULL;
    }
    return X86_OK;
}

/* How many of the 15 bytes at rip the code segment, or the canonical half, holds. */
static unsigned bytes_inside(const struct x86_cpu *cpu, u64 rip)
{
    if (cpu->mode == X86_MODE64) {
        if (!x86_canonical(rip))
            return 0;
        u64 end = rip >> 63 ? 0 : BIT(47); /* the upper half wraps to address 0 */
        return (unsigned)MIN((u64)X86_MAX_INSN, end - rip);
    }
    u64 limit = cpu->s.seg[X86_CS].limit;
    return rip > limit ? 0 : (unsigned)MIN((u64)X86_MAX_INSN, limit - rip + 1);
}

int x86_fetch(struct x86_cpu *cpu, struct x86_insn *insn, u8 bytes[16])
{
    const struct x86_decode_config cfg = {.mode = cpu->mode, .vendor = cpu->vendor};
    u64 rip = cpu->s.rip;
    unsigned inside = bytes_inside(cpu, rip);
    if (!inside)
        return x86_gp0(cpu);
    bool wide = cpu->mode == X86_MODE64;
    u64 lin = wide ? rip : (u32)(cpu->s.seg[X86_CS].base + rip);
    unsigned first = MIN(inside, 0x1000 - (unsigned)(lin & 0xfff));
    int r = fetch_page(cpu, lin, bytes, first);
    if (r)
        return r;
    int d = x86_decode(insn, bytes, first, cfg);
    if (d == X86_DECODE_MORE && first < inside) {
        r = fetch_page(cpu, wide ? lin + first : (u32)(lin + first), bytes + first, inside - first);
        if (r)
            return r;
        d = x86_decode(insn, bytes, inside, cfg);
    }
    switch (d) {
    case X86_DECODE_OK: return X86_OK;
    case X86_DECODE_UD: return x86_ud(cpu);
    default: return x86_gp0(cpu); /* too long, or beyond the segment's limit */
    }
}

/* Executes the instruction at rip; on anything but success rip and RF are as before. Between two
 * iterations RF is set, so that a breakpoint on a repeated instruction hits once [SDM3 17.3.1.1].
 */
static int execute_one(struct x86_cpu *cpu, struct x86_insn *insn)
{
    u8 bytes[16];
    u64 rf = cpu->s.rflags & X86_RF;
    cpu->fault_rip = cpu->s.rip;
    int r = x86_fetch(cpu, insn, bytes);
    if (r)
        return r;
    x86_exec_bind(cpu, insn, bytes);
    cpu->s.rip = (cpu->s.rip + insn->len) & cpu->rip_mask;
    cpu->s.rflags &= ~(u64)X86_RF;
    r = insn->exec(cpu, insn);
    if (r == X86_EXCEPTION || r == X86_INTERCEPT || r == X86_REPEAT) {
        cpu->s.rip = cpu->fault_rip;
        cpu->s.rflags |= r == X86_REPEAT ? X86_RF : rf;
    }
    return r;
}

static int check_code_breaks(struct x86_cpu *cpu, bool shadow)
{
    if (likely(!cpu->code_breaks) || (cpu->s.rflags & X86_RF) || shadow)
        return X86_OK;
    u64 lin = cpu->s.rip;
    if (cpu->mode != X86_MODE64)
        lin = (u32)(lin + cpu->s.seg[X86_CS].base);
    return x86_debug_check_code(cpu, lin);
}

/* INT n and its like clear TF before a trap could be taken. */
static bool enters_handler(const struct x86_insn *insn)
{
    return insn->op == X86_OP_INT || insn->op == X86_OP_INT3 || insn->op == X86_OP_INT1 ||
           insn->op == X86_OP_INTO;
}

/* Single step and data breakpoints, after the instruction [SDM3 17.3]. After a load of SS they wait
 * for the next one [SDM3 6.8.3]. */
static int deliver_traps(struct x86_cpu *cpu, bool single_step)
{
    if (single_step) {
        cpu->dr6_pending |= BIT(14);
        cpu->trap_pending = 1;
    }
    if (!cpu->trap_pending || cpu->s.shadow_mov_ss)
        return X86_OK;
    struct x86_event ev = {
        .kind = X86_EVENT_EXCEPTION, .vector = X86_DB, .payload = cpu->dr6_pending};
    cpu->trap_pending = 0;
    cpu->dr6_pending = 0;
    if (x86_intercept(cpu, X86_ICPT_SINGLE_STEP)) {
        cpu->fault = ev;
        return X86_INTERCEPT;
    }
    return x86_deliver(cpu, &ev);
}

int x86_step(struct x86_cpu *cpu)
{
    struct x86_insn insn;
    bool shadow = cpu->s.shadow_mov_ss, tf = cpu->s.rflags & X86_TF;
    cpu->s.shadow_sti = cpu->s.shadow_mov_ss = 0;
    int r = check_code_breaks(cpu, shadow);
    if (r == X86_OK)
        r = execute_one(cpu, &insn);
    if (r == X86_EXCEPTION) {
        cpu->trap_pending = 0;
        cpu->dr6_pending = 0;
        struct x86_event fault = cpu->fault;
        r = x86_deliver(cpu, &fault);
    } else if (r != X86_INTERCEPT && r != X86_TRIPLE) {
        int trap = deliver_traps(cpu, tf && !enters_handler(&insn));
        if (trap != X86_OK)
            return trap;
        if (cpu->s.run_state == X86_RUNNING && r == X86_HALT)
            r = X86_OK; /* the trap woke it */
    }
    if (r == X86_TRIPLE || r == X86_INTERCEPT || r == X86_HALT)
        return r;
    u32 stop = __atomic_fetch_and(&cpu->request, ~X86_REQUEST_STOP, __ATOMIC_RELAXED);
    return r == X86_STOP || (stop & X86_REQUEST_STOP) ? X86_STOP : X86_OK;
}
