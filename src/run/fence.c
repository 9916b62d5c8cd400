/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/fence.h"

#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "src/kernel/confine.h"

/*
 * Theory of operation
 *
 * The command's user namespace does not own its network namespace, so whatever capability it has
 * there counts for nothing about the network; that it has none at all keeps the rest of the kernel
 * out of its reach as well. Root's command needs some to do what root does to files.
 *
 * The filter of system calls has what namespaces don't contain. A family of sockets that isn't
 * listed may be one whose addresses are the machine's: AF_VSOCK leads from a virtual machine to its
 * host past all of its network namespaces. io_uring opens sockets, too, and no filter sees it.
 * ioctl(2) TIOCSTI puts what it likes into the terminal's input, which the caller's shell reads
 * when the command has ended. request_key(2) has the kernel start a program outside that makes the
 * key; one of them makes keys of addresses and looks the names up (key.dns_resolver(8)).
 *
 * A socket may take an address that isn't the machine's (IP_FREEBIND); in IPv6 it sends from there,
 * too. To the ruleset that would look like somebody else's connection, which may be answered. With
 * IPV6_MTU it sends fragments, behind the ruleset, and what keeps the link may not know them
 * (rules/nft-hooks.c).
 *
 * Arguments are compared in all their 64 bits, of which the kernel takes 32: what is refused by its
 * value is masked, and families beyond the last one are refused altogether.
 *
 * Calls of other architectures that the machine takes as well (i386 on x86-64, which a 64-bit
 * program can make, too) are filtered like its own. The one that packs all socket calls into one
 * (socketcall(2)) has its arguments where no filter sees them; it makes no sockets and sets no
 * options.
 */

/* The families that a network namespace contains, or that lead nowhere. */
static const int contained[] = {
	AF_UNIX,    /* abstract names; others are files */
	AF_INET,    /* what the ruleset judges */
	AF_INET6,   /* the same */
	AF_NETLINK, /* tells; changing takes capabilities */
	AF_PACKET,  /* takes a capability; in a namespace of the command's own it has it */
	AF_KEY,     /* the same */
	AF_ALG,     /* cryptography in the kernel */
};

enum { FAMILIES = 64 }; /* more than there are */

static bool is_contained(int family)
{
	for (size_t i = 0; i < sizeof(contained) / sizeof(contained[0]); i++)
		if (contained[i] == family)
			return true;
	return false;
}

static int refuse_families(scmp_filter_ctx filter)
{
	const uint32_t no_family = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	int error = seccomp_rule_add(
		filter, no_family, SCMP_SYS(socket), 1, SCMP_A0_32(SCMP_CMP_GE, FAMILIES));

	for (int family = 0; family < FAMILIES && !error; family++)
		if (!is_contained(family))
			error = seccomp_rule_add(filter, no_family, SCMP_SYS(socket), 1,
				SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)family));
	return error;
}

/* Either level has IP_FREEBIND for sockets of both families. Of socketcall(2) libseccomp takes the
 * first argument for the call's number, so that what is said of a descriptor is said of all of
 * them. */
static int refuse_options(scmp_filter_ctx filter)
{
	static const struct {
		uint32_t level;
		uint32_t name;
	} rows[] = {
		{IPPROTO_IP, IP_FREEBIND},
		{IPPROTO_IPV6, IPV6_FREEBIND},
		{IPPROTO_IPV6, IPV6_MTU},
	};
	int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 1,
		SCMP_A0_32(SCMP_CMP_EQ, UINT32_MAX));

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 2,
			SCMP_A1_32(SCMP_CMP_EQ, rows[i].level),
			SCMP_A2_32(SCMP_CMP_EQ, rows[i].name));
	return error;
}

static int refuse_calls(scmp_filter_ctx filter)
{
	int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);

	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(request_key), 0);
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI));
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCLINUX));
	return error;
}

/* The other architectures that this one runs. */
static int add_architectures(scmp_filter_ctx filter)
{
	static const struct {
		uint32_t native;
		uint32_t other;
	} rows[] = {
		{SCMP_ARCH_X86_64, SCMP_ARCH_X86},
		{SCMP_ARCH_X86_64, SCMP_ARCH_X32},
		{SCMP_ARCH_AARCH64, SCMP_ARCH_ARM},
	};
	int error = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !error; i++)
		if (rows[i].native == seccomp_arch_native())
			error = seccomp_arch_add(filter, rows[i].other);
	return error == -EEXIST ? 0 : error;
}

static int filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error = filter ? 0 : -ENOMEM;

	if (!error)
		error = add_architectures(filter);
	if (!error)
		error = refuse_families(filter);
	if (!error)
		error = refuse_calls(filter);
	if (!error)
		error = refuse_options(filter);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

/* --- Capabilities --- */

/* What root's command keeps, over what is of its own user namespace. */
static const int root_keeps[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID,
	CAP_KILL,               /* other users' processes */
	CAP_SETGID, CAP_SETUID, /* to become another user */
	CAP_SETPCAP,            /* and lose the rest */
};

int fence_self(bool is_root)
{
	int error = confine_bounds(root_keeps, is_root ? sizeof(root_keeps) / sizeof(int) : 0);

	if (error)
		return error;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return filter_calls();
}
