/* SPDX-License-Identifier: BSD-2-Clause */
/* SYSCALL from ring 3 and SYSRET back. */
#include "lib/guest.h"

u64 syscall_seen_flags, syscall_seen_rip, syscall_kernel_flags, syscall_or_flags, syscall_or_rip;
void syscall_body(void);
__asm__("syscall_body:\n"
        "mov %r11, syscall_seen_flags(%rip)\n"
        "mov %rcx, syscall_seen_rip(%rip)\n"
        "pushfq\n"
        "pop syscall_kernel_flags(%rip)\n"
        "or syscall_or_flags(%rip), %r11\n"
        "or syscall_or_rip(%rip), %rcx\n"
        "mov $0x5aa5, %eax\n"
        "sysretq\n");
__attribute__((used)) static u64 makes_syscall(void)
{
    u64 r;
    __asm__ volatile("syscall; nop; nop" : "=a"(r) : : "rcx", "r11", "memory");
    return r;
}

void guest_main(void)
{
    wrmsr(0xc0000081, (u64)0x1b << 48 | (u64)8 << 32); /* sysret: cs 0x2b, ss 0x23 */
    wrmsr(0xc0000082, (u64)syscall_body);
    wrmsr(0xc0000084, 0x200);
    CHECK_EQ(user_run(makes_syscall, 0), 0x5aa5);
    CHECK_EQ(syscall_seen_flags & 2, 2);
    for (u64 k = 0; k < 50; k++) { /* quick ways too */
        u64 flags = (k & 1 ? 0x40 : 0) | (k & 2 ? 0x400 : 0) | (k & 4 ? 0x40000 : 0) | 0x202;
        wrmsr(0xc0000084, k & 8 ? 0x47700 : 0x200);
        CHECK_EQ(user_run(makes_syscall, flags), 0x5aa5);
        CHECK_EQ(syscall_seen_flags & 0x40600, flags & 0x40600);
        CHECK_EQ(syscall_kernel_flags & 0x40600, flags & 0x40600 & ~(k & 8 ? (u64)0x47700 : 0x200));
    }
    wrmsr(0xc0000084, 0x200);
    syscall_or_flags = 0x100; /* a trap behind the first instruction of the user's */
    CHECK_EQ(user_run(makes_syscall, 0), ~(u64)0 - 1);
    syscall_or_flags = 0;
    syscall_or_rip = (u64)1 << 47;
    CHECK_EQ(user_run(makes_syscall, 0), ~(u64)0 - 13);
    syscall_or_rip = 0;
    CHECK_EQ(user_run(makes_syscall, 0), 0x5aa5);
    wrmsr(0xc0000080, rdmsr(0xc0000080) & ~(u64)1);
    CHECK_EQ(user_run(makes_syscall, 0), ~(u64)0 - 6);
    wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
    CHECK_EQ(user_run(makes_syscall, 0), 0x5aa5);
    CHECK(syscall_seen_rip > (u64)makes_syscall && syscall_seen_rip < (u64)makes_syscall + 32);
}
