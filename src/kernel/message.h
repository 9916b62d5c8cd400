/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_MESSAGE_H
#define EGRESS_KERNEL_MESSAGE_H

#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Parts of netlink messages, which may be otherwise than they are expected. */

/* Bytes that an attribute takes, its head included. */
#define ATTRIBUTE_SIZE(size) (MNL_ATTR_HDRLEN + MNL_ALIGN(size))

/* A number in network byte order; 0 for what has another size. */
static inline uint32_t attribute_u32(const struct nlattr *attribute)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof(uint32_t))
		return 0;
	return be32toh(mnl_attr_get_u32(attribute));
}

static inline uint64_t attribute_u64(const struct nlattr *attribute)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof(uint64_t))
		return 0;
	return be64toh(mnl_attr_get_u64(attribute));
}

/* NULL: it has no NUL at its end. */
static inline const char *attribute_string(const struct nlattr *attribute)
{
	if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
		return NULL;
	return mnl_attr_get_str(attribute);
}

/* Whether the message is within the `left` bytes: mnl_nlmsg_ok() takes lengths from 2^31 on for
 * negative ones. */
static inline bool message_is_whole(const struct nlmsghdr *message, int left)
{
	return mnl_nlmsg_ok(message, left) && message->nlmsg_len <= (uint32_t)left;
}

/* Calls back with each attribute behind the message's head of `head` bytes. As mnl_attr_parse(),
 * which takes a length that is no multiple of four for the next one, and reads what is behind the
 * message. */
static inline int message_attributes(
	const struct nlmsghdr *message, size_t head, mnl_attr_cb_t take, void *context)
{
	size_t before = MNL_NLMSG_HDRLEN + MNL_ALIGN(head);

	if (message->nlmsg_len < before)
		return MNL_CB_OK;
	return mnl_attr_parse_payload(
		(const uint8_t *)message + before, message->nlmsg_len - before, take, context);
}

/* The error number, 0 or negative, at the head of an NLMSG_ERROR or NLMSG_DONE message. */
static inline int message_error(const struct nlmsghdr *message)
{
	int error;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(error))
		return -EPROTO;
	memcpy(&error, mnl_nlmsg_get_payload(message), sizeof(error));
	return error;
}

#endif
