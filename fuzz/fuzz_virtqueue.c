/* SPDX-License-Identifier: BSD-2-Clause */
/* Split rings full of arbitrary bytes: the first byte chooses features and size, the rest is
 * copied over descriptors, rings and an indirect table. */
#include <stdlib.h>
#include <string.h>

#include "hostile_driver.h"

enum { DESC = TEST_RAM_BASE, AVAIL = DESC + 0x200, USED = AVAIL + 0x80, TABLE = USED + 0x180 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct pci_machine *m = pci_machine_create();
    struct virtq q = {.dma = &m->dma};
    static struct virtq_chain c;
    u8 choice = (u8)input_take(&in, 1), bytes[64];
    q.indirect = choice & 1;
    q.event_idx = choice & 2;
    q.regs = (struct virtq_regs){.desc = DESC, .driver = AVAIL, .device = USED,
                                 .size = (u16)(1 << choice / 4 % 6)};
    if (!virtq_valid(&q))
        abort();
    memcpy(test_ram(m, DESC), in.data, MIN(in.size, (size_t)0x600));
    /* Addresses that hit RAM: their upper halves are the driver's to choose rarely. */
    for (unsigned i = 0; i < 32 && !(choice & 0x80); i++) {
        memset(test_ram(m, DESC + 16 * i + 3), 0, 9);
        test_ram(m, DESC + 16 * i + 2)[0] = 0x10 + (test_ram(m, DESC + 16 * i + 2)[0] & 15);
        test_ram(m, DESC + 16 * i + 12)[0] &= 7;
    }
    for (unsigned i = 0; i < 100 && virtq_pop(&q, &c) == 1; i++) {
        size_t n = virtq_chain_read(&c, choice, bytes, sizeof bytes);
        if (n > c.readable_len || c.readable + c.writable > VIRTQ_SEGMENTS_MAX)
            abort();
        n = virtq_chain_write(&q, &c, choice, bytes, sizeof bytes);
        virtq_chain_written(&q, &c, c.writable_len);
        if (virtq_push(&q, c.head, (u32)n))
            break;
        virtq_wants_interrupt(&q);
    }
    pci_machine_destroy(m);
    return 0;
}
