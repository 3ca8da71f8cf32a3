/* SPDX-License-Identifier: BSD-2-Clause */
/* 256 interrupt entries that bring every vector to trap_dispatch with one frame layout. */

    .text
    .align 16
    .globl vector_entries
vector_entries:
vector = 0
    .rept 256
    .align 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
    .else
    push $0                     /* where the processor pushes no error code */
    .endif
    push $vector
    jmp trap_common
    vector = vector + 1
    .endr

trap_common:
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rdi
    cld
    call trap_dispatch
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

/* u64 user_call(u64 (*fn)(void), void *stack_top, u64 flags): runs fn in ring 3 and returns what it returned; fn
 * leaves by returning to user_exit, whose UD2 traps to the kernel. */
    .globl user_call
user_call:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, user_call_stack(%rip)
    lea user_exit(%rip), %rax
    sub $8, %rsi
    mov %rax, (%rsi)
    push $0x23                  /* ss */
    push %rsi                   /* rsp */
    or $2, %rdx
    push %rdx                   /* flags */
    push $0x2b                  /* cs */
    push %rdi                   /* rip */
    iretq

    .globl user_return
user_return:                    /* from trap_dispatch: rdi has the result */
    mov user_call_stack(%rip), %rsp
    mov %rdi, %rax
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .globl user_exit
user_exit:
    ud2

    .data
user_call_stack: .quad 0

    .section .note.GNU-stack, "", @progbits
