/* SPDX-License-Identifier: BSD-2-Clause */
/* The split virtqueue [VIRTIO1.2 2.7]: rings in guest memory, written by a driver that may be
 * hostile or racing us on another CPU.
 *
 *   descriptor table   size x 16 bytes   buffers: address, length, flags, next
 *   available ring     driver -> device  heads of descriptor chains; used_event behind it
 *   used ring          device -> driver  heads with bytes written; avail_event behind it
 *
 * Every value is read once and checked before use. A rule broken by the driver makes virtq_pop
 * fail with -EPROTO; nothing outside guest RAM is ever reached. Buffers of a chain may overlap
 * each other or the rings: the guest then sees its own bytes change, no more. */
#ifndef DEVICE_VIRTIO_VIRTQUEUE_H
#define DEVICE_VIRTIO_VIRTQUEUE_H

#include "vm/dma.h"

enum { VIRTQ_SIZE_MAX = 256, VIRTQ_SEGMENTS_MAX = 272 };

/* What is saved of a queue; plain bytes without padding. */
struct virtq_regs {
    u64 desc, driver, device; /* guest addresses of the three parts */
    u16 size;                 /* entries; a power of two */
    u16 last_avail;           /* next entry of the available ring to take */
    u16 used;                 /* next entry of the used ring to fill */
    u16 signalled;            /* `used` when the driver was interrupted last */
    u8 enabled;
    u8 reserved[7];
};
_Static_assert(sizeof(struct virtq_regs) == 40, "saved layout");

struct virtq {
    struct virtq_regs regs;
    struct dma *dma;
    bool indirect, event_idx; /* negotiated */
};

struct virtq_segment {
    u8 *host;
    gpa_t addr;
    u32 len;
};

/* A chain of buffers: first those the device reads, then those it writes. */
struct virtq_chain {
    u16 head;
    u16 readable, writable; /* segments */
    u64 readable_len, writable_len;
    struct virtq_segment segment[VIRTQ_SEGMENTS_MAX];
};

/* Whether the rings are aligned and in RAM; asked when a driver enables the queue. */
bool virtq_valid(const struct virtq *q);
/* Takes the next chain: 1, 0 when the driver has offered none (it will notify when it does), or
 * -EPROTO. */
int virtq_pop(struct virtq *q, struct virtq_chain *c) must_check;
/* Gives back what virtq_pop took last; only while nothing was popped after it. */
void virtq_unpop(struct virtq *q);
/* Returns a chain to the driver, with the number of bytes written. 0 or -EPROTO. */
int virtq_push(struct virtq *q, u16 head, u32 written) must_check;
/* Whether the driver wants an interrupt for what was pushed since it was asked last. */
bool virtq_wants_interrupt(struct virtq *q);

/* Copies at most n bytes from the readable (to the writable) part, starting off bytes into it;
 * returns how many there were. */
size_t virtq_chain_read(const struct virtq_chain *c, u64 off, void *dst, size_t n);
size_t virtq_chain_write(struct virtq *q, const struct virtq_chain *c, u64 off, const void *src,
                         size_t n);
/* Marks the first n bytes of the writable part as written, for devices that filled the segments
 * themselves. */
void virtq_chain_written(struct virtq *q, const struct virtq_chain *c, u64 n);

#endif
