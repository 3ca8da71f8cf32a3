/* SPDX-License-Identifier: BSD-2-Clause */
/* SYSCALL from ring 3 and SYSRET back. */
#include "lib/guest.h"

u64 syscall_seen_flags, syscall_seen_rip;
void syscall_body(void);
__asm__("syscall_body:\n"
        "mov %r11, syscall_seen_flags(%rip)\n"
        "mov %rcx, syscall_seen_rip(%rip)\n"
        "mov $0x5aa5, %eax\n"
        "sysretq\n");
__attribute__((used)) static u64 makes_syscall(void)
{
    u64 r;
    __asm__ volatile("syscall" : "=a"(r) : : "rcx", "r11", "memory");
    return r;
}

void guest_main(void)
{
    wrmsr(0xc0000081, (u64)0x1b << 48 | (u64)8 << 32); /* sysret: cs 0x2b, ss 0x23 */
    wrmsr(0xc0000082, (u64)syscall_body);
    wrmsr(0xc0000084, 0x200);
    CHECK_EQ(user_run(makes_syscall, 0), 0x5aa5);
    CHECK_EQ(syscall_seen_flags & 2, 2);
    CHECK(syscall_seen_rip > (u64)makes_syscall && syscall_seen_rip < (u64)makes_syscall + 32);
}
