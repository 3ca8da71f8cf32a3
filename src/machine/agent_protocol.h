/* SPDX-License-Identifier: BSD-2-Clause */
/* What the monitor and the agent in the guest say to each other over the port "doppel.control".
 * The bytes of the command travel apart, over one port a stream. Self-contained: the agent includes
 * this header and nothing else of doppel. Numbers are little-endian.
 *
 *   agent                       monitor
 *   HELLO version         ->
 *                         <-    START arguments, environment, terminal
 *                         <-    SIGNAL, WINDOW          any time after START
 *   FAILED errno          ->                            instead of EXIT: it could not be started
 *   EXIT status           ->                            after the streams were closed
 *                         <-    BYE                     all output has arrived; switch off
 */
#ifndef MACHINE_AGENT_PROTOCOL_H
#define MACHINE_AGENT_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#define AGENT_PORT_CONTROL "doppel.control"
#define AGENT_PORT_STDIN   "doppel.stdin"
#define AGENT_PORT_STDOUT  "doppel.stdout"
#define AGENT_PORT_STDERR  "doppel.stderr"
/* On the kernel's command line: init runs the agent. */
#define AGENT_KERNEL_FLAG "doppel.agent"

enum { AGENT_VERSION = 1 };

enum agent_type {
    AGENT_HELLO = 1,  /* u32 version */
    AGENT_START = 2,  /* struct agent_start, then its strings */
    AGENT_SIGNAL = 3, /* u32 number */
    AGENT_WINDOW = 4, /* struct agent_window */
    AGENT_EXIT = 5,   /* u32 status: 0..255, 128 + number after a signal */
    AGENT_FAILED = 6, /* u32 errno */
    AGENT_BYE = 7,    /* nothing */
};

struct agent_header {
    uint32_t type;
    uint32_t length; /* of the payload behind it */
};

struct agent_window {
    uint16_t columns, rows;
};

enum { AGENT_START_TERMINAL = 1 }; /* give the command a pseudo-terminal */
struct agent_start {
    uint32_t flags;
    struct agent_window window;
    uint32_t arguments;   /* strings, each ended by a zero byte */
    uint32_t environment; /* then "NAME=value" strings */
};

enum {
    AGENT_PAYLOAD_MAX = 256 * 1024, /* to the agent */
    AGENT_REPLY_MAX = 1024,         /* from the agent */
    AGENT_STRINGS_MAX = 4096,
};

_Static_assert(sizeof(struct agent_header) == 8, "wire layout");
_Static_assert(sizeof(struct agent_window) == 4, "wire layout");
_Static_assert(sizeof(struct agent_start) == 16, "wire layout");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they are");

struct agent_message {
    uint32_t type, length;
    const uint8_t *payload;
};

/* The message at the start of n bytes: its whole size, 0 when bytes are missing, -1 when it claims
 * more than `most` bytes of payload: the stream is then lost. */
static inline long agent_message_parse(const uint8_t *bytes, size_t n, uint32_t most,
                                       struct agent_message *m)
{
    struct agent_header h;
    if (n < sizeof h)
        return 0;
    __builtin_memcpy(&h, bytes, sizeof h);
    if (h.length > most)
        return -1;
    if (n - sizeof h < h.length)
        return 0;
    *m = (struct agent_message){h.type, h.length, bytes + sizeof h};
    return (long)(sizeof h + h.length);
}

/* The u32 a payload begins with; 0 when it is shorter. */
static inline uint32_t agent_message_u32(const struct agent_message *m)
{
    uint32_t v = 0;
    if (m->length >= sizeof v)
        __builtin_memcpy(&v, m->payload, sizeof v);
    return v;
}

/* Checks a START: its counts and that every string ends inside. The strings are behind it. */
static inline int agent_start_valid(const struct agent_message *m, struct agent_start *s)
{
    uint64_t strings = 0;
    if (m->length < sizeof *s)
        return 0;
    __builtin_memcpy(s, m->payload, sizeof *s);
    for (uint32_t i = sizeof *s; i < m->length; i++)
        strings += m->payload[i] == 0;
    return s->arguments >= 1 && (uint64_t)s->arguments + s->environment <= AGENT_STRINGS_MAX &&
           strings == (uint64_t)s->arguments + s->environment && m->payload[m->length - 1] == 0;
}

#endif
