/* SPDX-License-Identifier: BSD-2-Clause */
/* Moving network devices with rtnetlink(7) [runtime-spec 1.3, config-linux.md, Network Devices].
 * The kernel keeps a device's hardware address and MTU in a move, takes its addresses and switches
 * it off; so these are read before and set after. Everything that can be known to fail is looked at
 * before the first device moves: in a namespace that is only joined, it would stay there. When the
 * namespace ends, the kernel gives real devices back to the host and removes virtual ones. */
#include "container/netdevice.h"

#include "container/json.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const char where[] = "linux.netDevices";

/* A message to the kernel with room for what these need. */
struct request {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
    };
    char attributes[256];
};

struct device {
    const char *name;      /* on the host */
    char inside[IFNAMSIZ]; /* in the container */
    int index;             /* on the host, then in the container */
    struct request *address;
    size_t addresses;
};

static struct request request_of(u16 type, u16 flags, size_t body)
{
    return (struct request){.head = {.nlmsg_len = (u32)NLMSG_LENGTH(body),
                                     .nlmsg_type = type,
                                     .nlmsg_flags = (u16)(NLM_F_REQUEST | flags)}};
}

/* Without room it is left out, which no caller's data can bring about. */
static void add(struct request *q, u16 type, const void *data, size_t n)
{
    size_t at = NLMSG_ALIGN(q->head.nlmsg_len);
    if (at + RTA_LENGTH(n) > sizeof *q)
        return;
    struct rtattr a = {.rta_len = (u16)RTA_LENGTH(n), .rta_type = type};
    memcpy((char *)q + at, &a, sizeof a);
    memcpy((char *)q + at + RTA_LENGTH(0), data, n);
    q->head.nlmsg_len = (u32)(at + RTA_LENGTH(n));
}

/* What the kernel says beside the number. */
static void explain(const struct nlmsghdr *h, struct err *e)
{
    if (!e || !(h->nlmsg_flags & NLM_F_ACK_TLVS))
        return;
    size_t skip = sizeof(struct nlmsgerr);
    const struct nlmsgerr *said = NLMSG_DATA(h);
    if (!(h->nlmsg_flags & NLM_F_CAPPED))
        skip += NLMSG_ALIGN(said->msg.nlmsg_len) - sizeof said->msg;
    size_t left = NLMSG_PAYLOAD(h, 0);
    if (skip > left)
        return;
    left -= skip;
    for (const struct rtattr *a = (const void *)((const char *)said + skip); RTA_OK(a, left);
         a = RTA_NEXT(a, left))
        if (a->rta_type == NLMSGERR_ATTR_MSG)
            err_hint(e, "the kernel says: %.*s", (int)RTA_PAYLOAD(a), (const char *)RTA_DATA(a));
}

typedef int answer_fn(const struct nlmsghdr *h, void *ctx);

/* Sends q and gives each message of the answer to fn (or NULL), up to the last one. */
static int talk(int fd, struct request *q, answer_fn *fn, void *ctx, struct err *e)
{
    static u32 sequence;
    alignas(struct nlmsghdr) char buf[32768];
    q->head.nlmsg_seq = ++sequence;
    if (send(fd, q, q->head.nlmsg_len, 0) < 0)
        return fail(e, "ask the kernel about the network");
    for (;;) {
        ssize_t n = recv(fd, buf, sizeof buf, MSG_TRUNC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(e, "ask the kernel about the network");
        if ((size_t)n > sizeof buf)
            return err_set(e, -EMSGSIZE, "ask the kernel about the network: a long answer");
        size_t left = (size_t)n;
        for (const struct nlmsghdr *h = (const void *)buf; NLMSG_OK(h, left);
             h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_seq != sequence)
                continue;
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR) {
                int r = ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
                if (!r)
                    return 0;
                err_set(e, r, "%s", err_name(r));
                explain(h, e);
                return r;
            }
            int r = fn ? fn(h, ctx) : 0;
            if (r)
                return err_set(e, r, "%s", err_name(r));
        }
    }
}

static const void *attribute(const struct nlmsghdr *h, size_t body, unsigned type, size_t *n)
{
    size_t left = NLMSG_PAYLOAD(h, NLMSG_ALIGN(body));
    for (const struct rtattr *a = (const void *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(body));
         RTA_OK(a, left); a = RTA_NEXT(a, left))
        if ((a->rta_type & NLA_TYPE_MASK) == type) {
            *n = RTA_PAYLOAD(a);
            return RTA_DATA(a);
        }
    return NULL;
}

static int take_index(const struct nlmsghdr *h, void *ctx)
{
    if (h->nlmsg_type == RTM_NEWLINK)
        *(int *)ctx = ((const struct ifinfomsg *)NLMSG_DATA(h))->ifi_index;
    return 0;
}

/* -ENODEV when there is none of that name. */
static int find_device(int fd, const char *name, int *index, struct err *e)
{
    struct request q = request_of(RTM_GETLINK, NLM_F_ACK, sizeof q.link);
    add(&q, IFLA_IFNAME, name, strlen(name) + 1);
    return talk(fd, &q, take_index, index, e);
}

/* An address that is kept becomes the request that will set it. Not kept is what the kernel or a
 * daemon gave for a time, and what holds on this link or host only [netDevices: "permanent IP
 * addresses of any family with global scope"]. The label has the old name in it. */
static int take_address(const struct nlmsghdr *h, void *ctx)
{
    static const u16 kept[] = {IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_RT_PRIORITY};
    struct device *d = ctx;
    const struct ifaddrmsg *m = NLMSG_DATA(h);
    size_t n;
    if (h->nlmsg_type != RTM_NEWADDR || (int)m->ifa_index != d->index ||
        m->ifa_scope != RT_SCOPE_UNIVERSE)
        return 0;
    u32 flags = m->ifa_flags;
    const void *wide = attribute(h, sizeof *m, IFA_FLAGS, &n);
    if (wide && n == sizeof flags)
        memcpy(&flags, wide, n);
    if (!(flags & IFA_F_PERMANENT))
        return 0;
    struct request *more = realloc(d->address, (d->addresses + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    d->address = more;
    struct request *q = &more[d->addresses++];
    *q = request_of(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof q->address);
    q->address = *m;
    q->address.ifa_flags = 0;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const void *data = attribute(h, sizeof *m, kept[i], &n);
        if (data)
            add(q, kept[i], data, n);
    }
    flags &= IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MCAUTOJOIN | IFA_F_NODAD;
    add(q, IFA_FLAGS, &flags, sizeof flags);
    return 0;
}

struct names {
    char (*name)[IFNAMSIZ];
    size_t n;
};

static int add_name(struct names *l, const char *name)
{
    char(*more)[IFNAMSIZ] = realloc(l->name, (l->n + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    l->name = more;
    snprintf(l->name[l->n++], IFNAMSIZ, "%s", name);
    return 0;
}

static int take_name(const struct nlmsghdr *h, void *ctx)
{
    size_t n;
    const char *name = h->nlmsg_type == RTM_NEWLINK
                           ? attribute(h, sizeof(struct ifinfomsg), IFLA_IFNAME, &n)
                           : NULL;
    return name ? add_name(ctx, name) : 0;
}

static bool has_name(const struct names *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->name[i], name))
            return true;
    return false;
}

/* "eth%d" is the first such name that is free. It is found here and not by the kernel, which would
 * not tell which one it took. */
static int choose_name(struct device *d, const char *wanted, struct names *taken, struct err *e)
{
    const char *number = strstr(wanted, "%d");
    snprintf(d->inside, sizeof d->inside, "%s", wanted);
    for (unsigned i = 0; number && (!i || has_name(taken, d->inside)); i++) {
        int n = snprintf(d->inside, sizeof d->inside, "%.*s%u%s", (int)(number - wanted), wanted, i,
                         number + 2);
        if (n >= (int)sizeof d->inside)
            return err_set(e, -EEXIST, "no name of the form `%s` is free in the container", wanted);
    }
    if (has_name(taken, d->inside)) {
        err_set(e, -EEXIST, "a network device `%s` is in the container already", d->inside);
        if (e)
            err_hint(e, "give another `name`, or one with `%%d` in it for the first that is free");
        return -EEXIST;
    }
    return add_name(taken, d->inside) ? err_set(e, -ENOMEM, "out of memory") : 0;
}

/* As the kernel has it; with `%d` where it may stand. */
static bool is_name(const char *name, bool pattern)
{
    const char *percent = strchr(name, '%');
    if (!*name || strlen(name) >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, "..") ||
        strpbrk(name, "/: \t\n\v\f\r"))
        return false;
    return !percent || (pattern && percent[1] == 'd' && !strchr(percent + 1, '%'));
}

int netdevice_check(json_t *o, bool own_network, struct err *e)
{
    const char *key;
    json_t *value;
    if (json_object_size(o) && !own_network)
        return err_set(
            e, -EINVAL,
            "config: `%s`: unable to move network devices without a NET namespace of the "
            "container's",
            where);
    json_object_foreach(o, key, value)
    {
        const char *name = NULL;
        if (!json_is_object(value))
            return err_set(e, -EINVAL, "config: `%s.%s` is not an object", where, key);
        int r = json_get_string(value, where, "name", &name, e);
        if (r)
            return r;
        if (!is_name(key, false))
            return err_set(e, -EINVAL, "config: `%s`: \"%s\" cannot be a network device", where,
                           key);
        if (name && *name && !is_name(name, true))
            return err_set(e, -EINVAL,
                           "config: `%s.%s.name`: \"%s\" cannot be a network device: at most 15 "
                           "characters, no slash, colon or space, one `%%d`",
                           where, key, name);
    }
    return 0;
}

static int open_netlink(struct err *e)
{
    int on = 1, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return fail(e, "open a socket to the kernel's network configuration");
    /* Older kernels explain less. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return fd;
}

/* A socket is of the namespace it was made in, wherever its owner is later. */
static int open_netlink_in(int network, struct err *e)
{
    auto_close int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0)
        return fail(e, "open the own network namespace");
    if (setns(network, CLONE_NEWNET))
        return fail(e, "enter the container's network namespace");
    auto_close int fd = open_netlink(e);
    if (setns(own, CLONE_NEWNET))
        return fail(e, "go back to the host's network namespace");
    return fd < 0 ? fd : steal_fd(&fd);
}

/* Everything that is known before: the devices, their addresses, their names inside. */
static int prepare(json_t *o, int host, int inside, struct device *d, struct err *e)
{
    struct request links = request_of(RTM_GETLINK, NLM_F_DUMP, sizeof links.link);
    struct names taken = {0};
    const char *key;
    json_t *value;
    int r = talk(inside, &links, take_name, &taken, e);
    json_object_foreach(o, key, value)
    {
        struct request addresses = request_of(RTM_GETADDR, NLM_F_DUMP, sizeof addresses.address);
        const char *name = json_string_value(json_object_get(value, "name"));
        if (r)
            break;
        d->name = key;
        if ((r = find_device(host, key, &d->index, e)) ||
            (r = talk(host, &addresses, take_address, d, e)) ||
            (r = choose_name(d, name && *name ? name : key, &taken, e)))
            err_wrap(e, "network device `%s` of the host", key);
        d++;
    }
    free(taken.name);
    return r;
}

static int move_one(struct device *d, int host, int inside, int network, struct err *e)
{
    struct request move = request_of(RTM_SETLINK, NLM_F_ACK, sizeof move.link);
    move.link.ifi_index = d->index;
    add(&move, IFLA_NET_NS_FD, &network, sizeof network);
    add(&move, IFLA_IFNAME, d->inside, strlen(d->inside) + 1);
    int r = talk(host, &move, NULL, NULL, e);
    if (r)
        return err_wrap(e, "move network device `%s` into the container as `%s`", d->name,
                        d->inside);
    if (find_device(inside, d->inside, &d->index, e))
        return err_wrap(e, "find network device `%s` in the container", d->inside);
    for (size_t i = 0; i < d->addresses; i++) {
        struct request *q = &d->address[i];
        q->address.ifa_index = (u32)d->index;
        r = talk(inside, q, NULL, NULL, e);
        if (r && r != -EEXIST)
            return err_wrap(e, "give network device `%s` in the container its %s address",
                            d->inside, q->address.ifa_family == AF_INET6 ? "IPv6" : "IPv4");
    }
    struct request up = request_of(RTM_NEWLINK, NLM_F_ACK, sizeof up.link);
    up.link.ifi_index = d->index;
    up.link.ifi_flags = up.link.ifi_change = IFF_UP;
    r = talk(inside, &up, NULL, NULL, e);
    return r ? err_wrap(e, "switch on network device `%s` in the container", d->inside) : 0;
}

int netdevice_move(json_t *o, pid_t pid, struct err *e)
{
    char path[48];
    struct stat own, theirs;
    size_t n = json_object_size(o);
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    auto_close int network = open(path, O_RDONLY | O_CLOEXEC);
    if (network < 0 || fstat(network, &theirs) || stat("/proc/self/ns/net", &own))
        return fail(e, "open the container's network namespace");
    if (own.st_ino == theirs.st_ino && own.st_dev == theirs.st_dev)
        return err_set(e, -EINVAL,
                       "config: `%s`: unable to move network devices without a NET namespace: the "
                       "container joins the host's",
                       where);
    auto_close int host = open_netlink(e);
    if (host < 0)
        return host;
    auto_close int inside = open_netlink_in(network, e);
    if (inside < 0)
        return inside;
    struct device *d = calloc(n + 1, sizeof *d);
    if (!d)
        return err_set(e, -ENOMEM, "out of memory");
    int r = prepare(o, host, inside, d, e);
    for (size_t i = 0; !r && i < n; i++)
        r = move_one(&d[i], host, inside, network, e);
    for (size_t i = 0; i < n; i++)
        free(d[i].address);
    free(d);
    return r;
}
