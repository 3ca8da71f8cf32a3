/* SPDX-License-Identifier: BSD-2-Clause */
/* Random programs in trouble come to the same on the translator as on the interpreter: faults of
 * every kind (wild addresses, holes in a window of changing page tables, stack pointers that lead
 * nowhere, wrong operands), interrupts at any time, stores into the code that runs, all instruction
 * sets the host has. A handler logs each fault, and the loop it was in ends; what the registers
 * were goes to memory. Everything is compared but what depends on when interrupts came.
 *
 * And a program that knows where the monitor's own memory is tries to reach it by every kind of
 * access, from translated code: it gets a fault each time, and the monitor's memory is as before.
 *
 *     test_trouble [PROGRAMS [SEED [FIRST]]] */
#include "../unit/cmocka_all.h"

#include "rig.h"

#include "base/bits.h"
#include "base/log.h"
#include "engine/interpret/interpret.h"
#include "engine/translate/translate.h"
#include "isa/x86/insn.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOPS = 50, ROUNDS = 40, BODY = 12, CODE_MAX = 192 << 10 };
/* Physical and linear places below 16 MiB are the same. */
enum {
    COUNT = 0x9000,     /* of rounds to go */
    RECOVERY = 0x9010,  /* where a fault goes on */
    LOG_AT = 0x9018,    /* next entry of the log */
    LOW_TABLE = 0xa000, /* maps the first 2 MiB */
    WINDOW_TABLE = 0xb000,
    IDT = 0x100000,
    HANDLERS = 0x102000,
    TSS = 0x104000,
    APIC_STACK = 0x170000, /* of the interrupt's handler; the page is not compared */
    FAULT_STACK = 0x180000,
    DATA = 0x200000,
    STACK = 0x700000,
    RESULTS = 0x800000,
    FRAMES = 0x900000, /* pages behind the window */
    LOG = 0xa00000,    /* a ring of 64 KiB */
    WINDOW = 0x40000000,
    WINDOW_PAGES = 64,
    VECTOR = 0x40,
};
static const u8 bases[] = {X86_RBX, X86_RSI, X86_RDI, X86_RBP, X86_R10, X86_R15, X86_R12, X86_RSP};

static u64 seed_state;
static u64 rnd(void)
{
    u64 z = seed_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static bool one_in(unsigned n)
{
    return rnd() % n == 0;
}

static u8 code[CODE_MAX];
static unsigned at;
static struct x86_cpu_model model;

static void put(const void *p, unsigned n)
{
    memcpy(code + at, p, n);
    at += n;
}
#define PUT(...) put((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))
static void put32(u32 v)
{
    put(&v, 4);
}

/* --- Instructions --- */

static bool is_base(unsigned r)
{
    return memchr(bases, (int)r, sizeof bases) != NULL;
}

static bool is_string(const struct x86_insn *i)
{
    for (unsigned n = 0; n < X86_OPND_MAX; n++) {
        u8 kind = x86_forms[i->form].opnd[n].kind;
        if (kind == X86_OPND_X || kind == X86_OPND_Y)
            return true;
    }
    return false;
}

static bool spares_bases(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    for (unsigned n = 0; n < X86_OPND_MAX; n++) {
        const struct x86_opnd *o = &f->opnd[n];
        unsigned r = o->kind == X86_OPND_G ? i->reg : o->kind == X86_OPND_B ? i->vvvv : i->rm;
        if (!(o->access & X86_WR))
            continue;
        switch (o->kind) {
        case X86_OPND_E:
        case X86_OPND_R:
        case X86_OPND_Z:
        case X86_OPND_G:
        case X86_OPND_B:
            if (o->kind == X86_OPND_E && (i->flags & X86_I_MEM))
                break;
            if (x86_opnd_bytes(i, n) == 1 && !(i->flags & (X86_I_REX | X86_I_VEX)) && r < 8)
                r &= 3;
            if (is_base(r))
                return false;
            break;
        case X86_OPND_FIX:
            if (o->reg >= X86_FIX_BX && o->reg <= X86_FIX_DI && !is_string(i))
                return false;
            break;
        case X86_OPND_O: return false;
        }
    }
    return true;
}

static bool is_wanted(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    switch (i->op) {
    case X86_OP_STD:
    case X86_OP_ENTER:
    case X86_OP_RDRAND:
    case X86_OP_RDSEED:
    case X86_OP_XSAVE:
    case X86_OP_XSAVEC:
    case X86_OP_XSAVEOPT:
    case X86_OP_FXSAVE:
    case X86_OP_XRSTOR:
    case X86_OP_FXRSTOR:
    case X86_OP_UNDEFINED: return false;
    }
    if (f->cls != X86_CLASS_COPY || (i->flags & (X86_I_REP | X86_I_REPNE)) ||
        (f->feature && !x86_model_has(&model, f->feature)) ||
        (f->feature2 && !x86_model_has(&model, f->feature2)))
        return false;
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        if (f->opnd[n].kind == X86_OPND_O)
            return false;
    if ((i->flags & X86_I_MEM) &&
        (!is_base(i->base) || i->asz != 8 || i->disp > 0x8000 || i->disp < -0x8000))
        return false;
    return i->asz == 8 && spares_bases(i);
}

static unsigned generate(u8 *p, struct x86_insn *insn)
{
    const struct x86_decode_config cfg = {.mode = X86_MODE64, .vendor = model.vendor};
    bool evex = x86_model_has(&model, X86_FEATURE_AVX512F);
    for (;;) {
        u8 b[24] = {0};
        u64 r = rnd(), tail[2] = {rnd(), rnd()};
        unsigned n = 0;
        if (one_in(8))
            b[n++] = (u8)(r & 8 ? 0x66 : r & 16 ? 0xf2 : 0xf3);
        if (r & 32)
            b[n++] = 0x40 | (r >> 8 & 15);
        if ((r >> 16 & 3) == 0)
            b[n++] = 0x0f;
        if ((r >> 18 & 15) == 0) {
            n = 0;
            b[n++] = 0xc4;
            b[n++] = (u8)((r >> 24 & 0xe0) | (1 + (r >> 40) % 3));
            b[n++] = (u8)(r >> 48);
        } else if ((r >> 18 & 15) == 1 && evex) {
            n = 0;
            b[n++] = 0x62;
            b[n++] = (u8)((r >> 24 & 0xf0) | (1 + (r >> 40) % 3));
            b[n++] = (u8)(r >> 48 | 4);
            b[n++] = (u8)(r >> 56);
        } else if ((r >> 18 & 31) == 2) {
            b[n++] = (u8)(0xd8 | (r >> 40 & 7));
        }
        memcpy(b + n, tail, 16);
        if (r >> 63) /* a displacement that is small */
            b[n + 4] = b[n + 5] = 0;
        if (x86_decode(insn, b, X86_MAX_INSN, cfg) == X86_DECODE_OK && is_wanted(insn)) {
            memcpy(p, b, insn->len);
            return insn->len;
        }
    }
}

/* A page of the window gets another frame, or none. */
static void put_remap(void)
{
    u32 page = (u32)(rnd() % WINDOW_PAGES), entry = 0;
    if (!one_in(4))
        entry = (u32)(FRAMES + rnd() % 32 * 0x1000) | (one_in(4) ? 1 : 3);
    else if (one_in(2))
        entry = (u32)(RIG_CODE + rnd() % 8 * 0x1000) | 1;
    PUT(0xc7, 0x04, 0x25); /* mov dword [entry], .. */
    put32(WINDOW_TABLE + 8 * page);
    put32(entry);
    PUT(0x0f, 0x01, 0x3c, 0x25); /* invlpg [page] */
    put32(WINDOW + page * 0x1000);
}

/* The immediate of a MOV ahead is overwritten. */
static void put_code_write(void)
{
    u32 filler = (u32)(rnd() % 3);
    PUT(0x88, 0x0d); /* mov [rip + ..], cl */
    put32(filler + 1);
    for (u32 k = 0; k < filler; k++)
        PUT(0x90);
    PUT(0xb8, 1, 2, 3, 4); /* mov eax, .. */
}

static void put_string(void)
{
    PUT(0xb9); /* mov ecx, .. */
    put32((u32)(rnd() % 70));
    static const u8 ops[] = {0xa4, 0xa5, 0xaa, 0xab, 0xa6, 0xae, 0xac};
    PUT(one_in(2) ? 0xf3 : 0xf2);
    if (one_in(2))
        PUT(0x48);
    PUT(ops[rnd() % sizeof ops]);
}

static void put_control(void)
{
    u8 reg = (u8)(rnd() & 7);
    switch (rnd() % 6) {
    case 0: PUT(0xe8, 0x02, 0, 0, 0, 0xeb, 0x01, 0xc3); break; /* call +2; jmp +1; ret */
    case 1: PUT(0xff, (u8)(0xd0 | reg)); break;                /* call reg */
    case 2: PUT(0xff, (u8)(0xe0 | reg)); break;                /* jmp reg */
    case 3: PUT(0xff, 0x13); break;                            /* call [rbx] */
    case 4: PUT(0xc2, (u8)(rnd() & 0xf8), 0); break;           /* ret n */
    case 5: PUT(0xc9); break;                                  /* leave */
    }
}

static void put_body(void)
{
    for (unsigned k = 0; k < BODY; k++) {
        struct x86_insn insn;
        u8 text[16];
        unsigned n = generate(text, &insn);
        if (one_in(8))
            PUT((u8)(0x70 | (rnd() & 15)), (u8)n); /* jcc over it */
        put(text, n);
        if (x86_forms[insn.form].flags_undefined)
            PUT(0x83, 0xc2, 0x01); /* add edx, 1: no use of what is undefined */
        if (one_in(8))
            PUT(0x41, 0x57, 0x58); /* push r15; pop rax */
        if (one_in(24))
            put_remap();
        if (one_in(100))
            put_code_write();
        if (one_in(24))
            put_string();
        if (one_in(60))
            put_control();
    }
}

/* Where a register that holds an address points. */
static u64 somewhere(unsigned r)
{
    switch (rnd() % 16) {
    case 0: return 0x0000800000000000 - rnd() % 16 + (rnd() & 8);
    case 1: return rnd();
    case 2: return 0x500000000 + rnd() % 0x100000000;
    case 3: return 0xd0000000 + rnd() % 0x1000;
    case 4:
    case 5: return WINDOW + (1 + rnd() % WINDOW_PAGES) * 0x1000 - rnd() % 20;
    case 6:
    case 7: return WINDOW + rnd() % (WINDOW_PAGES * 0x1000);
    default: return r == X86_RSP ? STACK : DATA + (rnd() % 0x100000 & ~(one_in(2) ? (u64)63 : 0));
    }
}

static void put_loop(unsigned k)
{
    PUT(0xc7, 0x04, 0x25); /* mov dword [COUNT], ROUNDS */
    put32(COUNT);
    put32(ROUNDS);
    PUT(0x48, 0xc7, 0x04, 0x25); /* mov qword [RECOVERY], .. */
    put32(RECOVERY);
    unsigned recovery = at;
    put32(0);
    unsigned again = at;
    for (unsigned r = 0; r < 16; r++) {
        u64 v = is_base(r) ? somewhere(r) : rnd();
        PUT((u8)(0x48 | r >> 3), (u8)(0xb8 | (r & 7))); /* mov r, imm */
        put(&v, 8);
    }
    PUT(0xdb, 0xe3); /* fninit */
    put_body();
    store32(code + recovery, RIG_CODE + at);
    for (unsigned r = 0; r < 16; r++) { /* mov [RESULTS + ..], r */
        PUT((u8)(0x48 | r >> 3 << 2), 0x89, (u8)(0x04 | (r & 7) << 3), 0x25);
        put32(RESULTS + k * 512 + r * 8);
    }
    for (unsigned r = 0; r < 8; r++) { /* movups [..], xmm */
        PUT(0x0f, 0x11, (u8)(0x04 | r << 3), 0x25);
        put32(RESULTS + k * 512 + 256 + r * 16);
    }
    PUT(0xff, 0x0c, 0x25); /* dec dword [COUNT] */
    put32(COUNT);
    u32 back = again - (at + 6);
    PUT(0x0f, 0x85); /* jnz */
    put32(back);
}

static void put_program(void)
{
    at = 0;
    PUT(0xb8, 0xf0, 0x00, 0xe0, 0xfe, 0xc7, 0x00, 0xff, 0x01, 0, 0, 0xfb); /* APIC on; sti */
    for (unsigned n = 0; n < LOOPS; n++)
        put_loop(n);
    PUT(0xfa, 0x31, 0xc0, 0xe6, 0xf4, 0xeb, 0xfe); /* cli; xor eax, eax; out 0xf4, al; jmp $ */
}

/* --- The machine around it --- */

/* Logs vector, error, rip and CR2, and goes on at RECOVERY with the arithmetic flags clear. */
static const u8 common[] = {
    0x50, 0x53,                                           /* push rax; push rbx */
    0x48, 0x8b, 0x1c, 0x25, 0x18, 0x90, 0,    0,          /* mov rbx, [LOG_AT] */
    0x48, 0x8b, 0x44, 0x24, 0x10, 0x48, 0x89, 0x03,       /* vector */
    0x48, 0x8b, 0x44, 0x24, 0x18, 0x48, 0x89, 0x43, 0x08, /* error */
    0x48, 0x8b, 0x44, 0x24, 0x20, 0x48, 0x89, 0x43, 0x10, /* rip */
    0x0f, 0x20, 0xd0, 0x48, 0x89, 0x43, 0x18,             /* cr2 */
    0x83, 0xc3, 0x20, 0x81, 0xe3, 0xff, 0xff, 0xa0, 0x00, /* add ebx, 32; and ebx, .. */
    0x48, 0x89, 0x1c, 0x25, 0x18, 0x90, 0,    0,          /* mov [LOG_AT], rbx */
    0x48, 0x8b, 0x04, 0x25, 0x10, 0x90, 0,    0,          /* mov rax, [RECOVERY] */
    0x48, 0x89, 0x44, 0x24, 0x20,                         /* mov [rsp + 32], rax */
    0x81, 0x64, 0x24, 0x30, 0x2a, 0xf3, 0xff, 0xff,       /* and dword [rsp + 48], .. */
    0x5b, 0x58, 0x48, 0x83, 0xc4, 0x10, 0x48, 0xcf,       /* pop; pop; add; iretq */
};
/* Ends the interrupt and counts it. */
static const u8 interrupt[] = {
    0x50, 0xb8, 0xb0, 0x00, 0xe0, 0xfe, 0xc7, 0x00, 0, 0, 0, 0, /* push rax; mov [..EOI], 0 */
    0x48, 0xff, 0x04, 0x25, 0x00, 0x00, 0x17, 0x00,             /* inc qword [APIC_STACK] */
    0x58, 0x48, 0xcf,
};

static void copy_in(struct rig *r, u64 to, const void *p, size_t n)
{
    struct err e = {0};
    assert_int_equal(guest_memory_write(r->vm->memory, gpa(to), p, n), 0);
    (void)e;
}

static void set_gate(struct rig *r, unsigned vector, u64 to, unsigned ist)
{
    rig_poke(r, IDT + 16 * vector,
             (to & 0xffff) | 8 << 16 | (u64)ist << 32 | (u64)0x8e00 << 32 |
                 (to >> 16 & 0xffff) << 48);
    rig_poke(r, IDT + 16 * vector + 8, to >> 32);
}

static void make_handlers(struct rig *r)
{
    enum { WITH_ERROR = 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 };
    copy_in(r, HANDLERS, common, sizeof common);
    for (unsigned v = 0; v < 32; v++) {
        u64 here = HANDLERS + 0x100 + 16 * v;
        u8 stub[] = {0x6a, 0, 0x6a, (u8)v, 0xe9, 0, 0, 0, 0}; /* push 0; push v; jmp common */
        unsigned skip = WITH_ERROR >> v & 1 ? 2 : 0;
        store32(stub + 5, (u32)(HANDLERS - (here + sizeof stub - skip)));
        copy_in(r, here, stub + skip, sizeof stub - skip);
        set_gate(r, v, here, 2);
    }
    copy_in(r, HANDLERS + 0x400, interrupt, sizeof interrupt);
    set_gate(r, VECTOR, HANDLERS + 0x400, 1);
    rig_poke(r, TSS + 0x24, APIC_STACK + 0x1000);
    rig_poke(r, TSS + 0x2c, FAULT_STACK);
    rig_poke(r, LOG_AT, LOG);
}

/* Only the program's own pages and the handlers can be executed. */
static void make_tables(struct rig *r)
{
    const u64 nx = (u64)1 << 63;
    for (u64 i = 1; i < 2048; i++)
        rig_poke(r, 0x4000 + 8 * i, i << 21 | 0x83 | nx);
    rig_poke(r, 0x4000, LOW_TABLE | 3);
    for (u64 i = 0; i < 512; i++) {
        u64 pa = i << 12;
        bool run = (pa >= RIG_CODE && pa < RIG_CODE + CODE_MAX) || pa == HANDLERS;
        rig_poke(r, LOW_TABLE + 8 * i, pa | 0x63 | (run ? 0 : nx));
        rig_poke(r, WINDOW_TABLE + 8 * i, nx);
    }
    rig_poke(r, 0x5000, WINDOW_TABLE | 3);
}

static void make_state(struct rig *r)
{
    struct err e = {0};
    struct x86_state *s = aligned_alloc(64, sizeof *s);
    assert_non_null(s);
    rig_entry(r, (struct guest){code, code + at, false}, s);
    s->efer |= X86_EFER_NXE;
    s->cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_OSXSAVE;
    s->xcr0 = x86_model_has(&model, X86_FEATURE_AVX512F) ? 0xe7 : 7;
    s->idtr = (struct x86_table){.base = IDT, .limit = 0xfff};
    s->tr = (struct x86_segment){.sel = 24, .base = TSS, .limit = 0x67, .attr = 0x8b};
    s->gpr[X86_RSP] = STACK;
    if (vm_set_state(r->vm, 0, s, &e))
        fail_msg("%s", e.text);
    free(s);
}

struct outcome {
    int status;
    u64 interrupts;
    u8 memory[RIG_RAM];
    struct x86_state s;
};

struct ringer {
    struct vm *vm;
    bool stop;
};

static void *ring(void *ctx)
{
    struct ringer *r = ctx;
    while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
        vm_msi(r->vm, 0xfee00000, VECTOR);
        usleep(100);
    }
    return NULL;
}

static void run_on(const struct engine_ops *engine, bool lockstep, struct outcome *o)
{
    struct rig r = {.model = model, .lockstep = lockstep};
    struct err e = {0};
    rig_open_model(&r, engine, 1, true, (struct guest){code, code + at, false});
    make_tables(&r);
    make_handlers(&r);
    make_state(&r);
    rig_start(&r);
    struct ringer ringer = {.vm = r.vm};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ring, &ringer), 0);
    o->status = rig_wait(&r);
    __atomic_store_n(&ringer.stop, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    memcpy(o->memory, guest_memory_ptr(r.vm->memory, gpa(0), RIG_RAM), RIG_RAM);
    o->interrupts = load64(o->memory + APIC_STACK);
    memset(o->memory + APIC_STACK, 0, 0x1000);
    assert_int_equal(engine->get_state(r.vm->vcpu[0], &o->s, &e), 0);
    rig_close(&r);
}

static unsigned programs = 4, first;
static u64 seed = 1;

static void report(const struct outcome *a, const struct outcome *b, unsigned program)
{
    unsigned shown = 0;
    for (u64 k = 0; k < RIG_RAM && shown < 20; k += 8)
        if (load64(a->memory + k) != load64(b->memory + k)) {
            printf("at %llx: %llx interpreted, %llx translated\n", (unsigned long long)k,
                   (unsigned long long)load64(a->memory + k),
                   (unsigned long long)load64(b->memory + k));
            shown++;
        }
    for (unsigned k = 0; k < X86_GPR_COUNT; k++)
        if (a->s.gpr[k] != b->s.gpr[k])
            printf("register %u differs\n", k);
    for (unsigned k = 0; k < sizeof a->s.xsave; k++)
        if (a->s.xsave[k] != b->s.xsave[k] && (k < 512 || k >= 576))
            printf("xsave %u: %x interpreted, %x translated\n", k, a->s.xsave[k], b->s.xsave[k]);
    FILE *f = fopen("trouble-program.bin", "wb");
    if (f) {
        fwrite(code, 1, at, f);
        fclose(f);
    }
    fail_msg("seed %llu, program %u: status %d %d, rip %llx %llx", (unsigned long long)seed,
             program, a->status, b->status, (unsigned long long)a->s.rip,
             (unsigned long long)b->s.rip);
}

/* The XSAVE header tells which components are in use, which engines need not know alike. */
static bool same_vectors(const struct x86_state *a, const struct x86_state *b)
{
    enum { HEADER = 512, EXTENDED = 576 };
    return !memcmp(a->xsave, b->xsave, HEADER) &&
           !memcmp(a->xsave + EXTENDED, b->xsave + EXTENDED, sizeof a->xsave - EXTENDED);
}

static void random_trouble(void **state)
{
    (void)state;
    if (BUILT_WITH_SANITIZER) {
        puts("skipped: the sanitizer's runtime uses the vector registers that hold the guest's");
        skip();
    }
    struct outcome *a = aligned_alloc(64, sizeof *a), *b = aligned_alloc(64, sizeof *b);
    struct err e = {0};
    u64 faults = 0, interrupts = 0;
    assert_true(a && b);
    assert_int_equal(engine_translate.model(&model, &e), 0);
    for (unsigned k = first; k < first + programs; k++) {
        seed_state = seed * 1000003 + k;
        put_program();
        run_on(&engine_interpret, false, a);
        run_on(&engine_translate, k % 3 == 2, b);
        if (a->status != b->status || memcmp(a->memory, b->memory, RIG_RAM) ||
            memcmp(a->s.gpr, b->s.gpr, sizeof a->s.gpr) || !same_vectors(&a->s, &b->s))
            report(a, b, k);
        faults += (load64(a->memory + LOG_AT) - LOG) / 32;
        interrupts += b->interrupts;
    }
    printf("%llu faults or more, %llu interrupts\n", (unsigned long long)faults,
           (unsigned long long)interrupts);
    assert_true(faults > 0);
    free(a);
    free(b);
}

/* --- The way out --- */

enum { TARGETS = 0xb00000, SURVIVED = 0x9020, GOOD_FIRST = 20, TARGETS_MAX = 128 };

/* The target is in rbx. Those that are only data survive a good one. */
struct attempt {
    const char *what;
    u8 size, text[15];
    bool never; /* good targets fault too, because they are no code */
};
static const struct attempt attempts[] = {
    {"load", 3, {0x48, 0x8b, 0x03}, false},
    {"load of a byte", 3, {0x0f, 0xb6, 0x03}, false},
    {"store", 3, {0x48, 0x89, 0x03}, false},
    {"store of a byte", 2, {0x88, 0x03}, false},
    {"store of an immediate", 7, {0x48, 0xc7, 0x03, 1, 2, 3, 4}, false},
    {"load with an index", 4, {0x48, 0x8b, 0x04, 0x0b}, false},
    {"read, modify and write", 3, {0x48, 0x01, 0x03}, false},
    {"locked exchange and add", 5, {0xf0, 0x48, 0x0f, 0xc1, 0x03}, false},
    {"compare and exchange", 4, {0x48, 0x0f, 0xb1, 0x03}, false},
    {"compare and exchange of 16 bytes", 4, {0x48, 0x0f, 0xc7, 0x0b}, false},
    {"exchange", 3, {0x48, 0x87, 0x03}, false},
    {"bit test and set", 4, {0x48, 0x0f, 0xab, 0x0b}, false},
    {"push of memory", 2, {0xff, 0x33}, false},
    {"pop into memory", 2, {0x8f, 0x03}, false},
    {"vector load", 3, {0x0f, 0x10, 0x03}, false},
    {"vector store", 3, {0x0f, 0x11, 0x03}, false},
    {"wide vector load", 4, {0xc5, 0xfe, 0x6f, 0x03}, false},
    {"wide vector store", 4, {0xc5, 0xfe, 0x7f, 0x03}, false},
    {"x87 load", 2, {0xdd, 0x03}, false},
    {"x87 store", 2, {0xdd, 0x1b}, false},
    {"string load", 5, {0x48, 0x89, 0xde, 0x48, 0xad}, false},
    {"string store", 5, {0x48, 0x89, 0xdf, 0x48, 0xab}, false},
    {"repeated string store", 8, {0x48, 0x89, 0xdf, 0x6a, 9, 0x59, 0xf3, 0xaa}, false},
    {"push on a stack there", 4, {0x48, 0x89, 0xdc, 0x50}, false},
    {"pop from a stack there", 4, {0x48, 0x89, 0xdc, 0x58}, false},
    {"leave", 4, {0x48, 0x89, 0xdd, 0xc9}, false},
    {"call on a stack there", 8, {0x48, 0x89, 0xdc, 0xe8, 0, 0, 0, 0}, false},
    {"flags on a stack there", 4, {0x48, 0x89, 0xdc, 0x9c}, false},
    {"divide", 5, {0x31, 0xd2, 0x48, 0xf7, 0x33}, true},
    {"return by a stack there", 4, {0x48, 0x89, 0xdc, 0xc3}, true},
    {"jump", 2, {0xff, 0xe3}, true},
    {"jump by memory", 2, {0xff, 0x23}, true},
    {"call", 2, {0xff, 0xd3}, true},
    {"call by memory", 2, {0xff, 0x13}, true},
    /* Its bytes from the third on are UD2. */
    {"jump into an instruction",
     14,
     {0x48, 0x8d, 0x05, 3, 0, 0, 0, 0xff, 0xe0, 0xb8, 0x0f, 0x0b, 0, 0},
     true},
};

static void put_attempts(unsigned targets)
{
    at = 0;
    for (unsigned k = 0; k < ARRAY_LEN(attempts); k++) {
        const struct attempt *a = &attempts[k];
        PUT(0x49, 0xc7, 0xc4); /* mov r12, TARGETS */
        put32(TARGETS);
        PUT(0x41, 0xbd); /* mov r13d, targets */
        put32(targets);
        unsigned again = at;
        PUT(0x48, 0xc7, 0x04, 0x25); /* mov qword [RECOVERY], .. */
        put32(RECOVERY);
        unsigned recovery = at;
        put32(0);
        PUT(0x49, 0x8b, 0x1c, 0x24, 0x31, 0xc9); /* mov rbx, [r12]; xor ecx, ecx */
        PUT(0xbc);                               /* mov esp, STACK */
        put32(STACK);
        put(a->text, a->size);
        PUT(0x48, 0xff, 0x04, 0x25); /* inc qword [SURVIVED + ..] */
        put32(SURVIVED + 8 * k);
        store32(code + recovery, RIG_CODE + at);
        PUT(0x49, 0x83, 0xc4, 0x08, 0x41, 0xff, 0xcd); /* add r12, 8; dec r13d */
        u32 back = again - (at + 6);
        PUT(0x0f, 0x85); /* jnz */
        put32(back);
    }
    PUT(0x31, 0xc0, 0xe6, 0xf4, 0xeb, 0xfe); /* xor eax, eax; out 0xf4, al; jmp $ */
}

struct canary {
    u64 before[512], word[512], after[512];
};
static struct canary still;

static void fill_canary(struct canary *c)
{
    memset(c, 0x5a, sizeof *c);
}

static void check_canary(const struct canary *c)
{
    for (size_t k = 0; k < sizeof *c; k++)
        if (((const u8 *)c)[k] != 0x5a)
            fail_msg("the monitor's memory was written at %p", (const void *)((const u8 *)c + k));
}

/* Good targets first, until the loop is hot; then a good one behind each bad one. How many are bad.
 */
static unsigned add_target(u64 *target, unsigned *n, const void *host)
{
    target[(*n)++] = (u64)(uintptr_t)host;
    target[(*n)++] = DATA;
    return 1;
}

static unsigned make_targets(struct rig *r, struct canary *heap, struct canary *stack, u64 *target,
                             unsigned *n)
{
    const u8 *ram = guest_memory_ptr(r->vm->memory, gpa(0), RIG_RAM);
    const u8 *engine = r->vm->vcpu[0]->engine;
    unsigned bad = 0;
    for (*n = 0; *n < GOOD_FIRST;)
        target[(*n)++] = DATA;
    const void *hosts[] = {&still.word,
                           &still.word[3],
                           heap->word,
                           heap->word + 100,
                           stack->word,
                           stack->word + 7,
                           ram,
                           ram + DATA,
                           ram + RIG_CODE,
                           ram - 8,
                           ram + RIG_RAM - 4,
                           engine,
                           engine + 64,
                           engine + 4096 - 3,
                           engine - 128,
                           engine + 65536,
                           r->vm,
                           r->vm->vcpu[0],
                           r->vm->memory,
                           (const void *)(uintptr_t)&printf,
                           (const void *)(uintptr_t)&run_on,
                           &attempts,
                           &errno};
    for (unsigned k = 0; k < ARRAY_LEN(hosts); k++)
        bad += add_target(target, n, hosts[k]);
    /* What an address check by subtraction or by half of its bits would let through. */
    const u64 tricks[] = {0x0000800000000000,
                          0x00007ffffffffff9,
                          0xffff7fffffffffff,
                          0xffffffffffffffff,
                          0xfffffffffffffff9,
                          0x8000000000200000,
                          0x0000000100200000,
                          0x0001000000200000,
                          0xfffffffffffff000,
                          (u64)(uintptr_t)ram - DATA,
                          DATA - (u64)(uintptr_t)ram,
                          (u64)(uintptr_t)still.word - (u64)(uintptr_t)ram + DATA,
                          WINDOW + 0x800,
                          WINDOW + 0xffd};
    for (unsigned k = 0; k < ARRAY_LEN(tricks); k++)
        bad += add_target(target, n, (const void *)(uintptr_t)tricks[k]);
    return bad;
}

static void try_to_get_out(const struct engine_ops *engine, bool lockstep)
{
    struct rig r = {.model = model, .lockstep = lockstep};
    static u64 target[TARGETS_MAX];
    struct canary on_stack, *heap = malloc(sizeof *heap);
    unsigned targets = 0;
    assert_non_null(heap);
    fill_canary(&still);
    fill_canary(&on_stack);
    fill_canary(heap);
    for (unsigned pass = 0; pass < 2; pass++) { /* the first tells how many targets there are */
        put_attempts(targets);
        rig_open_model(&r, engine, 1, true, (struct guest){code, code + at, false});
        unsigned bad = make_targets(&r, heap, &on_stack, target, &targets);
        assert_true(targets <= TARGETS_MAX);
        if (pass == 0) {
            rig_close(&r);
            continue;
        }
        copy_in(&r, TARGETS, target, sizeof target);
        make_tables(&r);
        make_handlers(&r);
        make_state(&r);
        rig_start(&r);
        assert_int_equal(rig_wait(&r), 0);
        u64 faults = 0;
        for (unsigned k = 0; k < ARRAY_LEN(attempts); k++) {
            u64 survived = rig_peek(&r, SURVIVED + 8 * k);
            u64 good = attempts[k].never ? 0 : targets - bad;
            if (survived != good)
                fail_msg("%s, %s: %llu of %u survived, %llu targets are good", engine->name,
                         attempts[k].what, (unsigned long long)survived, targets,
                         (unsigned long long)good);
            faults += targets - survived;
        }
        assert_int_equal((rig_peek(&r, LOG_AT) - LOG) / 32, faults % (0x10000 / 32));
        rig_close(&r);
    }
    check_canary(&still);
    check_canary(&on_stack);
    check_canary(heap);
    free(heap);
}

static void no_way_out(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(engine_translate.model(&model, &e), 0);
    try_to_get_out(&engine_interpret, false);
    try_to_get_out(&engine_translate, false);
    try_to_get_out(&engine_translate, true);
}

static void tell(enum log_level level, const char *area, const char *message)
{
    (void)level;
    printf("%s: %s\n", area, message);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        programs = (unsigned)atoi(argv[1]);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 0);
    if (argc > 3)
        first = (unsigned)atoi(argv[3]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_set_sink(tell);
    printf("%u programs, seed %llu\n", programs, (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_way_out),
                                       cmocka_unit_test(random_trouble)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
