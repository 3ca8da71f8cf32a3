/* SPDX-License-Identifier: BSD-2-Clause */
/* Executes one instruction in a child process: 64-bit, 32-bit through the compatibility segment,
 * 16-bit through a local descriptor. The length is found by letting the code run into an unmapped
 * page: as long as a byte is missing, the fetch faults there. */
#include "native.h"
#include <asm/ldt.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, FETCH = 16, CS32 = 0x23, LDT16 = 7 };

struct shared {
    int signal, trap;
    unsigned long error, address, rip;
};
static struct shared *shared;
static u8 *text, *data; /* each one page, followed by an unmapped one */
static unsigned long start;
static enum x86_mode start_mode;

static void caught(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    shared->signal = sig;
    shared->trap = (int)g[REG_TRAPNO];
    shared->error = (unsigned long)g[REG_ERR];
    shared->address = (unsigned long)g[REG_CR2];
    shared->rip = (unsigned long)g[REG_RIP] - start;
    _exit(0);
}

/* The kernel resumes wherever the saved context says: at the code under test, single-stepping. */
static void enter(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    for (int r = REG_R8; r <= REG_RCX; r++)
        g[r] = (greg_t)(unsigned long)(data + PAGE - 2);
    g[REG_RSP] = (greg_t)(unsigned long)(data + PAGE / 2);
    g[REG_RIP] = (greg_t)start;
    g[REG_EFL] |= 0x100;
    u64 selectors = (u64)g[REG_CSGSFS] & ~(u64)0xffff;
    if (start_mode == X86_MODE32)
        g[REG_CSGSFS] = (greg_t)(selectors | CS32);
    else if (start_mode == X86_MODE16)
        g[REG_CSGSFS] = (greg_t)(selectors | LDT16);
}

static void child(const u8 *code, unsigned n)
{
    static char stack[65536];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&ss, NULL);
    struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    static const int signals[] = {SIGILL, SIGSEGV, SIGTRAP, SIGBUS, SIGFPE, SIGSYS};
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &sa, NULL);
    sa.sa_sigaction = enter;
    sigaction(SIGUSR1, &sa, NULL);
    u8 *at = text + PAGE - n;
    memcpy(at, code, n);
    start = (unsigned long)at;
    if (start_mode == X86_MODE16) {
        struct user_desc d = {.entry_number = 0,
                              .base_addr = (unsigned)(unsigned long)text,
                              .limit = 0xffff,
                              .contents = MODIFY_LDT_CONTENTS_CODE};
        if (syscall(SYS_modify_ldt, 1, &d, sizeof d))
            _exit(1);
        start = PAGE - n;
    }
    raise(SIGUSR1);
    _exit(1);
}

static u8 *guarded(int prot)
{
    u8 *p = mmap(NULL, 2 * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (p == MAP_FAILED || munmap(p + PAGE, PAGE))
        return NULL;
    /* Keep the hole a hole. */
    return mmap(p + PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
                   MAP_FAILED
               ? NULL
               : p;
}

static int prepare(void)
{
    if (shared)
        return 0;
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    text = guarded(PROT_READ | PROT_WRITE | PROT_EXEC);
    data = guarded(PROT_READ | PROT_WRITE);
    return shared == MAP_FAILED || !text || !data ? -1 : 0;
}

int native_once(struct native *r, const u8 *code, unsigned n, enum x86_mode mode)
{
    int status;
    if (prepare())
        return -1;
    start_mode = mode;
    memset(shared, 0, sizeof *shared);
    pid_t pid = fork();
    if (pid == 0)
        child(code, n);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
        return -1;
    *r =
        (struct native){.undefined = shared->signal == SIGILL,
                        .more = shared->signal == SIGSEGV && shared->error & FETCH &&
                                shared->rip == 0 && shared->address == (unsigned long)(text + PAGE),
                        .len = n,
                        .signal = shared->signal,
                        .trap = shared->trap,
                        .error = shared->error,
                        .address = shared->address - (unsigned long)(data + PAGE),
                        .rip = shared->rip};
    return 0;
}

int native_run(struct native *r, const u8 *code, unsigned n, enum x86_mode mode)
{
    for (unsigned k = 1; k <= n; k++) {
        if (native_once(r, code, k, mode))
            return -1;
        if (!r->more)
            return 0;
    }
    r->len = n + 1;
    return 0;
}
