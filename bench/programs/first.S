/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that says "!" on its serial port with its first instructions and waits for ever: what
 * passes before is the start of the monitor. PVH enters it in 32-bit protected mode. */

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18              /* name, descriptor, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .align 4
    .long first

    .section .text, "ax"
    .code32
    .globl first
first:
    mov $0x3f8, %dx
    mov $'!', %al
    out %al, (%dx)
1:  hlt
    jmp 1b

    .section .note.GNU-stack, "", @progbits
