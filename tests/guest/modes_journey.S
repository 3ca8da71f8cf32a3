/* SPDX-License-Identifier: BSD-2-Clause */
/* A journey through the processor's modes, run at 0x7000: long, compatibility, protected 32-bit,
 * protected 16-bit, real (with an interrupt through the IVT), virtual-8086, and back. Each stop
 * leaves its mark in the words at 0x7e00. Virtual-8086 is visited when word 16 is not zero. */

#define AT(label) (label - journey + 0x7000)
#define MARK(n)   0x7e00 + 2 * n

    .section .rodata
    .globl journey, journey_end
journey:
    .code64
    push %rbx
    push %rbp
    mov %rsp, 0x7e80
    mov %cr3, %rax
    mov %rax, 0x7e88
    sgdt 0x7e90
    sidt 0x7ea0
    ljmp *AT(to_compat)
to_compat:
    .long AT(compat)
    .word 0x30

    .code32
compat:
    movw $1, MARK(0)
    /* 48 is "dec eax" here and a prefix in 64-bit mode. */
    mov $5, %eax
    .byte 0x48
    nop
    mov %ax, MARK(1)
    mov $0x7d00, %esp
    mov $0x10, %eax
    mov %eax, %ss
    mov %eax, %ds
    mov %eax, %es
    /* Leave long mode. */
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
    mov $0xc0000080, %ecx
    rdmsr
    and $~0x100, %eax
    wrmsr
    mov %cr4, %eax
    and $~0x20, %eax
    mov %eax, %cr4
    movw $2, MARK(2)
    /* 16-bit stack wrap: SP is 16 bits wide here, the upper half of ESP stays. */
    mov $0x50, %eax
    mov %eax, %ss
    mov $0x12347d00, %esp
    push %eax
    mov %esp, 0x7ee0
    pop %eax
    lidt AT(real_idt)
    ljmp $0x38, $AT(prot16)

    .code16
prot16:
    movw $3, MARK(3)
    mov $0x50, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov %ax, %fs                /* real mode keeps limits and attributes: no null selector's */
    mov %ax, %gs
    mov %cr0, %eax
    and $0xfe, %al
    mov %eax, %cr0
    ljmp $0, $AT(real)
real:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7d00, %sp
    movw $4, MARK(4)
    movw $AT(real_int), 0x60 * 4
    movw $0, 0x60 * 4 + 2
    mov $0x1234, %ax
    int $0x60
    mov %ax, MARK(5)
    /* Segment arithmetic: 0700:0e0c is 7e0c. */
    mov $0x0700, %ax
    mov %ax, %fs
    movw $6, %fs:0x0e0c
    /* "Unreal" mode: a limit loaded in protected mode stays. */
    mov $0x7fff, %cx
    mov $3, %bx
    mov %cx, %ax
    mul %bx
    mov %dx, MARK(7)
    jmp to_protected
real_int:
    add $0x1111, %ax
    iret

to_protected:
    lgdtl 0x7e90
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $0x30, $AT(prot32)

    .code32
prot32:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $0x7d00, %esp
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    movw $8, MARK(8)
    mov 0x7e92, %ebx            /* the GDT: slot 0x40 becomes a 32-bit TSS */
    mov 0x40(%ebx), %eax
    mov %eax, 0x7ec0
    mov 0x44(%ebx), %eax
    mov %eax, 0x7ec4
    cmpw $0, MARK(16)
    je restore
    /* Virtual-8086 by IRET; it comes back through #GP of its INT, see the small IDT. */
    lidt AT(prot_idt)
    mov $0x7c00, %eax
    mov %eax, AT(tss32) + 4
    movw $0x10, AT(tss32) + 8
    movl $(AT(tss32) << 16 | 0x67), 0x40(%ebx)
    movl $0x00008900, 0x44(%ebx)
    mov $0x40, %eax
    ltr %ax
    xor %eax, %eax
    push %eax                   /* gs fs ds es ss esp flags cs eip */
    push %eax
    push %eax
    push %eax
    push %eax
    push $0x7b00
    push $0x20002               /* VM, IOPL 0 */
    push $0x700
    push $(v86 - journey)
    iret

    .code16
v86:
    movw $9, MARK(9)
    mov %cs, MARK(10)
    int $0x21                   /* IOPL 0: #GP to the monitor in ring 0 */

    .code32
v86_trap:
    mov $0x10, %eax             /* a trap out of virtual-8086 mode leaves null selectors */
    mov %eax, %ds
    mov %eax, %es
    mov (%esp), %eax            /* error code */
    mov %ax, MARK(11)
    mov 8(%esp), %eax           /* saved CS */
    mov %ax, MARK(12)
restore:
    mov 0x7e92, %ebx
    mov 0x7ec0, %eax
    mov %eax, 0x40(%ebx)
    mov 0x7ec4, %eax
    and $~0x200, %eax           /* not busy: LTR below sets it again */
    mov %eax, 0x44(%ebx)
    /* Back to long mode. */
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov 0x7e88, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    ljmp $0x08, $AT(long_again)
    .code64
long_again:
    mov $0x10, %eax
    mov %eax, %ss
    mov 0x7e80, %rsp
    lidt 0x7ea0
    mov $0x40, %eax
    ltr %ax
    movw $13, MARK(13)
    pop %rbp
    pop %rbx
    ret

    .balign 8
real_idt:
    .word 0x3ff
    .long 0
prot_idt:
    .word 14 * 8 - 1
    .long AT(small_idt)
    .balign 8
small_idt:
    .rept 13
    .quad 0
    .endr
    .word AT(v86_trap), 0x30, 0x8e00, 0
    .balign 8
tss32:
    .skip 104
journey_end:

    .section .note.GNU-stack, "", @progbits
