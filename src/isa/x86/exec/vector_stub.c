/* SPDX-License-Identifier: BSD-2-Clause */
/* Stubs: position-independent host code that runs one guest instruction,
 *
 *     void stub(struct x86_cpu *cpu [rdi], void *mem [rsi])
 *
 * flags in, general registers in, the instruction, flags out, general registers out. Stubs are
 * shared by content. Code memory is bounded: a guest can make up more instructions than any table
 * holds, so when it is full the rest run from one slot that is rewritten each time. */
#include "base/log.h"
#include "base/os.h"
#include "isa/x86/exec/vector.h"

enum { STUB_MAX = 1 << 17, BUCKETS = 1 << 15, SLOT_SIZE = 128, CODE_SIZE = 10 << 20 };

static struct {
    /* Held for tens of instructions, while the guest's state may be live: so not a mutex, whose
     * code may use vector registers. Guards all below; buckets are read without it. */
    bool locked;
    enum { FRESH, READY, FAILED } state;
    struct os_code code;
    size_t used; /* bytes of code; the shared slot is at 0 */
    struct x86_stub *stubs;
    unsigned count;
    struct x86_stub *bucket[BUCKETS];
} cache;

static void cache_lock(void)
{
    while (__atomic_exchange_n(&cache.locked, true, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
}

static void cache_unlock(void)
{
    __atomic_store_n(&cache.locked, false, __ATOMIC_RELEASE);
}

/* --- building --- */

static void put8(struct x86_stub *st, u8 b)
{
    st->text[st->len++] = b;
}

static void put_bytes(struct x86_stub *st, const u8 *b, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        put8(st, b[k]);
}

static void put32(struct x86_stub *st, u32 v)
{
    store32(st->text + st->len, v);
    st->len += 4;
}

_Static_assert(offsetof(struct x86_cpu, s.gpr) == 0 && X86_GPR_COUNT * 8 <= 128,
               "an 8-bit displacement from the cpu reaches every general register");

/* mov r64, [rdi + 8 * guest] or back */
static void put_gpr(struct x86_stub *st, bool store, unsigned host, unsigned guest)
{
    const u8 b[] = {0x48, store ? 0x89 : 0x8b, (u8)(0x47 | host << 3), (u8)(guest * 8)};
    put_bytes(st, b, sizeof b);
}

static void put_flags_in(struct x86_stub *st)
{
    const u8 load[] = {0x8b, 0x87}; /* mov eax, [rdi + disp32] */
    put_bytes(st, load, sizeof load);
    put32(st, offsetof(struct x86_cpu, s.rflags));
    put8(st, 0x25); /* and eax, imm32 */
    put32(st, X86_STATUS_FLAGS);
    const u8 set[] = {0x50, 0x9d}; /* push rax; popfq */
    put_bytes(st, set, sizeof set);
}

static void put_flags_out(struct x86_stub *st)
{
    const u8 get[] = {0x9c, 0x41, 0x58, 0x41, 0x81, 0xe0}; /* pushfq; pop r8; and r8d, imm32 */
    put_bytes(st, get, sizeof get);
    put32(st, X86_STATUS_FLAGS);
    const u8 load[] = {0x44, 0x8b, 0x8f}; /* mov r9d, [rdi + disp32] */
    put_bytes(st, load, sizeof load);
    put32(st, offsetof(struct x86_cpu, s.rflags));
    const u8 and[] = {0x41, 0x81, 0xe1}; /* and r9d, imm32 */
    put_bytes(st, and, sizeof and);
    put32(st, ~(u32)X86_STATUS_FLAGS);
    const u8 store[] = {0x45, 0x09, 0xc8,
                        0x44, 0x89, 0x87}; /* or r8d, r9d; mov [rdi+disp32], r8d */
    put_bytes(st, store, sizeof store);
    put32(st, offsetof(struct x86_cpu, s.rflags));
}

/* PCMPESTRx take the lengths from rAX and rDX, PCMPxSTRI gives an index in rCX. */
static void string_registers(unsigned op, u8 guest[3], u8 *written)
{
    bool explicit = op == X86_OP_PCMPESTRI || op == X86_OP_PCMPESTRM || op == X86_OP_VPCMPESTRI ||
                    op == X86_OP_VPCMPESTRM;
    bool index = op == X86_OP_PCMPESTRI || op == X86_OP_PCMPISTRI || op == X86_OP_VPCMPESTRI ||
                 op == X86_OP_VPCMPISTRI;
    if (explicit) {
        guest[0] = X86_RAX;
        guest[2] = X86_RDX;
    }
    if (index) {
        guest[1] = X86_RCX;
        *written |= 1 << 1;
    }
}

/* The guest register that sits in host register rax, rcx or rdx during the instruction, as
 * x86_vector_encode assigns them; X86_NO_REG when none. */
static void general_registers(const struct x86_insn *insn, u8 guest[3], u8 *written)
{
    const struct x86_form *f = &x86_forms[insn->form];
    guest[0] = guest[1] = guest[2] = X86_NO_REG;
    *written = 0;
    for (int n = 0; n < X86_OPND_MAX; n++) {
        const struct x86_opnd *o = &f->opnd[n];
        unsigned host;
        switch (o->kind) {
        case X86_OPND_G: guest[host = 0] = insn->reg; break;
        case X86_OPND_E:
        case X86_OPND_R:
            if (insn->flags & X86_I_MEM)
                continue;
            guest[host = 1] = insn->rm;
            break;
        case X86_OPND_B: guest[host = 2] = insn->vvvv; break;
        case X86_OPND_FIX:
            if (o->reg > X86_FIX_DX)
                continue;
            host = o->reg - X86_FIX_AX;
            guest[host] = (u8)host;
            break;
        default: continue;
        }
        guest[host] &= 15;
        if (o->access & X86_WR)
            *written |= 1 << host;
    }
    string_registers(insn->op, guest, written);
}

void x86_stub_build(struct x86_stub *st, const struct x86_insn *insn, struct x86_vector_prefix p)
{
    const struct x86_form *f = &x86_forms[insn->form];
    bool flags = f->flags_read || f->flags_written;
    u8 guest[3], written, code[16];

    mem_fill(st, 0, sizeof *st);
    x86_vector_classify(st, insn);
    general_registers(insn, guest, &written);
    if (flags)
        put_flags_in(st);
    for (unsigned h = 0; h < 3; h++)
        if (guest[h] != X86_NO_REG)
            put_gpr(st, false, h, guest[h]);
    if (st->flags & X86_STUB_MDI) {
        const u8 move[] = {0x48, 0x89, 0xf7}; /* mov rdi, rsi */
        put_bytes(st, move, sizeof move);
    }
    put_bytes(st, code, x86_vector_encode(insn, p, code));
    if (f->flags_written)
        put_flags_out(st);
    for (unsigned h = 0; h < 3; h++)
        if (written & 1 << h)
            put_gpr(st, true, h, guest[h]);
    put8(st, 0xc3);
}

/* --- sharing --- */

enum { KEY_AT = offsetof(struct x86_stub, bytes) };

static u32 stub_hash(const struct x86_stub *st)
{
    const u8 *key = (const u8 *)st + KEY_AT;
    u32 h = 2166136261u; /* FNV-1a */
    for (size_t k = 0; k < sizeof *st - X86_STUB_TEXT - KEY_AT + st->len; k++)
        h = (h ^ key[k]) * 16777619u;
    return (h ^ h >> 15) & (BUCKETS - 1);
}

static struct x86_stub *find(struct x86_stub **bucket, const struct x86_stub *st)
{
    struct x86_stub *s = __atomic_load_n(bucket, __ATOMIC_ACQUIRE);
    for (; s; s = s->next)
        if (mem_compare((u8 *)s + KEY_AT, (const u8 *)st + KEY_AT, sizeof *st - KEY_AT) == 0)
            return s;
    return NULL;
}

/* With the lock held. */
static void cache_create(void)
{
    struct err e;
    cache.state = FAILED;
    cache.stubs = mem_alloc_array(STUB_MAX, sizeof *cache.stubs);
    if (!cache.stubs || os_code_create(&cache.code, CODE_SIZE, &e) < 0) {
        log_error("isa", "no executable memory: vector instructions raise #UD");
        return;
    }
    cache.used = SLOT_SIZE;
    cache.state = READY;
}

static struct x86_stub *insert(struct x86_stub **bucket, const struct x86_stub *st)
{
    if (cache.count == STUB_MAX || cache.used + SLOT_SIZE > cache.code.size)
        return NULL;
    struct x86_stub *s = &cache.stubs[cache.count++];
    mem_copy(s, st, sizeof *s);
    mem_copy(cache.code.rw + cache.used, st->text, st->len);
    s->code = (void (*)(struct x86_cpu *, void *))(uintptr_t)(cache.code.rx + cache.used);
    cache.used += align_up(st->len, 16);
    s->next = *bucket;
    __atomic_store_n(bucket, s, __ATOMIC_RELEASE);
    return s;
}

const struct x86_stub *x86_stub_intern(struct x86_cpu *cpu, const struct x86_stub *built)
{
    struct x86_stub **bucket = &cache.bucket[stub_hash(built)];
    struct x86_stub *s = find(bucket, built);
    if (s)
        return s;
    x86_vector_release(cpu);
    cache_lock();
    if (cache.state == FRESH)
        cache_create();
    s = find(bucket, built);
    if (!s && cache.state == READY)
        s = insert(bucket, built);
    cache_unlock();
    return s;
}

bool x86_vector_prepare(void)
{
    cache_lock();
    if (cache.state == FRESH)
        cache_create();
    cache_unlock();
    return cache.state == READY;
}

bool x86_stub_available(void)
{
    return cache.state != FAILED;
}

void x86_stub_call_slot(struct x86_cpu *cpu, const struct x86_stub *st, void *mem)
{
    u32 leaf = 0, sub = 0;
    cache_lock();
    mem_copy(cache.code.rw, st->text, st->len);
    /* Code changed through another address needs a serializing instruction [SDM3 8.1.3]. */
    __asm__ volatile("cpuid" : "+a"(leaf), "+c"(sub) : : "ebx", "edx", "memory");
    ((void (*)(struct x86_cpu *, void *))(uintptr_t)cache.code.rx)(cpu, mem);
    cache_unlock();
}
