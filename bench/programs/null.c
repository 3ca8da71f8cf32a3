/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest program: what `exec` starts, so that exec itself is what takes the time. */
_Noreturn void _start(void);

_Noreturn void _start(void)
{
    __asm__ volatile("syscall" : : "a"(60), "D"(0) : "rcx", "r11", "memory");
    __builtin_unreachable();
}
