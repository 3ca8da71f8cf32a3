/* SPDX-License-Identifier: BSD-2-Clause */
/* Entry of every test guest: PVH gives 32-bit protected mode without paging and start_info in ebx;
 * we go to long mode with the first 4 GiB mapped one to one by 2 MiB pages, user-accessible. */

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18              /* name, descriptor, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .align 4
    .long start32

    .section .text.start, "ax"
    .code32
    .globl start32
start32:
    cli
    cld
    mov %ebx, start_info
    mov $boot_stack_top, %esp

    /* Four page directories of 2 MiB pages. */
    mov $page_directories, %edi
    mov $0x87, %eax             /* present, writable, user, large */
    mov $2048, %ecx
1:  mov %eax, (%edi)
    movl $0, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    mov $page_directories + 7, %eax
    mov $page_pointers, %edi
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 2b
    movl $page_pointers + 7, page_top

    mov $page_top, %eax
    mov %eax, %cr3
    mov $0x620, %eax            /* PAE, OSFXSR, OSXMMEXCPT */
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x901, %eax             /* SCE, LME, NXE */
    wrmsr
    mov $0x80000033, %eax       /* PG, NE, ET, MP, PE */
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x08, $start64

    .code64
start64:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    xor %ebp, %ebp
    call guest_start
1:  hlt
    jmp 1b

    .data
    .align 16
    .globl gdt, gdt_pointer, gdt_tss
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* 08 kernel code, 64-bit */
    .quad 0x00cf93000000ffff    /* 10 kernel data */
    .quad 0x00cffb000000ffff    /* 18 user code, 32-bit */
    .quad 0x00cff3000000ffff    /* 20 user data */
    .quad 0x00affb000000ffff    /* 28 user code, 64-bit */
    .quad 0x00cf9b000000ffff    /* 30 kernel code, 32-bit */
    .quad 0x000f9b000000ffff    /* 38 kernel code, 16-bit */
gdt_tss:
    .quad 0, 0                  /* 40 task state */
    .quad 0x000f93000000ffff    /* 50 data, 16-bit */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt
    .globl start_info
start_info:
    .long 0

    .bss
    .align 4096
    .globl page_top
page_top:         .skip 4096
page_pointers:    .skip 4096
page_directories: .skip 4096 * 4
    .globl page_directories
    .skip 16384
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
