/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that does what it is told by single keys on its serial port, for the tests of the command
 * line: e ends it with status 42, p switches nothing off but prints for ever, t is a triple fault;
 * s stops reading for ever; every other key is echoed. */
#include "guest/lib/guest.h"

enum { LINE_STATUS = COM1 + 5, DATA_READY = 1 };

static void triple_fault(void)
{
    static const struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) none = {0, 0};
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

void guest_main(void)
{
    print("ready\n");
    for (;;) {
        if (!(in8(LINE_STATUS) & DATA_READY))
            continue;
        char key[2] = {(char)in8(COM1), '\0'};
        switch (key[0]) {
        case 'e': end_machine(42);
        case 't': triple_fault(); break;
        case 's':
            print("deaf\n");
            for (;;)
                ;
        case 'p':
            for (;;)
                print("printing\n");
        default: print(key); break;
        }
    }
}
