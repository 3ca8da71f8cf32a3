/* SPDX-License-Identifier: BSD-2-Clause */
/* Start of an application processor: copied to 0x8000, entered by SIPI in real mode, goes straight
 * to long mode and to ap_main on the stack in ap_stack. */

#define AT(label) (label - ap_start + 0x8000)

    .section .rodata
    .globl ap_start, ap_start_end
ap_start:
    .code16
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl AT(ap_gdt_pointer)
    mov $0x620, %eax
    mov %eax, %cr4
    mov $page_top, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    mov $0x901, %eax
    xor %edx, %edx
    wrmsr
    mov $0x80000033, %eax
    mov %eax, %cr0
    ljmpl $0x08, $AT(ap_long)
    .code64
ap_long:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov ap_stack, %rsp
    mov $ap_entry, %rax
    call *%rax
1:  hlt
    jmp 1b
    .balign 4
ap_gdt_pointer:
    .word 0x57
    .long gdt
ap_start_end:

    .bss
    .align 16
    .skip 16384
first_stack_top:
    .data
    .balign 8
    .globl ap_stack
ap_stack:
    .quad first_stack_top
    .section .note.GNU-stack, "", @progbits
