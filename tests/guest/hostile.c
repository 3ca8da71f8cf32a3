/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that behaves as badly as it can: jumps into device memory and into nothing, writes
 * garbage to every port and every device register, and ends in a triple fault. The monitor must
 * still be there to say so. */
#include "lib/guest.h"

static u64 random_state = 0x9e3779b97f4a7c15;
static u64 next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void jump_nowhere(void)
{
    static const u64 places[] = {0xfee00000, 0xfec00000, 0xfed00000, 0xb0000000,
                                 0xd0000000, 0xfffff000, 0xa0000,    0xc0000000};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        /* Whatever is fetched there, it is no program: an exception, or it runs into one. */
        int v = TRY("call *%0",
                    :
                    : "r"(places[i])
                    : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", TRY_CLOBBERS);
        CHECK(v >= 0);
    }
    CHECK_EQ(TRY("call *%0", : : "r"((u64)1 << 47) : TRY_CLOBBERS), 13);
}

static void write_everywhere(void)
{
    for (unsigned round = 0; round < 4; round++) {
        for (u32 port = 0; port < 0x10000; port += 1) {
            if (port == EXIT_PORT || port == EXIT_PORT - 1 || port == EXIT_PORT - 2 ||
                port == EXIT_PORT - 3 || port == 0x64 || port == 0x92 ||
                (port >= 0xcf6 && port <= 0xcf9) || (port >= 0x600 && port < 0x610) ||
                (port > 0x100 && next_random() % 16))
                continue; /* those that end or reset a machine are for the end */
            u64 r = next_random();
            if (port % 4 == 0 && r & 1)
                out32((u16)port, (u32)(r >> 8));
            else if (port % 2 == 0 && r & 2)
                out16((u16)port, (u16)(r >> 8));
            else
                out8((u16)port, (u8)(r >> 8));
            (void)in8((u16)port);
        }
    }
    static const u64 windows[] = {0xfec00000, 0xfed00000, 0xfee00000};
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        for (unsigned i = 0; i < 3000; i++) {
            u64 r = next_random(), at = windows[w] + (r >> 32 & 0xff8);
            if (windows[w] == 0xfee00000 && (at & 0xff0) == 0x300)
                continue; /* an INIT to itself would start the guest over */
            switch (r & 3) {
            case 0: mmio_write8(at + (r >> 8 & 7), (u8)(r >> 16)); break;
            case 1: mmio_write16(at, (u16)(r >> 16)); break;
            case 2: mmio_write32(at, (u32)(r >> 16)); break;
            default: mmio_write64(at, r); break;
            }
            (void)mmio_read32(at);
        }
    }
    /* Every function's configuration space, so virtio devices and bridges too. */
    for (unsigned i = 0; i < 20000; i++) {
        u64 r = next_random();
        out32(0xcf8, 0x80000000 | ((u32)r & 0xfffc));
        out32(0xcfc, (u32)(r >> 32));
    }
    for (unsigned i = 0; i < 2000; i++) {
        u64 r = next_random();
        (void)TRY("wrmsr",
                  :
                  : "c"((u32)(r & 1 ? r >> 8 & 0x1fff : 0x800 | (r >> 8 & 0x3f))),
                    "a"((u32)(r >> 32)), "d"(0)
                  : TRY_CLOBBERS);
    }
}

void guest_main(void)
{
    jump_nowhere();
    write_everywhere();
    /* The console may be anywhere by now. Triple fault: no IDT, then an exception. */
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) none = {0, 0};
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}
