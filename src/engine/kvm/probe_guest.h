/* SPDX-License-Identifier: BSD-2-Clause */
/* Where things lie in the memory of the probe's guest (C and assembler). */
#ifndef ENGINE_KVM_PROBE_GUEST_H
#define ENGINE_KVM_PROBE_GUEST_H

/* Page tables are at 0, 0x1000 and 0x2000: the first 2 MiB one to one. */
#define PROBE_GDT          0x3000
#define PROBE_TSS          0x3400
#define PROBE_IDT          0x4000
#define PROBE_IDT32        0x4a00
#define PROBE_TABLE        0x5000 /* page table of the third 2 MiB: one page, and one not there */
#define PROBE_CODE         0x6000
#define PROBE_V86_MARK     0x7e00
#define PROBE_RESULT       0x8000
#define PROBE_PAGE         0x9000
#define PROBE_KERNEL_STACK 0xc000
#define PROBE_TRAP_STACK   0xd000
#define PROBE_USER_STACK   0xe000
#define PROBE_RAM          0x10000
#define PROBE_CROSSING     0x200ffe

/* Selectors in an order that no host kernel has. */
#define PROBE_KERNEL_CS            0x18
#define PROBE_KERNEL_SS            0x20
#define PROBE_USER_CS              0x43
#define PROBE_USER_SS              0x3b
#define PROBE_CODE32               0x28
#define PROBE_TSS_SELECTOR         0x50
#define PROBE_TABLE_LIMIT_SELECTOR 0x08 /* a data segment with a limit of its own */
#define PROBE_GDT_LIMIT            0x5f
#define PROBE_IDT_LIMIT            0x81f

/* Offsets in the result page. */
#define PROBE_GDTR              0x00
#define PROBE_IDTR              0x10
#define PROBE_LDTR              0x20
#define PROBE_TR                0x24
#define PROBE_MSW               0x28
#define PROBE_CS                0x2c
#define PROBE_SS                0x30
#define PROBE_LSL               0x34
#define PROBE_CPUID_KERNEL      0x40
#define PROBE_CPUID_USER        0x44
#define PROBE_FLAGS             0x48
#define PROBE_TSC_MOVED         0x4c
#define PROBE_VECTOR_STORE      0x50
#define PROBE_VECTOR_SIMD       0x51
#define PROBE_VECTOR_BREAKPOINT 0x52
#define PROBE_VECTOR_TABLES     0x53
#define PROBE_VECTOR_INT        0x54
#define PROBE_VECTOR_PAT        0x55
#define PROBE_VECTOR_WATCH      0x56
#define PROBE_VECTOR_RDTSC      0x57
#define PROBE_VECTOR_PORT       0x58
#define PROBE_VECTOR_SYSCALL    0x59
#define PROBE_SYSCALL_DONE      0x5a
#define PROBE_FINISHED          0x5b

#endif
