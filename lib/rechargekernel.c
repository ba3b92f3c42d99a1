/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rechargekernel.h"

#include "fileio.h"
#include "kernelrecharge.h"
#include "util.h"

enum act {
	ACT_GONE,	/* nothing is left to be moved */
	ACT_LEAVE,	/* for later */
	ACT_OTHERS,	/* what there is besides may be tried */
	ACT_PAUSE,	/* and ask again, a few times */
	ACT_LOOK,	/* whether it is us that are to stop */
	ACT_RESTART,	/* the target, once */
};

static const struct answer {
	int error;
	enum act act;
	enum mcr_refusal refusal;	/* where something is left in the end */
	const char *word, *why;		/* where others may try */
} answers[] = {
	{ -ENOENT, ACT_GONE, MCR_REFUSED_NOT, NULL, NULL },
	{ -EAGAIN, ACT_PAUSE, MCR_REFUSED_KERNEL_BUSY, NULL, NULL },
	{ -EDQUOT, ACT_LEAVE, MCR_REFUSED_OWNER_LIMIT, NULL, NULL },
	{ -ENOMEM, ACT_LEAVE, MCR_REFUSED_PRESSURE, NULL, NULL },
	{ -ENODEV, ACT_RESTART, MCR_REFUSED_OWNER_GONE, NULL, NULL },
	{ -EINTR, ACT_LOOK, MCR_REFUSED_NOT, NULL, NULL },
	{ -ECANCELED, ACT_OTHERS, MCR_REFUSED_KERNEL_OFF, "off", "it was switched off meanwhile" },
	{ -EOPNOTSUPP, ACT_OTHERS, MCR_REFUSED_NOT, "off", "it is switched off" },
	{ -ENOSYS, ACT_OTHERS, MCR_REFUSED_NOT, "absent", "this kernel has no " MCR_KERNELRECHARGE_DIR },
	{ -EPERM, ACT_OTHERS, MCR_REFUSED_NOT, "refused", "the kernel lets us not: CAP_SYS_ADMIN is missing" },
	{ -EACCES, ACT_OTHERS, MCR_REFUSED_NOT, "refused", "we may not write to it" },
	{ -EROFS, ACT_OTHERS, MCR_REFUSED_NOT, "refused", "/sys is read-only for us" },
	{ -EINVAL, ACT_OTHERS, MCR_REFUSED_NOT, "refused",
	  "the kernel does not move memory from that cgroup to this one: the owner is in it, or one of them is the root" },
	{ 0, ACT_OTHERS, MCR_REFUSED_NOT, "refused", "the kernel gave an answer that is not known" },
};

static const struct answer *answer_to(int error)
{
	const struct answer *a = answers;

	while (a->error && a->error != error)
		a++;
	return a;
}

const char *mcr_kernelmove_word(int error)
{
	const struct answer *a = answer_to(error);

	return a->word ? a->word : "refused";
}

struct move {
	const struct mcr_kernelmove_opts *o;
	uint64_t portion, end_ns, target_id;
	unsigned int pauses;
	bool restarted;
};

/* Adds what the counters have grown by, and tells how much that was. 0 or errno. */
static int ask(const struct move *m, struct mcr_kernelmove_result *res, uint64_t *ret_bytes)
{
	uint64_t page = sysconf(_SC_PAGESIZE), moved, swap;
	struct mcr_kernelrecharge before, after;
	int r = mcr_kernelrecharge_read(m->o->dir, &before), e;

	if (r < 0)
		return r == -ENOENT ? -ENOSYS : r;
	res->requests++;
	r = mcr_kernelrecharge_request(m->o->dir, m->o->source_id, m->target_id, m->portion);
	e = mcr_kernelrecharge_read(m->o->dir, &after);
	if (e < 0)
		return r < 0 ? r : e == -ENOENT ? -ENOSYS : e;
	moved = (after.counters.moved - before.counters.moved) * page;
	swap = (after.counters.moved_swap - before.counters.moved_swap) * page;
	res->moved_bytes += moved;
	res->moved_swap_bytes += swap;
	*ret_bytes = moved + swap;
	return r;
}

static bool end(struct mcr_kernelmove_result *res, enum mcr_kernelmove_end how, enum mcr_refusal refusal, const char *why)
{
	res->end = how;
	res->refusal = refusal;
	res->why = why;
	return true;
}

static bool pause_or_end(struct move *m, const struct answer *a, struct mcr_kernelmove_result *res)
{
	if (m->pauses == MCR_KERNELMOVE_BUSY_TRIES)
		return end(res, MCR_KERNELMOVE_LEFT, a->refusal, NULL);
	usleep(MCR_KERNELMOVE_BUSY_USEC << m->pauses++);
	return false;
}

static bool restart_or_end(struct move *m, const struct answer *a, struct mcr_kernelmove_result *res)
{
	bool again = !m->restarted && m->o->restart && m->o->restart(&m->target_id, m->o->userdata) == 0;

	m->restarted = true;
	return again ? false : end(res, MCR_KERNELMOVE_LEFT, a->refusal, NULL);
}

/* Is it over, and how? */
static bool is_over(struct move *m, int r, uint64_t bytes, struct mcr_kernelmove_result *res)
{
	const struct answer *a = answer_to(r);

	res->error = r;
	if (r == 0)	/* less than was asked for is all there was */
		return bytes < m->portion ? end(res, MCR_KERNELMOVE_DONE, MCR_REFUSED_NOT, NULL) : false;
	switch (a->act) {
	case ACT_GONE:
		return end(res, MCR_KERNELMOVE_DONE, MCR_REFUSED_NOT, NULL);
	case ACT_LEAVE:
		return end(res, MCR_KERNELMOVE_LEFT, a->refusal, NULL);
	case ACT_PAUSE:
		return pause_or_end(m, a, res);
	case ACT_LOOK:
		return false;
	case ACT_RESTART:
		return restart_or_end(m, a, res);
	case ACT_OTHERS:
		break;
	}
	return end(res, MCR_KERNELMOVE_NOT, a->refusal, a->why);
}

static enum mcr_refusal may_go_on(const struct move *m)
{
	if (mcr_now_ns() >= m->end_ns)
		return MCR_REFUSED_TIME;
	return m->o->look ? m->o->look(m->o->userdata) : MCR_REFUSED_NOT;
}

void mcr_kernelmove(const struct mcr_kernelmove_opts *o, struct mcr_kernelmove_result *ret)
{
	struct move m = {
		.o = o, .target_id = o->target_id,
		.portion = o->portion_bytes ? o->portion_bytes : MCR_KERNELMOVE_PORTION_BYTES,
		.end_ns = mcr_now_ns() + (o->max_usec ? o->max_usec : MCR_KERNELMOVE_MAX_USEC) * MCR_NSEC_PER_USEC,
	};
	struct mcr_kernelmove_result res = { .end = MCR_KERNELMOVE_DONE };
	bool over;

	do {
		enum mcr_refusal against = may_go_on(&m);
		uint64_t bytes = 0;
		int r = against ? 0 : ask(&m, &res, &bytes);

		over = against ? end(&res, MCR_KERNELMOVE_LEFT, against, NULL) : is_over(&m, r, bytes, &res);
	} while (!over);
	*ret = res;
}
