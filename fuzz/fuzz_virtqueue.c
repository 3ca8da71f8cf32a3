/* SPDX-License-Identifier: BSD-2-Clause */
/* Split rings full of arbitrary bytes: the first byte chooses features and size, the rest is
 * copied over the available ring, descriptors and what may be an indirect table. */
#include <stdlib.h>
#include <string.h>

#include "hostile_driver.h"

enum { AVAIL = TEST_RAM_BASE, DESC = AVAIL + 0x50, USED = DESC + 0x400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Few available entries, addresses that hit RAM, lengths below 64 KiB. */
static void make_plausible(struct pci_machine *m, u16 queue_size)
{
    u8 *avail = test_ram(m, AVAIL);
    avail[2] = (u8)(avail[2] % (queue_size + 2));
    avail[3] = 0;
    for (unsigned i = 0; i < 64; i++) {
        u8 *d = test_ram(m, DESC + 16 * i);
        d[2] = (u8)(0x10 | (d[2] & 15));
        memset(d + 3, 0, 5);
        memset(d + 10, 0, 2);
        if (d[12] & 4 && d[12] & 0x80) { /* an indirect table that is one */
            d[0] &= 0xf0;
            d[1] &= 3;
            d[8] &= 0xf0;
            d[9] = 0;
        }
        d[12] &= 7;
        d[15] = 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct pci_machine *m = pci_machine_create();
    struct virtq q = {.dma = &m->dma};
    static struct virtq_chain c;
    u8 choice = (u8)input_take(&in, 1), bytes[64];
    q.indirect = choice & 1;
    q.event_idx = choice & 2;
    q.regs = (struct virtq_regs){
        .desc = DESC, .driver = AVAIL, .device = USED, .size = (u16)(1 << choice / 4 % 6)};
    if (!virtq_valid(&q))
        abort();
    memcpy(test_ram(m, AVAIL), in.data, MIN(in.size, (size_t)0x450));
    if (!(choice & 0x80))
        make_plausible(m, q.regs.size);
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
