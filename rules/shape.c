/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/shape.h"

/*
 * Theory of operation
 *
 * Three things tell names that carry data from names that people, or their programs, give to hosts:
 *
 * - bytes that no host name has (RFC 1123 section 2.1; '_' is usual): tunnels that use all 8 bits;
 * - runs of letters and digits that nobody can pronounce: in a run of 16 or more at least every
 *   eighth step is from a letter to a digit or back, as in hexadecimal (47 of 100 steps), base32
 *   (31) and base64 in lower case (26), or of the letters at most one in five is a vowel;
 * - names that use most of the length a name may have.
 *
 * A run counts by its length, 1 point for 20 characters, so that one content hash of 32 digits, as
 * content networks have them in names, is 1.6: with the -1.0 of an entry that is over flag_at (0.5)
 * and below refuse_at (1.0). From 40 such characters on, in one label or in several, it is refused.
 *
 * Of 70,000 real names that were looked at (crawl traffic and top lists), with all but their last
 * label taken as chosen freely, 5 reach 1.5 points, all of them hashes that somebody registered,
 * and none 2; of their names below registered domains none reaches 1.5. Of the names that carry
 * dnscat2 all reach 1.5, and 77 of 100 reach 2. What is short is left to the budget of bytes: the
 * polls of iodine and of dns2tcp have 10 characters.
 */

enum {
	RUN_LEAST = 16, /* shorter ones are as likely words */
	RUN_POINT = 20, /* characters that are worth a point */
	LONG_NAME = 120,
};

static const double odd_bytes_points = 3.0, long_points = 1.0, most_points = 6.0;

/* A run of letters and digits. */
struct run {
	unsigned length;
	unsigned letters;
	unsigned vowels;
	unsigned steps; /* from a letter to a digit or back */
	bool digit;     /* the last one is */
};

static bool is_letter(uint8_t byte)
{
	return byte >= 'a' && byte <= 'z';
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_vowel(uint8_t byte)
{
	return byte == 'a' || byte == 'e' || byte == 'i' || byte == 'o' || byte == 'u';
}

static void add_to_run(struct run *run, uint8_t byte)
{
	run->steps += run->length > 0 && run->digit != is_digit(byte);
	run->digit = is_digit(byte);
	run->letters += is_letter(byte);
	run->vowels += is_vowel(byte);
	run->length++;
}

/* Characters of the run that look like data; the run begins anew. */
static unsigned end_run(struct run *run)
{
	unsigned length = run->length;
	bool mixed = run->steps * 8 >= length;
	bool unspeakable = run->letters >= RUN_LEAST && run->vowels * 5 <= run->letters;

	*run = (struct run){0};
	return length >= RUN_LEAST && (mixed || unspeakable) ? length : 0;
}

double shape_score(const struct name *name, unsigned fixed)
{
	unsigned end = name->length > fixed ? name->length - fixed : 0, encoded = 0, odd = 0;
	double score = 0;

	for (unsigned at = 0; at < end; at += 1 + name->wire[at]) {
		struct run run = {0};

		for (unsigned i = 1; i <= name->wire[at]; i++) {
			uint8_t byte = name->wire[at + i];

			if (is_letter(byte) || is_digit(byte)) {
				add_to_run(&run, byte);
				continue;
			}
			odd += byte != '-' && byte != '_';
			encoded += end_run(&run);
		}
		encoded += end_run(&run);
	}
	score += (double)encoded / RUN_POINT;
	score += odd > 0 ? odd_bytes_points : 0;
	score += end > LONG_NAME ? long_points : 0;
	return score < most_points ? score : most_points;
}
