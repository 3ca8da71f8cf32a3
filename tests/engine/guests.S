/* SPDX-License-Identifier: BSD-2-Clause */
/* Small flat guests. Each is copied to CODE (rig.h) and entered at its first byte: real-mode ones
 * with CS:IP CODE/16:0, 64-bit ones with everything identity-mapped, a GDT with CS 8 and SS 16,
 * interrupts off, a stack. Port 0xe9 prints the low byte, port 0xf4 ends the machine with a status. */
        .section .rodata

#define GUEST(name) .balign 16; .globl name; name:
#define END(name) .globl name##_end; name##_end:
#define EXIT(n) movb $(n), %al; outb %al, $0xf4; 9: hlt; jmp 9b

/* Prints "real" and ends with 7. */
        .code16
GUEST(guest_real)
        movw %cs, %ax
        movw %ax, %ds
        call 1f
1:      popw %si
        addw $(2f - 1b), %si
        cld
3:      lodsb
        testb %al, %al
        jz 4f
        outb %al, $0xe9
        jmp 3b
4:      EXIT(7)
2:      .asciz "real"
END(guest_real)

/* Sums 1..1000000 in a loop, ends with 1 when the sum is right, 0 otherwise. */
        .code64
GUEST(guest_sum)
        xorl %ecx, %ecx
        xorl %eax, %eax
1:      incq %rcx
        addq %rcx, %rax
        cmpq $1000000, %rcx
        jne 1b
        movabsq $500000500000, %rdx
        cmpq %rdx, %rax
        sete %al
        outb %al, $0xf4
2:      hlt
        jmp 2b
END(guest_sum)

/* Counts for ever in COUNTER. */
GUEST(guest_count)
1:      incq 0x9000
        jmp 1b
END(guest_count)

/* Counts for ever in COUNTER, and goes round by returns alone, to where more calls came from than an
 * engine can remember: requests must be looked at there too. */
GUEST(guest_returns)
        leaq 3f(%rip), %rax
        movq %rax, 0x9018
        movl $100, %ebx
1:      movl $40, %ecx
        call 2f
        decl %ebx
        jnz 1b
        movb $1, 0x9010                 /* the next time it does not come back */
        movl $40, %ecx
2:      decl %ecx
        jz 4f
        call 2b
3:      cmpb $0, 0x9010
        jne 5f
4:      ret
5:      incq 0x9000
        movl $0x9018, %esp
        ret
END(guest_returns)

/* Spins until COUNTER + 8 is set, then ends with 5. */
GUEST(guest_wait_flag)
1:      pause
        cmpq $0, 0x9008
        je 1b
        EXIT(5)
END(guest_wait_flag)

/* Self-modifying code of three kinds; prints one letter for each that worked. */
GUEST(guest_smc)
        /* the next instruction, in the same block */
        movb $'A', 1f + 1 - guest_smc + 0x10000
1:      movb $'?', %al
        outb %al, $0xe9
        /* code that ran before */
        movl $2, %ecx
2:      movb $'x', %al
        outb %al, $0xe9
        movb $'B', 2b + 1 - guest_smc + 0x10000
        loop 2b
        /* another page, called before and after, its second instruction patched */
        movabsq $0x12000, %rdi
        leaq 5f(%rip), %rsi
        movl $(6f - 5f), %ecx
        rep movsb
        movabsq $0x12000, %rbx
        call *%rbx
        outb %al, $0xe9
        movb $'C', 0x12002
        call *%rbx
        outb %al, $0xe9
        /* data beside code: many stores, none into an instruction */
        movl $1000, %ecx
3:      incl 0x12080
        loop 3b
        call *%rbx
        outb %al, $0xe9
        /* an instruction that lies across a page boundary, patched in its second page */
        movabsq $0x13ffe, %rdi
        leaq 7f(%rip), %rsi
        movl $(8f - 7f), %ecx
        rep movsb
        movabsq $0x13ffe, %rbx
        call *%rbx
        outb %al, $0xe9
        movb $'E', 0x14000
        call *%rbx
        outb %al, $0xe9
        EXIT(0)
5:      nop
        movb $'y', %al
        ret
6:
7:      .byte 0x66, 0xb8, 'D', 0        /* mov $'D', %ax: the immediate begins at the boundary */
        ret
8:
END(guest_smc)

/* x2APIC timer, one-shot, wakes HLT; three times. Prints a dot each. */
GUEST(guest_timer)
        movl $0x1b, %ecx
        rdmsr
        orl $0xc00, %eax
        wrmsr
        movl $0x80f, %ecx               /* spurious vector, APIC enabled */
        movl $0x1ff, %eax
        xorl %edx, %edx
        wrmsr
        movl $0x832, %ecx               /* timer: one-shot, vector 0x30 */
        movl $0x30, %eax
        wrmsr
        movl $0x83e, %ecx               /* divide by 1 */
        movl $0xb, %eax
        wrmsr
        /* IDT at 0xa000, gate 0x30 */
        leaq 5f(%rip), %rax
        movw %ax, 0xa300
        movw $8, 0xa302
        movw $0x8e00, 0xa304
        shrl $16, %eax
        movw %ax, 0xa306
        movl $0, 0xa308
        pushq $0xa000
        pushw $0xfff
        lidt (%rsp)
        addq $10, %rsp
        movl $3, %ebx
1:      movl $0x838, %ecx               /* count */
        movl $200000, %eax
        xorl %edx, %edx
        wrmsr
2:      sti
        hlt
        cli
        cmpl $0, %ebp
        je 2b
        xorl %ebp, %ebp
        movb $'.', %al
        outb %al, $0xe9
        decl %ebx
        jnz 1b
        EXIT(3)
5:      movl $1, %ebp
        pushq %rax
        pushq %rcx
        pushq %rdx
        movl $0x80b, %ecx               /* end of interrupt */
        xorl %eax, %eax
        xorl %edx, %edx
        wrmsr
        popq %rdx
        popq %rcx
        popq %rax
        iretq
END(guest_timer)

/* Waits in HLT with interrupts off; an NMI comes from outside. Ends with 2 from the handler. */
GUEST(guest_nmi)
        leaq 5f(%rip), %rax
        movw %ax, 0xa020
        movw $8, 0xa022
        movw $0x8e00, 0xa024
        shrl $16, %eax
        movw %ax, 0xa026
        movl $0, 0xa028
        pushq $0xa000
        pushw $0xfff
        lidt (%rsp)
        incq 0x9000
1:      hlt
        jmp 1b
5:      EXIT(2)
END(guest_nmi)

/* No IDT: a triple fault. */
GUEST(guest_triple)
        pushq $0
        pushw $0
        lidt (%rsp)
        ud2
END(guest_triple)

/* Starts the second processor (its real-mode code is copied to 0x8000), then both add to COUNTER
 * with a locked operation across a cache line (0x903c..0x9043) and one within (0x9080), 20000 times
 * each. Ends with 1 when both sums are exact. */
GUEST(guest_smp)
        movabsq $0x8000, %rdi
        leaq 5f(%rip), %rsi
        movl $(6f - 5f), %ecx
        rep movsb
        movl $0x1b, %ecx
        rdmsr
        orl $0xc00, %eax
        wrmsr
        movl $0x80f, %ecx
        movl $0x1ff, %eax
        xorl %edx, %edx
        wrmsr
        movl $0x830, %ecx               /* INIT, then start-up at 0x8000, to processor 1 */
        movl $1, %edx
        movl $0x4500, %eax
        wrmsr
        movl $0x4608, %eax
        wrmsr
1:      pause
        cmpl $0, 0x90c0                 /* until it is there */
        je 1b
        movl $20000, %ecx
2:      lock incq 0x903c
        lock incq 0x9080
        loop 2b
        lock incl 0x90c4
3:      pause
        cmpl $2, 0x90c4
        jne 3b
        xorl %eax, %eax
        cmpq $40000, 0x903c
        jne 4f
        cmpq $40000, 0x9080
        jne 4f
        movb $1, %al
4:      outb %al, $0xf4
9:      hlt
        jmp 9b
        .code16
5:      cli
        xorw %ax, %ax
        movw %ax, %ds
        movl $1, 0x90c0
        movl $20000, %ecx
7:      lock incl 0x903c
        lock incl 0x9080
        decl %ecx
        jnz 7b
        lock incl 0x90c4
8:      hlt
        jmp 8b
6:
        .code64
END(guest_smp)

/* The second processor calls a routine for ever and stores what it returns at 0x9000; this one
 * changes the routine and waits until the other has returned each value. Ends with 4. */
GUEST(guest_cross_smc)
        movl $0xc30000b8, 0x8800        /* mov $0, %ax; ret */
        movabsq $0x8000, %rdi
        leaq 5f(%rip), %rsi
        movl $(6f - 5f), %ecx
        rep movsb
        movl $0x1b, %ecx
        rdmsr
        orl $0xc00, %eax
        wrmsr
        movl $0x80f, %ecx
        movl $0x1ff, %eax
        xorl %edx, %edx
        wrmsr
        movl $0x830, %ecx
        movl $1, %edx
        movl $0x4500, %eax
        wrmsr
        movl $0x4608, %eax
        wrmsr
        xorl %ebx, %ebx
1:      incl %ebx
        movb %bl, 0x8801
2:      pause
        cmpb %bl, 0x9000
        jne 2b
        cmpl $100, %ebx
        jne 1b
        EXIT(4)
        .code16
5:      xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %ss
        movw $0x7000, %sp
7:      call 5b + 0x800
        movb %al, 0x9000
        jmp 7b
6:
        .code64
END(guest_cross_smc)

/* An undefined instruction that the monitor handles by stepping over it and setting RBX, then a
 * software interrupt. No IDT. Ends with BL. */
GUEST(guest_intercept)
        pushq $0
        pushw $0
        lidt (%rsp)
        ud2
        int $0x21
        movb %bl, %al
        outb %al, $0xf4
1:      hlt
        jmp 1b
END(guest_intercept)

/* RDTSC never goes back; ends with 6 after 100000 readings. */
GUEST(guest_tsc)
        movl $100000, %ecx
        xorl %ebx, %ebx
1:      rdtsc
        shlq $32, %rdx
        orq %rdx, %rax
        cmpq %rbx, %rax
        jb 2f
        movq %rax, %rbx
        loop 1b
        EXIT(6)
2:      EXIT(0xee)
END(guest_tsc)

/* Fills every kind of register, leaves one interrupt pending and a timer of 60 ms running, then waits
 * at COUNTER = 1 until COUNTER + 8 is set, or in HLT for the timer when COUNTER + 0x10 is. Whoever
 * ran it up to there, it then checks that all of it is as it was. Ends with 1, or with the number of
 * the check that failed (in ebx, 2 and up). */
        .macro EXPECT reg, value
        incl %ebx
        movabsq $\value, %rcx
        cmpq %rcx, \reg
        jne state_failed
        .endm
        .macro SET_MSR index, value
        movl $\index, %ecx
        movl $(\value & 0xffffffff), %eax
        movl $(\value >> 32), %edx
        wrmsr
        .endm
        .macro EXPECT_MSR index, value
        movl $\index, %ecx
        rdmsr
        shlq $32, %rdx
        orq %rdx, %rax
        EXPECT %rax, \value
        .endm
        .macro GATE vector, handler
        leaq \handler(%rip), %rax
        movw %ax, 0xa000 + 16 * \vector
        movw $8, 0xa002 + 16 * \vector
        movw $0x8e00, 0xa004 + 16 * \vector
        shrl $16, %eax
        movw %ax, 0xa006 + 16 * \vector
        movl $0, 0xa008 + 16 * \vector
        .endm
GUEST(guest_state)
        GATE 0x30, state_timer
        GATE 0x50, state_self
        pushq $0xa000
        pushw $0xfff
        lidt (%rsp)
        addq $10, %rsp
        movq %cr4, %rax
        orl $0x600, %eax
        movq %rax, %cr4
        SET_MSR 0x1b, 0xfee00d00
        SET_MSR 0x80f, 0x1ff
        SET_MSR 0x832, 0x30
        SET_MSR 0x83e, 0xb
        SET_MSR 0xc0000081, 0x0013000800000000
        SET_MSR 0xc0000082, 0xffff800000123000
        SET_MSR 0xc0000084, 0x47700
        SET_MSR 0xc0000102, 0xffff888000456000
        SET_MSR 0xc0000100, 0x00007f0000001000
        SET_MSR 0xc0000101, 0xffff888000789000
        SET_MSR 0x174, 0x10
        SET_MSR 0x175, 0xffff800000002000
        SET_MSR 0x277, 0x0007040600070406
        movq $0x123456, %rax
        movq %rax, %dr0
        movq $0xabcdef, %rax
        movq %rax, %dr3
        movl $0xdeadb000, %eax
        movq %rax, %cr2
        movl $2, %eax
        movq %rax, %cr8
        fninit
        fldpi
        fld1
        movl $0x3fa0, 0x9020
        ldmxcsr 0x9020                  /* round down, zero divide flag... as a pattern */
        movabsq $0x1122334455667788, %rax
        movq %rax, %xmm0
        movabsq $0x99aabbccddeeff00, %rax
        movq %rax, %xmm15
        movlhps %xmm0, %xmm15
        SET_MSR 0x838, 60000000
        cmpq $0, 0x9010
        jne 1f
        SET_MSR 0x83f, 0x50
1:      rdtsc
        movl %eax, 0x9028
        movl %edx, 0x902c
        movabsq $0x0123456789abcdef, %r8
        leaq -1(%r8), %r15
        movl $1, %ebx
        std
        movq $1, 0x9000
        cmpq $0, 0x9010
        je 2f
        sti
        hlt                             /* it may be on another engine that this ends */
        cli
        jmp 3f
2:      pause
        cmpq $0, 0x9008
        je 2b
3:      pushfq
        popq %rax
        cld
        andl $0x400, %eax
        EXPECT %rax, 0x400
        EXPECT %r8, 0x0123456789abcdef
        EXPECT %r15, 0x0123456789abcdee
        movq %xmm15, %rax
        EXPECT %rax, 0x99aabbccddeeff00
        movhlps %xmm15, %xmm1
        movq %xmm1, %rax
        EXPECT %rax, 0x1122334455667788
        stmxcsr 0x9020
        movl 0x9020, %eax
        EXPECT %rax, 0x3fa0
        fistpl 0x9020                   /* 1 */
        movl 0x9020, %eax
        EXPECT %rax, 1
        fstpl 0x9020                    /* pi */
        movq 0x9020, %rax
        EXPECT %rax, 0x400921fb54442d18
        movq %dr0, %rax
        EXPECT %rax, 0x123456
        movq %dr3, %rax
        EXPECT %rax, 0xabcdef
        movq %cr2, %rax
        EXPECT %rax, 0xdeadb000
        movq %cr8, %rax
        EXPECT %rax, 2
        EXPECT_MSR 0xc0000081, 0x0013000800000000
        EXPECT_MSR 0xc0000082, 0xffff800000123000
        EXPECT_MSR 0xc0000084, 0x47700
        EXPECT_MSR 0xc0000102, 0xffff888000456000
        EXPECT_MSR 0xc0000100, 0x00007f0000001000
        EXPECT_MSR 0xc0000101, 0xffff888000789000
        EXPECT_MSR 0x174, 0x10
        EXPECT_MSR 0x175, 0xffff800000002000
        EXPECT_MSR 0x277, 0x0007040600070406
        EXPECT_MSR 0x1b, 0xfee00d00
        EXPECT_MSR 0x80f, 0x1ff
        EXPECT_MSR 0x832, 0x30
        rdtsc                           /* never back */
        shlq $32, %rdx
        orq %rdx, %rax
        xorl %edx, %edx
        cmpq 0x9028, %rax
        setae %dl
        EXPECT %rdx, 1
        movl 0x9030, %eax               /* neither has come while interrupts were off */
        cmpq $0, 0x9010
        jne 4f
        EXPECT %rax, 0
4:      sti
5:      pause
        cmpq $0, 0x9010
        jne 6f
        cmpl $0, 0x9030
        je 5b
6:      cmpl $0, 0x9034
        je 5b
        cli
        movl 0x9034, %eax
        EXPECT %rax, 1                  /* one shot: once */
        EXIT(1)
state_failed:
        movb %bl, %al
        outb %al, $0xf4
9:      hlt
        jmp 9b
state_self:
        incl 0x9030
        jmp 7f
state_timer:
        incl 0x9034
7:      pushq %rax
        pushq %rcx
        pushq %rdx
        SET_MSR 0x80b, 0
        popq %rdx
        popq %rcx
        popq %rax
        iretq
END(guest_state)

/* LAR, LDMXCSR and LSL, which KVM's emulator does not know, and their results. Ends with 3. */
GUEST(guest_gives_up)
        movq %cr4, %rax
        orl $0x600, %eax
        movq %rax, %cr4
        xorl %ebx, %ebx
        movl $8, %ecx
        larl %ecx, %eax
        jnz 1f
        andl $0xff00, %eax
        cmpl $0x9b00, %eax
        jne 1f
        incl %ebx
1:      movl $16, %ecx
        lsll %ecx, %eax
        jnz 2f
        cmpl $-1, %eax
        jne 2f
        incl %ebx
2:      movl $0x1fa0, 0x9000
        ldmxcsr 0x9000
        stmxcsr 0x9008
        cmpl $0x1fa0, 0x9008
        jne 3f
        incl %ebx
3:      movb %bl, %al
        outb %al, $0xf4
9:      hlt
        jmp 9b
END(guest_gives_up)

/* A level-triggered line of the I/O APIC at pin 16, vector 0x41; port 0xe0 asserts and releases it.
 * The handler ends its first interrupt with the line asserted and must be called again, its second
 * with the line released. Ends with 2: as often as it was called. */
GUEST(guest_level)
        GATE 0x41, level_handler
        pushq $0xa000
        pushw $0xfff
        lidt (%rsp)
        addq $10, %rsp
        SET_MSR 0x1b, 0xfee00d00
        SET_MSR 0x80f, 0x1ff
        movl $0xfec00000, %edi
        movl $0x31, (%rdi)
        movl $0, 0x10(%rdi)
        movl $0x30, (%rdi)
        movl $0x8041, 0x10(%rdi)
        xorl %ebx, %ebx
        movb $1, %al
        outb %al, $0xe0
        sti
1:      cmpl $2, %ebx
        jb 1b
        movl $100000, %ecx              /* a third would come now */
2:      decl %ecx
        jnz 2b
        cli
        movl $0x30, (%rdi)
        movl 0x10(%rdi), %eax
        cmpl $0x8041, %eax              /* remote IRR has gone */
        je 3f
        movb $0x99, %bl
3:      movb %bl, %al
        outb %al, $0xf4
9:      hlt
        jmp 9b
level_handler:
        incl %ebx
        cmpl $2, %ebx
        jne 4f
        xorl %eax, %eax
        outb %al, $0xe0
4:      SET_MSR 0x80b, 0
        iretq
END(guest_level)

/* Read-only memory at 64 MiB: it is read and executed, stores vanish. Its first bytes are
 * mov $0x21, %al; ret; a quadword lies 8 bytes behind. Ends with 0x21. */
GUEST(guest_rom)
        movl $0x4000000, %ebx
        movabsq $0x1122334455667788, %rdx
        cmpq 8(%rbx), %rdx
        jne 1f
        movb $0xee, 1(%rbx)
        movq $0, 8(%rbx)
        leaq 8(%rbx), %rdi
        movb $0xff, %al
        movl $4, %ecx
        rep stosb
        cmpq 8(%rbx), %rdx
        jne 1f
        call *%rbx
        outb %al, $0xf4
1:      EXIT(1)
END(guest_rom)

/* Two registers only the monitor knows: 0x12345678 keeps what is written plus one, 0x12345679 does
 * not exist. Ends with 13, the exception of the latter. */
GUEST(guest_msr)
        GATE 13, msr_fault
        pushq $0xa000
        pushw $0xfff
        lidt (%rsp)
        addq $10, %rsp
        SET_MSR 0x12345678, 0xaabbccdd11223344
        rdmsr
        cmpl $0x11223345, %eax
        jne 1f
        cmpl $0xaabbccdd, %edx
        jne 1f
        movl $0x12345679, %ecx
        rdmsr
1:      EXIT(1)
msr_fault:
        EXIT(13)
END(guest_msr)

/* Puts patterns into the widest vector registers that CPUID and XCR0 offer, waits at COUNTER = 1 until
 * COUNTER + 8 is set, and looks whether they are still there. Ends with the sum of what it has
 * found: 1 SSE, 2 AVX, 4 AVX-512; or with 0x80 and the one that is wrong. */
        .macro SAME at, size
        leaq 7f(%rip), %rsi
        movl $\at, %edi
        movl $\size, %ecx
        cld
        repe cmpsb
        .endm
GUEST(guest_vectors)
        movl $1, %ebp
        movl $1, %eax
        cpuid
        movq %cr4, %rax
        orl $0x600, %eax
        movq %rax, %cr4
        btl $28, %ecx
        jnc 1f
        orl $0x40000, %eax
        movq %rax, %cr4
        orl $2, %ebp
        movl $0xd, %eax
        xorl %ecx, %ecx
        cpuid
        andl $0xe7, %eax
        movl %eax, %esi
        xorl %ecx, %ecx
        xorl %edx, %edx
        xsetbv
        andl $0xe0, %esi
        cmpl $0xe0, %esi
        jne 1f
        orl $4, %ebp
1:      movups 7f(%rip), %xmm9
        testl $2, %ebp
        jz 2f
        vmovups 7f(%rip), %ymm3
        testl $4, %ebp
        jz 2f
        vmovups 7f(%rip), %zmm5
        vmovups 7f(%rip), %zmm30
        movl $0xa5c3, %eax
        kmovw %eax, %k3
2:      movq $1, 0x9000
3:      pause
        cmpq $0, 0x9008
        je 3b
        movl $0x81, %ebx
        movups %xmm9, 0x9100
        SAME 0x9100, 16
        jne 6f
        testl $2, %ebp
        jz 5f
        movl $0x82, %ebx
        vmovups %ymm3, 0x9100
        SAME 0x9100, 32
        jne 6f
        testl $4, %ebp
        jz 5f
        movl $0x84, %ebx
        vmovups %zmm5, 0x9100
        SAME 0x9100, 64
        jne 6f
        vmovups %zmm30, 0x9100
        SAME 0x9100, 64
        jne 6f
        kmovw %k3, %eax
        cmpl $0xa5c3, %eax
        jne 6f
5:      movl %ebp, %ebx
6:      movb %bl, %al
        outb %al, $0xf4
9:      hlt
        jmp 9b
        .balign 64
7:      .quad 0x0102030405060708, 0x1112131415161718, 0x2122232425262728, 0x3132333435363738
        .quad 0x4142434445464748, 0x5152535455565758, 0x6162636465666768, 0x7172737475767778
END(guest_vectors)

        .section .note.GNU-stack, "", @progbits
