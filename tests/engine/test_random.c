/* SPDX-License-Identifier: BSD-2-Clause */
/* Random programs come to the same on the translator as on the interpreter: all of memory, all
 * registers and flags. A program is a row of loops, each run often enough to be translated; a loop
 * loads its registers, runs random instructions and leaves what became of them in memory. A program
 * is 64-bit code, or 32-bit code in compatibility mode or without paging. Every fifth program runs
 * in lockstep, which finds the same and says where.
 *
 *     test_random [PROGRAMS [SEED]] */
#include "../unit/cmocka_all.h"

#include "rig.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/interpret/interpret.h"
#include "engine/translate/translate.h"
#include "isa/x86/insn.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOPS = 60,
    ROUNDS = 40,
    BODY = 14,
    CODE_MAX = 192 << 10,
    RESULTS = 0x800000,
    STACK = 0x700000,
    FRAMES = 512,
};
/* Registers that hold addresses; nothing else is written to them. */
static const u8 bases[] = {X86_RBX, X86_RSI, X86_RBP, X86_R10, X86_R15, X86_R12};

static enum { WIDE, COMPATIBLE, UNPAGED } kind; /* of program */
static enum x86_mode mode;

static u64 seed_state;
static u64 rnd(void)
{
    u64 z = seed_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static u8 code[CODE_MAX];
static unsigned at;

static void put(const void *p, unsigned n)
{
    memcpy(code + at, p, n);
    at += n;
}
#define PUT(...) put((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static bool is_base(unsigned r)
{
    return r == X86_RSP || memchr(bases, (int)r, sizeof bases) != NULL;
}

static bool spares_bases(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    for (unsigned n = 0; n < X86_OPND_MAX; n++) {
        const struct x86_opnd *o = &f->opnd[n];
        unsigned r = o->kind == X86_OPND_G ? i->reg : o->kind == X86_OPND_B ? i->vvvv : i->rm;
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
            if ((o->access & X86_WR) && is_base(r))
                return false;
            break;
        case X86_OPND_FIX:
            if ((o->access & X86_WR) && o->reg >= X86_FIX_BX && o->reg <= X86_FIX_DI)
                return false;
            break;
        case X86_OPND_X:
        case X86_OPND_Y:
        case X86_OPND_XLAT:
        case X86_OPND_MDI:
        case X86_OPND_VM:
        case X86_OPND_P:
        case X86_OPND_Q:
        case X86_OPND_N:
        case X86_OPND_ST: return false;
        }
    }
    return true;
}

static bool writes_memory(const struct x86_insn *i)
{
    for (unsigned n = 0; n < X86_OPND_MAX; n++) {
        const struct x86_opnd *o = &x86_forms[i->form].opnd[n];
        if ((o->access & X86_WR) && (o->kind == X86_OPND_E || o->kind == X86_OPND_M ||
                                     o->kind == X86_OPND_W || o->kind == X86_OPND_KE))
            return true;
    }
    return false;
}

/* Does its memory operand lie where only data is? */
static bool is_address_good(const struct x86_insn *i)
{
    if (i->asz == 2) /* the lowest 64 KiB: tables and code are there */
        return mode == X86_MODE32 && i->seg != X86_FS && !writes_memory(i);
    return is_base(i->base) && i->asz == mode &&
           (mode == X86_MODE32 || (i->seg != X86_FS && i->seg != X86_GS)) &&
           (i->index == X86_NO_REG || is_base(i->index)) && i->disp <= 1 << 20 &&
           i->disp >= -(1 << 20) && (i->seg != X86_CS || !writes_memory(i));
}

static bool is_wanted(const struct x86_insn *i, const struct x86_cpu_model *m)
{
    const struct x86_form *f = &x86_forms[i->form];
    switch (i->op) {
    case X86_OP_DIV:
    case X86_OP_IDIV:
    case X86_OP_ENTER:
    case X86_OP_LEAVE:
    case X86_OP_STD:
    case X86_OP_LDMXCSR:
    case X86_OP_VLDMXCSR:
    case X86_OP_CMPXCHG16B:
    case X86_OP_RDRAND:
    case X86_OP_RDSEED:
    case X86_OP_POP:
    case X86_OP_POPA:
    case X86_OP_BOUND:
    case X86_OP_MOVDIR64B:
    case X86_OP_CLZERO: return false;
    case X86_OP_AAM:
        if (!(u8)i->imm)
            return false;
        break;
    case X86_OP_BT:
    case X86_OP_BTS:
    case X86_OP_BTR:
    case X86_OP_BTC:
        if ((i->flags & X86_I_MEM) && !i->off_imm)
            return false;
    }
    if (f->cls != X86_CLASS_COPY || (i->flags & (X86_I_REP | X86_I_REPNE)) ||
        (f->flags & X86_F_ALIGN) || i->op == X86_OP_UNDEFINED ||
        (i->map == 0 && i->opcode >= 0xd8 && i->opcode <= 0xdf) ||
        (f->feature && !x86_model_has(m, f->feature)) ||
        (f->feature2 && !x86_model_has(m, f->feature2)))
        return false;
    if ((i->flags & X86_I_MEM) && !is_address_good(i))
        return false;
    return spares_bases(i);
}

static bool holds_offset(const struct x86_insn *i)
{
    return i->op == X86_OP_MOV && i->map == 0 && (i->opcode & 0xfc) == 0xa0;
}

/* One random instruction; how long it is. */
static unsigned generate(u8 *p, struct x86_insn *insn, const struct x86_cpu_model *m)
{
    const struct x86_decode_config cfg = {.mode = (u8)mode, .vendor = m->vendor};
    for (;;) {
        u8 b[24];
        u64 r = rnd();
        unsigned n = 0;
        memset(b, 0, sizeof b);
        if ((r & 7) == 0)
            b[n++] = (u8)(r & 8 ? 0x66 : r & 16 ? 0xf2 : 0xf3);
        if ((r >> 57 & 15) == 0)
            b[n++] = 0xf0;
        if (mode == X86_MODE32 && (r >> 52 & 7) == 0)
            b[n++] = (u8)(r >> 55 & 1 ? 0x64 : r >> 56 & 1 ? 0x65 : 0x67);
        if (r & 32)
            b[n++] = 0x40 | (r >> 8 & 15);
        if ((r >> 16 & 3) == 0)
            b[n++] = 0x0f;
        if ((r >> 18 & 31) == 0) {
            n = 0;
            b[n++] = 0xc4;
            b[n++] = (u8)((r >> 24 & 0xe0) | (1 + (r >> 40) % 3));
            b[n++] = (u8)(r >> 48);
        }
        if (mode == X86_MODE64 && (r >> 18 & 7) == 1) {
            n = 0;
            b[n++] = 0x62;
            b[n++] = (u8)((r >> 24 & 0xf0) | (1 + (r >> 40) % 3));
            b[n++] = (u8)(r >> 48 | 4);
            b[n++] = (u8)((r >> 32 & 0x8f) | (r >> 56 & 1 ? 0x20 : 0x08));
        }
        u64 tail[2] = {rnd(), rnd()};
        memcpy(b + n, tail, 16);
        if (r >> 63) /* a displacement that is small */
            b[n + 4] = b[n + 5] = 0;
        if (x86_decode(insn, b, X86_MAX_INSN, cfg) == X86_DECODE_OK && is_wanted(insn, m)) {
            if (holds_offset(insn)) {
                u64 where = 0x200000 + rnd() % 0x100000;
                if (insn->asz == 2 || insn->seg == X86_CS)
                    continue;
                memcpy(b + insn->off_imm, &where, insn->asz);
            }
            memcpy(p, b, insn->len);
            return insn->len;
        }
    }
}

/* --- 64-bit programs also have pages that are not there, faults, and code that changes --- */

enum {
    RECOVER = 0x9028, /* where the handler of #DE goes on */
    PAGE_TABLE = 0xa000,
    IDT = 0xb000,
    LOG = 0x900000, /* registers at each page fault */
    LOG_AT = 0x9010,
    HOLES = 0x200000, /* 2 MiB mapped by PAGE_TABLE, which all base registers point to */
};
static u64 where_now[16]; /* registers at the start of the running loop */
static unsigned on_page_fault, on_divide_error, on_protection;

static void put32(u32 v)
{
    put(&v, 4);
}

/* #PF notes all registers, CR2, error code, RIP; maps the page, writable if it was written to; and
 * lets the instruction go again. #DE and #GP go on at RECOVER. */
static void put_handlers(void)
{
    unsigned over = at + 1;
    PUT(0xe9, 0, 0, 0, 0); /* jmp behind */
    on_page_fault = at;
    PUT(0x48, 0x89, 0x04, 0x25, 0x18, 0x90, 0, 0); /* mov [0x9018], rax */
    PUT(0x48, 0x8b, 0x04, 0x25, 0x10, 0x90, 0, 0); /* mov rax, [LOG_AT] */
    for (unsigned r = 1; r < 16; r++)
        PUT((u8)(0x48 | r >> 3 << 2), 0x89, (u8)(0x40 | (r & 7) << 3), (u8)(8 * r - 128));
    PUT(0x51);                                     /* push rcx */
    PUT(0x48, 0x8b, 0x0c, 0x25, 0x18, 0x90, 0, 0); /* mov rcx, [0x9018] */
    PUT(0x48, 0x89, 0x48, 0x80);                   /* mov [rax - 128], rcx */
    for (u8 k = 0; k < 2; k++) {                   /* error code, RIP */
        PUT(0x48, 0x8b, 0x4c, 0x24, (u8)(8 + 8 * k));
        PUT(0x48, 0x89, 0x48, (u8)(8 * k));
    }
    PUT(0x0f, 0x20, 0xd1, 0x48, 0x89, 0x48, 0x10);    /* mov rcx, cr2; mov [rax + 16], rcx */
    PUT(0x05, 0, 1, 0, 0, 0x25, 0xff, 0xff, 0x93, 0); /* add eax, 256; and eax, 0x93ffff */
    PUT(0x48, 0x89, 0x04, 0x25, 0x10, 0x90, 0, 0);    /* mov [LOG_AT], rax */
    PUT(0x8b, 0x44, 0x24, 0x08, 0x83, 0xe0, 0x02, 0x0c, 0x01); /* mov eax, [rsp+8]; and 2; or 1 */
    PUT(0xc1, 0xe9, 0x0c, 0x81, 0xe1, 0xff, 0x01, 0, 0);       /* shr ecx, 12; and ecx, 511 */
    PUT(0x08, 0x04, 0xcd, 0, 0xa0, 0, 0);                      /* or [PAGE_TABLE + rcx * 8], al */
    PUT(0x0f, 0x20, 0xd1, 0x0f, 0x01, 0x39);                   /* mov rcx, cr2; invlpg [rcx] */
    PUT(0x59);                                                 /* pop rcx */
    PUT(0x48, 0x8b, 0x04, 0x25, 0x18, 0x90, 0, 0);             /* mov rax, [0x9018] */
    PUT(0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf);                   /* add rsp, 8; iretq */
    on_protection = at;
    PUT(0x48, 0x83, 0xc4, 0x08); /* add rsp, 8 */
    on_divide_error = at;
    PUT(0x50, 0x48, 0x8b, 0x04, 0x25, 0x28, 0x90, 0, 0); /* push rax; mov rax, [RECOVER] */
    PUT(0x48, 0x89, 0x44, 0x24, 0x08, 0x58, 0x48, 0xcf); /* mov [rsp + 8], rax; pop rax; iretq */
    u32 distance = at - (over + 4);
    memcpy(code + over, &distance, 4);
}

static void poke_gate(struct rig *r, unsigned vector, u64 handler)
{
    rig_poke(r, IDT + 16 * vector,
             (handler & 0xffff) | 8 << 16 | (u64)0x8e00 << 32 | (handler >> 16 & 0xffff) << 48);
    rig_poke(r, IDT + 16 * vector + 8, 0);
}

static void make_holes(struct rig *r, struct x86_state *s)
{
    u64 pages = seed_state; /* the same for both engines */
    for (u64 k = 0; k < 512; k++) {
        pages = pages * 6364136223846793005u + 1442695040888963407u;
        u64 bits = pages >> 61; /* not there, to be read only, writable */
        rig_poke(r, PAGE_TABLE + 8 * k, (HOLES + (k << 12)) | (bits < 2 ? 0 : bits < 4 ? 1 : 3));
    }
    rig_poke(r, 0x4000 + 8 * (HOLES >> 21), PAGE_TABLE | 7);
    rig_poke(r, LOG_AT, LOG + 128);
    poke_gate(r, X86_DE, RIG_CODE + on_divide_error);
    poke_gate(r, X86_GP, RIG_CODE + on_protection);
    poke_gate(r, X86_PF_FAULT, RIG_CODE + on_page_fault);
    s->idtr = (struct x86_table){.base = IDT, .limit = 0xfff};
}

/* A page goes away: mov qword [entry], address; invlpg */
static void put_hole(void)
{
    u32 page = (u32)((where_now[bases[rnd() % sizeof bases]] - HOLES) >> 12);
    PUT(0x48, 0xc7, 0x04, 0x25);
    put32(PAGE_TABLE + 8 * page);
    put32(HOLES + (page << 12) + (rnd() & 1));
    PUT(0x0f, 0x01, 0x3c, 0x25);
    put32(HOLES + (page << 12));
}

/* mov qword [RECOVER], address: the place of the address, which is set_recovery()'s. */
static unsigned put_recovery(void)
{
    PUT(0x48, 0xc7, 0x04, 0x25, RECOVER & 0xff, RECOVER >> 8, 0, 0, 0, 0, 0, 0);
    return at - 4;
}

static void set_recovery(unsigned where)
{
    u32 here = RIG_CODE + at;
    memcpy(code + where, &here, 4);
}

/* DIV or IDIV of a register or memory, whose error goes on behind it. */
static void put_divide(void)
{
    u64 r = rnd();
    u8 wide = r & 1 ? 0x48 : 0x40, sub = r & 2 ? 0x38 : 0x30;
    if (r & 4)
        PUT(0x31, 0xd2); /* xor edx, edx */
    else if (r & 8)
        PUT(wide, 0x99); /* cdq, cqo */
    unsigned recovery = put_recovery();
    if (r & 16)
        PUT(wide, 0xf7, (u8)(0x40 | sub | X86_RSI), (u8)(r >> 8 & 0x7f)); /* [rsi + disp8] */
    else
        PUT((u8)(wide | (r >> 16 & 1)), 0xf7, (u8)(0xc0 | sub | (r >> 17 & 7)));
    set_recovery(recovery);
    PUT(0x83, 0xc2, 0x01); /* add edx, 1 */
}

/* Accesses that are next to each other, while their base moves and comes back. */
static void put_neighbours(void)
{
    u64 r = rnd();
    u8 base = r & 1 ? X86_RBX : r & 2 ? X86_RSI : X86_RBP, moved = 0;
    for (unsigned k = 0, recovery; k < 6; k++) {
        u64 q = rnd();
        u8 disp = (u8)(q & 0x7f), m = (u8)(0x40 | (q >> 8 & 3) << 3 | base); /* eax to ebx: */
        if ((m & 0x38) == 0x18)                                              /* not ebx */
            m ^= 0x08;
        switch (q >> 16 & 15) {
        case 0: PUT(0x8b, m, disp); break;
        case 1: PUT(0x48, 0x01, m, disp); break;
        case 2: PUT(0x11, m, disp); break;
        case 3: PUT(0x0f, 0xb6, m, disp); break;
        case 4: PUT(0x0f, 0x10, m, disp); break;
        case 5: PUT(0x0f, 0x11, m, disp); break;
        case 6: PUT(0x3b, m, disp); break;
        case 7: PUT(0xf0, 0x0f, 0xc1, m, disp); break;       /* lock xadd */
        case 8: PUT(0xf0, 0x48, 0x0f, 0xb1, m, disp); break; /* lock cmpxchg */
        case 9:
            recovery = put_recovery();
            PUT(0x0f, 0x28, m, (u8)(disp & 0x7c)); /* movaps */
            set_recovery(recovery);
            break;
        case 10: PUT(0x50, 0x53, 0x5a, 0x59); break; /* push rax, rbx; pop rdx, rcx */
        case 11:
            moved ^= 0x20;
            PUT(0x48, 0x83, (u8)((moved ? 0xc0 : 0xe8) | base), 0x20); /* add or sub base, 32 */
            break;
        case 12:
            PUT(0x48, 0x89, (u8)(0xc0 | base << 3 | X86_RDI)); /* mov rdi, base */
            PUT(0x48, 0x8b, 0x4f, disp);
            break;
        case 13:
            PUT(0x55, 0x48, 0x89, 0xe5, 0xff, 0x75, 0, 0x58, 0xc9);
            break;
            /* push rbp; mov rbp, rsp; push [rbp]; pop rax; leave */
        case 14: PUT(0x74, 0x03, 0x8b, (u8)(0x40 | base), disp); break; /* jz over a load */
        case 15: PUT(0xff, 0x70 | base, disp, 0x58); break;             /* push [base]; pop rax */
        }
    }
    if (moved)
        PUT(0x48, 0x8d, (u8)(0x40 | base << 3 | base), (u8)-0x20); /* lea base, [base - 32] */
}

/* ADD becomes ADC behind a branch and back: what it needs of the flags changes. */
static void put_changing(void)
{
    PUT(0x80, 0x35, 0x07, 0, 0, 0, 0x10); /* xor byte [rip + 7], 0x10 */
    PUT(0x39, 0xd8);                      /* cmp eax, ebx */
    PUT(0x48, 0x8b, 0x16);                /* mov rdx, [rsi] */
    PUT(0xeb, 0x00);                      /* jmp here */
    PUT(0x01, 0xd1);                      /* add ecx, edx */
}

static void put_piece(void)
{
    switch (rnd() & 15) {
    case 0: put_hole(); break;
    case 1:
    case 2: put_divide(); break;
    case 3: put_changing(); break;
    case 4:
    case 5:
    case 6:
    case 7: put_neighbours(); break;
    }
}

static void put_body(const struct x86_cpu_model *m)
{
    for (unsigned k = 0; k < BODY; k++) {
        struct x86_insn insn;
        u8 text[16];
        unsigned n = generate(text, &insn, m);
        if ((rnd() & 7) == 0)
            PUT((u8)(0x70 | (rnd() & 15)), (u8)n); /* jcc over it */
        put(text, n);
        if (x86_forms[insn.form].flags_undefined)
            PUT(0x83, 0xc2, 0x01); /* add edx, 1: no use of what is undefined */
        if (mode == X86_MODE64)
            put_piece();
        if ((rnd() & 7) == 0)
            PUT(0x41, 0x57, 0x58); /* push r15; pop rax -- inc ecx; push edi; pop eax */
        if ((rnd() & 15) == 0)
            PUT(0xe8, 0x02, 0, 0, 0, 0xeb, 0x01, 0xc3); /* call +2; jmp +1; ret */
    }
}

static void put_loop(unsigned k, const struct x86_cpu_model *m)
{
    PUT(0xc7, 0x04, 0x25, 0x00, 0x90, 0x00, 0x00, ROUNDS, 0, 0, 0); /* mov dword [0x9000], ROUNDS */
    unsigned again = at;
    for (unsigned r = 0; r < 2 * mode; r++) {
        u64 v = r == X86_RSP ? STACK
                : is_base(r) ? (0x200000 + rnd() % 0x100000) & ~(rnd() & 15)
                             : rnd();
        where_now[r] = v;
        if (mode == X86_MODE64)
            PUT((u8)(0x48 | r >> 3));
        PUT((u8)(0xb8 | (r & 7))); /* mov r, imm */
        put(&v, mode);
    }
    put_body(m);
    for (unsigned r = 0; r < 2 * mode; r++) { /* mov [RESULTS + ..], r */
        u32 where = RESULTS + k * 256 + r * 8;
        if (mode == X86_MODE64)
            PUT((u8)(0x48 | r >> 3 << 2));
        PUT(0x89, (u8)(0x04 | (r & 7) << 3), 0x25);
        put(&where, 4);
    }
    u32 where = RESULTS + k * 256 + 128;
    PUT(0x9f, 0x0f, 0x90, 0xc0, 0x89, 0x04, 0x25); /* lahf; seto al; mov [..], eax */
    put(&where, 4);
    PUT(0xff, 0x0c, 0x25, 0x00, 0x90, 0x00, 0x00); /* dec dword [0x9000] */
    u32 back = again - (at + 6);
    PUT(0x0f, 0x85); /* jnz */
    put(&back, 4);
}

struct outcome {
    int status;
    u8 memory[RIG_RAM];
    struct x86_state s;
};

/* 32-bit programs have an FS with a base, and a GS whose limit must be looked at. */
static void narrow(struct x86_state *s)
{
    s->seg[X86_CS].attr = (u16)((s->seg[X86_CS].attr & ~X86_SEG_L) | X86_SEG_DB | X86_SEG_G);
    s->seg[X86_FS].base = 0x1000;
    s->seg[X86_GS].limit = 0xfffffffe;
    s->seg[X86_GS].attr &= (u16)~X86_SEG_G;
    if (kind == UNPAGED) {
        s->efer = 0;
        s->cr0 &= ~(u64)X86_CR0_PG;
    }
}

/* A translation may look at an element that a mask leaves out, and a page may be marked as accessed
 * though it was not [SDM3 4.8]. */
static void forget_accessed(u8 *memory)
{
    enum { PRESENT = 1, ACCESSED = 0x20 };
    for (unsigned k = 0x2000; k < IDT; k += 8)
        if ((k < 0x8000 || k >= PAGE_TABLE) && (memory[k] & PRESENT))
            memory[k] |= ACCESSED;
}

static void run_on(const struct engine_ops *engine, bool lockstep, struct outcome *o)
{
    struct rig r = {.lockstep = lockstep};
    struct err e = {0};
    assert_int_equal(engine->model(&r.model, &e), 0);
    rig_open_model(&r, engine, 1, true, (struct guest){code, code + at, false});
    struct x86_state *s = aligned_alloc(64, sizeof *s);
    rig_entry(&r, (struct guest){code, code + at, false}, s);
    s->cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_OSXSAVE;
    s->xcr0 = x86_model_has(&r.model, X86_FEATURE_AVX512F) ? 0xe7 : 7;
    if (kind != WIDE)
        narrow(s);
    else
        make_holes(&r, s);
    assert_int_equal(vm_set_state(r.vm, 0, s, &e), 0);
    rig_start(&r);
    o->status = rig_wait(&r);
    memcpy(o->memory, guest_memory_ptr(r.vm->memory, gpa(0), RIG_RAM), RIG_RAM);
    forget_accessed(o->memory);
    memset(o->memory + STACK - FRAMES, 0, FRAMES); /* flags that nobody uses may differ there */
    assert_int_equal(engine->get_state(r.vm->vcpu[0], &o->s, &e), 0);
    free(s);
    rig_close(&r);
}

static unsigned programs = 12, faults;
static u64 seed = 1;

static void report(const struct outcome *a, const struct outcome *b, unsigned program)
{
    for (u64 k = 0; k < RIG_RAM; k += 8)
        if (load64(a->memory + k) != load64(b->memory + k)) {
            printf("at %llx: %llx interpreted, %llx translated\n", (unsigned long long)k,
                   (unsigned long long)load64(a->memory + k),
                   (unsigned long long)load64(b->memory + k));
            break;
        }
    for (u64 k = 0; k < sizeof a->s.xsave; k++)
        if (a->s.xsave[k] != b->s.xsave[k]) {
            printf("at %llu of XSAVE: %x interpreted, %x translated\n", (unsigned long long)k,
                   a->s.xsave[k], b->s.xsave[k]);
            break;
        }
    FILE *f = fopen("random-program.bin", "wb");
    if (f) {
        fwrite(code, 1, at, f);
        fclose(f);
    }
    fail_msg("seed %llu, program %u: status %d %d, rip %llx %llx", (unsigned long long)seed,
             program, a->status, b->status, (unsigned long long)a->s.rip,
             (unsigned long long)b->s.rip);
}

static void random_programs(void **state)
{
    (void)state;
    struct outcome *a = aligned_alloc(64, sizeof *a), *b = aligned_alloc(64, sizeof *b);
    struct x86_cpu_model m;
    struct err e = {0};
    assert_true(a && b);
    assert_int_equal(engine_interpret.model(&m, &e), 0);
    for (unsigned k = 0; k < programs; k++) {
        seed_state = seed * 1000003 + k;
        kind = k % 4 < 2 ? WIDE : k % 4 == 2 ? COMPATIBLE : UNPAGED;
        mode = kind == WIDE ? X86_MODE64 : X86_MODE32;
        at = 0;
        if (kind == WIDE)
            put_handlers();
        for (unsigned n = 0; n < LOOPS; n++)
            put_loop(n, &m);
        PUT(0x31, 0xc0, 0xe6, 0xf4, 0xeb, 0xfe); /* xor eax, eax; out 0xf4, al; jmp $ */
        run_on(&engine_interpret, false, a);
        run_on(&engine_translate, k % 5 == 0, b);
        if (kind == WIDE)
            faults += (unsigned)(load64(a->memory + LOG_AT) - LOG) / 256;
        if (a->status != b->status || memcmp(a->memory, b->memory, RIG_RAM) ||
            memcmp(a->s.gpr, b->s.gpr, sizeof a->s.gpr) || memcmp(a->s.xsave, b->s.xsave, 512) ||
            memcmp(a->s.xsave + 576, b->s.xsave + 576, sizeof a->s.xsave - 576))
            report(a, b, k);
    }
    printf("%u page faults\n", faults);
    free(a);
    free(b);
}

static void tell(enum log_level level, const char *area, const char *message)
{
    (void)level;
    printf("%s: %s\n", area, message);
}

int main(int argc, char **argv)
{
    if (BUILT_WITH_SANITIZER) {
        puts("skipped: the sanitizer's runtime uses the vector registers that hold the guest's");
        return 77;
    }
    if (argc > 1)
        programs = (unsigned)atoi(argv[1]);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 0);
    log_set_sink(tell);
    printf("%u programs, seed %llu\n", programs, (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
