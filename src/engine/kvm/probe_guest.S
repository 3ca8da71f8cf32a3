/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest that probe_quirks.c runs: tries in ring 0 and in ring 3 what some implementations of KVM
 * do differently from a processor, and notes what it saw. It has no loop, so it always ends: by HLT
 * in ring 0. r13 is the byte for the vector of an exception, r15 where to go on after it, r14 is set
 * for the last one. */
#include "engine/kvm/probe_guest.h"

        .section .rodata
        .globl probe_guest, probe_guest_end, probe_guest_window, probe_guest_v86, probe_guest_v86_fault
        .globl probe_guest_ud, probe_guest_gp, probe_guest_db, probe_guest_xm, probe_guest_int

        .macro TRY slot
        mov $PROBE_RESULT + \slot, %r13d
        lea 9f(%rip), %r15
        .endm
        .macro SHOW_CPUID slot
        mov $7, %eax
        xor %ecx, %ecx
        cpuid
        mov %ebx, PROBE_RESULT + \slot
        .endm

probe_guest:
        xor %r14d, %r14d
        SHOW_CPUID PROBE_CPUID_KERNEL
        /* a store whose second part faults */
        TRY PROBE_VECTOR_STORE
        movl $0, PROBE_CROSSING
9:      TRY PROBE_VECTOR_SIMD
        xorps %xmm1, %xmm1
        mov $0x3f800000, %eax
        movd %eax, %xmm0
        divss %xmm1, %xmm0
9:      TRY PROBE_VECTOR_BREAKPOINT
        lea 1f(%rip), %rax
        mov %rax, %dr0
        mov $0x402, %eax
        mov %rax, %dr7
1:      nop
9:      TRY PROBE_VECTOR_WATCH
        mov $PROBE_PAGE + 0x100, %eax
        mov %rax, %dr0
        mov $0xd0402, %eax              /* a write of four bytes */
        mov %rax, %dr7
        mov %eax, PROBE_PAGE + 0x100
9:      mov $0x400, %eax
        mov %rax, %dr7
        TRY PROBE_VECTOR_PAT
        mov $0x277, %ecx
        mov $2, %eax                    /* no such memory type */
        xor %edx, %edx
        wrmsr
9:      mov $0x10, %ecx
        rdtsc
        add $0x40000, %edx
        mov %edx, %ebx
        wrmsr
        rdtsc
        xor %eax, %eax
        cmp %ebx, %edx
        setae %al
        mov %eax, PROBE_RESULT + PROBE_TSC_MOVED
        mov $0xc0000081, %ecx           /* STAR */
        xor %eax, %eax
        mov $(PROBE_USER_CS - 16) << 16 | PROBE_KERNEL_CS, %edx
        wrmsr
        mov $0xc0000082, %ecx           /* LSTAR */
        lea probe_syscall(%rip), %rax
        xor %edx, %edx
        wrmsr
        push $PROBE_USER_SS
        push $PROBE_USER_STACK
        push $0x3002                    /* IOPL 3 */
        push $PROBE_USER_CS
        lea 2f(%rip), %rax
        push %rax
        iretq

2:      SHOW_CPUID PROBE_CPUID_USER
        mov $PROBE_RESULT, %edi
        TRY PROBE_VECTOR_TABLES
        sgdt PROBE_GDTR(%rdi)
        sidt PROBE_IDTR(%rdi)
        sldt %eax
        mov %eax, PROBE_LDTR(%rdi)
        str %eax
        mov %eax, PROBE_TR(%rdi)
        smsw %eax
        mov %eax, PROBE_MSW(%rdi)
9:      mov %cs, %eax
        mov %eax, PROBE_CS(%rdi)
        mov %ss, %eax
        mov %eax, PROBE_SS(%rdi)
        mov $PROBE_TABLE_LIMIT_SELECTOR, %ecx
        mov $-1, %eax
        lsl %ecx, %eax
        mov %eax, PROBE_LSL(%rdi)
        TRY PROBE_VECTOR_INT
        int $0x80
9:      pushf
        pop %rax
        mov %eax, PROBE_FLAGS(%rdi)
        TRY PROBE_VECTOR_RDTSC          /* CR4.TSD is set */
        rdtsc
9:      TRY PROBE_VECTOR_PORT
        in $0x80, %al
9:      TRY PROBE_VECTOR_SYSCALL
        syscall
        movb $1, PROBE_SYSCALL_DONE(%rdi)
9:      mov $1, %r14d
        mov $PROBE_RESULT + PROBE_FINISHED, %r13d
        hlt                             /* #GP, and the handler ends the guest */

probe_syscall:
        sysretq

        /* Interrupts are let in after NOP: the monitor asks to be told. */
probe_guest_window:
        sti
        nop
        cli
        hlt

        /* Into virtual-8086 mode, where HLT faults. */
        .code32
probe_guest_v86:
        push $0                         /* gs, fs, ds, es, ss, esp */
        push $0
        push $0
        push $0
        push $0
        push $PROBE_USER_STACK
        push $0x20002                   /* VM */
        push $PROBE_CODE >> 4
        push $4f - probe_guest
        iret
        .code16
4:      hlt
        .code32
probe_guest_v86_fault:
        movw $6, PROBE_V86_MARK
        hlt
        .code64

        .macro HANDLER name, vector, error
\name:  .if \error
        add $8, %rsp
        .endif
        movb $\vector, (%r13)
        test %r14d, %r14d
        jnz 8f
        mov %r15, (%rsp)
        iretq
        .endm
        HANDLER probe_guest_db, 1, 0
        HANDLER probe_guest_ud, 6, 0
        HANDLER probe_guest_gp, 13, 1
        HANDLER probe_guest_xm, 19, 0
        HANDLER probe_guest_int, 0x80, 0
8:      hlt
probe_guest_end:

        .section .note.GNU-stack, "", @progbits
