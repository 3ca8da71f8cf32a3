/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs one instruction natively. Entry and exit are a page of assembly: registers are loaded from a
 * frame, out of reach of 32-bit code, and a far jump enters the code in its mode; the case's code
 * is followed by a jump back that stores them again. Whatever faults arrives as a signal, whose
 * handler copies the context and goes on at the exit. */
#include <asm/ldt.h>
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "native.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

/* The offsets are spelled out in the assembly below. */
struct frame {
    u64 in[X86_GPR_COUNT];  /* 0x000 */
    u64 rflags_in;          /* 0x080 */
    u32 target_offset;      /* 0x088 far pointer: where the case begins */
    u16 target_selector;    /* 0x08c */
    u16 vector;             /* 0x08e vector state is loaded and stored */
    u64 host_rsp;           /* 0x090 */
    u16 data_selector;      /* 0x098 ds, es */
    u16 stack_selector;     /* 0x09a */
    u16 gs_selector;        /* 0x09c */
    u16 has_gs_base;        /* 0x09e */
    u64 gs_base;            /* 0x0a0 */
    u64 xcr0;               /* 0x0a8 */
    u64 out[X86_GPR_COUNT]; /* 0x0b0 */
    u64 rflags_out;         /* 0x130 */
    u32 mxcsr;              /* 0x138 the host's */
    u32 pad;
    u64 unused[24]; /* up to 0x200 */
    alignas(64) u8 xsave_in[X86_XSAVE_SIZE];
    alignas(64) u8 xsave_out[X86_XSAVE_SIZE];
};
_Static_assert(offsetof(struct frame, target_offset) == 0x88, "assembly");
_Static_assert(offsetof(struct frame, host_rsp) == 0x90, "assembly");
_Static_assert(offsetof(struct frame, gs_base) == 0xa0, "assembly");
_Static_assert(offsetof(struct frame, out) == 0xb0, "assembly");
_Static_assert(offsetof(struct frame, rflags_out) == 0x130, "assembly");
_Static_assert(offsetof(struct frame, mxcsr) == 0x138, "assembly");
_Static_assert(offsetof(struct frame, xsave_in) == 0x200, "assembly");
_Static_assert(offsetof(struct frame, xsave_out) == 0x1200, "assembly");

/* clang-format off */
__asm__(
    ".text\n"
    ".globl native_enter\n"
    "native_enter:\n\t"
    "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
    "mov %rsp, native_frame+0x90(%rip)\n\t"
    "cmpw $0, native_frame+0x8e(%rip)\n\t"
    "je 1f\n\t"
    "mov native_frame+0xa8(%rip), %eax\n\tmov native_frame+0xac(%rip), %edx\n\t"
    "xrstor64 native_frame+0x200(%rip)\n"
    "1:\n\t"
    "mov native_frame+0x98(%rip), %ds\n\t"
    "mov native_frame+0x98(%rip), %es\n\t"
    "mov native_frame+0x9c(%rip), %gs\n\t"
    "cmpw $0, native_frame+0x9e(%rip)\n\t"
    "je 2f\n\t"
    "mov native_frame+0xa0(%rip), %rax\n\t"
    "wrgsbase %rax\n"
    "2:\n\t"
    "pushq native_frame+0x80(%rip)\n\tpopfq\n\t"
    "mov native_frame+0x9a(%rip), %ss\n\t"
    "mov native_frame+0x00(%rip), %rax\n\t"
    "mov native_frame+0x08(%rip), %rcx\n\t"
    "mov native_frame+0x10(%rip), %rdx\n\t"
    "mov native_frame+0x18(%rip), %rbx\n\t"
    "mov native_frame+0x20(%rip), %rsp\n\t"
    "mov native_frame+0x28(%rip), %rbp\n\t"
    "mov native_frame+0x30(%rip), %rsi\n\t"
    "mov native_frame+0x38(%rip), %rdi\n\t"
    "mov native_frame+0x40(%rip), %r8\n\t"
    "mov native_frame+0x48(%rip), %r9\n\t"
    "mov native_frame+0x50(%rip), %r10\n\t"
    "mov native_frame+0x58(%rip), %r11\n\t"
    "mov native_frame+0x60(%rip), %r12\n\t"
    "mov native_frame+0x68(%rip), %r13\n\t"
    "mov native_frame+0x70(%rip), %r14\n\t"
    "mov native_frame+0x78(%rip), %r15\n\t"
    "ljmpl *native_frame+0x88(%rip)\n"

    /* The case is done: store the registers, the flags last because popping them needs a stack. */
    ".globl native_exit\n"
    "native_exit:\n\t"
    "mov %rax, native_frame+0xb0(%rip)\n\t"
    "mov %rcx, native_frame+0xb8(%rip)\n\t"
    "mov %rdx, native_frame+0xc0(%rip)\n\t"
    "mov %rbx, native_frame+0xc8(%rip)\n\t"
    "mov %rsp, native_frame+0xd0(%rip)\n\t"
    "mov %rbp, native_frame+0xd8(%rip)\n\t"
    "mov %rsi, native_frame+0xe0(%rip)\n\t"
    "mov %rdi, native_frame+0xe8(%rip)\n\t"
    "mov %r8, native_frame+0xf0(%rip)\n\t"
    "mov %r9, native_frame+0xf8(%rip)\n\t"
    "mov %r10, native_frame+0x100(%rip)\n\t"
    "mov %r11, native_frame+0x108(%rip)\n\t"
    "mov %r12, native_frame+0x110(%rip)\n\t"
    "mov %r13, native_frame+0x118(%rip)\n\t"
    "mov %r14, native_frame+0x120(%rip)\n\t"
    "mov %r15, native_frame+0x128(%rip)\n\t"
    "mov $0x2b, %eax\n\tmov %eax, %ss\n\t"
    "mov native_frame+0x90(%rip), %rsp\n\t"
    "pushfq\n\tpopq native_frame+0x130(%rip)\n\t"
    "cmpw $0, native_frame+0x8e(%rip)\n\t"
    "je native_resume\n\t"
    "mov native_frame+0xa8(%rip), %eax\n\tmov native_frame+0xac(%rip), %edx\n\t"
    "xsave64 native_frame+0x1200(%rip)\n"

    /* A signal handler continues here, with the host's stack pointer. */
    ".globl native_resume\n"
    "native_resume:\n\t"
    "mov $0x2b, %eax\n\tmov %eax, %ss\n\tmov %eax, %ds\n\tmov %eax, %es\n\t"
    "pushq $0x202\n\tpopfq\n\t"
    "cmpw $0, native_frame+0x8e(%rip)\n\t"
    "je 3f\n\t"
    "fninit\n\tldmxcsr native_frame+0x138(%rip)\n\tvzeroupper\n"
    "3:\n\t"
    "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\t"
    "ret\n");
/* clang-format on */

void native_enter(void);
void native_exit(void);
void native_resume(void);

void (*native_host_stuck)(void);

struct frame native_frame __attribute__((visibility("hidden")));
static struct frame *const frame = &native_frame;
static u8 *code;                      /* the writable view of NATIVE_CODE */
static struct native_result *current; /* what the signal handler fills in */
static bool has_ldt, has_gs_base;

enum { LDT_CODE16, LDT_DATA, LDT_GS };
enum { SELECTOR_CODE64 = 0x33, SELECTOR_CODE32 = 0x23, SELECTOR_DATA = 0x2b };

static u16 ldt_selector(unsigned index)
{
    return (u16)(index << 3 | 4 | 3);
}

u16 native_host_code_selector(enum x86_mode mode)
{
    return mode == X86_MODE64   ? SELECTOR_CODE64
           : mode == X86_MODE32 ? SELECTOR_CODE32
                                : ldt_selector(LDT_CODE16);
}

u16 native_host_data_selector(enum x86_mode mode)
{
    return mode == X86_MODE16 ? ldt_selector(LDT_DATA) : SELECTOR_DATA;
}

/* Some hosts, virtual machines without the processor's help, run 64-bit code only: they take an LDT
 * and have no descriptors. */
static bool is_loadable(u16 selector)
{
    u32 rights;
    bool valid;
    __asm__("lar %2, %0" : "=r"(rights), "=@ccz"(valid) : "r"((u32)selector));
    return valid;
}

bool native_host_has(enum x86_mode mode)
{
    if (mode == X86_MODE64)
        return has_gs_base;
    /* 32-bit code uses the LDT too, for GS. */
    return has_ldt && is_loadable(ldt_selector(LDT_DATA)) &&
           is_loadable(native_host_code_selector(mode));
}

u64 native_host_xcr0(void)
{
    u32 a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 3;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return a & 0xe7;
}

/* --- Results from the machine context --- */

static u64 *gregs_slot(ucontext_t *uc, unsigned r)
{
    static const u8 slot[X86_GPR_COUNT] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                           REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                           REG_R12, REG_R13, REG_R14, REG_R15};
    return (u64 *)&uc->uc_mcontext.gregs[slot[r]];
}

/* The signal frame holds an XSAVE area of the standard format; software bytes tell its size. */
static void copy_vector_state(const ucontext_t *uc, struct native_result *r)
{
    const u8 *area = (const u8 *)uc->uc_mcontext.fpregs;
    u32 magic, size;
    memcpy(&magic, area + 464, 4);
    memcpy(&size, area + 480, 4);
    memset(r->xsave, 0, sizeof(r->xsave));
    memcpy(r->xsave, area, magic == 0x46505853 ? MIN(size, (u32)sizeof(r->xsave)) : 512);
    memset(r->xsave + 464, 0, 48);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    /* AC is still the case's, and libc accesses memory as it likes. */
    __asm__ volatile("pushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq" : : : "cc", "memory");
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    struct native_result *r = current;

    if (!r) { /* not from a case: our own bug */
        static const char text[] = "signal outside of a case\n";
        if (write(2, text, sizeof(text) - 1) < 0)
            _exit(2);
        _exit(2);
    }
    if (sig == SIGALRM) {
        if (native_host_stuck)
            native_host_stuck();
        _exit(1);
    }
    for (unsigned n = 0; n < X86_GPR_COUNT; n++)
        r->regs.gpr[n] = *gregs_slot(uc, n);
    r->regs.rip = (u64)g[REG_RIP];
    r->regs.rflags = (u64)g[REG_EFL];
    r->vector = (u8)g[REG_TRAPNO];
    r->error = (u32)g[REG_ERR];
    r->address = (u64)g[REG_CR2];
    if (frame->vector)
        copy_vector_state(uc, r);

    g[REG_RIP] = (greg_t)(uintptr_t)native_resume;
    g[REG_RSP] = (greg_t)frame->host_rsp;
    g[REG_EFL] = 0x202;
    g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffff00000000ffffLL) | SELECTOR_CODE64 |
                    (greg_t)((u64)SELECTOR_DATA << 48);
    current = NULL;
}

/* --- Preparing --- */

static bool map_fixed(u64 at, size_t size, int prot, int fd)
{
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    return mmap((void *)at, size, prot, flags | MAP_FIXED_NOREPLACE, fd, 0) == (void *)at;
}

/* Code is mapped twice: cases must not be able to write it. */
static bool map_code(void)
{
    int fd = memfd_create("native-code", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, NATIVE_CODE_SIZE) ||
        !map_fixed(NATIVE_CODE, NATIVE_CODE_SIZE, PROT_READ | PROT_EXEC, fd))
        return false;
    code = mmap(NULL, NATIVE_CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return code != MAP_FAILED;
}

static bool make_segment(unsigned index, u64 base, bool is_code)
{
    struct user_desc d = {
        .entry_number = index,
        .base_addr = (unsigned)base,
        .limit = 0xffff,
        .contents = is_code ? MODIFY_LDT_CONTENTS_CODE : MODIFY_LDT_CONTENTS_DATA,
        .useable = 1,
    };
    return syscall(SYS_modify_ldt, 1, &d, sizeof(d)) == 0;
}

/* Where 32-bit and 16-bit code, and nearby 64-bit code, can jump to: jmp *2(%rip) to native_exit,
 * whose address is aligned because AC may be set. */
static void write_exit(void)
{
    static const u8 jump[] = {0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc};
    u64 to = (u64)(uintptr_t)native_exit;
    memcpy(code + NATIVE_EXIT, jump, sizeof(jump));
    memcpy(code + NATIVE_EXIT + sizeof(jump), &to, 8);
}

/* The instruction, then a jump to the exit, then breakpoints for branches to land on. */
void native_host_write_code(const struct native_case *c)
{
    u8 *p = code + NATIVE_IP;
    memcpy(p, c->code, c->insn.len);
    p += c->insn.len;
    if (c->mode == X86_MODE64) {
        i32 to = (i32)(code + NATIVE_EXIT - (p + 5));
        *p++ = 0xe9;
        memcpy(p, &to, 4);
        p += 4;
    } else {
        u32 to = (u32)(NATIVE_CODE + NATIVE_EXIT);
        u16 selector = SELECTOR_CODE64;
        if (c->mode == X86_MODE16)
            *p++ = 0x66;
        *p++ = 0xea;
        memcpy(p, &to, 4);
        memcpy(p + 4, &selector, 2);
        p += 6;
    }
    memset(p, 0xcc, 16);
}

int native_host_init(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGALRM};
    int rw = PROT_READ | PROT_WRITE;

    if (!map_code() || !map_fixed(NATIVE_DATA, NATIVE_DATA_SIZE + 4096, rw, -1))
        return -1;
    memset(code, 0xcc, NATIVE_CODE_SIZE);
    write_exit();
    /* Present before it becomes read-only: a fault on it is one of protection. */
    memset((void *)NATIVE_DATA, 0, NATIVE_DATA_SIZE + 4096);
    if (mprotect((void *)NATIVE_READ_ONLY, 4096, PROT_READ))
        return -1;

    stack_t stack = {.ss_size = 256 * 1024, .ss_flags = (int)SS_AUTODISARM};
    stack.ss_sp = malloc(stack.ss_size);
    if (!stack.ss_sp || sigaltstack(&stack, NULL))
        return -1;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    for (size_t n = 0; n < ARRAY_LEN(signals); n++)
        sigaction(signals[n], &action, NULL);

    has_gs_base = getauxval(AT_HWCAP2) & 2; /* HWCAP2_FSGSBASE */
    has_ldt = make_segment(LDT_CODE16, NATIVE_CODE, true) &&
              make_segment(LDT_DATA, NATIVE_DATA, false) &&
              make_segment(LDT_GS, NATIVE_DATA, false);
    frame->xcr0 = native_host_xcr0();
    frame->mxcsr = 0x1f80;
    return 0;
}

/* --- Running --- */

/* A branch ends on a breakpoint or on a page that can't be fetched: it was done. */
static void recognise_branch(const struct native_case *c, struct native_result *r, u64 start)
{
    if (r->vector == X86_BP && r->regs.rip != start + c->insn.len) {
        r->regs.rip--;
        r->vector = NATIVE_NO_VECTOR;
    } else if (r->regs.rip != start) {
        r->vector = NATIVE_NO_VECTOR;
    }
}

void native_host_run(const struct native_case *c, struct native_result *r)
{
    u64 base = c->mode == X86_MODE16 ? NATIVE_CODE : 0;
    u64 start = NATIVE_CODE + NATIVE_IP - base;

    memcpy(frame->in, c->regs.gpr, sizeof(frame->in));
    frame->rflags_in = c->regs.rflags;
    frame->target_offset = (u32)start;
    frame->target_selector = native_host_code_selector(c->mode);
    frame->data_selector = frame->stack_selector = native_host_data_selector(c->mode);
    frame->gs_selector = c->mode == X86_MODE64 ? 0 : ldt_selector(LDT_GS);
    frame->has_gs_base = c->mode == X86_MODE64;
    frame->gs_base = NATIVE_DATA;
    frame->vector = c->vector;
    if (c->vector)
        memcpy(frame->xsave_in, c->xsave, sizeof(c->xsave));

    r->vector = NATIVE_NO_VECTOR;
    r->error = 0;
    r->address = 0;
    current = r;
    native_enter();
    if (current) { /* no signal came */
        current = NULL;
        memcpy(r->regs.gpr, frame->out, sizeof(frame->out));
        r->regs.rflags = frame->rflags_out;
        r->regs.rip = start + c->insn.len;
        if (c->vector)
            memcpy(r->xsave, frame->xsave_out, sizeof(r->xsave));
    } else {
        recognise_branch(c, r, start);
    }
}
