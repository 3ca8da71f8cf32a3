/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose state is in the host's vector and x87 registers: the guest's (live) or nobody's (saved).
 *
 * Three things in s.xsave are the guest's truth even while the state is live, because the host's
 * registers hold something else: FIP, FDP and FOP (the host's would be addresses of stubs), and the
 * exception masks of MXCSR (the host's are all set, vector_strict.c). [SDM1 13.4, 13.7, 13.8] */
#include "isa/x86/exec/vector.h"

enum { HOST_MXCSR = 0x1f80 };

static void host_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

const struct x86_xsave_layout *x86_xsave_layout(void)
{
    static struct x86_xsave_layout layout;
    static u8 known;

    if (likely(__atomic_load_n(&known, __ATOMIC_ACQUIRE)))
        return &layout;
    /* Several processors may come here at once: all write the same values. */
    layout.size[X86_XC_X87] = X86_FX_XMM;
    layout.offset[X86_XC_SSE] = X86_FX_XMM;
    layout.size[X86_XC_SSE] = 256;
    for (unsigned c = X86_XC_AVX; c < X86_XC_COUNT; c++) {
        u32 r[4];
        host_cpuid(0xd, c, r);
        if (r[1] + r[0] > X86_XSAVE_SIZE || r[1] < X86_XSAVE_EXTENDED)
            continue;
        layout.size[c] = (u16)r[0];
        layout.offset[c] = (u16)r[1];
    }
    __atomic_store_n(&known, 1, __ATOMIC_RELEASE);
    return &layout;
}

u64 x86_vector_components(const struct x86_cpu *cpu)
{
    return (cpu->model->xcr0_allowed & 0xe7) | 3;
}

static void host_xsave(u8 *area, u64 mask)
{
    __asm__ volatile("xsave64 (%0)"
                     :
                     : "r"(area), "a"((u32)mask), "d"((u32)(mask >> 32))
                     : "memory");
}

static void host_xrstor(const u8 *area, u64 mask)
{
    __asm__ volatile("xrstor64 (%0)"
                     :
                     : "r"(area), "a"((u32)mask), "d"((u32)(mask >> 32))
                     : "memory");
}

void x86_vector_acquire(struct x86_cpu *cpu)
{
    if (likely(cpu->vector_live))
        return;
    u8 *area = cpu->s.xsave;
    u64 mask = x86_vector_components(cpu);
    u64 bv = load64(area + X86_XSAVE_BV) & mask;
    u32 mxcsr = load32(area + X86_FX_MXCSR) & X86_MXCSR_VALID;

    /* The state may come from outside: nothing in it may make XRSTOR fault [SDM2 XRSTOR]. */
    store64(area + X86_XSAVE_BV, bv);
    mem_fill(area + X86_XSAVE_COMP, 0, X86_XSAVE_EXTENDED - X86_XSAVE_COMP);
    store32(area + X86_FX_MXCSR, mxcsr);
    if (!(bv & BIT(X86_XC_X87))) {
        store16(area + X86_FX_FOP, 0);
        store64(area + X86_FX_FIP, 0);
        store64(area + X86_FX_FDP, 0);
    }
    host_xrstor(area, mask);
    cpu->vector_live = 1;
    cpu->vector_strict = (mxcsr & X86_MXCSR_MASKS) != X86_MXCSR_MASKS;
    if (unlikely(cpu->vector_strict))
        x86_host_set_mxcsr(mxcsr | X86_MXCSR_MASKS);
}

u32 x86_vector_mxcsr(const struct x86_cpu *cpu)
{
    return (x86_host_mxcsr() & X86_MXCSR_VALID & ~(u32)X86_MXCSR_MASKS) |
           (load32(cpu->s.xsave + X86_FX_MXCSR) & X86_MXCSR_MASKS);
}

void x86_vector_set_mxcsr(struct x86_cpu *cpu, u32 value)
{
    store32(cpu->s.xsave + X86_FX_MXCSR, value);
    cpu->vector_strict = (value & X86_MXCSR_MASKS) != X86_MXCSR_MASKS;
    x86_host_set_mxcsr(value | X86_MXCSR_MASKS);
}

void x86_vector_release(struct x86_cpu *cpu)
{
    if (!cpu->vector_live)
        return;
    u8 *area = cpu->s.xsave;
    u64 mask = x86_vector_components(cpu);
    u16 fop = load16(area + X86_FX_FOP);
    u64 fip = load64(area + X86_FX_FIP), fdp = load64(area + X86_FX_FDP);
    u32 mxcsr = x86_vector_mxcsr(cpu);

    host_xsave(area, mask);
    store16(area + X86_FX_FOP, fop);
    store64(area + X86_FX_FIP, fip);
    store64(area + X86_FX_FDP, fdp);
    store32(area + X86_FX_MXCSR, mxcsr);
    store32(area + X86_FX_MXCSR_MASK, X86_MXCSR_VALID);
    if (fop | fip | fdp)
        store64(area + X86_XSAVE_BV, load64(area + X86_XSAVE_BV) | BIT(X86_XC_X87));

    __asm__ volatile("fninit");
    x86_host_set_mxcsr(HOST_MXCSR);
    if (mask & BIT(X86_XC_AVX))
        __asm__ volatile("vzeroupper");
    cpu->vector_live = 0;
}

u8 *x86_vector_image(struct x86_cpu *cpu)
{
    /* XSAVE, unlike XSAVEOPT and XSAVEC, writes components in their initial state too. */
    x86_vector_acquire(cpu);
    x86_vector_release(cpu);
    return cpu->s.xsave;
}

void x86_vector_snapshot(struct x86_cpu *cpu)
{
    x86_vector_release(cpu);
    x86_vector_acquire(cpu);
}

void x86_vector_undo(struct x86_cpu *cpu)
{
    cpu->vector_live = 0;
    x86_vector_acquire(cpu);
}

/* Calls fn for each contiguous piece of a vector register: position in the image, in the
 * register, and length. */
#define FOR_EACH_PIECE(reg, at, pos, len)                                                          \
    for (unsigned piece_ = 0, at, pos, len;                                                        \
         piece_ < 3 && (vector_piece((reg), piece_, &at, &pos, &len), 1); piece_++)

static void vector_piece(unsigned reg, unsigned piece, unsigned *at, unsigned *pos, unsigned *len)
{
    const struct x86_xsave_layout *l = x86_xsave_layout();
    *at = *pos = *len = 0;
    if (reg >= 16) {
        if (piece == 0 && l->size[X86_XC_HI16_ZMM]) {
            *at = l->offset[X86_XC_HI16_ZMM] + 64 * (reg - 16);
            *len = 64;
        }
    } else if (piece == 0) {
        *at = X86_FX_XMM + 16 * reg;
        *len = 16;
    } else if (piece == 1 && l->size[X86_XC_AVX]) {
        *at = l->offset[X86_XC_AVX] + 16 * reg;
        *pos = 16;
        *len = 16;
    } else if (piece == 2 && l->size[X86_XC_ZMM_HI256]) {
        *at = l->offset[X86_XC_ZMM_HI256] + 32 * reg;
        *pos = 32;
        *len = 32;
    }
}

void x86_image_get(struct x86_cpu *cpu, unsigned reg, u8 value[64])
{
    mem_fill(value, 0, 64);
    FOR_EACH_PIECE(reg, at, pos, len)
    mem_copy(value + pos, cpu->s.xsave + at, len);
}

void x86_image_put(struct x86_cpu *cpu, unsigned reg, const u8 value[64])
{
    u8 *area = cpu->s.xsave;
    FOR_EACH_PIECE(reg, at, pos, len)
    mem_copy(area + at, value + pos, len);
    u64 vectors = BIT(X86_XC_SSE) | BIT(X86_XC_AVX) | BIT(X86_XC_ZMM_HI256) | BIT(X86_XC_HI16_ZMM);
    store64(area + X86_XSAVE_BV,
            load64(area + X86_XSAVE_BV) | (vectors & x86_vector_components(cpu)));
}

u64 x86_image_opmask(struct x86_cpu *cpu, unsigned k)
{
    return load64(cpu->s.xsave + x86_xsave_layout()->offset[X86_XC_OPMASK] + 8 * k);
}

void x86_image_set_opmask(struct x86_cpu *cpu, unsigned k, u64 value)
{
    u8 *area = cpu->s.xsave;
    store64(area + x86_xsave_layout()->offset[X86_XC_OPMASK] + 8 * k, value);
    store64(area + X86_XSAVE_BV, load64(area + X86_XSAVE_BV) | BIT(X86_XC_OPMASK));
}
