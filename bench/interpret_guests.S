/* SPDX-License-Identifier: BSD-2-Clause */
/* Loops for bench/interpret.c; entered as the 64-bit guests of tests/engine. */
        .section .rodata
        .code64
#define EXIT movb $0, %al; outb %al, $0xf4; 9: hlt; jmp 9b

/* Loads, stores, arithmetic, a branch that alternates, a call. */
        .globl bench_mixed, bench_mixed_end
bench_mixed:
        movl $20000000, %ecx
        movq $0x20000, %rsi
1:      movq (%rsi), %rax
        addq %rcx, %rax
        movq %rax, 8(%rsi)
        testl $1, %ecx
        jz 2f
        xorq %rdx, %rdx
2:      leaq 3(%rax, %rdx, 4), %rbx
        call 4f
        decl %ecx
        jnz 1b
        EXIT
4:      pushq %rbx
        cmpq $5, %rax
        popq %rbx
        ret
bench_mixed_end:

/* Indirect calls to eight places: what a guest's own interpreter does. */
        .globl bench_indirect, bench_indirect_end
bench_indirect:
        movl $20000000, %ecx
        leaq 2f(%rip), %rsi
1:      movl %ecx, %eax
        imull $0x9e3779b1, %eax, %eax
        shrl $29, %eax
        leaq (%rsi, %rax, 8), %rax
        call *%rax
        decl %ecx
        jnz 1b
        EXIT
        .balign 8
2:      .rept 8
        addl $1, %edx
        ret
        .balign 8
        .endr
bench_indirect_end:

/* A pass over 64 pages with a CR3 load each time: TLB misses and links made again. */
        .globl bench_tlb, bench_tlb_end
bench_tlb:
        movl $100000, %ecx
        movq %cr3, %rbx
1:      movq %rbx, %cr3
        movl $64, %edx
        movl $0x100000, %esi
2:      addl $1, (%rsi)
        addl $4096, %esi
        decl %edx
        jnz 2b
        decl %ecx
        jnz 1b
        EXIT
bench_tlb_end:

/* SSE arithmetic in registers and memory. */
        .globl bench_vector, bench_vector_end
bench_vector:
        movq %cr4, %rax
        orq $0x600, %rax
        movq %rax, %cr4
        movl $20000000, %ecx
        movl $0x20000, %esi
        xorps %xmm0, %xmm0
1:      movaps (%rsi), %xmm1
        paddd %xmm1, %xmm0
        pxor %xmm0, %xmm1
        movaps %xmm1, 16(%rsi)
        decl %ecx
        jnz 1b
        EXIT
bench_vector_end:
        .section .note.GNU-stack, "", @progbits
