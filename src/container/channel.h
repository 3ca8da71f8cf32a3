/* SPDX-License-Identifier: BSD-2-Clause */
/* What the runtime and the process it sets up say to each other. A closed channel is an answer
 * too: the other side has died, or has executed the container's program. */
#ifndef CONTAINER_CHANNEL_H
#define CONTAINER_CHANNEL_H

#include "container/util.h"

enum message {
    MSG_MAP_IDS = 1, /* child: my user namespace needs its maps */
    MSG_PID,         /* child: the init is process `value` */
    MSG_NETWORK,     /* child: my network namespace is there; give it its devices */
    MSG_HOOKS,       /* child: run the hooks that come before pivot_root */
    MSG_MAP_SOURCE,  /* child: clone this descriptor, the source of mount `value`, with other ids */
    MSG_PREPARED,    /* child: only the change of root is left; goes on without an answer */
    MSG_READY,       /* child: set up; waiting for start */
    MSG_ERROR,       /* child: text says why it ends */
    MSG_GO,          /* runtime: done, go on; the first one brings the init's pid and descriptors */
    MSG_EOF,         /* never sent: the channel is closed */
};

struct packet {
    i32 type, value;
    char text[512];
};

/* Two connected close-on-exec ends. */
int channel_open(int ends[2], struct err *e) must_check;
int channel_send(int fd, enum message type, int value, const char *text) must_check;
/* Fills p; a closed channel gives MSG_EOF. */
int channel_receive(int fd, struct packet *p) must_check;
/* The same with descriptors; *n: how many there is room for, then how many came. */
enum { CHANNEL_FDS = 32 };
int channel_send_fds(int fd, enum message type, int value, const char *text, const int *fds,
                     unsigned n) must_check;
int channel_receive_fds(int fd, struct packet *p, int *fds, unsigned *n) must_check;
/* Sends type and waits for MSG_GO. */
int channel_ask(int fd, enum message type, int value, struct err *e) must_check;

#endif
