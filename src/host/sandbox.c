/* SPDX-License-Identifier: BSD-2-Clause */
/* The system-call filter.
 *
 * The list is made at build time from comments of the form "syscalls: NAME..." beside the code that
 * needs each call, so that it can't drift from the code. Calls that code below us may try and can
 * do without (a C library looking at files) fail with an error. Anything else traps: the handler
 * says which call it was and puts the terminal right before the process dies. */
#include "host/sandbox.h"

#include "base/str.h"
#include "host/code.h"
#include "host/sandbox.gen.h" /* sandbox_syscalls[] */
#include "host/terminal.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

/* What the C library and the runtime do on their own account.
 * syscalls: brk munmap madvise mremap futex futex_time64 rt_sigreturn rt_sigprocmask rt_sigaction
 * syscalls: sigaltstack sched_yield clock_gettime clock_nanosleep gettimeofday restart_syscall
 * syscalls: exit exit_group getpid gettid sched_getaffinity membarrier rseq set_robust_list */

/* Refused with an error instead of a trap: the caller has another way. */
static const char *const sandbox_errors[] = {
    "open",       "openat", "openat2", "access", "faccessat", "faccessat2", "stat",    "readlink",
    "readlinkat", "clone",  "clone3",  "socket", "prctl",     "uname",      "sysinfo", "prlimit64",
};

static int allow(scmp_filter_ctx f, const char *name)
{
    int nr = seccomp_syscall_resolve_name(name);
    return nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
}

/* New memory, never executable. */
static int allow_memory(scmp_filter_ctx f)
{
    struct scmp_arg_cmp not_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_exec);
    return err ? err : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_exec);
}

/* The terminal's mode and size; the descriptor itself is all that fstat may look at; signals to
 * this process only. */
static int allow_narrow(scmp_filter_ctx f, bool kvm)
{
    static const unsigned long terminal[] = {TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ};
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(terminal) && !err; i++)
        err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                               SCMP_A1(SCMP_CMP_EQ, terminal[i]));
    if (!err && kvm)
        err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                               SCMP_A1(SCMP_CMP_MASKED_EQ, 0xff00, KVMIO << 8));
    if (!err)
        err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                               SCMP_A3(SCMP_CMP_MASKED_EQ, 0x1000, 0x1000 /* AT_EMPTY_PATH */));
    if (!err)
        err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                               SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return err;
}

static int build(scmp_filter_ctx f, bool kvm)
{
    int err = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; i < ARRAY_LEN(sandbox_syscalls) && !err; i++)
        err = allow(f, sandbox_syscalls[i]);
    if (!err)
        err = allow_memory(f);
    if (!err)
        err = allow_narrow(f, kvm);
    for (size_t i = 0; i < ARRAY_LEN(sandbox_errors) && !err; i++) {
        int nr = seccomp_syscall_resolve_name(sandbox_errors[i]);
        if (nr != __NR_SCMP_ERROR)
            err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), nr, 0);
    }
    return err;
}

/* Code made at run time is the guest's: a system call in it is a way out that somebody found. The
 * library's rules can't look at the instruction pointer, so this is a filter of its own. */
static int refuse_code(void)
{
    enum { RANGES_MAX = 128, INSNS = 7 };
    struct code_range r[RANGES_MAX];
    struct sock_filter f[RANGES_MAX * INSNS + 1], *p = f;
    const u32 ip = offsetof(struct seccomp_data, instruction_pointer);
    unsigned n = code_ranges(r, RANGES_MAX);
    for (unsigned k = 0; k < n; k++) {
        /* A piece within 4 GiB; the pointer is behind the instruction. */
        u64 start = r[k].start, end = start + r[k].size;
        if (start >> 32 != end >> 32)
            end = start | 0xffffffff;
        *p++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4);
        *p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)(start >> 32), 0, 4);
        *p++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip);
        *p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (u32)start, 0, 2);
        *p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (u32)end, 1, 0);
        *p++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
        if (end == (start | 0xffffffff) && end + 1 < r[k].start + r[k].size) {
            r[k].size -= end + 1 - start; /* the rest of it */
            r[k].start = end + 1;
            k--;
        }
        if (p - f > (RANGES_MAX - 1) * INSNS)
            return -E2BIG;
    }
    *p++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog prog = {.len = (unsigned short)(p - f), .filter = f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog))
        return -errno;
    return 0;
}

/* A call that nobody has asked for: a bug of ours, or of somebody who has got in. */
static void on_refused(int sig, siginfo_t *info, void *context)
{
    char text[96];
    size_t n = str_format(text, sizeof text, "\ndoppel: sandbox: refused system call %d\n",
                          info->si_syscall);
    terminal_restore();
    ssize_t w = write(STDERR_FILENO, text, n);
    (void)w;
    signal(sig, SIG_DFL);
    raise(sig);
}

int sandbox_enter(bool kvm, struct err *e)
{
    if (BUILT_WITH_SANITIZER) /* its runtime makes calls of its own when it reports */
        return err_set(e, -ENOTSUP, "entering the sandbox: not in a sanitizer build");
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
    if (!f)
        return err_set(e, -ENOMEM, "entering the sandbox: out of memory");
    struct sigaction sa = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSYS, &sa, NULL);
    int err = build(f, kvm);
    if (!err)
        err = refuse_code();
    if (!err)
        err = seccomp_load(f); /* sets no-new-privileges too */
    seccomp_release(f);
    if (!err)
        return 0;
    err_set(e, err == -ECANCELED ? -ENOTSUP : err, "entering the sandbox: %s", err_name(err));
    err_hint(e, "the host's kernel offers no system-call filters here; --no-sandbox runs without");
    return err == -EINVAL || err == -ECANCELED ? -ENOTSUP : err;
}
