/* SPDX-License-Identifier: BSD-2-Clause */
/* Native execution for comparison: a template that loads everything, runs the instruction and
 * stores everything, copied below 4 GiB. A fault is a signal whose handler takes the state from the
 * frame and continues at the end of the template. */
#include "vector_native.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* The data sits in the same pages, so that every access is rip-relative. */
__asm__(".text\n"
        ".balign 64\n"
        ".globl native_begin, native_slot, native_after, native_in, native_out, native_end\n"
        ".globl native_mask, native_abort\n"
        "native_begin:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "  mov %rsp, native_stack(%rip)\n"
        "  mov native_mask(%rip), %eax\n"
        "  xor %edx, %edx\n"
        "  xrstor64 native_in(%rip)\n"
        "  push native_in+4096+128(%rip)\n"
        "  popfq\n"
        "  mov native_in+4096+0(%rip), %rax\n"
        "  mov native_in+4096+8(%rip), %rcx\n"
        "  mov native_in+4096+16(%rip), %rdx\n"
        "  mov native_in+4096+24(%rip), %rbx\n"
        "  mov native_in+4096+32(%rip), %rsp\n"
        "  mov native_in+4096+40(%rip), %rbp\n"
        "  mov native_in+4096+48(%rip), %rsi\n"
        "  mov native_in+4096+56(%rip), %rdi\n"
        "  mov native_in+4096+64(%rip), %r8\n"
        "  mov native_in+4096+72(%rip), %r9\n"
        "  mov native_in+4096+80(%rip), %r10\n"
        "  mov native_in+4096+88(%rip), %r11\n"
        "  mov native_in+4096+96(%rip), %r12\n"
        "  mov native_in+4096+104(%rip), %r13\n"
        "  mov native_in+4096+112(%rip), %r14\n"
        "  mov native_in+4096+120(%rip), %r15\n"
        "native_slot:\n"
        "  .fill 16, 1, 0x90\n"
        "native_after:\n"
        "  mov %rax, native_out+4096+0(%rip)\n"
        "  mov %rcx, native_out+4096+8(%rip)\n"
        "  mov %rdx, native_out+4096+16(%rip)\n"
        "  mov %rbx, native_out+4096+24(%rip)\n"
        "  mov %rsp, native_out+4096+32(%rip)\n"
        "  mov %rbp, native_out+4096+40(%rip)\n"
        "  mov %rsi, native_out+4096+48(%rip)\n"
        "  mov %rdi, native_out+4096+56(%rip)\n"
        "  mov %r8, native_out+4096+64(%rip)\n"
        "  mov %r9, native_out+4096+72(%rip)\n"
        "  mov %r10, native_out+4096+80(%rip)\n"
        "  mov %r11, native_out+4096+88(%rip)\n"
        "  mov %r12, native_out+4096+96(%rip)\n"
        "  mov %r13, native_out+4096+104(%rip)\n"
        "  mov %r14, native_out+4096+112(%rip)\n"
        "  mov %r15, native_out+4096+120(%rip)\n"
        "  mov native_stack(%rip), %rsp\n"
        "  pushfq\n"
        "  pop native_out+4096+128(%rip)\n"
        "  mov native_mask(%rip), %eax\n"
        "  xor %edx, %edx\n"
        "  xsave64 native_out(%rip)\n"
        "native_abort:\n"
        "  mov native_stack(%rip), %rsp\n"
        "  fninit\n"
        "  ldmxcsr native_default(%rip)\n"
        "  cld\n"
        "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n"
        ".balign 8\n"
        "native_stack: .quad 0\n"
        "native_mask: .long 7\n"
        "native_default: .long 0x1f80\n"
        ".balign 64\n"
        "native_in: .fill 4096 + 192, 1, 0\n"
        ".balign 64\n"
        "native_out: .fill 4096 + 192, 1, 0\n"
        "native_end:\n");

_Static_assert(offsetof(struct native_state, gpr) == 4096, "the template's offsets");
_Static_assert(offsetof(struct native_state, rflags) == 4096 + 128, "the template's offsets");

extern u8 native_begin[], native_slot[], native_after[], native_in[], native_out[], native_end[];
extern u8 native_mask[], native_abort[];

static u8 *base;       /* the copy that runs */
static u32 frame_size; /* of the XSAVE area in a signal frame */
static volatile int fault;
static volatile bool running;

static u8 *at(u8 *symbol)
{
    return base + (symbol - native_begin);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    ucontext_t *u = context;
    greg_t *g = u->uc_mcontext.gregs;
    u64 rip = (u64)g[REG_RIP];

    if (!running || rip < (u64)at(native_slot) || rip >= (u64)at(native_after)) {
        signal(sig, SIG_DFL);
        return;
    }
    struct native_state *out = (struct native_state *)at(native_out);
    for (int n = 0; n < 16; n++)
        out->gpr[n] = (u64)g[order[n]];
    out->rflags = (u64)g[REG_EFL];
    memcpy(out->xsave, u->uc_mcontext.fpregs, frame_size);
    fault = (int)g[REG_TRAPNO];
    g[REG_RIP] = (greg_t)at(native_abort);
    g[REG_EFL] = 0x202;
}

int native_init(u64 mask, u32 xsave_size)
{
    frame_size = xsave_size;
    static u8 stack[65536];
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    size_t size = (size_t)(native_end - native_begin);

    base = mmap(NULL, (size + 4095) & ~(size_t)4095, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (base == MAP_FAILED)
        return -1;
    memcpy(base, native_begin, size);
    memcpy(at(native_mask), &mask, 4);
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alt, NULL);
    for (size_t n = 0; n < ARRAY_LEN(signals); n++) {
        struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaction(signals[n], &a, NULL);
    }
    return 0;
}

u64 native_address(void)
{
    return (u64)at(native_slot);
}

int native_run(const u8 *code, unsigned len, const struct native_state *in,
               struct native_state *out)
{
    memset(at(native_slot), 0x90, 16);
    memcpy(at(native_slot), code, len);
    memcpy(at(native_in), in, sizeof *in);
    fault = -1;
    running = true;
    ((void (*)(void))(uintptr_t)base)();
    running = false;
    memcpy(out, at(native_out), sizeof *out);
    return fault;
}
